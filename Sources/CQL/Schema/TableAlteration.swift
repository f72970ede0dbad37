// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// `ALTER TABLE`: a table and a change in, the changed table out.
struct TableAlteration {
    private let table: TableSchema
    /// Microseconds since 1970.
    private let now: Int64

    init(_ table: TableSchema, now: Int64) {
        self.table = table
        self.now = now
    }

    /// The changed table; nil when the change leaves it as it is.
    func apply(_ change: AlterTableStatement.Change) throws(CQLError) -> TableSchema? {
        switch change {
        case .addColumns(let columns, let ifNotExists): return try add(columns, ifNotExists)
        case .dropColumns(let names, let ifExists, let timestamp):
            if timestamp != nil { throw .notYet("ALTER TABLE DROP … USING TIMESTAMP") }
            return try drop(names, ifExists)
        case .renameColumns(let renamings, let ifExists): return try rename(renamings, ifExists)
        case .alterType: throw .invalid("Altering column types is no longer supported")
        case .mask: throw .notYet("masking columns")
        case .dropCompactStorage:
            throw .invalid("Cannot DROP COMPACT STORAGE on table without COMPACT STORAGE")
        case .setProperties(let list):
            let properties = try PropertyList(list)
            let options = try TableOptions(properties, previous: table.options)
            if try properties.string("id") != nil { throw .configuration("Cannot alter table id.") }
            return options == table.options ? nil : table.changing(options: options)
        }
    }

    private func add(
        _ definitions: [ColumnDefinition],
        _ ifNotExists: Bool
    ) throws(CQLError) -> TableSchema? {
        var columns = table.columns
        var nextID = table.nextColumnID
        for definition in definitions {
            let name = definition.name.name
            let type = try definition.resolvedType()
            if columns.contains(where: { $0.name == name }) {
                if ifNotExists { continue }
                throw .invalid("Column with name '\(name)' already exists")
            }
            if definition.isStatic, table.clustering.isEmpty {
                throw .invalid(TableDefinition.staticNeedsClustering)
            }
            if table.isCounter, type != .counter {
                throw .configuration(
                    "\(text): Cannot have a non counter column (\"\(name)\") in a counter table"
                )
            }
            if !table.isCounter, type == .counter {
                throw .configuration(
                    "\(text): Cannot have a counter column (\"\(name)\") in a non counter table"
                )
            }
            columns.append(
                ColumnSchema(
                    id: nextID,
                    name: name,
                    type: type,
                    kind: definition.isStatic ? .static : .regular
                )
            )
            nextID += 1
        }
        if nextID == table.nextColumnID { return nil }
        return table.changing(columns: columns, nextColumnID: nextID)
    }

    private func drop(_ names: [Identifier], _ ifExists: Bool) throws(CQLError) -> TableSchema? {
        var columns = table.columns
        var dropped = table.droppedColumns
        for name in names.map(\.name) {
            guard let index = columns.firstIndex(where: { $0.name == name }) else {
                if ifExists { continue }
                throw .invalid("Column \(name) was not found in table '\(text)'")
            }
            let column = columns[index]
            if column.kind == .partitionKey || column.kind == .clustering {
                throw .invalid("Cannot drop PRIMARY KEY column \(name)")
            }
            let dependent = table.indexes.filter { $0.column == column.id }.map(\.name)
            guard dependent.isEmpty else {
                throw .invalid(
                    "Cannot drop column \(name) because it has dependent secondary indexes"
                        + " (\(dependent.joined(separator: ", ")))"
                )
            }
            columns.remove(at: index)
            dropped.removeAll { $0.name == name }
            dropped.append(
                DroppedColumn(name: name, type: column.type, kind: column.kind, droppedTime: now)
            )
        }
        if columns.count == table.columns.count { return nil }
        return table.changing(columns: columns, droppedColumns: dropped)
    }

    private func rename(
        _ renamings: [AlterTableStatement.Renaming],
        _ ifExists: Bool
    ) throws(CQLError) -> TableSchema? {
        var columns = table.columns
        for renaming in renamings {
            let (old, new) = (renaming.from.name, renaming.to.name)
            guard let index = columns.firstIndex(where: { $0.name == old }) else {
                if ifExists { continue }
                throw .invalid("Column \(old) was not found in table \(text)")
            }
            let column = columns[index]
            guard column.kind == .partitionKey || column.kind == .clustering else {
                throw .invalid("Cannot rename non PRIMARY KEY column \(old)")
            }
            let dependent = table.indexes.filter { $0.column == column.id }.map(\.name)
            guard dependent.isEmpty else {
                throw .invalid(
                    "Can't rename column \(old) because it has dependent secondary indexes"
                        + " (\(dependent.joined(separator: ", ")))"
                )
            }
            guard !columns.contains(where: { $0.name == new }) else {
                throw .invalid(
                    "Cannot rename column \(old) to \(new) in table '\(text)'; another column with"
                        + " that name already exists"
                )
            }
            columns[index] = ColumnSchema(
                id: column.id,
                name: new,
                type: column.type,
                kind: column.kind,
                position: column.position,
                isDescending: column.isDescending
            )
        }
        return columns == table.columns ? nil : table.changing(columns: columns)
    }

    private var text: String { SchemaText.qualifiedName(table) }
}
