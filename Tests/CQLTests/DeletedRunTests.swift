// SPDX-License-Identifier: Apache-2.0

import CQL
import Storage
import Testing

@Suite("Reads over many deletions")
struct DeletedRunTests {
    private static let runCount = 20_000

    /// A node with two rows in one partition, in an SSTable.
    private static func twoRows(_ limits: QueryLimits = QueryLimits()) throws -> TestProcessor {
        let processor = try TestProcessor(shardCount: 1, limits: limits)
        let statements = [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (p int, c int, v int, PRIMARY KEY (p, c)) WITH compaction ="
                + " {'class': 'SizeTieredCompactionStrategy', 'enabled': 'false'}",
            "INSERT INTO k.t (p, c, v) VALUES (1, -1, 1)",
            "INSERT INTO k.t (p, c, v) VALUES (1, 1000000, 2)",
        ]
        for statement in statements { #expect(processor.execute(statement) == "") }
        processor.flush()
        return processor
    }

    /// Executes one statement for each row between the two, some in a batch.
    private static func forEachRow(_ processor: TestProcessor, _ statement: (Int) -> String) {
        for start in stride(from: 0, to: runCount, by: 500) {
            let batch = (start..<start + 500).map { statement($0) }.joined(separator: "; ")
            #expect(processor.execute("BEGIN UNLOGGED BATCH \(batch); APPLY BATCH") == "")
        }
    }

    private static let queries = [
        ("SELECT c, v FROM k.t WHERE p = 1", "-1|1\n1000000|2\n"),
        ("SELECT c, v FROM k.t WHERE p = 1 ORDER BY c DESC", "1000000|2\n-1|1\n"),
        ("SELECT c, v FROM k.t", "-1|1\n1000000|2\n"),
        ("SELECT count(*) FROM k.t", "2\n"),
        ("SELECT c FROM k.t WHERE p = 1 AND c > 100 LIMIT 1", "1000000\n"),
    ]

    @Test("of rows, merged into one SSTable: most blocks are passed over")
    func deletedRows() throws {
        let processor = try DeletedRunTests.twoRows()
        DeletedRunTests.forEachRow(processor) { "DELETE FROM k.t WHERE p = 1 AND c = \($0)" }
        processor.flush()
        processor.compact()
        for (query, answer) in DeletedRunTests.queries {
            #expect(processor.execute(query) == answer, "\(query)")
            #expect(processor.lastCost.blocks < 10, "\(query)")
            #expect(processor.lastCost.tombstones < 2500, "\(query)")
        }
    }

    @Test("of a range: the blocks of the rows that it hides are passed over")
    func deletedRange() throws {
        let processor = try DeletedRunTests.twoRows()
        DeletedRunTests.forEachRow(processor) {
            "INSERT INTO k.t (p, c, v) VALUES (1, \($0), 0)"
        }
        processor.flush()
        processor.compact()
        let delete = "DELETE FROM k.t WHERE p = 1 AND c >= 0 AND c < \(DeletedRunTests.runCount)"
        #expect(processor.execute(delete) == "")
        for isFlushed in [false, true] {
            if isFlushed { processor.flush() }
            for (query, answer) in DeletedRunTests.queries {
                #expect(processor.execute(query) == answer, "\(query)")
                #expect(processor.lastCost.blocks < 14, "\(query)")
            }
        }
    }

    @Test("end a page by the work that it was, with a warning; and go on")
    func pages() throws {
        var limits = QueryLimits()
        limits.pageWorkMax = 3000
        let processor = try DeletedRunTests.twoRows(limits)
        DeletedRunTests.forEachRow(processor) { "DELETE FROM k.t WHERE p = 1 AND c = \($0)" }
        // In the memtable nothing is passed over.
        for (query, answer) in DeletedRunTests.queries {
            let pages = processor.execute(query, pageSize: 100)
            let isAggregate = query.contains("count")
            let count = pages.split(separator: "\n").count { $0 == "--" }
            #expect(isAggregate ? count == 0 : count >= DeletedRunTests.runCount / 3100, "\(query)")
            #expect(pages.replacing("--\n", with: "") == answer, "\(query)")
            #expect(processor.execute(query) == answer, "\(query), without pages")
            let warning = "tombstones of k.t for one page (see tombstone_warn_threshold)"
            #expect(processor.lastWarnings.first?.hasSuffix(warning) == true)
            #expect(processor.lastCost.tombstones >= DeletedRunTests.runCount - 101)
        }
        #expect(processor.execute("SELECT c FROM k.t WHERE p = 1 AND c < 100 AND c > -5") == "-1\n")
        #expect(processor.lastWarnings.isEmpty)
    }
}
