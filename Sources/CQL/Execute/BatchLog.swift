// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import CQLProtocol
internal import Environment
package import Model
package import Node
internal import Storage

/// Makes logged batches over several shards happen as a whole: the batch is durable in the table
/// `system.batches` before any shard has its part, and is removed when all have.
///
/// What a crash leaves there is applied at the next start; doing so again changes nothing, since the
/// cells keep their timestamps.
package struct BatchLog: Sendable {
    private static let batchColumn: UInt32 = 1

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
        options.comment = "logged batches that not all shards have yet"
        return options
    }()

    /// Writes a batch: first the log, then every shard's part, then the log's end.
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
        let (shard, entry) = BatchLog.entry(
            id,
            mutations.flatMap(\.bytes),
            timestamp,
            node.shardMap
        )
        node.shards[shard].run { owner in
            entry.withView { view in
                owner.store.write(view) { error in
                    if let error {
                        return completion(StatementOutcome(.failure(CQLError(write: error))))
                    }
                    let finish: QueryProcessor.Completion = { outcome in
                        if case .success = outcome.result { BatchLog.remove(id, timestamp, node) }
                        completion(outcome)
                    }
                    execution.completing(with: finish).write(mutations)
                }
            }
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
        _ timestamp: Int64,
        _ shardMap: ShardMap
    ) -> (shard: Int, mutation: [UInt8]) {
        var value = ByteWriter(capacity: bytes.count + 32)
        RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &value)
        bytes.withView { view in
            let cell = Cell(column: batchColumn, flags: [], timestamp: timestamp, value: view)
            RowEncoder.append(cell, base: timestamp, to: &value)
        }
        return mutation(id, value.view, shardMap)
    }

    private static func mutation(
        _ id: UUID,
        _ value: ByteView,
        _ shardMap: ShardMap
    ) -> (shard: Int, mutation: [UInt8]) {
        var mutation = MutationWriter(capacity: value.count + 64)
        mutation.begin(table: table.storageID)
        let key = key(id)
        key.withView { mutation.add(key: $0, value: value) }
        let shard = key.withView { shardMap.shard(of: Key.token(of: $0)) }
        return (shard, mutation.bytes.array)
    }

    /// Takes a batch out of the log. Nobody waits for it: what is applied twice does no harm.
    private static func remove(_ id: UUID, _ timestamp: Int64, _ node: Node) {
        var value = ByteWriter(capacity: 32)
        let deletion = Deletion(
            timestamp: timestamp,
            localTime: node.environment.clock.secondsSinceEpoch()
        )
        RowEncoder.begin(liveness: nil, deletion: deletion, to: &value)
        let (shard, bytes) = mutation(id, value.view, node.shardMap)
        node.shards[shard].run { owner in
            bytes.withView { owner.store.write($0) { _ in } }
        }
    }

    // MARK: Recovery

    /// Applies the batches that a crash left in the log; `done` is called with their number when all
    /// are durable, or with what went wrong. A batch leaves the log only when all of it is durable.
    package static func replay(
        _ node: Node,
        done: @escaping @Sendable (Result<Int, CQLError>) -> Void
    ) {
        let gate = ReplayGate(count: node.shards.count, done)
        for shard in node.shards {
            shard.executor.execute {
                shard.store.read { () throws(CQLError) in
                    try left(on: shard)
                } done: { result in
                    do throws(CQLError) {
                        let batches = try result.get()
                        gate.expect(batches.count)
                        for batch in batches { try apply(batch, node) { gate.finishBatch($0) } }
                        gate.finishShard(nil)
                    } catch {
                        gate.finishShard(error)
                    }
                }
            }
        }
    }

    private struct LeftBatch {
        let id: UUID
        let timestamp: Int64
        let bytes: [UInt8]

        /// The batch of a row; nil when the row was deleted.
        init?(key: [UInt8], value: [UInt8]) throws(MalformedBytes) {
            var partitionKey = ByteWriter(capacity: 16)
            try key.withView { (view) throws(MalformedBytes) in
                var reader = ByteReader(view)
                _ = try Key.readPartitionKey(from: &reader, into: &partitionKey)
            }
            let cell = try value.withView { (view) throws(MalformedBytes) in
                var row = try RowFragment(view)
                return try row.nextCell().map { ($0.column, $0.timestamp, $0.flags, $0.value.array) }
            }
            guard let (column, timestamp, flags, bytes) = cell, column == batchColumn,
                flags.isDisjoint(with: .tombstone)
            else { return nil }
            guard let id = UUID(partitionKey.view) else {
                throw MalformedBytes(offset: 0, expected: "a batch id of 16 bytes")
            }
            self.id = id
            self.timestamp = timestamp
            self.bytes = bytes
        }
    }

    private static func left(on shard: Shard) throws(CQLError) -> [LeftBatch] {
        guard let store = shard.store.table(storageID: table.storageID) else { return [] }
        var rows: [(key: [UInt8], value: [UInt8])] = []
        do throws(StorageError) {
            for range in shard.store.tokenRanges {
                let bounds = KeyBounds(range)
                let cursor = try store.cursor(lower: bounds.lower, upper: bounds.upper)
                while try cursor.next() {
                    rows.append((cursor.key.array, cursor.value.array))
                }
            }
        } catch {
            throw CQLError(storage: error)
        }
        do throws(MalformedBytes) {
            var found: [LeftBatch] = []
            for row in rows {
                if let batch = try LeftBatch(key: row.key, value: row.value) { found.append(batch) }
            }
            return found
        } catch {
            throw CQLError(.server, "a batch in system.batches can't be decoded: \(error)")
        }
    }

    /// Writes each entry to the shard that owns it now, then takes the batch out of the log.
    private static func apply(
        _ batch: LeftBatch,
        _ node: Node,
        done: @escaping @Sendable (CQLError?) -> Void
    ) throws(CQLError) {
        var mutations: [(token: Model.Token, table: UUID, bytes: [UInt8])] = []
        do throws(MalformedBytes) {
            try batch.bytes.withView { (view) throws(MalformedBytes) in
                var reader = MutationReader(view)
                while let group = try reader.nextGroup() {
                    for _ in 0..<group.count {
                        let (key, value) = try reader.nextEntry()
                        var mutation = MutationWriter(capacity: key.count + value.count + 32)
                        mutation.begin(table: group.storageID)
                        mutation.add(key: key, value: value)
                        mutations.append(
                            (Key.token(of: key), group.storageID, mutation.bytes.array)
                        )
                    }
                }
            }
        } catch {
            throw CQLError(.server, "a batch in system.batches can't be decoded: \(error)")
        }
        let finish: @Sendable (CQLError?) -> Void = { error in
            if error == nil { remove(batch.id, batch.timestamp, node) }
            done(error)
        }
        guard !mutations.isEmpty else { return finish(nil) }
        let gate = Countdown<CQLError>(mutations.count, done: finish)
        for (token, table, bytes) in mutations {
            node.shard(of: token).run { shard in
                write(bytes, token, of: table, node, shard) { gate.finish($0) }
            }
        }
    }

    /// Writes a part of a batch to the shard that owns it, or to its replicas: those that are away get hints.
    private static func write(
        _ bytes: [UInt8],
        _ token: Model.Token,
        of table: UUID,
        _ node: Node,
        _ shard: Shard,
        _ done: @escaping @Sendable (CQLError?) -> Void
    ) {
        if let coordinator = node.coordinator, !coordinator.view.isAlone,
            let schema = node.schema.table(storageID: table),
            coordinator.view.placement(of: schema.keyspace) != nil
        {
            return coordinator.write(bytes, token: token, in: schema.keyspace, .any, owner: shard) { outcome in
                done(CQLError(outcome, .any, .batchLog, coordinator))
            }
        }
        bytes.withView { view in
            shard.store.write(view) { error in
                // A table that was dropped since wants nothing more.
                if case .unknownTable = error { return done(nil) }
                done(error.map { CQLError(write: $0) })
            }
        }
    }
}
