// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
package import Model

/// A database as the shell sees it: statements in, results out.
///
/// Two implementations: `RemoteBackend` over the native protocol and `EmbeddedBackend`, which runs
/// the engine inside the process. The shell sends one statement at a time and waits for it.
package protocol ShellBackend: AnyObject, Sendable {
    /// Where the statements go, for the banner and `SHOW HOST`: an address or a folder.
    var place: String { get }

    /// The native protocol's version in use; nil where there is no protocol between.
    var protocolVersion: Int? { get }

    /// Runs one statement, without its final semicolon, and returns one page of what it yields.
    ///
    /// - Throws: `ShellError` with the database's code and sentence.
    func execute(
        _ statement: String,
        options: StatementOptions
    ) async throws(ShellError) -> ShellResult

    /// Lets go of the database in good order; nothing is called after it.
    ///
    /// - Throws: `ShellError` when not all could be put in order.
    func close() async throws(ShellError)
}

/// How a statement is to be run.
package struct StatementOptions: Sendable, Equatable {
    /// How many replicas have to answer.
    package var consistency: Consistency = .one
    /// The level of a conditional statement's Paxos round.
    package var serialConsistency: Consistency = .serial
    /// The keyspace of names that don't say theirs.
    package var keyspace: String?
    /// The most rows of a page.
    package var pageSize: Int = 100
    /// Where the page before this one stopped; nil for the first.
    package var pagingState: [UInt8]?
    /// Whether the server is asked to record what it does.
    package var isTraced: Bool = false

    package init() {}
}

/// What a statement yielded.
package struct ShellResult: Sendable {
    package enum Body: Sendable {
        /// Nothing to show.
        case void
        /// The session's keyspace is now this one.
        case keyspace(String)
        /// Rows, perhaps with more to come.
        case rows(ShellRows)
        /// Keyspaces, tables or types are now others.
        case schemaChange
    }

    package let body: Body
    /// What the server wants a person to know.
    package let warnings: [String]
    /// Under which id the server recorded what it did.
    package let traceID: UUID?

    package init(_ body: Body, warnings: [String] = [], traceID: UUID? = nil) {
        self.body = body
        self.warnings = warnings
        self.traceID = traceID
    }
}

/// One page of rows.
package struct ShellRows: Sendable {
    package let columns: [ColumnSpecification]
    /// A row a line: a serialized value, or nil for null, for each column.
    package let rows: [[[UInt8]?]]
    /// Where the next page begins; nil when this is the last.
    package let pagingState: [UInt8]?

    package init(columns: [ColumnSpecification], rows: [[[UInt8]?]], pagingState: [UInt8]? = nil) {
        self.columns = columns
        self.rows = rows
        self.pagingState = pagingState
    }

    /// The position of the column `name`; nil when there is none.
    package func index(of name: String) -> Int? { columns.firstIndex { $0.name == name } }

    /// The text in `row` at the column `name`; nil when it is null, missing or not text.
    package func text(_ row: [[UInt8]?], _ name: String) -> String? {
        guard let index = index(of: name), index < row.count, let bytes = row[index] else {
            return nil
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
