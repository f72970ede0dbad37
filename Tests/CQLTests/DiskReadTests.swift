// SPDX-License-Identifier: Apache-2.0

import CQL
import Environment
import Testing

@Suite("Reads from the disk")
struct DiskReadTests {
    private static let setUp = [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "USE k",
        "CREATE TABLE t (p int, c int, s text static, v int, w text, PRIMARY KEY (p, c))",
    ]

    /// Rows of many blocks: four partitions with rows, two with static columns alone, deletions of rows,
    /// of ranges and of a partition, some of them in another SSTable.
    private static func fill(_ processor: TestProcessor) {
        for statement in setUp { #expect(processor.execute(statement) == "") }
        let text = String(repeating: "abcdefghijklmnopqrstuvwxyz0123456789", count: 4)
        func insert(_ rows: some Sequence<(p: Int, c: Int)>) {
            var lines: [String] = []
            for (p, c) in rows {
                let mixed = (c &* 2_654_435_761) ^ p
                lines.append("INSERT INTO t (p, c, v, w) VALUES (\(p), \(c), \(c % 7), '\(mixed)\(text)')")
            }
            let batch = lines.joined(separator: "; ")
            #expect(processor.execute("BEGIN UNLOGGED BATCH \(batch); APPLY BATCH") == "")
        }
        for p in 0..<4 {
            for start in stride(from: 0, to: 500, by: 100) {
                insert((start..<start + 100).map { (p, $0) })
            }
        }
        insert((0..<500).lazy.filter { $0 % 50 == 0 }.map { (1, $0) })
        let changes = [
            "UPDATE t SET s = 'one' WHERE p = 1", "UPDATE t SET s = 'five' WHERE p = 5",
            "UPDATE t SET s = 'six' WHERE p = 6", "DELETE FROM t WHERE p = 2 AND c >= 100 AND c < 400",
            "DELETE FROM t WHERE p = 3", "INSERT INTO t (p, c, v) VALUES (3, 7, 7)",
        ]
        for change in changes { #expect(processor.execute(change) == "") }
        for c in stride(from: 100, to: 300, by: 2) {
            #expect(processor.execute("DELETE FROM t WHERE p = 0 AND c = \(c)") == "")
        }
    }

    private static let queries = [
        "SELECT * FROM t", "SELECT p, c, s FROM t WHERE v = 3 ALLOW FILTERING",
        "SELECT DISTINCT p, s FROM t", "SELECT p, max(c), count(v) FROM t GROUP BY p",
        "SELECT count(*), sum(v) FROM t", "SELECT c FROM t WHERE p = 1 ORDER BY c DESC",
        "SELECT c, s FROM t WHERE p = 2 AND c > 50 AND c <= 450", "SELECT * FROM t WHERE p = 5",
        "SELECT c FROM t WHERE p = 2 ORDER BY c DESC LIMIT 150", "SELECT * FROM t PER PARTITION LIMIT 3",
        "SELECT c, v FROM t WHERE p IN (0, 1, 3) AND c IN (7, 100, 101, 499)",
        "SELECT p, c FROM t WHERE s = 'five' ALLOW FILTERING", "SELECT v FROM t WHERE p = 0 AND c = 101",
        "SELECT p, c FROM t WHERE p IN (0, 1) ORDER BY c LIMIT 30",
    ]

    @Test("give what memory gives, and none of them holds up a shard", arguments: [0, 1 << 20])
    func sameAnswers(cacheSize: Int) throws {
        let memory = try TestProcessor()
        let disk = try TestProcessor(isOnDisk: true, cacheSize: cacheSize)
        DiskReadTests.fill(memory)
        DiskReadTests.fill(disk)
        for query in DiskReadTests.queries {
            #expect(disk.execute(query) == memory.execute(query), "\(query)")
            guard !query.contains("IN (0, 1) ORDER BY") else { continue }
            let pages = disk.execute(query, pageSize: 90)
            #expect(pages == memory.execute(query, pageSize: 90), "\(query), in pages")
        }
        #expect(disk.diskReads > 100)
        #expect(disk.diskReadsOnShards == 0)
    }

    @Test("give the same rows in pages that end by the work they are", arguments: [1, 7, 60])
    func pagesByWork(workMax: Int) throws {
        var limits = QueryLimits()
        limits.pageWorkMax = workMax
        let memory = try TestProcessor()
        let disk = try TestProcessor(isOnDisk: true, cacheSize: 1 << 20, limits: limits)
        DiskReadTests.fill(memory)
        DiskReadTests.fill(disk)
        for query in DiskReadTests.queries where !query.contains("IN (0, 1) ORDER BY") {
            let pages = disk.execute(query, pageSize: 90, pagesMax: 5000)
            #expect(pages.replacing("--\n", with: "") == memory.execute(query), "\(query)")
        }
    }

    @Test("of one block by many are one read")
    func readTogether() throws {
        let processor = try TestProcessor(isOnDisk: true, cacheSize: 1 << 20)
        for statement in DiskReadTests.setUp { #expect(processor.execute(statement) == "") }
        #expect(processor.execute("INSERT INTO t (p, c, v) VALUES (1, 1, 1)") == "")
        #expect(processor.execute("INSERT INTO t (p, c, v) VALUES (1, 2, 2)") == "")
        let queries = (0..<20).map { "SELECT c, v FROM t WHERE p = 1 AND c = \($0 % 2 + 1)" }
        let before = processor.diskReads
        #expect(processor.executeTogether(queries) == (0..<20).map { "\($0 % 2 + 1)|\($0 % 2 + 1)\n" })
        // An index block and a data block of each of two SSTables.
        #expect(processor.diskReads - before == 4)
        #expect(processor.executeTogether(queries).count == 20)
        #expect(processor.diskReads - before == 4)
    }

    @Test("that ask the same while they wait are one, and see what was written before they asked")
    func sharedReads() throws {
        let processor = try TestProcessor(shardCount: 1, isOnDisk: true)
        for statement in DiskReadTests.setUp + ["CREATE TABLE u (p int PRIMARY KEY, v int)"] {
            #expect(processor.execute(statement) == "")
        }
        #expect(processor.execute("INSERT INTO t (p, c, v) VALUES (1, 1, 1)") == "")
        #expect(processor.execute("INSERT INTO u (p, v) VALUES (1, 1)") == "")
        let slice = "SELECT c, v FROM t WHERE p = 1"
        let row = "SELECT v FROM u WHERE p = 1"
        #expect(processor.executeTogether([slice, row, slice, row, slice]) == [
            "1|1\n", "1\n", "1|1\n", "1\n", "1|1\n",
        ])
        #expect(processor.joinedReadCount == 3)
        // Each of them may be answered with what was written between them; the later ones must be.
        let answers = processor.executeTogether([
            slice, row, "INSERT INTO t (p, c, v) VALUES (1, 2, 2)", "UPDATE u SET v = 2 WHERE p = 1",
            slice, row,
        ])
        #expect(answers[4] == "1|1\n2|2\n")
        #expect(answers[5] == "2\n")
        // The row's newer value is in memory: its read had nothing to wait for.
        #expect(processor.joinedReadCount == 4)
        // Functions give each its own.
        let call = "SELECT uuid() FROM t WHERE p = 1 AND c = 1"
        let made = processor.executeTogether([call, call])
        #expect(made[0] != made[1])
        #expect(processor.joinedReadCount == 4)
        #expect(processor.diskReadsOnShards == 0)
    }

    @Test("tell who asked of a damaged block, and nobody else", arguments: [false, true])
    func damage(isOnDisk: Bool) throws {
        let files = MemoryFileSystem()
        let processor = try TestProcessor(shardCount: 1, files: files, isOnDisk: isOnDisk)
        for statement in DiskReadTests.setUp { #expect(processor.execute(statement) == "") }
        #expect(processor.execute("INSERT INTO t (p, c, v) VALUES (1, 1, 1)") == "")
        processor.flush()
        let first = Set(try DiskReadTests.sstables(files))
        #expect(processor.execute("INSERT INTO t (p, c, v) VALUES (2, 2, 2)") == "")
        processor.flush()
        for path in try DiskReadTests.sstables(files) where !first.contains(path) {
            try files.flipBit(path, offset: 40, bit: 3)
        }
        let answers = processor.executeTogether(
            [1, 2, 1, 2].map { "SELECT v FROM t WHERE p = \($0)" }
                + ["INSERT INTO t (p, c, v) VALUES (2, 2, 9) IF NOT EXISTS"]
        )
        #expect(answers[0] == "1\n" && answers[2] == "1\n")
        for index in [1, 3, 4] { #expect(answers[index].hasPrefix("error: damaged file /node/data")) }
    }

    private static func sstables(_ files: MemoryFileSystem) throws -> [String] {
        var paths: [String] = []
        for table in try files.list("/node/data/k") {
            for name in try files.list("/node/data/k/\(table)") {
                paths.append("/node/data/k/\(table)/\(name)")
            }
        }
        return paths
    }
}
