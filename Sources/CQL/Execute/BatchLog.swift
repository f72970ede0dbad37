// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
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
        nextColumnID: 2
    )

    /// Writes a batch: first the log, then every shard's part, then the log's end.
    func write(
        _ mutations: [ShardMutation],
        _ processor: QueryProcessor,
        _ completion: @escaping QueryProcessor.Completion
    ) {
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
                    WriteExecution(processor: processor, completion: finish).write(mutations)
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

    /// Applies the batches that a crash left in the log; `done` is called with their number.
    package static func replay(
        _ node: Node,
        done: @escaping @Sendable (Int) -> Void
    ) {
        let gate = CountGate(count: node.shards.count, done)
        for shard in node.shards {
            shard.executor.execute {
                let batches = left(on: shard)
                for (key, bytes) in batches {
                    apply(bytes, node)
                    if let id = key.withView({ id(ofKey: $0) }) {
                        remove(id, Int64.max - 1, node)
                    }
                }
                gate.finish(batches.count)
            }
        }
    }

    private static func left(on shard: Shard) -> [(key: [UInt8], bytes: [UInt8])] {
        guard let store = shard.store.table(storageID: table.storageID) else { return [] }
        var found: [(key: [UInt8], bytes: [UInt8])] = []
        for range in shard.store.tokenRanges {
            let bounds = KeyBounds(range)
            guard let cursor = try? store.cursor(lower: bounds.lower, upper: bounds.upper) else {
                continue
            }
            while (try? cursor.next()) ?? false {
                guard var row = try? RowFragment(cursor.value), let cell = try? row.nextCell(),
                    cell.column == batchColumn, cell.isLive(at: Int64.max - 1)
                else { continue }
                found.append((cursor.key.array, cell.value.array))
            }
        }
        return found
    }

    private static func id(ofKey key: ByteView) -> UUID? {
        var reader = ByteReader(key)
        var bytes = ByteWriter(capacity: 16)
        guard (try? Key.readPartitionKey(from: &reader, into: &bytes)) != nil else { return nil }
        return UUID(bytes.view)
    }

    /// Writes each entry to the shard that owns it now.
    private static func apply(_ bytes: [UInt8], _ node: Node) {
        bytes.withView { view in
            var reader = MutationReader(view)
            while let group = try? reader.nextGroup() {
                for _ in 0..<group.count {
                    guard let (key, value) = try? reader.nextEntry() else { return }
                    var mutation = MutationWriter(capacity: key.count + value.count + 32)
                    mutation.begin(table: group.storageID)
                    mutation.add(key: key, value: value)
                    let owned = mutation.bytes.array
                    node.shard(of: Key.token(of: key)).run { shard in
                        owned.withView { shard.store.write($0) { _ in } }
                    }
                }
            }
        }
    }
}
