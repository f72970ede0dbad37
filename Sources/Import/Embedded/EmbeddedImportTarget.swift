// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQL
package import Environment
import Glibc
internal import Model
internal import Node
internal import Storage
internal import Synchronization

/// The engine inside this process: rows become mutations of its shards, without CQL between.
package final class EmbeddedImportTarget: ImportTarget {
    private let folder: String
    private let node: Node
    private let executors: [ThreadExecutor]
    private let plan = Mutex<RowMutationPlan?>(nil)

    /// Opens the database in `folder`, making it if there is none.
    ///
    /// - Throws: `ImportError.failure` when another process has it, or it is damaged.
    package init(folder: String, environment: Environment) throws(ImportError) {
        let count = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let executors = (0..<count).map { ThreadExecutor(name: "shard-\($0)") }
        self.folder = folder
        self.executors = executors
        do throws(NodeError) {
            node = try Node.open(
                environment: environment,
                options: NodeOptions(dataDirectory: folder, shardCount: count),
                executors: executors,
                systemSchema: QueryProcessor.systemSchema
            )
        } catch {
            for executor in executors { executor.stop() }
            throw .failure("\(error)")
        }
    }

    package var name: String { "the embedded database \(folder)" }

    package func hasKeyspace(_ name: String) async throws -> Bool {
        node.schema.keyspaces[name] != nil
    }

    package func table(_ name: TableName) async throws -> ImportTable? {
        guard let table = node.schema.table(name.keyspace, name.table) else { return nil }
        return ImportTable(
            name: name,
            columns: table.columns.map { column in
                let role: ImportColumn.Role =
                    switch column.kind {
                    case .partitionKey: .partitionKey(column.position)
                    case .clustering: .clustering(column.position)
                    case .static: .static
                    case .regular: .regular
                    }
                return ImportColumn(name: column.name, type: column.type, role: role)
            }
        )
    }

    // MARK: Schema

    package func createKeyspace(_ name: String) async throws {
        try await change { schema in
            guard schema.keyspaces[name] == nil else { return [] }
            return [
                .putKeyspace(
                    name: name,
                    replication: [
                        "class": "org.apache.cassandra.locator.SimpleStrategy",
                        "replication_factor": "1",
                    ],
                    durableWrites: true
                )
            ]
        }
    }

    package func createTable(_ table: ImportTable) async throws {
        let random = node.environment.random
        let id = UUID(random: random.next(), random.next())
        try await change { schema in
            guard schema.table(table.name.keyspace, table.name.table) == nil else { return [] }
            return [.putTable(EmbeddedImportTarget.schema(table, id: id))]
        }
    }

    private static func schema(_ table: ImportTable, id: UUID) -> TableSchema {
        let columns = table.columns.enumerated().map { index, column in
            let kind: ColumnKind
            var position = 0
            switch column.role {
            case .partitionKey(let place):
                kind = .partitionKey
                position = place
            case .clustering(let place):
                kind = .clustering
                position = place
            case .static: kind = .static
            case .regular: kind = .regular
            }
            // A key's values are always whole.
            let type = column.role.isKey ? column.type.frozen : column.type
            return ColumnSchema(
                id: UInt32(index),
                name: column.name,
                type: type,
                kind: kind,
                position: position
            )
        }
        return TableSchema(
            id: id,
            keyspace: table.name.keyspace,
            name: table.name.table,
            columns: columns,
            nextColumnID: UInt32(columns.count)
        )
    }

    private func change(_ plan: @escaping @Sendable (Schema) -> [SchemaEdit]) async throws {
        let failure = await withCheckedContinuation {
            (continuation: CheckedContinuation<ImportError?, Never>) in
            node.changeSchema({ (schema: Schema) throws(Never) in plan(schema) }) { result in
                switch result {
                case .success: continuation.resume(returning: nil)
                case .failure(.storage(let error)):
                    continuation.resume(returning: .failure("\(error)"))
                case .failure(.cluster(let text)): continuation.resume(returning: .failure(text))
                }
            }
        }
        if let failure { throw failure }
    }

    // MARK: Rows

    package func begin(_ table: ImportTable, columns: [ImportColumn]) async throws {
        guard let schema = node.schema.table(table.name.keyspace, table.name.table) else {
            throw ImportError.failure("the table \(table.name) does not exist any more")
        }
        let fresh = RowMutationPlan(schema, columns: columns, shards: node.shardMap)
        plan.withLock { $0 = fresh }
    }

    package func write(_ batch: RowBatch) async throws {
        guard let plan = plan.withLock({ $0 }) else {
            invariantFailure("rows before the table was announced")
        }
        let encoder = RowMutationEncoder(
            plan,
            now: node.environment.clock.secondsSinceEpoch(),
            random: node.environment.random
        )
        let mutations = encoder.encode(batch)
        guard !mutations.isEmpty else { return }
        let failure = await withCheckedContinuation {
            (continuation: CheckedContinuation<WriteError?, Never>) in
            let gate = Countdown<WriteError>(mutations.count) {
                continuation.resume(returning: $0)
            }
            for (shard, bytes) in mutations {
                node.shards[shard].run { shard in
                    bytes.withView { view in
                        shard.store.write(view) { gate.finish($0) }
                    }
                }
            }
        }
        if let failure { throw ImportError.failure("\(failure)") }
    }

    /// Every write is durable when it is acknowledged.
    package func sync() async throws {}

    package func close() async throws(ImportError) {
        let failure = await withCheckedContinuation {
            (continuation: CheckedContinuation<StorageError?, Never>) in
            node.close { continuation.resume(returning: $0) }
        }
        // Their last job has run, but may still be returning: stopping waits for it.
        for executor in executors { executor.stop() }
        guard let failure else { return }
        throw .failure(
            "every written row is in the commit log of \(folder), but not all of it could be flushed:"
                + " \(failure)"
        )
    }
}
