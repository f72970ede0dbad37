// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model
internal import Node
internal import Storage

/// An engine of one shard in this process, as `tholos serve` has it, without the network: the shard on
/// a thread of its own, syncs, flushes and compactions on theirs.
final class BenchNode: Sendable {
    /// The keyspace of all benchmarks.
    static let keyspace = "bench"

    let node: Node
    let environment: Environment
    private let executor: ThreadExecutor
    private let pools: [ThreadPoolExecutor]

    var shard: Shard { node.shards[0] }
    var clock: any Clock { environment.clock }

    /// Opens the folder, making it if need be.
    init(
        folder: String,
        store: StoreOptions = StoreOptions(),
        commitLog: CommitLogOptions = CommitLogOptions()
    ) throws {
        executor = ThreadExecutor(name: "shard-0")
        pools = [
            ThreadPoolExecutor(threads: 2, name: "background"),
            ThreadPoolExecutor(threads: 1, name: "flush"),
            ThreadPoolExecutor(threads: 1, name: "compaction"),
            ThreadPoolExecutor(threads: 8, name: "reading"),
        ]
        environment = Environment(
            fileSystem: POSIXFileSystem(),
            clock: SystemClock(),
            random: SystemRandom(),
            background: pools[0],
            reading: pools[3],
            flushing: pools[1],
            compacting: pools[2]
        )
        var options = NodeOptions(dataDirectory: folder, shardCount: 1)
        options.store = store
        options.commitLog = commitLog
        node = try Node.open(environment: environment, options: options, executors: [executor])
    }

    /// The table of a name; nil if there is none.
    func table(_ name: String) -> TableSchema? { node.schema.table(BenchNode.keyspace, name) }

    /// Makes an empty table, dropping one of the same name.
    func makeTable(
        _ name: String,
        columns: [ColumnSchema],
        options: TableOptions
    ) async throws -> TableSchema {
        let random = environment.random
        let table = TableSchema(
            id: UUID(random: random.next(), random.next()),
            keyspace: BenchNode.keyspace,
            name: name,
            columns: columns,
            nextColumnID: UInt32(columns.count),
            options: options
        )
        try await change { schema in
            var edits: [SchemaEdit] = []
            if schema.keyspaces[BenchNode.keyspace] == nil {
                edits.append(
                    .putKeyspace(
                        name: BenchNode.keyspace,
                        replication: [
                            "class": "org.apache.cassandra.locator.SimpleStrategy",
                            "replication_factor": "1",
                        ],
                        durableWrites: true
                    )
                )
            }
            if schema.table(BenchNode.keyspace, name) != nil {
                edits.append(.dropTable(keyspace: BenchNode.keyspace, name: name))
            }
            return edits + [.putTable(table)]
        }
        return table
    }

    private func change(_ plan: @escaping @Sendable (Schema) -> [SchemaEdit]) async throws {
        let failure: StorageError? = await withCheckedContinuation { continuation in
            node.changeSchema({ (schema: Schema) throws(Never) in plan(schema) }) { result in
                switch result {
                case .success: continuation.resume(returning: nil)
                case .failure(.storage(let error)): continuation.resume(returning: error)
                case .failure(.cluster): continuation.resume(returning: nil)
                }
            }
        }
        if let failure { throw failure }
    }

    /// Flushes everything and waits until no flush and no compaction is running or due.
    func settle() async throws {
        let store = shard.store
        let failure: StorageError? = await withCheckedContinuation { continuation in
            shard.run { _ in
                store.flushAll { error in
                    store.whenIdle { continuation.resume(returning: error) }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Flushes, closes and ends the threads.
    func close() async throws {
        let failure: StorageError? = await withCheckedContinuation { continuation in
            node.close { continuation.resume(returning: $0) }
        }
        executor.stop()
        for pool in pools { pool.stop() }
        if let failure { throw failure }
    }
}
