// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Client
internal import Model
internal import Synchronization

/// A node, through the CQL driver: rows go in unlogged batches to the shards that own them.
package final class RemoteImportTarget: ImportTarget {
    /// Small enough for a node's limits, large enough that a request's cost is shared.
    private static let rowsOfRequest = 64

    private let client: CQLClient
    private let address: String
    private let statement = Mutex<PreparedStatement?>(nil)

    /// Connects to a node.
    ///
    /// - Throws: `ImportError.failure` when none answers there.
    package init(host: String, port: Int) async throws(ImportError) {
        address = "\(host):\(port)"
        do throws(ClientError) {
            client = try await CQLClient.connect(ClientSettings(hosts: [host], port: port))
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
        let gate = RequestGate(count: requests.count)
        for rows in requests {
            await client.submitBatch(of: statement, rows: rows) { result in
                if case .failure(let error) = result {
                    gate.finish(error)
                } else {
                    gate.finish(nil)
                }
            }
        }
        if let failure = await gate.wait() { throw ImportError.failure("\(failure)") }
    }

    /// The batch's rows in groups of one shard each.
    private func requests(of batch: RowBatch, _ statement: PreparedStatement) -> [[BoundValues]] {
        var open: [Int: [BoundValues]] = [:]
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
            let shard = client.shard(of: statement, values) ?? 0
            open[shard, default: []].append(values)
            if let rows = open[shard], rows.count == RemoteImportTarget.rowsOfRequest {
                full.append(rows)
                open[shard] = nil
            }
        }
        return full + open.sorted { $0.key < $1.key }.map(\.value)
    }

    /// A node acknowledges only what is in its commit log.
    package func sync() async throws {}

    package func close() async { await client.close() }
}

/// Waits for several requests, with the first failure.
private final class RequestGate: Sendable {
    private struct State {
        var count: Int
        var failure: ClientError?
        var waiter: CheckedContinuation<ClientError?, Never>?
    }

    private let state: Mutex<State>

    init(count: Int) { state = Mutex(State(count: count)) }

    func finish(_ failure: ClientError?) {
        let done = state.withLock {
            state -> (CheckedContinuation<ClientError?, Never>, ClientError?)? in
            state.count -= 1
            if state.failure == nil { state.failure = failure }
            guard state.count == 0, let waiter = state.waiter else { return nil }
            return (waiter, state.failure)
        }
        if let (waiter, failure) = done { waiter.resume(returning: failure) }
    }

    /// Waits until all have finished; called once.
    func wait() async -> ClientError? {
        await withCheckedContinuation { continuation in
            let done = state.withLock { state in
                if state.count > 0 { state.waiter = continuation }
                return state.count == 0 ? (true, state.failure) : (false, nil)
            }
            if done.0 { continuation.resume(returning: done.1) }
        }
    }
}
