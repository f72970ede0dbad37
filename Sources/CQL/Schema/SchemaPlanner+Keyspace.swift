// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// Keyspaces.
extension SchemaPlanner {
    func create(_ statement: CreateKeyspaceStatement) throws(CQLError) -> SchemaPlan {
        let name = statement.keyspace.name
        guard !SchemaText.systemKeyspaces.contains(name) else {
            throw .invalid("System keyspace '\(name)' is not user-modifiable")
        }
        try Self.checkKeyspaceName(name)
        let properties = try Self.properties(statement.properties)
        guard let options = try properties.map("replication") else {
            throw .invalid("Missing mandatory option 'replication'")
        }
        if schema.keyspaces[name] != nil {
            if statement.ifNotExists { return .nothing }
            throw CQLError(
                .alreadyExists(keyspace: name, table: ""),
                "Cannot add existing keyspace \"\(name)\""
            )
        }
        let replication = try Replication(
            options,
            previous: [:],
            keyspace: name,
            nodeCounts: nodeCounts
        )
        let durableWrites = try properties.boolean("durable_writes") ?? true
        return SchemaPlan(
            edits: [
                .putKeyspace(
                    name: name,
                    replication: replication.options,
                    durableWrites: durableWrites
                )
            ],
            change: SchemaNotice(.created, keyspace: name, target: .keyspace),
            warnings: replication.warnings
        )
    }

    func alter(_ statement: AlterKeyspaceStatement) throws(CQLError) -> SchemaPlan {
        let name = statement.keyspace.name
        try protect(name, "ALTER", "<keyspace \(name)>")
        try Self.checkKeyspaceName(name)
        let properties = try Self.properties(statement.properties)
        guard let old = schema.keyspaces[name] else {
            if statement.ifExists { return .nothing }
            throw .missing(keyspace: name)
        }
        let durableWrites = try properties.boolean("durable_writes") ?? old.durableWrites
        var replication = old.replication
        var warnings: [String] = []
        if let options = try properties.map("replication"), !options.isEmpty {
            let changed = try Replication(
                options,
                previous: old.replication,
                keyspace: name,
                nodeCounts: nodeCounts
            )
            replication = changed.options
            warnings = changed.warnings
            if Replication.factorSum(old.replication) < Replication.factorSum(replication) {
                warnings.append(
                    "When increasing replication factor you need to run a full (-full) repair to"
                        + " distribute the data."
                )
            }
        }
        if replication == old.replication, durableWrites == old.durableWrites { return .nothing }
        return SchemaPlan(
            edits: [
                .putKeyspace(name: name, replication: replication, durableWrites: durableWrites)
            ],
            change: SchemaNotice(.updated, keyspace: name, target: .keyspace),
            warnings: warnings
        )
    }

    func drop(_ statement: DropKeyspaceStatement) throws(CQLError) -> SchemaPlan {
        let name = statement.keyspace.name
        try protect(name, "DROP", "<keyspace \(name)>")
        guard schema.keyspaces[name] != nil else {
            if statement.ifExists { return .nothing }
            throw .missing(keyspace: name)
        }
        return SchemaPlan(
            edits: [.dropKeyspace(name: name)],
            change: SchemaNotice(.dropped, keyspace: name, target: .keyspace)
        )
    }

    private static func checkKeyspaceName(_ name: String) throws(CQLError) {
        guard !isValid(name: name) else { return }
        throw .invalid(
            "Keyspace name must not be empty, more than \(nameSizeMax) characters long, or contain"
                + " non-alphanumeric-underscore characters (got '\(name)')"
        )
    }

    private static func properties(_ list: [Property]) throws(CQLError) -> PropertyList {
        let properties = try PropertyList(list)
        try properties.check(known: ["replication", "durable_writes"])
        if let options = try properties.map("replication"), !options.isEmpty,
            options["class"] == nil
        {
            throw .configuration("Missing replication strategy class")
        }
        return properties
    }
}
