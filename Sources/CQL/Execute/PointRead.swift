// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model
internal import Node
internal import Storage

/// The short way of a SELECT that names one row by its whole primary key: one look-up instead of a
/// cursor, and memory that is used again from one read to the next.
///
/// One for each shard and statement; used on the shard's executor only.
final class PointReader: @unchecked Sendable {  // Owner: the shard's executor.
    private let plan: SelectPlan
    private let decoder: RowDecoder
    private var cells = ByteWriter(capacity: 256)

    init(_ plan: SelectPlan) {
        self.plan = plan
        decoder = RowDecoder(table: plan.table, slots: plan.slots)
    }

    /// Whether a plan is of this kind: no static columns, which would make a second look-up, and
    /// nothing that depends on other rows.
    static func isPossible(_ plan: SelectPlan) -> Bool {
        let restrictions = plan.restrictions
        return plan.table.statics.isEmpty && !plan.isAggregate && !plan.isDistinct
            && plan.limit == nil && plan.perPartitionLimit == nil && restrictions.token.isEmpty
            && restrictions.namesOnePartition && restrictions.filters.isEmpty
            && restrictions.slices.isEmpty
            && restrictions.clusteringPrefixCount == plan.table.clustering.count
            && !restrictions.clustering.contains { $0.choice.isMany }
            && !SystemSchema.isVirtual(plan.table)
    }

    /// The row of a whole key, as a result of no or one row.
    func read(
        _ key: ByteView,
        partitionLength: Int,
        on shard: Shard,
        _ request: PointRequest
    ) throws(CQLError) -> RowsResult {
        cells.removeAll()
        let count = try append(key, partitionLength, shard, request)
        return RowsResult(
            metadata: ResultMetadata(columns: plan.columns, omitsColumns: request.skipMetadata),
            rowCount: count,
            cells: cells.array
        )
    }

    private func append(
        _ key: ByteView,
        _ partitionLength: Int,
        _ shard: Shard,
        _ request: PointRequest
    ) throws(CQLError) -> Int {
        guard let table = shard.store.table(storageID: plan.table.storageID) else { return 0 }
        let row: ByteView?
        do throws(StorageError) {
            row = try table.get(key, partitionLength: partitionLength)
        } catch {
            throw CQLError(storage: error)
        }
        guard let row else { return 0 }
        do throws(MalformedBytes) {
            try decoder.enterPartition(key.prefix(partitionLength))
            let isLive = try decoder.decode(
                key: key,
                partitionLength: partitionLength,
                fragment: row,
                now: request.now
            )
            guard isLive else { return 0 }
        } catch {
            throw CQLError(.server, "a row of \(plan.table.name) can't be decoded: \(error)")
        }
        let evaluator = SelectorEvaluator(
            decoder: decoder,
            functions: request.functions,
            now: request.now
        )
        for selector in plan.selectors { try evaluator.append(selector, to: &cells) }
        return 1
    }
}

/// What a point read takes of its request.
struct PointRequest: Sendable {
    let skipMetadata: Bool
    /// Seconds since 1970.
    let now: Int64
    let functions: FunctionContext
}

extension QueryProcessor {
    /// Reads the row that a statement with point readers names.
    func readPoint(
        _ plan: SelectPlan,
        _ statement: PreparedStatement,
        _ readers: [PointReader],
        _ parameters: QueryParameters,
        _ origin: StatementOrigin,
        _ completion: @escaping Completion
    ) throws(CQLError) {
        let builder = builder(origin.shard)
        let request = try bind(statement, parameters) { (bindings) throws(CQLError) in
            try builder.makeKey(plan, bindings)
            return PointRequest(
                skipMetadata: parameters.skipMetadata,
                now: bindings.now,
                functions: bindings.functions
            )
        }
        let key = builder.keyView
        let partitionLength = builder.partitionCount
        let shard = node.shard(of: Key.token(of: key))
        let reader = readers[shard.index]
        if shard.executor.isCurrent {
            let rows = try reader.read(
                key,
                partitionLength: partitionLength,
                on: shard,
                request
            )
            return completion(StatementOutcome(.success(.rows(rows))))
        }
        let owned = key.array
        shard.executor.execute {
            do throws(CQLError) {
                let rows = try owned.withView { (view) throws(CQLError) in
                    try reader.read(view, partitionLength: partitionLength, on: shard, request)
                }
                completion(StatementOutcome(.success(.rows(rows))))
            } catch {
                completion(StatementOutcome(.failure(error)))
            }
        }
    }
}
