// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
package import Model

/// The keyspaces that the database makes for itself: what drivers, shells and tools look into.
///
/// They are as in Cassandra 5.0, column by column. Nothing of them is stored: the rows of each table
/// are made when it is read (`SystemTables`).
package enum SystemSchema {
    /// The system keyspaces and their tables.
    package static let schema: Schema = {
        var schema = Schema()
        let version = identifier("schema")
        for keyspace in keyspaces {
            schema.apply(
                .putKeyspace(
                    name: keyspace.name,
                    replication: keyspace.replication,
                    durableWrites: true
                ),
                version: version
            )
            for table in keyspace.tables {
                schema.apply(
                    .putTable(parse(table, keyspace: keyspace.name)),
                    version: version
                )
            }
        }
        return schema
    }()

    /// Whether a table's rows are made when it is read; other tables of the system keyspaces are
    /// stored as users' are.
    package static func isVirtual(_ table: TableSchema) -> Bool {
        table.keyspace.hasPrefix("system") && schema.table(id: table.id) != nil
    }

    /// The keyspaces that `system_virtual_schema` lists instead of `system_schema`.
    static let listedAsVirtual: Set<String> = ["system_views", "system_virtual_schema"]

    /// A system keyspace as it is written down below.
    struct Definition {
        var name: String
        var replication: [String: String]
        var tables: [(comment: String, text: String)]
    }

    /// The same UUID for a name in every node and version.
    static func identifier(_ name: String) -> UUID {
        let hash = Array("tholos system \(name)".utf8).withView { Checksum.xxh3Wide($0) }
        let id = hash.withView { UUID($0) }
        // The version and variant of a UUID made of arbitrary bits.
        return UUID(random: id?.high ?? 0, id?.low ?? 0)
    }

    private static func parse(
        _ table: (comment: String, text: String),
        keyspace: String
    ) -> TableSchema {
        do {
            let statement = try CQLParser.parse("CREATE TABLE \(table.text)").statement
            if case .createTable(let create) = statement {
                let definition = try TableDefinition(create)
                let made = definition.table(
                    keyspace: keyspace,
                    id: identifier("\(keyspace).\(definition.name)")
                )
                var options = made.options
                options.comment = table.comment
                options.gcGraceSeconds = keyspace == "system_schema" ? 604_800 : 0
                return made.changing(options: options)
            }
        } catch {
            invariantFailure("a system table of \(keyspace) doesn't parse: \(error)")
        }
        invariantFailure("a system table of \(keyspace) isn't one: \(table.text)")
    }
}
