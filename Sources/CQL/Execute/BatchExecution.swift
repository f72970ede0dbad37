// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model
internal import Node
internal import Storage

/// A batch on its way.
///
/// All writes of one shard, or of one partition where there are replicas, are one mutation and so happen
/// together. A logged batch of several mutations is first written whole to the batch log, which is replayed
/// at the next start if the node stops before all have their parts.
struct BatchExecution: Sendable {
    let processor: QueryProcessor
    let consistency: Consistency
    let completion: QueryProcessor.Completion

    /// Executes the statements of a BATCH message.
    func start(
        _ writes: [(PreparedStatement, BoundValues)],
        _ request: BatchRequest,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        for (statement, _) in writes {
            guard case .write = statement.plan else {
                throw .invalid(
                    "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed."
                )
            }
        }
        try BatchPlan.checkCounters(request.kind, writes.compactMap { $0.0.tableSchema }, hasTimestamp: false)
        let timestamp = request.defaultTimestamp ?? processor.clock.next()
        if writes.contains(where: { $0.0.needsRead }) {
            return try startReading(writes, timestamp, request)
        }
        // One builder for all: it keeps the order of list elements.
        let builder = processor.builder(origin.shard)
        var mutations: [ShardMutation] = []
        var merged: [WriteTarget: [UInt8]] = [:]
        for (statement, values) in writes {
            guard case .write(let plan) = statement.plan else { continue }
            mutations = try processor.bind(
                statement,
                values,
                timestamp: timestamp,
                nowInSeconds: request.nowInSeconds
            ) { (bindings) throws(CQLError) in
                try ShardMutations.make(plan, bindings, processor, builder)
            }
            for mutation in mutations { merged[mutation.target, default: []] += mutation.bytes }
        }
        try write(merged, request.kind, isCounter: writes.first?.0.tableSchema?.isCounter == true)
    }

    /// Executes a BATCH text.
    func start(
        _ batch: BatchPlan,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        let timestamp = try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
            try batch.time(bindings)
        }
        if batch.writes.contains(where: \.needsRead) {
            return try startReading(batch, timestamp, statement, parameters)
        }
        let builder = processor.builder(origin.shard)
        let merged = try processor.bind(
            statement,
            parameters.values,
            timestamp: timestamp,
            nowInSeconds: parameters.nowInSeconds
        ) { (bindings) throws(CQLError) in
            var merged: [WriteTarget: [UInt8]] = [:]
            for plan in batch.writes {
                for mutation in try ShardMutations.make(plan, bindings, processor, builder) {
                    merged[mutation.target, default: []] += mutation.bytes
                }
            }
            return merged
        }
        try write(merged, batch.kind, isCounter: batch.writes.first?.table.isCounter == true)
    }

    private func write(
        _ merged: [WriteTarget: [UInt8]],
        _ kind: BatchRequest.Kind,
        isCounter: Bool
    ) throws(CQLError) {
        if isCounter, consistency == .any {
            throw .invalid("Consistency level ANY is not yet supported for counter batches")
        }
        let size = merged.values.reduce(0) { $0 + $1.count }
        // As in Cassandra, the limit is for batches that bind several places together.
        guard merged.count <= 1 || size <= processor.limits.batchSizeFail else {
            throw .invalid(
                "Batch too large: \(size) bytes, above the limit of \(processor.limits.batchSizeFail);"
                    + " write less in one batch"
            )
        }
        let mutations = ShardMutations.inOrder(merged)
        let execution = WriteExecution(
            processor: processor,
            consistency: consistency,
            type: isCounter ? .counter : kind == .logged ? .batch : .unloggedBatch,
            completion: completion
        )
        guard kind == .logged, mutations.count > 1 else { return execution.write(mutations) }
        processor.batchLog.write(mutations, execution)
    }

    // MARK: Conditions

    private func startReading(
        _ writes: [(PreparedStatement, BoundValues)],
        _ timestamp: Int64,
        _ request: BatchRequest
    ) throws(CQLError) {
        let nowInSeconds = request.nowInSeconds
        guard writes.count <= BatchBinding.countMax else {
            throw .invalid(
                "a batch with conditions or list elements has at most \(BatchBinding.countMax)"
                    + " statements, not \(writes.count)"
            )
        }
        var partitions: Set<[UInt8]> = []
        for (statement, values) in writes {
            guard case .write(let plan) = statement.plan else { continue }
            let own = try processor.bind(
                statement,
                values,
                timestamp: timestamp,
                nowInSeconds: nowInSeconds
            ) { (bindings) throws(CQLError) in try ShardMutations.partitions(plan, bindings) }
            partitions.formUnion(own)
        }
        let processor = processor
        let isConditional = writes.contains { $0.0.isConditional }
        let ownTime = isConditional ? processor.clock.next() : timestamp
        let partition = try onlyPartition(partitions, writes.map { $0.0.tableSchema })
        // Values are bound one statement inside of the other, since views end with their call.
        write(
            partition,
            isConditional,
            request.serialConsistency,
            keys: { () throws(CQLError) in
                try BatchBinding.bind(writes[...], [], ownTime, nowInSeconds, processor) {
                    (bound) throws(CQLError) in
                    try ConditionalWrite.keys(bound, partition: partition.key, processor)
                }
            },
            evaluate: { (rows, timestamp) throws(CQLError) in
                let time = timestamp ?? ownTime
                return try BatchBinding.bind(writes[...], [], time, nowInSeconds, processor) {
                    (bound) throws(CQLError) in
                    try ConditionalWrite.evaluate(bound, partition: partition.key, rows, processor)
                }
            }
        )
    }

    private func startReading(
        _ batch: BatchPlan,
        _ timestamp: Int64,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters
    ) throws(CQLError) {
        let partitions = try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
            var partitions: Set<[UInt8]> = []
            for plan in batch.writes {
                partitions.formUnion(try ShardMutations.partitions(plan, bindings))
            }
            return partitions
        }
        let processor = processor
        let isConditional = batch.writes.contains(where: \.condition.isConditional)
        let ownTime = isConditional ? processor.clock.next() : timestamp
        let partition = try onlyPartition(partitions, batch.writes.map(\.table))
        let bound = { @Sendable (bindings: borrowing Bindings) in
            var writes: [(plan: WritePlan, bindings: Bindings)] = []
            for plan in batch.writes { writes.append((plan, copy bindings)) }
            return writes
        }
        write(
            partition,
            isConditional,
            parameters.serialConsistency,
            keys: { () throws(CQLError) in
                try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
                    try ConditionalWrite.keys(bound(bindings), partition: partition.key, processor)
                }
            },
            evaluate: { (rows, timestamp) throws(CQLError) in
                try processor.bind(
                    statement,
                    parameters.values,
                    timestamp: timestamp ?? ownTime,
                    nowInSeconds: parameters.nowInSeconds
                ) { (bindings) throws(CQLError) in
                    try ConditionalWrite.evaluate(
                        bound(bindings),
                        partition: partition.key,
                        rows,
                        processor
                    )
                }
            }
        )
    }

    private struct OnePartition: Sendable {
        let key: [UInt8]
        let table: TableSchema
    }

    /// The one partition of a batch with conditions.
    private func onlyPartition(
        _ partitions: Set<[UInt8]>,
        _ tables: [TableSchema?]
    ) throws(CQLError) -> OnePartition {
        guard partitions.count == 1, Set(tables.map { $0?.id }).count == 1,
            let key = partitions.first, let table = tables.first ?? nil
        else {
            throw .invalid("Batch with conditions cannot span multiple tables or partitions")
        }
        return OnePartition(key: key, table: table)
    }

    private func write(
        _ partition: OnePartition,
        _ isConditional: Bool,
        _ serialConsistency: Consistency?,
        keys: @escaping @Sendable () throws(CQLError) -> [[UInt8]],
        evaluate: @escaping @Sendable (RowLookup, Int64?) throws(CQLError) -> ConditionalWrite
    ) {
        PartitionWrite(
            processor: processor,
            table: partition.table,
            partition: partition.key,
            isConditional: isConditional,
            consistency: consistency,
            serialConsistency: serialConsistency ?? .serial,
            type: .batch,
            completion: completion,
            keys: keys,
            evaluate: evaluate
        ).start()
    }
}

