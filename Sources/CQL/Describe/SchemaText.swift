// SPDX-License-Identifier: Apache-2.0

package import Model

/// Writes keyspaces and tables as the statements that make them, in the very form of Cassandra
/// 5.0's DESCRIBE, so that tools which compare or replay that text work.
package enum SchemaText {
    /// Keyspaces that the database makes for itself.
    package static let systemKeyspaces: Set<String> = [
        "system", "system_auth", "system_cluster_metadata", "system_distributed", "system_schema",
        "system_traces", "system_views", "system_virtual_schema",
    ]

    /// `CREATE KEYSPACE …;`.
    package static func keyspace(_ keyspace: KeyspaceSchema) -> String {
        let package = "org.apache.cassandra.locator."
        var strategy = keyspace.replication["class"] ?? "SimpleStrategy"
        if strategy.hasPrefix(package) { strategy.removeFirst(package.count) }
        var options = ["'class': " + CQLIdentifier.stringLiteral(strategy)]
        for (name, value) in sorted(keyspace.replication) where name != "class" {
            options.append(entry(name, CQLIdentifier.stringLiteral(value)))
        }
        let name = CQLIdentifier.quotedIfNeeded(keyspace.name)
        // Two spaces, as Cassandra has them.
        return "CREATE KEYSPACE \(name) WITH replication = {\(options.joined(separator: ", "))}"
            + "  AND durable_writes = \(keyspace.durableWrites);"
    }

    /// `CREATE TABLE … WITH …;` with all options.
    ///
    /// - Parameter withInternals: whether the table's id is set too, and its dropped columns are
    ///   added and dropped again, so that the statements make a table that can take its files.
    package static func table(_ table: TableSchema, withInternals: Bool = false) -> String {
        let dropped = withInternals ? lastDrops(table) : []
        let indent = "\n    AND "
        return createTable(table, dropped: dropped)
            + " WITH " + options(table, withInternals: withInternals).joined(separator: indent)
            + ";"
            + dropped.map { dropText($0, of: table) }.joined()
    }

    /// `CREATE TABLE … (…)` without options and without a semicolon.
    package static func tableWithoutOptions(_ table: TableSchema) -> String {
        createTable(table, dropped: [])
    }

    /// `CREATE INDEX …;`.
    package static func index(_ index: IndexSchema, of table: TableSchema) -> String {
        let name = CQLIdentifier.quotedIfNeeded(index.name)
        let target = target(of: index, table)
        guard let implementation = index.implementation else {
            return "CREATE INDEX \(name) ON \(qualifiedName(table)) (\(target));"
        }
        let options = sorted(index.options).map { key, value in
            entry(key, CQLIdentifier.stringLiteral(value))
        }
        return "CREATE CUSTOM INDEX \(name) ON \(qualifiedName(table)) (\(target)) USING "
            + CQLIdentifier.stringLiteral(implementation)
            + (options.isEmpty ? "" : " WITH OPTIONS = {\(options.joined(separator: ", "))}") + ";"
    }

    /// What an index is on: `v`, `keys(m)`.
    package static func target(of index: IndexSchema, _ table: TableSchema) -> String {
        table.target(of: index) { CQLIdentifier.quotedIfNeeded($0) }
    }

    /// `keyspace.table`, each quoted if it needs to be.
    package static func qualifiedName(_ table: TableSchema) -> String {
        CQLIdentifier.quotedIfNeeded(table.keyspace) + "."
            + CQLIdentifier.quotedIfNeeded(table.name)
    }

    // MARK: Columns

    private static func createTable(_ table: TableSchema, dropped: [DroppedColumn]) -> String {
        let hasSingleKey = table.partitionKey.count == 1 && table.clustering.isEmpty
        let droppedNames = Set(dropped.map(\.name))
        // A column that was dropped and added again follows in statements of its own.
        var lines = columnsInCreateOrder(table).filter { !droppedNames.contains($0.name) }.map {
            column($0.name, $0.type, $0.kind)
                + (hasSingleKey && $0.kind == .partitionKey ? " PRIMARY KEY" : "")
        }
        lines += dropped.map { column($0.name, $0.type, $0.kind) }
        if !hasSingleKey { lines.append(primaryKey(table)) }
        return "CREATE TABLE \(qualifiedName(table)) (\n"
            + lines.map { "    " + $0 }.joined(separator: ",\n") + "\n)"
    }

    /// Key columns, statics and regulars; of the last two, those of several cells come last.
    private static func columnsInCreateOrder(_ table: TableSchema) -> [ColumnSchema] {
        func multiCellLast(_ columns: [ColumnSchema]) -> [ColumnSchema] {
            columns.filter { !$0.type.isMultiCell } + columns.filter { $0.type.isMultiCell }
        }
        return table.partitionKey + table.clustering + multiCellLast(table.statics)
            + multiCellLast(table.regulars)
    }

    private static func column(_ name: String, _ type: CQLType, _ kind: ColumnKind) -> String {
        CQLIdentifier.quotedIfNeeded(name) + " \(type)" + (kind == .static ? " static" : "")
    }

    private static func primaryKey(_ table: TableSchema) -> String {
        func names(_ columns: [ColumnSchema]) -> String {
            columns.map { CQLIdentifier.quotedIfNeeded($0.name) }.joined(separator: ", ")
        }
        let partitionKey = names(table.partitionKey)
        let first = table.partitionKey.count > 1 ? "(\(partitionKey))" : partitionKey
        let rest = table.clustering.isEmpty ? "" : ", " + names(table.clustering)
        return "PRIMARY KEY (\(first)\(rest))"
    }

    /// Each dropped name with its latest drop, in the order of the first ones.
    private static func lastDrops(_ table: TableSchema) -> [DroppedColumn] {
        var last: [DroppedColumn] = []
        for column in table.droppedColumns {
            if let index = last.firstIndex(where: { $0.name == column.name }) {
                last[index] = column
            } else {
                last.append(column)
            }
        }
        return last
    }

    private static func dropText(_ dropped: DroppedColumn, of table: TableSchema) -> String {
        let alter = "\nALTER TABLE \(qualifiedName(table))"
        let name = CQLIdentifier.quotedIfNeeded(dropped.name)
        let drop = "\(alter) DROP \(name) USING TIMESTAMP \(dropped.droppedTime);"
        guard let again = table.column(dropped.name) else { return drop }
        return drop + "\(alter) ADD \(column(again.name, again.type, again.kind));"
    }

    // MARK: Options

    private static func options(_ table: TableSchema, withInternals: Bool) -> [String] {
        var options: [String] = []
        if withInternals { options.append("ID = \(table.id)") }
        if !table.clustering.isEmpty {
            let order = table.clustering.map {
                CQLIdentifier.quotedIfNeeded($0.name) + ($0.isDescending ? " DESC" : " ASC")
            }
            options.append("CLUSTERING ORDER BY (\(order.joined(separator: ", ")))")
        }
        for (name, value) in table.options.all {
            options.append("\(name) = " + optionText(name, value))
        }
        return options
    }

    private static func optionText(_ name: String, _ value: TableOptions.Value) -> String {
        switch value {
        case .text(let text): return CQLIdentifier.stringLiteral(text)
        case .int(let number): return "\(number)"
        case .boolean(let flag): return "\(flag)"
        case .double(let number): return doubleText(number)
        case .map(let map):
            let areBlobs = name == "extensions"
            let entries = sorted(map).map { key, value in
                entry(key, areBlobs ? blobText(value) : CQLIdentifier.stringLiteral(value))
            }
            return "{" + entries.joined(separator: ", ") + "}"
        }
    }

    private static func entry(_ name: String, _ value: String) -> String {
        CQLIdentifier.stringLiteral(name) + ": " + value
    }

    private static func blobText(_ digits: String) -> String {
        digits.hasPrefix("0x") ? digits : "0x" + digits
    }

    private static func sorted(_ map: [String: String]) -> [(key: String, value: String)] {
        map.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    /// A number as Java writes it: `0.01`, but `1.0E-4` below a thousandth and from ten million on.
    static func doubleText(_ number: Double) -> String {
        let size = number.magnitude
        guard number.isFinite, size != 0, size < 1e-3 || size >= 1e7 else { return "\(number)" }
        // Swift writes the shortest digits that read back, maybe with an exponent: only the place
        // of the point differs.
        let parts = "\(size)".split(separator: "e")
        let plain = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(plain[0])
        let fraction = plain.count > 1 ? String(plain[1]) : ""
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        exponent += whole.count - 1
        var digits = whole + fraction
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        let sign = number < 0 ? "-" : ""
        let rest = digits.count > 1 ? String(digits.dropFirst()) : "0"
        return "\(sign)\(digits.prefix(1)).\(rest)E\(exponent)"
    }
}
