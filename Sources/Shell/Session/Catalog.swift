// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// What the shell knows of the schema: names to complete, and which columns are keys.
struct Catalog {
    /// What Tab may offer.
    var names = Completion.Names()
    /// The style of the columns of each table, by `keyspace.table`.
    var styles: [String: [String: Style]] = [:]
    /// Whether the schema may have changed since it was read.
    var isStale = true
}

extension ShellSession {
    /// Reads the schema's names again if it may have changed. Failure only means less to complete.
    func refreshCatalog() async {
        guard catalog.isStale, !hasLostConnection else { return }
        catalog = Catalog()
        catalog.isStale = false
        for row in await schemaRows("SELECT keyspace_name FROM system_schema.keyspaces", 1) {
            catalog.names.tables[row[0]] = []
        }
        let tables = "SELECT keyspace_name, table_name FROM system_schema.tables"
        for row in await schemaRows(tables, 2) {
            catalog.names.tables[row[0], default: []].append(row[1])
        }
        let columns =
            "SELECT keyspace_name, table_name, column_name, kind FROM system_schema.columns"
        for row in await schemaRows(columns, 4) {
            let table = row[0] + "." + row[1]
            catalog.names.columns[table, default: []].append(row[2])
            catalog.styles[table, default: [:]][row[2]] = Catalog.style(kind: row[3])
        }
    }

    /// The styles of a result's columns by their names.
    func columnStyles(_ columns: [ColumnSpecification]) async -> [String: Style] {
        guard let first = columns.first else { return [:] }
        await refreshCatalog()
        return catalog.styles[first.keyspace + "." + first.table] ?? [:]
    }

    /// All rows of a query for `width` columns of text; rows with a null are left out.
    private func schemaRows(_ query: String, _ width: Int) async -> [[String]] {
        var options = StatementOptions()
        options.consistency = .localOne
        options.pageSize = ShellSettings.pageSizeStreaming
        var found: [[String]] = []
        repeat {
            guard let result = try? await backend.execute(query, options: options),
                case .rows(let rows) = result.body
            else { return found }
            for row in rows.rows {
                let texts = row.prefix(width).compactMap { bytes in
                    bytes.flatMap { String(validating: $0, as: UTF8.self) }
                }
                if texts.count == width { found.append(texts) }
            }
            options.pagingState = rows.pagingState
        } while options.pagingState != nil
        return found
    }
}

extension Catalog {
    /// The style of a column's name from `system_schema.columns.kind`.
    fileprivate static func style(kind: String) -> Style {
        switch kind {
        case "partition_key": .partitionKey
        case "clustering": .clusteringKey
        case "static": .staticColumn
        default: .column
        }
    }
}
