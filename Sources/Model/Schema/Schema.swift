// SPDX-License-Identifier: Apache-2.0

/// A keyspace and its tables.
package struct KeyspaceSchema: Sendable {
    package var name: String
    /// The replication options, `class` included with its full name.
    package var replication: [String: String]
    package var durableWrites: Bool
    /// The tables by name.
    package var tables: [String: TableSchema]

    package init(
        name: String,
        replication: [String: String],
        durableWrites: Bool = true,
        tables: [String: TableSchema] = [:]
    ) {
        self.name = name
        self.replication = replication
        self.durableWrites = durableWrites
        self.tables = tables
    }
}

/// All keyspaces at one moment. A value: readers keep the one that they started with.
package struct Schema: Sendable {
    /// Counts the changes; the schema version that drivers compare is made from it.
    package private(set) var epoch: UInt64
    /// Names this state of the schema for drivers' agreement checks; changes with every change.
    package private(set) var version: UUID
    /// The keyspaces by name.
    package private(set) var keyspaces: [String: KeyspaceSchema]
    private var tablesByID: [UUID: TableSchema]
    private var tablesByStorageID: [UUID: TableSchema]

    /// No keyspaces.
    package init() {
        epoch = 0
        version = UUID(random: 0, 0)
        keyspaces = [:]
        tablesByID = [:]
        tablesByStorageID = [:]
    }

    /// The schema that `edits` make of nothing, at an epoch and a version that are known.
    package init(edits: [SchemaEdit], epoch: UInt64, version: UUID) {
        self.init()
        for edit in edits { apply(edit, version: version) }
        self.epoch = epoch
        self.version = version
    }

    /// What makes this schema of nothing: each keyspace and its tables, by name.
    package var edits: [SchemaEdit] {
        keyspaceNames.flatMap { name -> [SchemaEdit] in
            guard let keyspace = keyspaces[name] else { return [] }
            let put = SchemaEdit.putKeyspace(
                name: name,
                replication: keyspace.replication,
                durableWrites: keyspace.durableWrites
            )
            let tables = keyspace.tables.sorted { $0.key < $1.key }
            return [put] + tables.map { .putTable($0.value) }
        }
    }

    /// The keyspaces' names, sorted.
    package var keyspaceNames: [String] { keyspaces.keys.sorted() }

    /// The table of a keyspace; nil if either doesn't exist.
    package func table(_ keyspace: String, _ name: String) -> TableSchema? {
        keyspaces[keyspace]?.tables[name]
    }

    /// The table of an id; nil if it doesn't exist (any more).
    package func table(id: UUID) -> TableSchema? { tablesByID[id] }

    /// The table whose data has an id; nil if it was dropped or truncated since.
    package func table(storageID: UUID) -> TableSchema? { tablesByStorageID[storageID] }

    /// Every table, by keyspace and name.
    package var tables: [TableSchema] {
        keyspaceNames.flatMap { name in
            (keyspaces[name]?.tables ?? [:]).sorted { $0.key < $1.key }.map(\.value)
        }
    }

    /// Applies a change and moves to `version`.
    package mutating func apply(_ change: SchemaEdit, version: UUID) {
        switch change {
        case .putKeyspace(let name, let replication, let durableWrites):
            var keyspace =
                keyspaces[name]
                ?? KeyspaceSchema(
                    name: name,
                    replication: replication,
                    durableWrites: durableWrites
                )
            keyspace.replication = replication
            keyspace.durableWrites = durableWrites
            keyspaces[name] = keyspace
        case .dropKeyspace(let name):
            for table in (keyspaces.removeValue(forKey: name)?.tables ?? [:]).values {
                forget(table)
            }
        case .putTable(let table):
            if let old = keyspaces[table.keyspace]?.tables[table.name] { forget(old) }
            keyspaces[table.keyspace]?.tables[table.name] = table
            tablesByID[table.id] = table
            tablesByStorageID[table.storageID] = table
        case .dropTable(let keyspace, let name):
            if let table = keyspaces[keyspace]?.tables.removeValue(forKey: name) { forget(table) }
        }
        epoch += 1
        self.version = version
    }

    /// The edits that make this schema `other`, but for the keyspaces that are `kept`.
    package func edits(toBecome other: Schema, keeping kept: Set<String>) -> [SchemaEdit] {
        var edits: [SchemaEdit] = []
        for name in keyspaceNames where !kept.contains(name) && other.keyspaces[name] == nil {
            edits.append(.dropKeyspace(name: name))
        }
        for name in other.keyspaceNames where !kept.contains(name) {
            guard let wanted = other.keyspaces[name] else { continue }
            let known = keyspaces[name]
            if known?.replication != wanted.replication || known?.durableWrites != wanted.durableWrites {
                edits.append(
                    .putKeyspace(
                        name: name,
                        replication: wanted.replication,
                        durableWrites: wanted.durableWrites
                    )
                )
            }
            for table in (known?.tables ?? [:]).keys.sorted() where wanted.tables[table] == nil {
                edits.append(.dropTable(keyspace: name, name: table))
            }
            for (table, schema) in wanted.tables.sorted(by: { $0.key < $1.key }) {
                let isKnown = known?.tables[table].map { $0.encoded == schema.encoded }
                if isKnown != true { edits.append(.putTable(schema)) }
            }
        }
        return edits
    }

    private mutating func forget(_ table: TableSchema) {
        tablesByID[table.id] = nil
        tablesByStorageID[table.storageID] = nil
    }
}

/// One change of the schema: what the metadata log holds.
package enum SchemaEdit: Sendable {
    /// Makes a keyspace or replaces its options.
    case putKeyspace(name: String, replication: [String: String], durableWrites: Bool)
    /// Removes a keyspace with all its tables.
    case dropKeyspace(name: String)
    /// Makes a table or replaces its definition.
    case putTable(TableSchema)
    /// Removes a table.
    case dropTable(keyspace: String, name: String)
}
