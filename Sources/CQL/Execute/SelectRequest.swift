// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Model
internal import Storage

/// A planned SELECT with a request's values put in.
struct SelectRequest {
    let plan: SelectPlan
    /// The plan's selectors and aggregates with the request's values put in.
    let selectors: [Selector]
    let aggregates: [Aggregate]
    let filters: [(slot: Int, filter: RowFilter)]
    /// What indexes are asked; empty when all rows of the pieces are read.
    let conditions: [IndexCondition]
    let pieces: [SelectExecution.Piece]
    let scanEndings: [EndingRange]?
    let limit: Int
    let perPartitionLimit: Int
    let pageSize: Int
    let pagingState: PagingState?
    /// Seeds the paging state's checksum.
    let seed: UInt64
    let skipMetadata: Bool
    /// Seconds since 1970.
    let now: Int64
    let functions: FunctionContext

    init(
        _ plan: SelectPlan,
        _ bindings: borrowing Bindings,
        _ parameters: QueryParameters,
        _ shardMap: ShardMap,
        _ replicaMap: ReplicaMap? = nil
    ) throws(CQLError) {
        self.plan = plan
        selectors = try Self.bound(plan.selectors, plan, bindings)
        if plan.bindsSelectors {
            var aggregates: [Aggregate] = []
            for aggregate in plan.aggregates {
                let argument = try aggregate.argument.map { (selector) throws(CQLError) in
                    try selector.bound(bindings)
                }
                aggregates.append(
                    Aggregate(kind: aggregate.kind, argument: argument, type: aggregate.type)
                )
            }
            self.aggregates = aggregates
        } else {
            aggregates = plan.aggregates
        }
        now = bindings.now
        functions = bindings.functions
        skipMetadata = parameters.skipMetadata
        var filters: [(slot: Int, filter: RowFilter)] = []
        for filter in plan.restrictions.filters {
            guard let slot = plan.slots.firstIndex(where: { $0.id == filter.column.id }) else {
                continue
            }
            filters.append((slot, try RowFilter(filter, bindings, allowsNull: false)))
        }
        self.filters = filters
        var conditions: [(IndexSchema, IndexCondition)] = []
        for indexed in plan.indexed {
            let filter = try RowFilter(indexed.filter, bindings, allowsNull: false)
            if let condition = IndexCondition(indexed.index, filter, plan.table) {
                conditions.append((indexed.index, condition))
            }
        }
        self.conditions = IndexCondition.joined(conditions)
        limit = try Self.limit(plan.limit, "LIMIT", bindings)
        perPartitionLimit = try Self.limit(
            plan.perPartitionLimit,
            "PER PARTITION LIMIT",
            bindings
        )
        let size = parameters.pageSize.map { Int($0) } ?? 0
        pageSize = size > 0 ? size : Int.max
        guard !plan.isMerged || limit <= pageSize || pageSize == Int.max else {
            throw .invalid(
                "Cannot page queries with both ORDER BY and a IN restriction on the partition key; you"
                    + " must either remove the ORDER BY or the IN and sort client side, or disable"
                    + " paging for this query"
            )
        }
        let seed = plan.table.id.low ^ plan.table.id.high &+ UInt64(plan.isReversed ? 1 : 0)
        self.seed = seed
        pagingState = try parameters.pagingState.map { (bytes) throws(CQLError) in
            try PagingState(bytes, seed: seed)
        }
        if plan.restrictions.namesPartitions {
            scanEndings = nil
            pieces = try Self.named(plan, bindings, shardMap)
        } else {
            scanEndings = plan.restrictions.restrictsClustering
                ? try plan.restrictions.endings(plan.table, bindings) : nil
            pieces = try Self.scan(plan, bindings, shardMap, replicaMap)
        }
    }

