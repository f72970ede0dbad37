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
    let completion: QueryProcessor.Completion

    func start(
        _ plan: WritePlan,
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        _ origin: StatementOrigin
    ) throws(CQLError) {
        if plan.needsRead {
            return try startReading(plan, statement, parameters, origin)
        }
        if plan.restrictions.namesOnePartition {
            return try writeOnePartition(plan, statement, parameters, origin)
        }
        let mutations = try processor.bind(statement, parameters) { (bindings) throws(CQLError) in
            try ShardMutations.make(
                plan,
                bindings,
                processor.node,
                processor.builder(origin.shard)
            )
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
        let shard = processor.node.shard(of: token)
        guard shard.executor.isCurrent else {
            return write(builder.mutation.bytes.array, on: shard)
        }
        let completion = completion
        shard.store.write(builder.mutation.bytes.view) { error in
            completion(StatementOutcome(WriteExecution.result(error)))
        }
    }

    /// Writes the mutation of one shard and completes when it is durable.
    private func write(_ mutation: [UInt8], on shard: Shard) {
        let completion = completion
        shard.run { shard in
            mutation.withView { view in
                shard.store.write(view) { error in
                    completion(StatementOutcome(WriteExecution.result(error)))
                }
            }
        }
    }

    /// Writes one mutation a shard and completes when all are durable.
    func write(_ mutations: [ShardMutation]) {
        guard mutations.count != 1 else {
            return write(mutations[0].bytes, on: processor.node.shards[mutations[0].shard])
        }
        guard !mutations.isEmpty else { return completion(StatementOutcome(.success(.void))) }
        let completion = completion
        let gate = Countdown<WriteError>(mutations.count) { error in
            completion(StatementOutcome(WriteExecution.result(error)))
        }
        for mutation in mutations {
            processor.node.shards[mutation.shard].run { shard in
                mutation.bytes.withView { view in shard.store.write(view) { gate.finish($0) } }
            }
        }
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
        let token = partition.withView { Key.token(of: $0) }
        let processor = processor
        let completion = completion
        processor.node.shard(of: token).run { shard in
            shard.store.read { () throws(CQLError) in
                try shard.requireRoom()
                // A conditional write takes the server's time: its order is that of the shard.
                return try processor.bind(
                    statement,
                    parameters.values,
                    timestamp: plan.condition.isConditional ? nil : parameters.defaultTimestamp,
                    nowInSeconds: parameters.nowInSeconds
                ) { (bindings) throws(CQLError) in
                    try ConditionalWrite.evaluate(
                        [(plan, bindings)],
                        partition: partition,
                        on: shard,
                        processor
                    )
                }
            } done: {
                ConditionalWrite.finish($0, on: shard, completion)
            }
        }
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

/// A mutation and the shard that it is for.
struct ShardMutation: Sendable {
    let shard: Int
    let bytes: [UInt8]
}

/// Encodes writes that need no read.
enum ShardMutations {
    /// The mutations of a write, one for each shard that it touches.
    static func make(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings,
        _ node: Node,
        _ builder: WriteBuilder
    ) throws(CQLError) -> [ShardMutation] {
        if plan.restrictions.namesOnePartition {
            builder.mutation.removeAll()
            let token = try builder.addOne(plan, bindings)
            if builder.mutation.isEmpty { return [] }
            let shard = node.shardMap.shard(of: token)
            return [ShardMutation(shard: shard, bytes: builder.mutation.bytes.array)]
        }
        var byShard: [Int: [UInt8]] = [:]
        for partition in try partitions(plan, bindings) {
            builder.mutation.removeAll()
            try partition.withView { (view) throws(CQLError) in
                try builder.add(plan, partition: view, bindings) { (_) throws(CQLError) in nil }
            }
            let shard = partition.withView { node.shardMap.shard(of: Key.token(of: $0)) }
            byShard[shard, default: []] += builder.mutation.bytes.array
        }
        return byShard.sorted { $0.key < $1.key }
            .filter { !$0.value.isEmpty }
            .map { ShardMutation(shard: $0.key, bytes: $0.value) }
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
    /// What a client is told of a write that failed.
    init(write error: WriteError) {
        switch error {
        case .unknownTable:
            self.init(.invalid, "unconfigured table: the table was dropped or truncated meanwhile")
        case .tooLarge: self.init(.invalid, error.description)
        case .commitLog(.tooLarge): self.init(.invalid, error.description)
        case .flushFailing, .diskFull, .commitLog(.noRoom):
            self.init(.overloaded, error.description)
        case .commitLog, .closed: self.init(.server, error.description)
        }
    }
}
