// SPDX-License-Identifier: Apache-2.0

/// A primary key as `--key` and CQL write it: `((origin, year), day, flight)`.
struct KeyClause: Equatable {
    /// The columns that decide where a row lives.
    let partition: [String]
    /// The columns that order rows within a partition.
    let clustering: [String]

    init(partition: [String], clustering: [String]) {
        self.partition = partition
        self.clustering = clustering
    }

    /// All columns, the partition key's first.
    var columns: [String] { partition + clustering }

    /// The clause of a text: `((a, b), c)`, `(a, b)`, or `a, b` where a alone is the partition key.
    ///
    /// - Throws: `ImportError.usage` with what is wrong.
    init(_ text: String) throws(ImportError) {
        guard let clause = KeyClause.parse(text, outer: true) ?? KeyClause.parse(text, outer: false)
        else {
            throw .usage(
                "--key \(text) is not a primary key: write ((a, b), c, d), where a and b are the "
                    + "partition key and c and d order the rows of a partition"
            )
        }
        var seen: Set<String> = []
        for column in clause.columns where !seen.insert(column).inserted {
            throw .usage("--key names the column \(column) twice")
        }
        self = clause
    }

    /// `outer`: whether parentheses stand around the whole clause.
    private static func parse(_ text: String, outer: Bool) -> KeyClause? {
        var parser = IdentifierParser(text)
        if outer, !parser.take("(") { return nil }
        var partition: [String] = []
        if parser.take("(") {
            repeat {
                guard let name = parser.identifier() else { return nil }
                partition.append(name)
            } while parser.take(",")
            guard parser.take(")") else { return nil }
        } else {
            guard let name = parser.identifier() else { return nil }
            partition.append(name)
        }
        var clustering: [String] = []
        while parser.take(",") {
            guard let name = parser.identifier() else { return nil }
            clustering.append(name)
        }
        if outer, !parser.take(")") { return nil }
        return parser.isAtEnd ? KeyClause(partition: partition, clustering: clustering) : nil
    }

    /// The clause as CQL writes it.
    var cql: String {
        let first = partition.map(CQLIdentifier.quoted).joined(separator: ", ")
        let head = partition.count == 1 && !clustering.isEmpty ? first : "(\(first))"
        return "(" + ([head] + clustering.map(CQLIdentifier.quoted)).joined(separator: ", ") + ")"
    }
}
