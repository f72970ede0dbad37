// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// A table as `CREATE TABLE` defines it, checked by itself: everything but its keyspace.
struct TableDefinition {
    /// The table's name.
    let name: String
    /// The columns with ids in the order of their declaration.
    let columns: [ColumnSchema]
    let options: TableOptions
    /// The id that the statement asks for.
    let id: UUID?

    init(_ statement: CreateTableStatement) throws(CQLError) {
        name = statement.table.name.name
        let table = statement.table.text
        try Self.checkPrimaryKeyCount(statement, table)
        var types: [String: CQLType] = [:]
        for column in statement.columns {
            let type = try column.resolvedType()
            guard types.updateValue(type, forKey: column.name.name) == nil else {
                throw .invalid(
                    "Duplicate column '\(column.name.name)' declaration for table '\(table)'"
                )
            }
        }
        let properties = try PropertyList(statement.options.properties)
        id = try Self.id(properties)
        options = try TableOptions(properties, previous: nil)
        if statement.options.compactStorage != nil { throw .notYet("COMPACT STORAGE") }
        let key = statement.primaryKeys[0]
        try Self.checkKey(key, types, statement)
        let descending = try Self.descending(statement, key)
        if key.clusteringColumns.isEmpty, statement.columns.contains(where: \.isStatic) {
            throw .invalid(TableDefinition.staticNeedsClustering)
        }
        try Self.checkCounters(statement, types, key)
        if types.values.contains(.counter), options.defaultTimeToLive > 0 {
            throw .invalid("Cannot set default_time_to_live on a table with counters")
        }
        columns = Self.columns(statement, key, types, descending)
    }

    static let staticNeedsClustering =
        "Static columns are only useful (and thus allowed) if the table has at least one"
        + " clustering column"

    /// The table in a keyspace.
    func table(keyspace: String, id: UUID) -> TableSchema {
        TableSchema(
            id: id,
            keyspace: keyspace,
            name: name,
            columns: columns,
            nextColumnID: UInt32(columns.count),
            options: options
        )
    }

    // MARK: Rules

    private static func checkPrimaryKeyCount(
        _ statement: CreateTableStatement,
        _ table: String
    ) throws(CQLError) {
        switch statement.primaryKeys.count {
        case 1: return
        case 0:
            throw .invalid("No PRIMARY KEY specified for table '\(table)' (exactly one required)")
        default:
            throw .invalid(
                "Multiple PRIMARY KEYs specified for table '\(table)' (exactly one required)"
            )
        }
    }

    private static func id(_ properties: PropertyList) throws(CQLError) -> UUID? {
        guard let text = try properties.string("id") else { return nil }
        guard let id = UUID(text) else { throw .configuration("Invalid table id '\(text)'") }
        return id
    }

    private static func checkKey(
        _ key: PrimaryKeyDefinition,
        _ types: [String: CQLType],
        _ statement: CreateTableStatement
    ) throws(CQLError) {
        let table = statement.table.name.name
        let statics = Set(statement.columns.filter(\.isStatic).map(\.name.name))
        var seen: Set<String> = []
        for column in (key.partitionKey + key.clusteringColumns).map(\.name) {
            guard let type = types[column] else {
                throw .invalid(
                    "Unknown column '\(column)' referenced in PRIMARY KEY for table '\(table)'"
                )
            }
            guard seen.insert(column).inserted else {
                throw .invalid(
                    "Duplicate column '\(column)' in PRIMARY KEY clause for table '\(table)'"
                )
            }
            if type == .counter {
                throw .invalid("counter type is not supported for PRIMARY KEY column '\(column)'")
            }
            if type.isMultiCell {
                throw .invalid(
                    "Invalid non-frozen collection type \(type) for PRIMARY KEY column '\(column)'"
                )
            }
            if type.containsDuration {
                throw .invalid("duration type is not supported for PRIMARY KEY column '\(column)'")
            }
            if statics.contains(column) {
                throw .invalid("Static column '\(column)' cannot be part of the PRIMARY KEY")
            }
        }
    }

    /// The clustering columns that sort descending.
    private static func descending(
        _ statement: CreateTableStatement,
        _ key: PrimaryKeyDefinition
    ) throws(CQLError) -> Set<String> {
        let clustering = key.clusteringColumns.map(\.name)
        let order = statement.options.clusteringOrder
        let names = order.map(\.column.name)
        let strangers = names.filter { !clustering.contains($0) }
        guard strangers.isEmpty else {
            throw .invalid(
                "Only clustering key columns can be defined in CLUSTERING ORDER directive:"
                    + " [\(strangers.joined(separator: ", "))] are not clustering columns"
            )
        }
        for (index, name) in names.enumerated() where names[..<index].contains(name) {
            throw .invalid(
                "Duplicate column '\(name)' in CLUSTERING ORDER BY clause for table"
                    + " '\(statement.table.text)'"
            )
        }
        for (name, expected) in zip(names, clustering) where name != expected {
            guard names.contains(expected) else {
                throw .invalid("Missing CLUSTERING ORDER for column \(expected)")
            }
            throw .invalid(
                "The order of columns in the CLUSTERING ORDER directive must match that of the"
                    + " clustering columns (\(expected) must appear before \(name))"
            )
        }
        return Set(order.filter(\.isDescending).map(\.column.name))
    }

    private static func checkCounters(
        _ statement: CreateTableStatement,
        _ types: [String: CQLType],
        _ key: PrimaryKeyDefinition
    ) throws(CQLError) {
        guard types.values.contains(.counter) else { return }
        let keyNames = Set((key.partitionKey + key.clusteringColumns).map(\.name))
        if types.contains(where: { !keyNames.contains($0.key) && $0.value != .counter }) {
            throw .invalid("Cannot mix counter and non counter columns in the same table")
        }
    }

    private static func columns(
        _ statement: CreateTableStatement,
        _ key: PrimaryKeyDefinition,
        _ types: [String: CQLType],
        _ descending: Set<String>
    ) -> [ColumnSchema] {
        let partitionKey = key.partitionKey.map(\.name)
        let clustering = key.clusteringColumns.map(\.name)
        return statement.columns.enumerated().map { index, definition in
            let name = definition.name.name
            var kind = definition.isStatic ? ColumnKind.static : .regular
            var position = 0
            if let place = partitionKey.firstIndex(of: name) {
                (kind, position) = (.partitionKey, place)
            } else if let place = clustering.firstIndex(of: name) {
                (kind, position) = (.clustering, place)
            }
            return ColumnSchema(
                id: UInt32(index),
                name: name,
                type: types[name] ?? .blob,
                kind: kind,
                position: position,
                isDescending: descending.contains(name)
            )
        }
    }
}

extension QualifiedName {
    /// The name as an error shows it.
    var text: String { (keyspace.map { $0.name + "." } ?? "") + name.name }
}