    /// What is asked, for a plan that is shareable.
    func question(_ statement: PreparedStatement, _ parameters: QueryParameters) -> ReadQuestion {
        ReadQuestion(
            statement: statement.id,
            epoch: statement.epoch,
            skipMetadata: skipMetadata,
            now: now,
            keys: pieces.flatMap { [$0.bounds.lower, $0.bounds.upper] },
            limit: limit,
            perPartitionLimit: perPartitionLimit,
            pageSize: pageSize,
            pagingState: parameters.pagingState
        )
    }

    private static func bound(
        _ selectors: [Selector],
        _ plan: SelectPlan,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [Selector] {
        guard plan.bindsSelectors else { return selectors }
        var bound: [Selector] = []
        for selector in selectors { bound.append(try selector.bound(bindings)) }
        return bound
    }

    private static func limit(
        _ expression: Expression?,
        _ name: String,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> Int {
        guard let expression else { return Int.max }
        let evaluated = try expression.evaluate(bindings)
        if evaluated.isUnset { return Int.max }
        guard let value = evaluated.withView({ $0.flatMap { Int32(cql: $0) } }) else {
            throw .invalid("Invalid null value of limit")
        }
        guard value > 0 else { throw .invalid("\(name) must be strictly positive, not \(value)") }
        return Int(value)
    }

    /// The pieces of named partitions: in their keys' order, each with its key endings.
    private static func named(
        _ plan: SelectPlan,
        _ bindings: borrowing Bindings,
        _ shardMap: ShardMap
    ) throws(CQLError) -> [SelectExecution.Piece] {
        var pieces: [SelectExecution.Piece] = []
        let endings = try plan.restrictions.endings(plan.table, bindings)
        let tokens = try plan.restrictions.token.isEmpty
            ? TokenRange.all : plan.restrictions.tokenRange(bindings)
        var writer = ByteWriter(capacity: 64)
        var partitions: [[UInt8]] = []
        for key in try plan.restrictions.partitionKeys(plan.table, bindings) {
            writer.removeAll()
            key.withView { Key.appendPartition($0, to: &writer) }
            guard tokens?.contains(Key.token(of: writer.view)) ?? false else { continue }
            partitions.append(writer.array)
        }
        for partition in partitions {
            let shard = partition.withView { shardMap.shard(of: Key.token(of: $0)) }
            let bounds: [KeyBounds]
            if plan.restrictions.restrictsClustering {
                let start = partition + [Key.clustered]
                bounds = (plan.isReversed ? endings.reversed() : endings).map {
                    KeyBounds(lower: start + $0.lower, upper: start + $0.upper)
                }
            } else {
                let first = plan.isReversed ? Key.clustered : Key.staticRow
                bounds = [KeyBounds(lower: partition + [first], upper: partition + [4])]
            }
            for bounds in bounds {
                pieces.append(
                    SelectExecution.Piece(shard: shard, bounds: bounds, partition: partition)
                )
            }
        }
        return pieces
    }

    /// The pieces of a scan, in token order: every shard's runs of tokens, or those of one replica set.
    private static func scan(
        _ plan: SelectPlan,
        _ bindings: borrowing Bindings,
        _ shardMap: ShardMap,
        _ replicaMap: ReplicaMap?
    ) throws(CQLError) -> [SelectExecution.Piece] {
        guard let tokens = try plan.restrictions.tokenRange(bindings) else { return [] }
        if let replicaMap {
            return replicaMap.ranges(in: tokens).map { part in
                SelectExecution.Piece(
                    shard: shardMap.shard(of: part.range.first),
                    bounds: KeyBounds(part.range),
                    partition: nil
                )
            }
        }
        var pieces: [(first: Model.Token, piece: SelectExecution.Piece)] = []
        for shard in 0..<shardMap.count {
            for owned in shardMap.ranges(of: shard) {
                guard let range = owned.intersection(tokens) else { continue }
                let piece = SelectExecution.Piece(
                    shard: shard,
                    bounds: KeyBounds(range),
                    partition: nil
                )
                pieces.append((range.first, piece))
            }
        }
        return pieces.sorted { $0.first < $1.first }.map(\.piece)
    }
}
