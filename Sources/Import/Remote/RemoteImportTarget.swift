// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Client
internal import Model
internal import Synchronization

/// A node or its cluster, through the CQL driver: rows go in unlogged batches to the nodes and shards that own them.
package final class RemoteImportTarget: ImportTarget {
    /// Small enough for a node's limits, large enough that a request's cost is shared.
    private static let rowsOfRequest = 64

    private let client: ClusterClient
    private let address: String
    private let statement = Mutex<PreparedStatement?>(nil)

    /// Connects to a node.
    ///
    /// - Throws: `ImportError.failure` when none answers there.
    package init(host: String, port: Int) async throws(ImportError) {
        address = "\(host):\(port)"
        do throws(ClientError) {
            client = try await ClusterClient.connect(ClientSettings(hosts: [host], port: port))
        } catch {
            throw .failure("\(error)")
        }
    }

    package var name: String { "the node \(address)" }

    // MARK: Schema

    package func hasKeyspace(_ name: String) async throws -> Bool {
        try await !rows(
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = "
                + RemoteImportTarget.literal(name)
        ).isEmpty
    }

    package func table(_ name: TableName) async throws -> ImportTable? {
        let found = try await rows(
            "SELECT column_name, kind, position, type FROM system_schema.columns "
                + "WHERE keyspace_name = \(RemoteImportTarget.literal(name.keyspace)) "
                + "AND table_name = \(RemoteImportTarget.literal(name.table))"
        )
        guard !found.isEmpty else { return nil }
        return ImportTable(name: name, columns: try found.map(RemoteImportTarget.column))
    }

    private static func column(_ row: [[UInt8]?]) throws(ImportError) -> ImportColumn {
        guard row.count == 4, let name = row[0], let kind = row[1], let place = row[2],
            let typeText = row[3]
        else { throw .failure("system_schema.columns has a row without values") }
        let text = String(decoding: typeText, as: UTF8.self)
        guard let type = CQLType(parsing: text) else {
            throw .failure(
                "the column \(String(decoding: name, as: UTF8.self)) has the type \(text), which "
                    + "cannot be imported yet"
            )
        }
        let position = place.withView { $0.count == 4 ? $0.loadBigEndian(0, as: Int32.self) : 0 }
        let role: ImportColumn.Role =
            switch String(decoding: kind, as: UTF8.self) {
            case "partition_key": .partitionKey(Int(position))
            case "clustering": .clustering(Int(position))
            case "static": .static
            default: .regular
            }
        return ImportColumn(name: String(decoding: name, as: UTF8.self), type: type, role: role)
    }

    private static func literal(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }

    private func rows(_ query: String) async throws -> [[[UInt8]?]] {
        guard case .result(.rows(let rows)) = try await client.query(query).response else {
            return []
        }
        return rows.arrays
    }

    package func createKeyspace(_ name: String) async throws {
        _ = try await client.query(ImportTable.createKeyspace(name))
    }

    package func createTable(_ table: ImportTable) async throws {
        _ = try await client.query(table.createStatement)
    }

    // MARK: Rows

    package func begin(_ table: ImportTable, columns: [ImportColumn]) async throws {
        let prepared = try await client.prepare(table.insertStatement(columns))
        statement.withLock { $0 = prepared }
    }

    package func write(_ batch: RowBatch) async throws {
        guard let statement = statement.withLock({ $0 }) else {
            invariantFailure("rows before the table was announced")
        }
        let requests = requests(of: batch, statement)
        guard !requests.isEmpty else { return }
        // Each row has its timestamp: written twice it's the same.
        let failure = await withTaskGroup(of: ClientError?.self) { [client] tasks in
            for rows in requests {
                tasks.addTask {
                    do throws(ClientError) {
                        _ = try await client.executeBatch(of: statement, rows: rows, isIdempotent: true)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await tasks.reduce(nil) { $0 ?? $1 }
        }
        if let failure { throw ImportError.failure("\(failure)") }
    }

    /// The batch's rows in groups of one owner each.
    private func requests(of batch: RowBatch, _ statement: PreparedStatement) -> [[BoundValues]] {
        var open: [ClusterClient.Owner: [BoundValues]] = [:]
        var full: [[BoundValues]] = []
        var builder = BoundValuesBuilder(capacity: 512)
        for row in 0..<batch.rowCount {
            for column in 0..<batch.columnCount {
                switch batch.cell(row: row, column: column) {
                case .unset: builder.appendUnset()
                case .null: builder.appendNull()
                case .value(let view): builder.append(view)
                }
            }
            builder.append(integer: batch.firstTimestamp + Int64(row))
            let values = builder.finish()
            let owner = client.owner(of: statement, values)
            open[owner, default: []].append(values)
            if let rows = open[owner], rows.count == RemoteImportTarget.rowsOfRequest {
                full.append(rows)
                open[owner] = nil
            }
        }
        return full + open.sorted { $0.key < $1.key }.map(\.value)
    }

    /// A node acknowledges only what is in its commit log.
    package func sync() async throws {}

    package func close() async { await client.close() }
}
