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
