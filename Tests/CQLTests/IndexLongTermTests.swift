// SPDX-License-Identifier: Apache-2.0

import CQL
import Testing

/// Values longer than a term of an index may be: refused when written, found when they were there before.
@Suite("Values that are longer than a term")
struct IndexLongTermTests {
    private static let beginning = String(repeating: "ab", count: 33_000)
    private static let zeros = String(repeating: "00", count: 65_535)

    /// Two long texts with one beginning, a short one that it begins with, and one behind them. Blobs of
    /// zeros grow when they are ordered.
    private static let rows = [
        "INSERT INTO t (p, v, b) VALUES (1, '\(beginning)x', 0x\(zeros)00)",
        "INSERT INTO t (p, v, b) VALUES (2, '\(beginning)y', 0x\(zeros))",
        "INSERT INTO t (p, v, b) VALUES (3, '\(beginning.prefix(60_000))', 0x01)",
        "INSERT INTO t (p, v, b) VALUES (4, 'b', 0x\(zeros)01)",
        "INSERT INTO t (p, m) VALUES (5, {'k': '\(beginning)x', 'l': 'z'})",
    ]

    private static let queries = [
        "v = '\(beginning)x'", "v = '\(beginning)z'", "v > '\(beginning)x'", "v >= '\(beginning)x'",
        "v < '\(beginning)y'", "v <= '\(beginning)y'", "v > 'a'", "v < 'b'", "v > '\(beginning)'",
        "v IN ('\(beginning)x', '\(beginning)y', 'b')", "b = 0x\(zeros)", "b = 0x\(zeros)00",
        "b > 0x\(zeros)", "b > 0x\(zeros)00", "b < 0x\(zeros)01", "m CONTAINS '\(beginning)x'",
        "m['k'] = '\(beginning)x'", "m['k'] = '\(beginning)y'",
    ]

    private static func made() throws -> TestProcessor {
        let processor = try TestProcessor()
        let statements = [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "USE k", "CREATE TABLE t (p int PRIMARY KEY, v text, b blob, m map<text, text>)",
        ]
        for statement in statements { #expect(processor.execute(statement) == "") }
        return processor
    }

    private static func makeIndexes(_ processor: TestProcessor) {
        for what in ["v", "b", "m", "entries(m)"] {
            #expect(processor.execute("CREATE INDEX ON t (\(what)) USING 'sai'") == "")
        }
    }

    @Test("that were there before the index are found as without it", arguments: [false, true])
    func foundAsWithout(isFlushed: Bool) throws {
        let processor = try Self.made()
        for row in Self.rows { #expect(processor.execute(row) == "") }
        if isFlushed { processor.flush() }
        let expected = Self.queries.map {
            processor.execute("SELECT p FROM t WHERE \($0) ALLOW FILTERING")
        }
        #expect(expected.filter { $0.hasPrefix("error") }.isEmpty)
        #expect(expected.filter { !$0.isEmpty }.count > 14)
        Self.makeIndexes(processor)
        let before = processor.indexedReads.all
        for (query, rows) in zip(Self.queries, expected) {
            #expect(processor.execute("SELECT p FROM t WHERE \(query)") == rows, "\(query.prefix(20))")
        }
        #expect(processor.indexedReads.all - before >= Self.queries.count)
    }

    @Test("are refused in a column with an index")
    func refused() throws {
        let processor = try Self.made()
        Self.makeIndexes(processor)
        for row in Self.rows where !row.contains("(2,") && !row.contains("(3,") {
            #expect(processor.execute(row).contains("Cannot index value of size 6"))
        }
        // Not the value is too long, only its term.
        let zeros = "INSERT INTO t (p, b) VALUES (2, 0x\(Self.zeros))"
        #expect(processor.execute(zeros) == "")
        #expect(processor.execute("SELECT p FROM t WHERE b = 0x\(Self.zeros)") == "2\n")
        #expect(processor.execute("SELECT p FROM t WHERE b = 0x\(Self.zeros)00") == "")
    }
}
