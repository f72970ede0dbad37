// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
package import Model

/// Turns schema statements into edits of the schema: pure functions over a `Schema` value.
///
/// The rules, and the sentences of errors where there is no reason to differ, are Cassandra 5.0's.
package struct SchemaPlanner {
    /// How many bytes the name of a keyspace or table may have: files are named after them.
    static let nameSizeMax = 48

    let schema: Schema
    let currentKeyspace: String?
    /// The nodes of each data center.
    let nodeCounts: [String: Int]
    /// Microseconds since 1970.
    let now: Int64

    /// What `statement` does to `schema`.
    ///
    /// - Parameters:
    ///   - currentKeyspace: what `USE` chose, for names without a keyspace.
    ///   - nodeCounts: the nodes of each data center that exists.
    ///   - now: microseconds since 1970: when columns are dropped.
    ///   - newID: gives random UUIDs.
    /// - Throws: `CQLError`, for the client as it is.
    package static func plan(
        _ statement: Statement,
        schema: Schema,
        currentKeyspace: String?,
        nodeCounts: [String: Int] = ["datacenter1": 1],
        now: Int64,
        newID: () -> UUID
    ) throws(CQLError) -> SchemaPlan {
        let planner = SchemaPlanner(
            schema: schema,
            currentKeyspace: currentKeyspace,
            nodeCounts: nodeCounts,
            now: now
        )
        switch statement {
        case .createKeyspace(let create): return try planner.create(create)
        case .alterKeyspace(let alter): return try planner.alter(alter)
        case .dropKeyspace(let drop): return try planner.drop(drop)
        case .createTable(let create): return try planner.create(create, newID: newID)
        case .alterTable(let alter): return try planner.alter(alter)
        case .dropTable(let drop): return try planner.drop(drop)
        case .createIndex(let create): return try planner.create(create)
        case .dropIndex(let drop): return try planner.dropIndex(drop)
        case .truncate(let name): return try planner.truncate(name, newID: newID)
        default: throw .notYet(statement.title)
        }
    }

    // MARK: Tables

    private func create(
        _ statement: CreateTableStatement,
        newID: () -> UUID
    ) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: statement.table)
        let name = statement.table.name.name
        try protect(keyspace, "CREATE", "<keyspace \(keyspace)>")
        let definition = try TableDefinition(statement)
        guard let existing = schema.keyspaces[keyspace] else { throw .missing(keyspace: keyspace) }
        if existing.tables[name] != nil {
            if statement.ifNotExists { return .nothing }
            throw CQLError(
                .alreadyExists(keyspace: keyspace, table: name),
                "Cannot add already existing table \"\(name)\" to keyspace \"\(keyspace)\""
            )
        }
        try Self.checkName(name) { "\(keyspace).\(name): Table name" }
        if let id = definition.id, let other = schema.table(id: id) {
            throw .configuration(
                "The table id \(id) is that of \(other.keyspace).\(other.name) already"
            )
        }
        // The data has an id of its own, so that a table made again under an old id starts empty.
        let table = definition.table(keyspace: keyspace, id: definition.id ?? newID())
            .changing(storageID: newID())
        return SchemaPlan(
            edits: [.putTable(table)],
            change: SchemaNotice(.created, keyspace: keyspace, target: .table(name))
        )
    }

    private func alter(_ statement: AlterTableStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: statement.table)
        let name = statement.table.name.name
        try protect(keyspace, "ALTER", "<table \(keyspace).\(name)>")
        guard let table = schema.table(keyspace, name) else {
            if statement.ifExists { return .nothing }
            throw .missing(table: name, of: keyspace)
        }
        guard let changed = try TableAlteration(table, now: now).apply(statement.change) else {
            return .nothing
        }
        return SchemaPlan(
            edits: [.putTable(changed)],
            change: SchemaNotice(.updated, keyspace: keyspace, target: .table(name))
        )
    }

    private func drop(_ statement: DropStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: statement.name)
        let name = statement.name.name.name
        try protect(keyspace, "DROP", "<table \(keyspace).\(name)>")
        guard schema.table(keyspace, name) != nil else {
            if statement.ifExists { return .nothing }
            throw .missing(table: name, of: keyspace)
        }
        return SchemaPlan(
            edits: [.dropTable(keyspace: keyspace, name: name)],
            change: SchemaNotice(.dropped, keyspace: keyspace, target: .table(name))
        )
    }

    private func truncate(
        _ qualified: QualifiedName,
        newID: () -> UUID
    ) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspaceName(of: qualified)
        let name = qualified.name.name
        try protect(keyspace, "MODIFY", "<table \(keyspace).\(name)>")
        guard schema.keyspaces[keyspace] != nil else {
            throw .invalid("keyspace \(keyspace) does not exist")
        }
        guard let table = schema.table(keyspace, name) else {
            throw .invalid("table \(name) does not exist")
        }
        return SchemaPlan(edits: [.putTable(table.changing(storageID: newID()))], change: nil)
    }

    // MARK: Names

    /// The keyspace that a name is in.
    func keyspaceName(of name: QualifiedName) throws(CQLError) -> String {
        if let keyspace = name.keyspace?.name ?? currentKeyspace { return keyspace }
        throw .invalid(
            "No keyspace has been specified. USE a keyspace, or explicitly specify"
                + " keyspace.tablename"
        )
    }

    /// Refuses changes of the keyspaces that the database makes for itself.
    func protect(_ keyspace: String, _ action: String, _ object: String) throws(CQLError) {
        guard SchemaText.systemKeyspaces.contains(keyspace) else { return }
        switch keyspace {
        case "system_auth", "system_distributed", "system_traces":
            throw CQLError(.unauthorized, "Cannot \(action) \(object)")
        default:
            throw CQLError(.unauthorized, "\(keyspace) keyspace is not user-modifiable.")
        }
    }

    /// Checks that files and folders can be named `name`; `what` begins the error's sentence.
    static func checkName(_ name: String, _ what: () -> String) throws(CQLError) {
        guard !isValid(name: name) else { return }
        throw .configuration(
            what() + " must not be empty, more than \(nameSizeMax) characters long, or contain"
                + " non-alphanumeric-underscore characters (got \"\(name)\")"
        )
    }

    static func isValid(name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= nameSizeMax
            && bytes.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