/// Binds the values of several statements at once.
private enum BatchBinding {
    /// The most statements: each is a call inside of the one before.
    static let countMax = 512

    static func bind<R>(
        _ rest: ArraySlice<(PreparedStatement, BoundValues)>,
        _ bound: [(plan: WritePlan, bindings: Bindings)],
        _ timestamp: Int64,
        _ nowInSeconds: Int32?,
        _ processor: QueryProcessor,
        _ body: ([(plan: WritePlan, bindings: Bindings)]) throws(CQLError) -> R
    ) throws(CQLError) -> R {
        guard let (statement, values) = rest.first, case .write(let plan) = statement.plan else {
            return try body(bound)
        }
        return try processor.bind(
            statement,
            values,
            timestamp: timestamp,
            nowInSeconds: nowInSeconds
        ) { (bindings) throws(CQLError) in
            try bind(
                rest.dropFirst(),
                bound + [(plan, copy bindings)],
                timestamp,
                nowInSeconds,
                processor,
                body
            )
        }
    }
}

extension PreparedStatement {
    var needsRead: Bool {
        if case .write(let plan) = plan { return plan.needsRead }
        return false
    }

    var isConditional: Bool {
        if case .write(let plan) = plan { return plan.condition.isConditional }
        return false
    }

    var tableSchema: TableSchema? {
        if case .write(let plan) = plan { return plan.table }
        return nil
    }
}

extension BatchPlan {
    /// Refuses what counters don't go with: an increment can't be replayed, nor have a time of its own.
    static func checkCounters(
        _ kind: BatchRequest.Kind,
        _ tables: [TableSchema],
        hasTimestamp: Bool
    ) throws(CQLError) {
        let count = tables.count(where: \.isCounter)
        if kind == .counter, count < tables.count {
            throw .invalid("Cannot include non-counter statement in a counter batch")
        }
        guard count > 0 else { return }
        if kind == .logged { throw .invalid("Cannot include a counter statement in a logged batch") }
        if count < tables.count {
            throw .invalid("Counter and non-counter mutations cannot exist in the same batch")
        }
        if hasTimestamp { throw .invalid("Cannot provide custom timestamp for counter BATCH") }
    }

    /// The timestamp of the batch.
    func time(_ bindings: borrowing Bindings) throws(CQLError) -> Int64 {
        guard let timestamp else { return bindings.timestamp }
        let evaluated = try timestamp.evaluate(bindings)
        if evaluated.isUnset { return bindings.timestamp }
        guard let value = evaluated.withView({ $0.flatMap { Int64(cql: $0) } }) else {
            throw .invalid("Invalid null value of timestamp")
        }
        return value
    }
}
