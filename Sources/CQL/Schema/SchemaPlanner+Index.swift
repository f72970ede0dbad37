// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// Indexes.
extension SchemaPlanner {
    func create(_ statement: CreateIndexStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: statement.table)
        let name = statement.table.name.name
        try protect(keyspace, "ALTER", "<table \(keyspace).\(name)>")
        guard let existing = schema.keyspaces[keyspace] else { throw .missing(keyspace: keyspace) }
        guard let table = existing.tables[name] else { throw .missing(table: name, of: keyspace) }
        if let given = statement.name?.name {
            try Self.checkIndexName(given)
            if existing.tableOfIndex(given) != nil {
                if statement.ifNotExists { return .nothing }
                throw .invalid("Index '\(given)' already exists")
            }
        }
        if table.isCounter { throw .invalid("Secondary indexes on counter tables aren't supported") }
        let definition = try IndexDefinition(statement, table)
        let index = IndexSchema(
            id: table.nextIndexID,
            name: statement.name?.name ?? existing.freeIndexName(table, definition.column),
            column: definition.column.id,
            part: definition.part,
            implementation: definition.implementation,
            options: definition.options
        )
        if let equal = table.indexes.first(where: { definition.isSame(as: $0) }) {
            if statement.ifNotExists { return .nothing }
            throw .invalid("Index \(index.name) is a duplicate of existing index \(equal.name)")
        }
        let isTwice = table.indexes.contains {
            $0.isAttached && index.isAttached && $0.column == index.column && $0.part == index.part
        }
        if isTwice {
            throw .invalid(
                "Cannot create duplicate storage-attached index on column: \(definition.column.name)"
            )
        }
        let changed = table.changing(
            indexes: table.indexes + [index],
            nextIndexID: table.nextIndexID + 1
        )
        return SchemaPlan(
            edits: [.putTable(changed)],
            change: SchemaNotice(.updated, keyspace: keyspace, target: .table(name))
        )
    }

    func dropIndex(_ statement: DropStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: statement.name)
        let name = statement.name.name.name
        guard let existing = schema.keyspaces[keyspace] else {
            if statement.ifExists { return .nothing }
            throw .missing(keyspace: keyspace)
        }
        guard let table = existing.tableOfIndex(name) else {
            if statement.ifExists { return .nothing }
            throw .invalid("Index '\(keyspace).\(name)' doesn't exist")
        }
        try protect(keyspace, "ALTER", "<table \(keyspace).\(table.name)>")
        return SchemaPlan(
            edits: [.putTable(table.changing(indexes: table.indexes.filter { $0.name != name }))],
            change: SchemaNotice(.updated, keyspace: keyspace, target: .table(table.name))
        )
    }

    private static func checkIndexName(_ name: String) throws(CQLError) {
        guard !isValid(name: name) else { return }
        throw .invalid(
            "Index name must not be empty, more than \(nameSizeMax) characters long, or contain"
                + " non-alphanumeric-underscore characters (got '\(name)')"
        )
    }
}

extension KeyspaceSchema {
    /// The table that has the index of a name; nil if there is none.
    func tableOfIndex(_ name: String) -> TableSchema? {
        tables.values.first { $0.index(name) != nil }
    }

    /// The name of an index that isn't given one: `table_column_idx`, with a number if it is taken.
    fileprivate func freeIndexName(_ table: TableSchema, _ column: ColumnSchema) -> String {
        let plain = "\(table.name)_\(column.name)_idx".unicodeScalars.filter {
            $0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "_"
        }
        let base = String(String.UnicodeScalarView(plain))
        var name = base
        var number = 0
        while tableOfIndex(name) != nil {
            number += 1
            name = "\(base)_\(number)"
        }
        return name
    }
}

/// An index as `CREATE INDEX` defines it, checked against its table: everything but its name.
struct IndexDefinition {
    let column: ColumnSchema
    let part: IndexPart
    /// The class after `USING`; nil for none.
    let implementation: String?
    let options: [String: String]

    init(_ statement: CreateIndexStatement, _ table: TableSchema) throws(CQLError) {
        let kind = try Self.kind(statement)
        implementation = kind == .plain ? nil : statement.implementation
        options = try Self.options(statement, kind)
        guard let target = statement.targets.first else {
            throw .invalid("Only CUSTOM indexes can be created without specifying a target column")
        }
        guard statement.targets.count == 1 else {
            throw .invalid("Only CUSTOM indexes support multiple columns")
        }
        guard let column = table.column(target.column.name) else {
            throw .invalid("Column '\(target.column.name)' doesn't exist")
        }
        self.column = column
        part = try Self.part(target.part, column)
        if column.kind == .partitionKey, table.partitionKey.count == 1 {
            throw .invalid(
                "Cannot create secondary index on the only partition key column \(column.name)"
            )
        }
        if column.type.indexedType(part).containsDuration {
            throw .invalid("Secondary indexes are not supported on duration columns")
        }
        try checkAnalysis()
    }

