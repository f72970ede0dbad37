// SPDX-License-Identifier: Apache-2.0

import CQL
import Environment
import Node
import Storage
import Testing

/// Reads through indexes give what the same reads give that test all rows.
///
/// Two tables get the same writes, one of them has indexes. Statements are random, over few keys and
/// values, so that rows are replaced, deleted and expire; flushes, compactions, restarts, crashes and
/// changes of the indexes come in between.
@Suite struct IndexModelTests {
    /// A table as CQL makes it; the indexed one is called t, the other u.
    private static let columns = """
        (a int, b text, c int, d text, v int, x text, s int STATIC, m map<int, text>, l list<int>,
        k set<text>, f frozen<list<int>>, PRIMARY KEY ((a, b), c, d))
        """
    private static let indexes = [
        "CREATE INDEX i1 ON t (v) USING 'sai'",
        "CREATE INDEX i2 ON t (x) USING 'sai'",
        "CREATE INDEX i3 ON t (s) USING 'sai'",
        "CREATE INDEX i4 ON t (c) USING 'sai'",
        "CREATE INDEX i5 ON t (b) USING 'sai'",
        "CREATE INDEX i6 ON t (m)",
        "CREATE INDEX i7 ON t (entries(m)) USING 'sai'",
        "CREATE INDEX i8 ON t (keys(m)) USING 'sai'",
        "CREATE INDEX i9 ON t (l) USING 'sai'",
        "CREATE INDEX i10 ON t (k) USING 'sai'",
        "CREATE INDEX i11 ON t (full(f)) USING 'sai'",
        "CREATE INDEX i12 ON t (d) USING 'sai'",
    ]

    private struct Run {
        var numbers: SplitMix64
        var processor: TestProcessor
        var files: MemoryFileSystem
        var timestamp: Int64 = 1_000_000
        var hasIndex = Set<Int>()
        var queryCount = 0
        var foundCount = 0
        var indexedReads = (all: 0, gathered: 0)

        /// Adds what the processor has counted, before it is given up.
        mutating func countReads() {
            let counted = processor.indexedReads
            indexedReads = (indexedReads.all + counted.all, indexedReads.gathered + counted.gathered)
        }

