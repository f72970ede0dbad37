// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Environment
package import Model
internal import Node
internal import Storage

/// Makes logged batches over several shards or nodes happen as a whole: the batch is durable in the table
/// `system.batches`, of two other nodes where there are some, before anybody has a part of it, and is removed when all
/// have.
///
/// What a crash or a failure leaves there is applied by whoever keeps it (`BatchReplayer`); doing so again changes
/// nothing, since the cells keep their timestamps.
package struct BatchLog: Sendable {
    static let batchColumn: UInt32 = 1

    /// `system.batches`: a real table of every node, which isn't stored in the metadata log.
    package static let table = TableSchema(
        id: UUID(high: 0x919a_4bc5_7a33_3573, low: 0xb03e_13fc_3f68_b465),
        keyspace: "system",
        name: "batches",
        columns: [
            ColumnSchema(id: 0, name: "id", type: .timeuuid, kind: .partitionKey),
            ColumnSchema(id: batchColumn, name: "mutations", type: .blob, kind: .regular),
        ],
        nextColumnID: 2,
        options: options
    )

    /// What was removed is gone for good: nothing older can come back from elsewhere.
    private static let options: TableOptions = {
        var options = TableOptions()
        options.gcGraceSeconds = 0
        options.comment = "logged batches that not all have yet"
        return options
    }()

    /// Writes a batch: first the log, then every part, then the log's end.
    func write(
        _ mutations: [ShardMutation],
        _ execution: WriteExecution
    ) {
        let processor = execution.processor
        let completion = execution.completion
        let node = processor.node
        let timestamp = processor.clock.next()
        let id = TimeUUID.make(
            microseconds: timestamp,
            clockAndNode: node.environment.random.next()
        )
        let keepers = node.coordinator?.batchKeepers() ?? []
        BatchLog.keep(BatchLog.entry(id, mutations.flatMap(\.bytes), timestamp), keepers, node) { error in
            if let error { return completion(StatementOutcome(.failure(error))) }
            let finish: QueryProcessor.Completion = { outcome in
                if case .success = outcome.result { BatchLog.remove(id, timestamp, keepers, node) }
                completion(outcome)
            }
            execution.completing(with: finish).write(mutations)
        }
    }

    /// Makes an entry durable on one of the keepers, so that it outlives this node; here, if there are none.
    private static func keep(
        _ entry: (token: Model.Token, mutation: [UInt8]),
        _ keepers: [NodeID],
        _ node: Node,
        done: @escaping @Sendable (CQLError?) -> Void
    ) {
        guard !node.environment.planted.contains(.skipBatchLog) else { return done(nil) }
        write(entry, keepers, node, done: done)
    }

    /// Writes to the logs of all keepers; `done` is called when one has it. Here, if there are none.
    private static func write(
        _ entry: (token: Model.Token, mutation: [UInt8]),
        _ keepers: [NodeID],
        _ node: Node,
        done: @escaping @Sendable (CQLError?) -> Void
    ) {
        let owner = node.shard(of: entry.token)
        guard let coordinator = node.coordinator, !keepers.isEmpty else {
            owner.run { owner in
                entry.mutation.withView { view in
                    owner.store.write(view) { error in done(error.map { CQLError(write: $0) }) }
                }
            }
            return
        }
        coordinator.deliver(entry.mutation, to: keepers, needs: 1, owner: owner) { failure in
            guard let failure else { return done(nil) }
            let text = "the batch was not written: no node that should have kept it until it is has confirmed that"
                + " (\(failure)); it can be sent again"
            done(CQLError(.writeTimeout(CQLError.Answers(.one, 0, 1), .batchLog), text))
        }
    }

    private static func key(_ id: UUID) -> [UInt8] {
        var key = ByteWriter(capacity: 32)
        id.bytes.withView { Key.appendPartition($0, to: &key) }
        key.append(Key.clustered)
        key.append(Key.endRow)
        return key.array
    }

    private static func entry(
        _ id: UUID,
        _ bytes: [UInt8],
        _ timestamp: Int64
    ) -> (token: Model.Token, mutation: [UInt8]) {
        var value = ByteWriter(capacity: bytes.count + 32)
        RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &value)
        bytes.withView { view in
            let cell = Cell(column: batchColumn, flags: [], timestamp: timestamp, value: view)
            RowEncoder.append(cell, base: timestamp, to: &value)
        }
        return mutation(id, value.view)
    }

    private static func mutation(
        _ id: UUID,
        _ value: ByteView
    ) -> (token: Model.Token, mutation: [UInt8]) {
        var mutation = MutationWriter(capacity: value.count + 64)
        mutation.begin(table: table.storageID)
        let key = key(id)
        key.withView { mutation.add(key: $0, value: value) }
        return (key.withView { Key.token(of: $0) }, mutation.bytes.array)
    }

    /// Takes a batch out of the log. Nobody waits for it: what is applied twice does no harm.
    static func remove(_ id: UUID, _ timestamp: Int64, _ keepers: [NodeID], _ node: Node) {
        var value = ByteWriter(capacity: 32)
        let deletion = Deletion(
            timestamp: timestamp,
            localTime: node.environment.clock.secondsSinceEpoch()
        )
        RowEncoder.begin(liveness: nil, deletion: deletion, to: &value)
        write(mutation(id, value.view), keepers, node) { _ in }
    }
}