    /// Whether an index of the table is the same but for its name.
    func isSame(as other: IndexSchema) -> Bool {
        other.column == column.id && other.part == part && other.implementation == implementation
            && other.options == options
    }

    // MARK: Kinds

    private enum Kind { case plain, attached, sasi }

    private static func kind(_ statement: CreateIndexStatement) throws(CQLError) -> Kind {
        guard let name = statement.implementation else {
            guard !statement.isCustom else {
                throw .invalid("CUSTOM index requires specifying the index class")
            }
            return .plain
        }
        switch name.lowercased() {
        case "legacy_local_table" where !statement.isCustom: return .plain
        case "sai", "storageattachedindex",
            "org.apache.cassandra.index.sai.storageattachedindex":
            return .attached
        case "sasiindex", "org.apache.cassandra.index.sasi.sasiindex": return .sasi
        default:
            throw .configuration(
                "Unable to find custom indexer class '\(name)'; there is 'StorageAttachedIndex'"
            )
        }
    }

    private static func options(
        _ statement: CreateIndexStatement,
        _ kind: Kind
    ) throws(CQLError) -> [String: String] {
        let properties = try PropertyList(statement.properties)
        try properties.check(known: ["options"])
        let options = try properties.map("options") ?? [:]
        guard !options.isEmpty else { return [:] }
        for reserved in ["class_name", "target"] where options[reserved] != nil {
            throw .invalid("Cannot specify \(reserved) as a CUSTOM option")
        }
        switch kind {
        case .plain: throw .invalid("Cannot specify options for a non-CUSTOM index")
        case .attached: try check(options, known: ["case_sensitive", "normalize", "ascii"], statement)
        case .sasi: try checkSASI(options, statement)
        }
        for name in ["case_sensitive", "normalize", "ascii"] {
            guard let value = options[name] else { continue }
            guard ["true", "false"].contains(value.lowercased()) else {
                throw .invalid("Illegal value for boolean option \(name): \(value)")
            }
        }
        return options
    }

    private static func check(
        _ options: [String: String],
        known: Set<String>,
        _ statement: CreateIndexStatement
    ) throws(CQLError) {
        let unknown = options.keys.filter { !known.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw .configuration(
                "Properties specified [\(unknown.joined(separator: ", "))] are not understood by"
                    + " \(statement.implementation ?? "the index")"
            )
        }
    }

    /// Of SASI's options, those under which it finds what an attached index finds.
    private static func checkSASI(
        _ options: [String: String],
        _ statement: CreateIndexStatement
    ) throws(CQLError) {
        let known: Set<String> = [
            "mode", "analyzed", "analyzer_class", "case_sensitive", "is_literal",
            "max_compaction_flush_memory_in_mb",
        ]
        try check(options, known: known, statement)
        if let mode = options["mode"]?.uppercased(), mode == "CONTAINS" {
            throw .notYet("the mode CONTAINS of SASI indexes (LIKE '%…%'); PREFIX is")
        }
        let analyzer = options["analyzer_class"]?.split(separator: ".").last.map { String($0) }
        if let analyzer, !["NonTokenizingAnalyzer", "NoOpAnalyzer"].contains(analyzer) {
            throw .notYet("the analyzer \(analyzer) of SASI indexes")
        }
    }

    private func checkAnalysis() throws(CQLError) {
        let given = ["case_sensitive", "normalize", "ascii"].filter { options[$0] != nil }
        guard !given.isEmpty else { return }
        if column.kind == .partitionKey || column.kind == .clustering {
            throw .invalid(
                "Analysis options are not supported on primary key columns, but found "
                    + given.joined(separator: ", ")
            )
        }
        switch column.type.indexedType(part) {
        case .text, .ascii: break
        default: throw .invalid("CQL type \(column.type.indexedType(part)) cannot be analyzed.")
        }
    }

    // MARK: Parts

    private static func part(
        _ part: CreateIndexStatement.Part,
        _ column: ColumnSchema
    ) throws(CQLError) -> IndexPart {
        let (name, type) = (column.name, column.type)
        let word: String
        switch part {
        case .whole:
            guard type.isCollection else { return .whole }
            word = "values"
        case .values: word = "values"
        case .keys: word = "keys"
        case .entries: word = "entries"
        case .full:
            guard type.isCollection, !type.isMultiCell else {
                throw .invalid("full() indexes can only be created on frozen collections")
            }
            return .full
        }
        guard type.isCollection else {
            throw .invalid(
                "Cannot create \(word)() index on \(name). Non-collection columns only support"
                    + " simple indexes"
            )
        }
        guard type.isMultiCell else {
            throw .invalid(
                "Cannot create \(word)() index on frozen column \(name). Frozen collections are"
                    + " immutable and must be fully indexed by using the 'full(\(name))' modifier"
            )
        }
        if word == "values" { return .values }
        guard case .map = type else {
            throw .invalid("Cannot create index on \(word) of column \(name) with non-map type")
        }
        return word == "keys" ? .keys : .entries
    }
}