        mutating func number(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &numbers) }
        mutating func chance(_ percent: Int) -> Bool { number(100) < percent }
        mutating func text() -> String {
            ["", "a", "ab", "abc", "b", "ba", "Ä", "zz"][number(8)]
        }
        mutating func nonEmptyText() -> String { ["a", "ab", "abc", "b", "ba", "zz"][number(6)] }
    }

    private func open(
        _ files: MemoryFileSystem,
        seed: UInt64
    ) throws -> TestProcessor {
        var limits = QueryLimits()
        // Small steps and pages, so that reads go on from every kind of place.
        if seed % 3 == 0 { limits.pageWorkMax = 30 }
        let processor = try TestProcessor(files: files, limits: limits) { options in
            // Small bounds, so that every way of finding rows is gone.
            if seed % 2 == 0 {
                options.store.indexes.streamsMax = 3
                options.store.indexes.placesMax = 4
                options.store.indexes.postingsPerStep = 5
                options.store.indexes.walkMin = seed % 4 == 0 ? 1024 : 40
            }
        }
        return processor
    }

    @Test("indexed reads agree with filtered ones", arguments: 1...9)
    func agrees(seed: Int) throws {
        let seed = UInt64(seed)
        let files = MemoryFileSystem()
        var run = Run(numbers: SplitMix64(seed: seed), processor: try open(files, seed: seed), files: files)
        for statement in [
            "CREATE KEYSPACE q WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "USE q", "CREATE TABLE t " + Self.columns, "CREATE TABLE u " + Self.columns,
        ] {
            #expect(run.processor.execute(statement) == "")
        }
        for number in [0, 1, 3] {
            #expect(run.processor.execute(Self.indexes[number]) == "")
            run.hasIndex.insert(number)
        }
        for _ in 0..<400 {
            try step(&run, seed)
        }
        run.countReads()
        #expect(run.queryCount > 50)
        #expect(run.indexedReads.all > 30, "indexes are hardly asked")
        if seed % 4 == 0 { #expect(run.indexedReads.gathered > 0) }
        #expect(run.foundCount > 20, "the queries find too little to say anything")
    }

    private func step(_ run: inout Run, _ seed: UInt64) throws {
        switch run.number(100) {
        case 0..<62: write(&run)
        case 62..<66: run.processor.flush()
        case 66..<68: run.processor.compact()
        case 68..<69: try restart(&run, seed)
        case 69..<71: run.processor.advance(seconds: 3)
        case 71..<75: changeIndex(&run)
        default: query(&run)
        }
    }

    private func restart(_ run: inout Run, _ seed: UInt64) throws {
        run.countReads()
        run.files = run.files.crashClone(keepUnsynced: run.chance(50) ? .all : .none)
        run.processor = try open(run.files, seed: seed)
        #expect(run.processor.execute("USE q") == "")
    }

    private func changeIndex(_ run: inout Run) {
        let number = run.number(Self.indexes.count)
        if run.hasIndex.contains(number), run.chance(30) {
            #expect(run.processor.execute("DROP INDEX i\(number + 1)") == "")
            run.hasIndex.remove(number)
        } else if !run.hasIndex.contains(number) {
            #expect(run.processor.execute(Self.indexes[number]) == "")
            run.hasIndex.insert(number)
        }
    }

    // MARK: Writes

    private func both(_ run: inout Run, _ statement: (String) -> String) {
        for table in ["t", "u"] { #expect(run.processor.execute(statement(table)) == "") }
    }

    private func write(_ run: inout Run) {
        run.timestamp += Int64(run.number(3))
        let partition = "a = \(run.number(4)) AND b = '\(run.nonEmptyText())'"
        let row = "\(partition) AND c = \(run.number(5)) AND d = '\(run.nonEmptyText())'"
        let using = "USING TIMESTAMP \(run.timestamp)"
        let expiring = run.chance(15) ? "\(using) AND TTL \(1 + run.number(6))" : using
        switch run.number(20) {
        case 0..<9:
            let (names, values) = columns(&run)
            let key = "\(run.number(4)), '\(run.nonEmptyText())', \(run.number(5)), '\(run.nonEmptyText())'"
            both(&run) {
                "INSERT INTO \($0) (a, b, c, d\(names)) VALUES (\(key)\(values)) \(expiring)"
            }
        case 9..<13:
            let change = change(&run)
            both(&run) { "UPDATE \($0) \(expiring) SET \(change) WHERE \(row)" }
        case 13:
            let value = run.number(4)
            both(&run) { "UPDATE \($0) \(expiring) SET s = \(value) WHERE \(partition)" }
        case 14:
            let column = ["v", "x", "m", "l", "k", "f", "m[1]", "k['a']"][run.number(8)]
            both(&run) { "DELETE \(column) FROM \($0) \(using) WHERE \(row)" }
        case 15: both(&run) { "DELETE s FROM \($0) \(using) WHERE \(partition)" }
        case 16..<18: both(&run) { "DELETE FROM \($0) \(using) WHERE \(row)" }
        case 18:
            let c = run.number(5)
            both(&run) { "DELETE FROM \($0) \(using) WHERE \(partition) AND c >= \(c)" }
        default: both(&run) { "DELETE FROM \($0) \(using) WHERE \(partition)" }
        }
    }

    private func columns(_ run: inout Run) -> (String, String) {
        var names = ""
        var values = ""
        func add(_ name: String, _ value: String) {
            names += ", \(name)"
            values += ", \(value)"
        }
        if run.chance(70) { add("v", run.chance(10) ? "null" : "\(run.number(9))") }
        if run.chance(60) { add("x", "'\(run.text())'") }
        if run.chance(20) { add("s", "\(run.number(4))") }
        if run.chance(40) { add("m", "{\(run.number(3)): '\(run.text())', 7: '\(run.text())'}") }
        if run.chance(40) { add("l", "[\(run.number(4)), \(run.number(4))]") }
        if run.chance(40) { add("k", "{'\(run.text())', '\(run.text())'}") }
        if run.chance(40) { add("f", "[\(run.number(2)), \(run.number(2))]") }
        return (names, values)
    }

    private func change(_ run: inout Run) -> String {
        switch run.number(6) {
        case 0: "v = \(run.number(9))"
        case 1: "x = '\(run.text())'"
        case 2: "m[\(run.number(3))] = '\(run.text())'"
        case 3: "l = l + [\(run.number(4))]"
        case 4: "k = k + {'\(run.text())'}"
        default: "m = m + {\(run.number(3)): '\(run.text())'}"
        }
    }

    // MARK: Queries

    private func condition(_ run: inout Run) -> String {
        let comparison = ["=", "<", "<=", ">", ">="][run.number(5)]
        switch run.number(13) {
        case 0..<2: return "v \(comparison) \(run.number(9))"
        case 2: return "x \(comparison) '\(run.text())'"
        case 3: return "s \(comparison) \(run.number(4))"
        case 4: return "c \(comparison) \(run.number(5))"
        case 5: return "b = '\(run.nonEmptyText())'"
        case 6: return "m CONTAINS '\(run.text())'"
        case 7: return "m CONTAINS KEY \(run.number(3))"
        case 8: return "m[\(run.number(3))] = '\(run.text())'"
        case 9: return "l CONTAINS \(run.number(4))"
        case 10: return "k CONTAINS '\(run.text())'"
        case 11: return "f = [\(run.number(2)), \(run.number(2))]"
        default: return "v IN (\(run.number(9)), \(run.number(9)))"
        }
    }

    private func query(_ run: inout Run) {
        var conditions = [condition(&run)]
        if run.chance(40) { conditions.append(condition(&run)) }
        if run.chance(15) { conditions.append("v >= \(run.number(5)) AND v < \(5 + run.number(4))") }
        if run.chance(15) {
            conditions.append("a = \(run.number(4))")
            conditions.removeAll { $0.hasPrefix("b ") }
            conditions.append("b = '\(run.nonEmptyText())'")
        }
        // A clustering column takes one relation.
        var seen: Set<String> = []
        conditions = conditions.filter { condition in
            let name = String(condition.prefix(1))
            return !"abc".contains(name) || seen.insert(name).inserted
        }
        let what = run.chance(20) ? "count(*)" : "a, b, c, d, v, x, s"
        var rest = ""
        if run.chance(15), what != "count(*)" { rest += " PER PARTITION LIMIT \(1 + run.number(2))" }
        if run.chance(20) { rest += " LIMIT \(1 + run.number(6))" }
        let pageSize: Int32? = run.chance(50) ? Int32(1 + run.number(5)) : nil
        let text = " WHERE \(conditions.joined(separator: " AND "))\(rest) ALLOW FILTERING"
        func answer(_ table: String) -> String {
            run.processor.execute("SELECT \(what) FROM \(table)" + text, pageSize: pageSize)
                .split(separator: "\n").filter { $0 != "--" }.joined(separator: "\n")
        }
        let expected = answer("u")
        #expect(answer("t") == expected, "\(text), pages of \(pageSize ?? 0)")
        run.queryCount += 1
        if !expected.isEmpty, expected != "0", !expected.hasPrefix("error") { run.foundCount += 1 }
    }
}
