// SPDX-License-Identifier: Apache-2.0

package import Model

/// Where imported rows go: an embedded engine, a node behind a connection, or memory in tests.
///
/// The importer calls `table` and the functions that create first, `begin` once, then `write` from several tasks at a
/// time, then `sync` and `close`.
package protocol ImportTarget: AnyObject, Sendable {
    /// What to call the target in messages, such as "the embedded database db/".
    var name: String { get }

    /// Whether a keyspace exists.
    func hasKeyspace(_ name: String) async throws -> Bool

    /// The columns of a table; nil when it does not exist.
    func table(_ name: TableName) async throws -> ImportTable?

    /// Makes a keyspace of one replica and returns when it is there.
    func createKeyspace(_ name: String) async throws

    /// Makes a table and returns when it is there.
    func createTable(_ table: ImportTable) async throws

    /// Announces the table and the columns that the cells of every later row stand for, in order.
    func begin(_ table: ImportTable, columns: [ImportColumn]) async throws

    /// Writes all rows of a batch as upserts and returns once they are acknowledged: they will be
    /// found after a crash. Cells hold CQL values in the serialized form of the native protocol.
    ///
    /// The batch may be read until the call returns, and not after.
    func write(_ batch: RowBatch) async throws

    /// Returns when everything acknowledged is on its way to no later failure (a barrier).
    func sync() async throws

    /// Gives back what the target holds. What was acknowledged stays so, whatever this throws.
    func close() async throws(ImportError)
}

/// A table's full name, as stored: without quotes.
package struct TableName: Hashable, Sendable, CustomStringConvertible {
    package let keyspace: String
    package let table: String

    package init(keyspace: String, table: String) {
        self.keyspace = keyspace
        self.table = table
    }

    /// The name that a text such as `flights.by_day` or `"Demo"."By day"` writes; nil for any other.
    ///
    /// Names without quotes are lower-cased, as CQL does.
    package init?(_ text: String) {
        var parser = IdentifierParser(text)
        guard let keyspace = parser.identifier(), parser.take("."),
            let table = parser.identifier(), parser.isAtEnd
        else { return nil }
        self.init(keyspace: keyspace, table: table)
    }

    /// The name as CQL writes it, quoted where CQL asks for it.
    package var cql: String { "\(CQLIdentifier.quoted(keyspace)).\(CQLIdentifier.quoted(table))" }

    package var description: String { "\(keyspace).\(table)" }
}

/// A table that rows are imported into.
package struct ImportTable: Equatable, Sendable {
    package let name: TableName
    package let columns: [ImportColumn]

    package init(name: TableName, columns: [ImportColumn]) {
        self.name = name
        self.columns = columns
    }

    /// The columns of the primary key: the partition key's, then the clustering columns, in order.
    package var keyColumns: [ImportColumn] {
        columns.filter { $0.role.isKey }.sorted { $0.role.keyOrder < $1.role.keyOrder }
    }

    /// The statement that makes a keyspace of one replica.
    package static func createKeyspace(_ name: String) -> String {
        "CREATE KEYSPACE \(CQLIdentifier.quoted(name)) WITH replication = "
            + "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    }

    /// The statement that makes the table.
    package var createStatement: String {
        var partition: [String] = []
        var clustering: [String] = []
        for column in keyColumns {
            if case .partitionKey = column.role {
                partition.append(column.name)
            } else {
                clustering.append(column.name)
            }
        }
        var lines = columns.map { column in
            "    \(CQLIdentifier.quoted(column.name)) \(column.type)"
                + (column.role == .static ? " static," : ",")
        }
        let key = KeyClause(partition: partition, clustering: clustering)
        lines.append("    PRIMARY KEY \(key.cql)")
        return "CREATE TABLE \(name.cql) (\n" + lines.joined(separator: "\n") + "\n)"
    }

    /// The statement that writes one row of `columns`, its timestamp being the last marker.
    package func insertStatement(_ columns: [ImportColumn]) -> String {
        let names = columns.map { CQLIdentifier.quoted($0.name) }.joined(separator: ", ")
        let markers = columns.map { _ in "?" }.joined(separator: ", ")
        return "INSERT INTO \(name.cql) (\(names)) VALUES (\(markers)) USING TIMESTAMP ?"
    }
}

/// One column of a table.
package struct ImportColumn: Equatable, Sendable {
    /// What a column is to the primary key.
    package enum Role: Equatable, Sendable {
        case partitionKey(Int)
        case clustering(Int)
        case `static`
        case regular

        /// Whether every row must have a value here.
        package var isKey: Bool {
            switch self {
            case .partitionKey, .clustering: true
            case .static, .regular: false
            }
        }

        fileprivate var keyOrder: Int {
            switch self {
            case .partitionKey(let position): position
            case .clustering(let position): 1 << 20 + position
            case .static, .regular: Int.max
            }
        }
    }

    package let name: String
    package let type: CQLType
    package let role: Role

    package init(name: String, type: CQLType, role: Role) {
        self.name = name
        self.type = type
        self.role = role
    }
}
