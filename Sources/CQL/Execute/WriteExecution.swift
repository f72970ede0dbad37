// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model
internal import Node
internal import Storage

/// One INSERT, UPDATE or DELETE on its way.
///
/// A plain write to one partition is encoded on the caller's thread and handed to the shard as bytes.
/// A write that must read first (a condition, a list's element) is evaluated on the shard that owns
/// the partition, in one turn, so that nothing comes between the read and the write.
struct WriteExecution: Sendable {
    let processor: QueryProcessor
    let consistency: Consistency
    var type = CQLError.WriteType.simple
    let completion: QueryProcessor.Completion

    func start(
        _ plan: WritePlan,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        if plan.table.isCounter, type != .counter {
            return try WriteExecution(
                processor: processor,
                consistency: consistency,
                type: .counter,
                completion: completion
            ).start(plan, statement, parameters, origin)
        }
        if type == .counter, consistency == .any {
            throw .invalid(
                "Consistency level ANY is not yet supported for counter table \(plan.table.name)"
            )
        }
        if plan.needsRead {
            return try startReading(plan, statement, parameters, origin)
        }
        if plan.restrictions.namesOnePartition {
            return try writeOnePartition(plan, statement, parameters, origin)
        }
        let mutations = try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
            try ShardMutations.make(plan, bindings, processor, processor.builder(origin.shard))
        }
        write(mutations)
    }

    /// Writes to one partition, on its shard straight from the builder's memory.
    private func writeOnePartition(
        _ plan: WritePlan,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        let builder = processor.builder(origin.shard)
        builder.mutation.removeAll()
        let token = try processor.bind(statement, parameters, scratch: builder) {
            (bindings) throws(CQLError) in try builder.addOne(plan, bindings)
        }
        guard !builder.mutation.isEmpty else {
            return completion(StatementOutcome(.success(.void)))
        }
        let target = processor.target(of: token, keyspace: plan.table.keyspace)
        let shard = processor.node.shards[target.shard]
        guard target.keyspace.isEmpty, shard.executor.isCurrent, type != .counter else {
            return write([ShardMutation(target: target, bytes: builder.mutation.bytes.array)])
        }
        let completion = completion
        shard.store.write(builder.mutation.bytes.view) { error in
            completion(StatementOutcome(WriteExecution.result(error)))
        }
    }

    /// Writes mutations, each to its shard or replicas, and completes when all are durable.
    func write(_ mutations: [ShardMutation]) {
        guard !mutations.isEmpty else { return completion(StatementOutcome(.success(.void))) }
        let completion = completion
        let finish = { @Sendable (error: CQLError?) in
            completion(StatementOutcome(error.map { .failure($0) } ?? .success(.void)))
        }
        guard mutations.count != 1 else { return write(mutations[0], finish) }
        let gate = Countdown<CQLError>(mutations.count, done: finish)
        for mutation in mutations { write(mutation) { gate.finish($0) } }
    }

    private func write(_ mutation: ShardMutation, _ done: @escaping @Sendable (CQLError?) -> Void) {
        let target = mutation.target
        let level = consistency
        let type = type
        let processor = processor
        processor.node.shards[target.shard].run { shard in
            if type == .counter { return count(mutation, on: shard, done) }
            guard !target.keyspace.isEmpty, let coordinator = processor.node.coordinator else {
                return mutation.bytes.withView { view in
                    shard.store.write(view) { error in done(error.map { CQLError(write: $0) }) }
                }
            }
            coordinator.write(mutation.bytes, token: target.token, in: target.keyspace, level, owner: shard) {
                done(CQLError($0, level, type, coordinator))
            }
        }
    }

    /// Adds increments to counters. On the executor of `shard`.
    private func count(
        _ mutation: ShardMutation,
        on shard: Shard,
        _ done: @escaping @Sendable (CQLError?) -> Void
    ) {
        let target = mutation.target
        let level = consistency
        let type = type
        guard !target.keyspace.isEmpty, let coordinator = processor.node.coordinator else {
            let now = processor.node.environment.clock.microsecondsSinceEpoch()
            let host = processor.node.hostID
            return CounterIncrements.apply(mutation.bytes, host: host, now: now, on: shard) { result in
                if case .failure(let error) = result { done(CQLError(counter: error)) } else { done(nil) }
            }
        }
        coordinator.increment(mutation.bytes, token: target.token, in: target.keyspace, level, owner: shard) {
            done(CQLError($0, level, type, coordinator))
        }
    }

    /// The same for another completion.
    func completing(with completion: @escaping QueryProcessor.Completion) -> WriteExecution {
        WriteExecution(
            processor: processor,
            consistency: consistency,
            type: type,
            completion: completion
        )
    }

    static func result(_ error: WriteError?) -> Result<StatementResult, CQLError> {
        error.map { .failure(CQLError(write: $0)) } ?? .success(.void)
    }

    // MARK: Read before write

    private func startReading(
        _ plan: WritePlan,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        let partitions = try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
            try ShardMutations.partitions(plan, bindings)
        }
        guard partitions.count == 1, let partition = partitions.first else {
            throw .notYet("changing list elements of several partitions at once")
        }
        let processor = processor
        let isConditional = plan.condition.isConditional
        // A conditional write takes the server's time: its order is that of the shard, or of Paxos.
        let bound = { @Sendable (
            timestamp: Int64?,
            body: (borrowing Bindings) throws(CQLError) -> ConditionalWrite
        ) throws(CQLError) -> ConditionalWrite in
            try processor.bind(
                statement,
                parameters.values,
                timestamp: timestamp ?? (isConditional ? nil : parameters.defaultTimestamp),
                nowInSeconds: parameters.nowInSeconds,
                body
            )
        }
        PartitionWrite(
            processor: processor,
            table: plan.table,
            partition: partition,
            isConditional: isConditional,
            consistency: consistency,
            serialConsistency: parameters.serialConsistency ?? .serial,
            type: type,
            completion: completion,
            keys: { () throws(CQLError) in
                try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
                    try ConditionalWrite.keys([(plan, copy bindings)], partition: partition, processor)
                }
            },
            evaluate: { (rows, timestamp) throws(CQLError) in
                try bound(timestamp) { (bindings) throws(CQLError) in
                    try ConditionalWrite.evaluate(
                        [(plan, copy bindings)],
                        partition: partition,
                        rows,
                        processor
                    )
                }
            }
        ).start()
    }
}

