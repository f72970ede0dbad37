// SPDX-License-Identifier: Apache-2.0

import CQL
import Storage
import Testing

/// What reads through indexes look at before they let others have the shard, and before a page ends.
@Suite("The work of reads through indexes")
struct IndexWorkTests {
    private static func make(
        _ statements: [String],
        limits: QueryLimits = QueryLimits()
    ) throws -> TestProcessor {
        let processor = try TestProcessor(shardCount: 1, limits: limits)
        let keyspace =
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        for statement in [keyspace, "USE k"] + statements {
            #expect(processor.execute(statement) == "")
        }
        return processor
    }

    private static func fill(_ processor: TestProcessor, _ count: Int, _ row: (Int) -> String) {
        for start in stride(from: 0, to: count, by: 500) {
            let batch = (start..<min(start + 500, count)).map { row($0) }.joined(separator: "; ")
            #expect(processor.execute("BEGIN UNLOGGED BATCH \(batch); APPLY BATCH") == "")
        }
    }

    @Test(
        "places on which two indexes don't agree count, and end a page",
        arguments: [false, true]
    )
    func disagreement(isFlushed: Bool) throws {
        var limits = QueryLimits()
        limits.pageWorkMax = 2000
        let processor = try Self.make(
            [
                "CREATE TABLE t (p int PRIMARY KEY, a int, b int)",
                "CREATE INDEX ia ON t (a) USING 'sai'", "CREATE INDEX ib ON t (b) USING 'sai'",
            ],
            limits: limits
        )
        Self.fill(processor, 4000) {
            "INSERT INTO t (p, a, b) VALUES (\($0), \($0 % 2), \($0 == 77 ? 1 : 1 - $0 % 2))"
        }
        if isFlushed { processor.flush() }
        let query = "SELECT p FROM t WHERE a = 1 AND b = 1"
        let pages = processor.execute(query, pageSize: 100)
        #expect(pages.replacing("--\n", with: "") == "77\n")
        // Going through half of the rows of each index, some eight units a place.
        #expect(pages.split(separator: "\n").count { $0 == "--" } >= 4)
        #expect(processor.lastCost.work < 2300)
        // Without pages it lets others have their turn and goes on.
        #expect(processor.execute(query) == "77\n")
        #expect(processor.lastCost.work > 8000)
    }

    @Test("deleted rows in a partition that an index names count, and end a page")
    func deletedRows() throws {
        var limits = QueryLimits()
        limits.pageWorkMax = 500
        let processor = try Self.make(
            [
                "CREATE TABLE t (p int, c int, s int STATIC, PRIMARY KEY (p, c))",
                "CREATE INDEX i ON t (s) USING 'sai'",
                "UPDATE t SET s = 1 WHERE p = 1", "INSERT INTO t (p, c) VALUES (1, 5000)",
            ],
            limits: limits
        )
        Self.fill(processor, 3000) { "DELETE FROM t WHERE p = 1 AND c = \($0)" }
        let pages = processor.execute("SELECT p, c FROM t WHERE s = 1", pageSize: 100)
        #expect(pages.replacing("--\n", with: "") == "1|5000\n")
        #expect(pages.split(separator: "\n").count { $0 == "--" } >= 4)
    }

    @Test("a page of a wide range costs what the page is, not what the range is", arguments: [false, true])
    func wideRange(isFlushed: Bool) throws {
        let processor = try Self.make([
            "CREATE TABLE t (p int PRIMARY KEY, v int)", "CREATE INDEX i ON t (v) USING 'sai'",
        ])
        Self.fill(processor, 12_000) { "INSERT INTO t (p, v) VALUES (\($0), \($0))" }
        if isFlushed { processor.flush() }
        // Half of all rows: testing the rows behind the last page finds the next soon.
        let wide = "SELECT p FROM t WHERE v >= 6000"
        #expect(processor.execute(wide).split(separator: "\n").count == 6000)
        for pageSize in [Int32(10), 100] {
            for pageCount in [1, 2, 3] {
                _ = processor.execute(wide, pageSize: pageSize, pagesMax: pageCount)
                let cost = processor.lastCost
                #expect(cost.postings == 0, "page \(pageCount) of \(pageSize)")
                // Every other row, and up to a step more.
                #expect(cost.fragments < 4200 && cost.fragments > 10)
            }
        }
        // A few hundred of them: going through these costs less.
        let narrow = "SELECT p FROM t WHERE v >= 11500"
        _ = processor.execute(narrow, pageSize: 10, pagesMax: 2)
        #expect((1...600).contains(processor.lastCost.postings))
        #expect(processor.lastCost.fragments == 0)
        #expect(processor.execute(narrow, pageSize: 40).split(separator: "\n").count { $0 != "--" } == 500)
        #expect(processor.indexedReads.gathered > 10)
    }
}
