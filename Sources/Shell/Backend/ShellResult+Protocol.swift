// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
internal import Model

extension ShellResult {
    /// What a response of the native protocol says.
    ///
    /// - Throws: `ShellError` for an ERROR, and for what is no answer to a statement.
    package init(_ message: ResponseMessage) throws(ShellError) {
        let body: Body
        switch message.response {
        case .error(let error): throw ShellError(code: error.code, message: error.message)
        case .result(.void): body = .void
        case .result(.setKeyspace(let name)): body = .keyspace(name)
        case .result(.schemaChange): body = .schemaChange
        case .result(.rows(let rows)):
            body = .rows(
                ShellRows(
                    columns: rows.metadata.columns.columns,
                    rows: rows.arrays,
                    pagingState: rows.metadata.pagingState
                )
            )
        default:
            throw ShellError(connection: "the server answered with what is no result")
        }
        self.init(body, warnings: message.warnings, traceID: message.tracingID)
    }
}

extension StatementOptions {
    /// The options as a QUERY carries them.
    package var parameters: QueryParameters {
        QueryParameters(
            consistency: consistency,
            serialConsistency: serialConsistency,
            pageSize: Int32(clamping: pageSize),
            pagingState: pagingState
        )
    }
}