extension Shard {
    /// Refuses a write that must follow its read at once while writes are waiting for memory.
    func requireRoom() throws(CQLError) {
        guard store.hasRoom else {
            throw CQLError(
                .overloaded,
                "the memtables are full and being flushed; try the conditional write again"
            )
        }
    }
}

/// A mutation and where it goes.
struct ShardMutation: Sendable {
    let target: WriteTarget
    let bytes: [UInt8]
}

/// Encodes writes that need no read.
enum ShardMutations {
    /// The mutations of a write, one for each place that they go to.
    static func make(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings,
        _ processor: QueryProcessor,
        _ builder: WriteBuilder
    ) throws(CQLError) -> [ShardMutation] {
        let keyspace = plan.table.keyspace
        if plan.restrictions.namesOnePartition {
            builder.mutation.removeAll()
            let token = try builder.addOne(plan, bindings)
            if builder.mutation.isEmpty { return [] }
            let target = processor.target(of: token, keyspace: keyspace)
            return [ShardMutation(target: target, bytes: builder.mutation.bytes.array)]
        }
        var byTarget: [WriteTarget: [UInt8]] = [:]
        for partition in try partitions(plan, bindings) {
            builder.mutation.removeAll()
            try partition.withView { (view) throws(CQLError) in
                try builder.add(plan, partition: view, bindings) { (_) throws(CQLError) in nil }
            }
            let token = partition.withView { Key.token(of: $0) }
            let target = processor.target(of: token, keyspace: keyspace)
            byTarget[target, default: []] += builder.mutation.bytes.array
        }
        return inOrder(byTarget)
    }

    /// Mutations by where they go, without those that are empty.
    static func inOrder(_ byTarget: [WriteTarget: [UInt8]]) -> [ShardMutation] {
        byTarget.sorted { $0.key < $1.key }
            .filter { !$0.value.isEmpty }
            .map { ShardMutation(target: $0.key, bytes: $0.value) }
    }

    /// The partition parts of the keys that a write names.
    static func partitions(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [[UInt8]] {
        var writer = ByteWriter(capacity: 64)
        var partitions: [[UInt8]] = []
        for key in try plan.restrictions.partitionKeys(plan.table, bindings) {
            writer.removeAll()
            key.withView { Key.appendPartition($0, to: &writer) }
            partitions.append(writer.array)
        }
        return partitions
    }
}

extension CQLError {
    /// What a client is told of increments that weren't counted.
    init(counter error: CounterError) {
        switch error {
        case .storage(let error): self.init(storage: error)
        case .write(let error): self.init(write: error)
        case .noRoom:
            self.init(.overloaded, "the memtables are full and being flushed; try again, nothing was counted")
        case .malformed(let error): self.init(.server, "an increment that was made here is malformed: \(error)")
        }
    }

    /// What a client is told of a write that failed.
    init(write error: WriteError) {
        switch error {
        case .unknownTable:
            self.init(.invalid, "unconfigured table: the table was dropped or truncated meanwhile")
        case .tooLarge: self.init(.invalid, error.description)
        case .commitLog(.tooLarge): self.init(.invalid, error.description)
        case .flushFailing, .diskFull, .commitLog(.noRoom):
            self.init(.overloaded, error.description)
        case .commitLog, .closed, .drained: self.init(.server, error.description)
        }
    }
}
