// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// What the Tab key offers at a place of a statement: words of the language, and names of the schema.
package struct Completion: Sendable {
    /// The schema's names.
    package struct Names: Sendable {
        /// The tables of each keyspace.
        package var tables: [String: [String]] = [:]
        /// The columns of each table, by `keyspace.table`.
        package var columns: [String: [String]] = [:]

        package init() {}
    }

    private let names: Names
    private let keyspace: String?
    /// The lines of the statement before the one that is being edited.
    private let earlier: String

    package init(names: Names, keyspace: String?, earlier: String) {
        self.names = names
        self.keyspace = keyspace
        self.earlier = earlier
    }

    /// Offers words of the language alone.
    package static let nothing = Completion(names: Names(), keyspace: nil, earlier: "")

    /// The words that `word` may become when `before` stands before it in its line, sorted.
    package func matches(of word: String, after before: String) -> [String] {
        let text = earlier + "\n" + before
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") }
            .map(String.init)
        let upper = words.map { $0.uppercased() }
        if let keyspace = qualifier(before) {
            return fitting(names.tables[keyspace] ?? [], word)
        }
        switch upper.last {
        case nil: return keywords(Completion.openers, word)
        case "FROM", "INTO", "UPDATE", "TABLE", "TRUNCATE", "COLUMNFAMILY", "ON":
            let own = keyspace.flatMap { names.tables[$0] } ?? []
            return fitting(own + names.tables.keys, word)
        case "USE", "KEYSPACE": return fitting(Array(names.tables.keys), word)
        case "CONSISTENCY":
            return keywords(Consistency.allCases.map(\.description), word)
        case "PAGING", "EXPAND", "TRACING", "TIMING", "CAPTURE":
            return keywords(["ON", "OFF"], word)
        case "SHOW": return keywords(["VERSION", "HOST", "SESSION"], word)
        case "FORMAT": return keywords(OutputFormat.allCases.map { $0.rawValue.uppercased() }, word)
        case "HELP": return keywords(HelpTopics.names, word)
        case "DESCRIBE", "DESC":
            return keywords(Completion.described, word)
                + fitting(keyspace.flatMap { names.tables[$0] } ?? [], word)
        case "CREATE", "DROP", "ALTER": return keywords(["KEYSPACE", "TABLE"], word)
        default: return (fitting(columns(words), word) + keywords(Completion.words, word))
        }
    }

    /// Whether the only match is a keyspace where a table is wanted, so that a dot comes next.
    package func isQualifier(_ found: [String], after before: String) -> Bool {
        guard found.count == 1, names.tables[found[0]] != nil else { return false }
        let own = keyspace.flatMap { names.tables[$0] } ?? []
        let last = before.split { !$0.isLetter }.last?.uppercased()
        return !own.contains(found[0]) && last != "USE" && last != "KEYSPACE"
    }

    /// The keyspace when `before` ends with one and a dot.
    private func qualifier(_ before: String) -> String? {
        guard before.hasSuffix(".") else { return nil }
        let name = before.dropLast().reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let keyspace = String(name.reversed())
        return names.tables[keyspace] == nil ? nil : keyspace
    }

    /// The columns of the tables that the statement's words name.
    private func columns(_ words: [String]) -> [String] {
        words.flatMap { word in
            let known = names.columns[word]
            let own = keyspace.flatMap { names.columns["\($0).\(word)"] }
            return known ?? own ?? []
        }
    }

    private func fitting(_ candidates: [String], _ word: String) -> [String] {
        Set(candidates.filter { $0.hasPrefix(word) }).sorted()
    }

    /// The keywords that begin with `word`, in its case.
    private func keywords(_ candidates: [String], _ word: String) -> [String] {
        let upper = word.uppercased()
        let found = candidates.filter { $0.hasPrefix(upper) }.sorted()
        let isLower = word.first?.isLowercase ?? false
        return isLower ? found.map { $0.lowercased() } : found
    }

    private static let openers = [
        "ALTER", "BEGIN", "CAPTURE", "CLEAR", "CONSISTENCY", "CREATE", "DELETE", "DESCRIBE", "DROP",
        "EXIT", "EXPAND", "FORMAT", "HELP", "HISTORY", "INSERT", "PAGING", "QUIT", "SELECT",
        "SERIAL",
        "SHOW", "SOURCE", "TIMING", "TRACING", "TRUNCATE", "UPDATE", "USE",
    ]

    private static let described = [
        "CLUSTER", "KEYSPACE", "KEYSPACES", "SCHEMA", "TABLE", "TABLES",
    ]

    private static let words = [
        "ALLOW", "AND", "APPLY", "AS", "ASC", "BATCH", "BY", "CLUSTERING", "CONTAINS", "COUNT",
        "DELETE", "DESC", "DISTINCT", "EXISTS", "FILTERING", "FROM", "GROUP", "IF", "IN", "INSERT",
        "INTO", "JSON", "KEY", "LIMIT", "NOT", "NULL", "ORDER", "PARTITION", "PER", "PRIMARY",
        "REPLICATION", "SELECT", "SET", "STATIC", "TIMESTAMP", "TOKEN", "TTL", "UNLOGGED", "UPDATE",
        "USING", "VALUES", "WHERE", "WITH", "WRITETIME", "ASCII", "BIGINT", "BLOB", "BOOLEAN",
        "COUNTER", "DATE", "DECIMAL", "DOUBLE", "DURATION", "FLOAT", "FROZEN", "INET", "INT",
        "LIST",
        "MAP", "SMALLINT", "TEXT", "TIME", "TIMEUUID", "TINYINT", "TUPLE", "UUID", "VARCHAR",
        "VARINT",
    ]
}
