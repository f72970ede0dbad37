// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model
import Synchronization
import Transport

/// A server's language in miniature: one prepared statement that echoes its values as a row, a
/// query that counts to a number in pages, and words that make it err, wait or forget.
final class TableHandler: CQLRequestHandler {
    struct State {
        var preparedCount = 0
        var held: [CQLResponder] = []
        var inWork = 0
        var keyspaces: [String?] = []
        var shards: [Int] = []
        var batchSizes: [Int] = []
        var forgets = false
    }

    let state = Mutex(State())
    static let id = StatementID(high: 1, low: 2)
    static let columns = ResultColumns([
        ColumnSpecification(keyspace: "k", table: "t", name: "id", type: .bigint),
        ColumnSpecification(keyspace: "k", table: "t", name: "v", type: .text),
    ])

    func handle(
        _ message: RequestMessage,
        on connection: CQLConnection,
        responder: CQLResponder
    ) {
        switch message.request {
        case .query(let text, let parameters):
            query(text, parameters, connection, responder)
        case .prepare:
            state.withLock {
                $0.preparedCount += 1
                $0.forgets = false
            }
            responder(
                .result(
                    .prepared(
                        PreparedResult(
                            id: Self.id,
                            resultMetadataID: Self.columns.identifier,
                            bind: BindMetadata(columns: Self.columns, partitionKeyIndices: [0]),
                            result: ResultMetadata(columns: Self.columns)
                        )
                    )
                )
            )
        case .execute(let id, _, let parameters):
            let forgets = state.withLock {
                $0.shards.append(connection.shard)
                return $0.forgets
            }
            guard !forgets, id == Self.id else {
                return responder(.error(CQLError(.unprepared(id), "unknown statement")))
            }
            var cells = ByteWriter()
            parameters.values.forEach { _, _, value in
                if case .value(let view) = value { cells.appendCell(view) } else { cells.appendCell(nil) }
            }
            let metadata = ResultMetadata(
                columns: Self.columns,
                omitsColumns: parameters.skipMetadata
            )
            let rows = RowsResult(metadata: metadata, rowCount: 1, cells: cells.array)
            responder(.result(.rows(rows)))
        case .batch(let batch):
            state.withLock { $0.batchSizes.append(batch.entries.count) }
            responder(.result(.void))
        default:
            responder(.error(CQLError(.server, "not a statement")))
        }
    }

    private func query(
        _ text: String,
        _ parameters: QueryParameters,
        _ connection: CQLConnection,
        _ responder: CQLResponder
    ) {
        if text.hasPrefix("USE ") {
            let name = text.dropFirst(4).filter { $0 != "\"" }
            connection.keyspace = name
            return responder(.result(.setKeyspace(name)))
        }
        switch text {
        case "error":
            responder(.error(CQLError(.alreadyExists(keyspace: "k", table: "t"), "it exists")))
        case "hold":
            state.withLock { $0.held.append(responder) }
        case "where":
            state.withLock { $0.keyspaces.append(connection.keyspace) }
            responder(.result(.void))
        default:
            page(Int(text) ?? 0, parameters, responder)
        }
    }

    /// Rows from where the last page stopped up to `total`.
    private func page(_ total: Int, _ parameters: QueryParameters, _ responder: CQLResponder) {
        let first = parameters.pagingState.map { Int($0[0]) << 8 | Int($0[1]) } ?? 0
        let last = min(total, first + Int(parameters.pageSize ?? Int32.max))
        var cells = ByteWriter()
        for number in first..<last {
            cells.appendBytes([UInt8](repeating: 0, count: 6) + Self.short(number))
            cells.appendCell(nil)
        }
        let metadata = ResultMetadata(
            columns: Self.columns,
            pagingState: last < total ? Self.short(last) : nil
        )
        let rows = RowsResult(metadata: metadata, rowCount: last - first, cells: cells.array)
        responder(.result(.rows(rows)))
    }

    private static func short(_ number: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }
}
