// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Testing

@testable import Storage

@Suite("Ranges of columns")
struct ColumnRangeTests {
    private static func table(withStatic: Bool = false) -> TableSchema {
        var columns = [
            ColumnSchema(id: 1, name: "k", type: .text, kind: .partitionKey),
            ColumnSchema(id: 2, name: "c", type: .int, kind: .clustering),
            ColumnSchema(id: 3, name: "n", type: .int, kind: .regular),
            ColumnSchema(id: 4, name: "v", type: .text, kind: .regular),
            ColumnSchema(id: 5, name: "d", type: .double, kind: .regular),
            ColumnSchema(id: 6, name: "u", type: .uuid, kind: .regular),
            ColumnSchema(id: 7, name: "late", type: .int, kind: .regular),
        ]
        if withStatic {
            columns.append(ColumnSchema(id: 8, name: "s", type: .text, kind: .static))
        }
        return TableSchema(
            id: UUID(high: 0x0102_0304_0506_4708, low: 0x890A_0B0C_0D0E_0F10),
            keyspace: "k",
            name: "t",
            columns: columns,
            nextColumnID: 9
        )
    }

    private static func row(
        _ n: Int32?,
        _ v: String,
        timestamp: Int64,
        d: Double = 0
    ) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &writer)
        func append(_ column: UInt32, _ value: [UInt8]?) {
            (value ?? []).withView { view in
                let cell = Cell(
                    column: column,
                    flags: value == nil ? .tombstone : [],
                    timestamp: timestamp,
                    localTime: value == nil ? 9 : 0,
                    value: view
                )
                RowEncoder.append(cell, base: timestamp, to: &writer)
            }
        }
        append(3, n.map { ValueCoding.int32($0) })
        append(4, Array(v.utf8))
        append(5, ValueCoding.double(d))
        return writer.array
    }

    private static func write(
        _ fileSystem: MemoryFileSystem,
        _ path: String,
        _ entries: [TestEntry],
        _ table: TableSchema
    ) throws -> SSTableReader {
        var schema = ByteWriter()
        table.encode(to: &schema)
        var options = SSTableWriterOptions()
        options.schema = schema.array
        options.blockCount = 60
        try writeSSTable(fileSystem, path, entries, options: options)
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: path).problems == [])
        // The cache that files share knows them by their numbers.
        return try SSTableReader.open(
            fileSystem: fileSystem,
            path: path,
            fileNumber: UInt64(path) ?? 0
        )
    }

    private static func bounds(
        _ table: TableSchema,
        _ column: String,
        _ low: [UInt8]?,
        _ high: [UInt8]?
    ) throws -> ColumnBounds {
        let schema = try #require(table.column(column))
        return try #require(ColumnBounds(schema, low: low, high: high))
    }

    private static func firstCandidate(
        _ reader: SSTableReader,
        _ bounds: ColumnBounds
    ) -> [UInt8]? {
        reader.firstCandidate(bounds, from: [])
    }

    @Test("A file knows between what its values lie, in the order of their types")
    func extremes() throws {
        let table = ColumnRangeTests.table()
        let partition = TestEntries.partition("p")
        let values: [(Int32?, String, Double)] = [
            (-7, "beta", 2.5), (12, "alpha", -1e9), (nil, "gamma", .infinity), (3, "", 0),
        ]
        let entries = values.enumerated().map { index, value in
            TestEntry(
                key: TestEntries.row(partition, UInt32(index)),
                value: ColumnRangeTests.row(value.0, value.1, timestamp: 5, d: value.2)
            )
        }
        let reader = try ColumnRangeTests.write(MemoryFileSystem(), "1", entries, table)
        let ranges = try #require(reader.statistics.columnRanges)
        #expect(ranges.columns.keys.sorted() == [3, 4, 5, 7])
        #expect(ranges.columns[3]?.valueCount == 3)
        #expect(
            ranges.columns[4]?.least == [] && ranges.columns[4]?.greatest == Array("gamma".utf8)
        )
        #expect(ranges.columns[7]?.valueCount == 0)
        let int = { (value: Int32) in ValueCoding.int32(value) }
        let cases: [(String, [UInt8]?, [UInt8]?, Bool)] = [
            ("n", int(-7), int(-7), true), ("n", nil, int(-8), false), ("n", int(13), nil, false),
            ("n", int(4), int(11), true), ("v", Array("gammb".utf8), nil, false),
            ("v", Array("delta".utf8), Array("delta".utf8), true),
            ("d", ValueCoding.double(-1e9), ValueCoding.double(-1e9), true),
            ("d", nil, ValueCoding.double(-2e9), false), ("late", int(0), nil, false),
        ]
        for (column, low, high, isExpected) in cases {
            let bounds = try ColumnRangeTests.bounds(table, column, low, high)
            let found = ColumnRangeTests.firstCandidate(reader, bounds) != nil
            #expect(found == isExpected, "\(column)")
        }
        // No order is kept of a uuid, none of keys, and none of a value that isn't one of the type.
        let uuid = try #require(table.column("u"))
        #expect(ColumnBounds(uuid, low: nil, high: [UInt8](repeating: 1, count: 16)) == nil)
        let clustering = try #require(table.column("c"))
        #expect(ColumnBounds(clustering, low: int(1), high: nil) == nil)
        let number = try #require(table.column("n"))
        #expect(ColumnBounds(number, low: [1], high: nil) == nil)
    }

    @Test("Long values are known by their beginning, and never left out for their end")
    func longValues() throws {
        let table = ColumnRangeTests.table()
        let head = String(repeating: "x", count: 40)
        let key = TestEntries.row(TestEntries.partition("p"), 1)
        let entry = TestEntry(key: key, value: ColumnRangeTests.row(1, head + "m", timestamp: 5))
        let reader = try ColumnRangeTests.write(MemoryFileSystem(), "1", [entry], table)
        for (text, isExpected) in [
            (head + "m", true), (head + "z", true), (head, true), ("y", false),
        ] {
            let value = Array(text.utf8)
            let bounds = try ColumnRangeTests.bounds(table, "v", value, value)
            #expect((ColumnRangeTests.firstCandidate(reader, bounds) != nil) == isExpected)
        }
    }

    @Test("A scan passes over the parts of a file without such values, and over nothing else")
    func parts() throws {
        let table = ColumnRangeTests.table()
        let partition = TestEntries.partition("p")
        // n rises with the key.
        let entries = (0..<4_000).map { number in
            TestEntry(
                key: TestEntries.row(partition, UInt32(number)),
                value: ColumnRangeTests.row(Int32(number / 3), "v", timestamp: 5)
            )
        }
        let reader = try ColumnRangeTests.write(MemoryFileSystem(), "1", entries, table)
        #expect(reader.statistics.indexBlockCount > 4)
        var skipped = 0
        for number in stride(from: 0, to: 4_000, by: 131) {
            let value = ValueCoding.int32(Int32(number / 3))
            let bounds = try ColumnRangeTests.bounds(table, "n", value, value)
            let first = number / 3 * 3
            for lower in [[], entries[first / 2].key, entries[first].key] {
                let found = try #require(reader.firstCandidate(bounds, from: lower))
                #expect(!entries[first].key.lexicographicallyPrecedes(found))
                if entries[min(first / 2 + 5, first)].key.lexicographicallyPrecedes(found) {
                    skipped += 1
                }
            }
            // Behind the last such row there is nothing, but in its own part.
            if number + 2_000 < 4_000 {
                #expect(reader.firstCandidate(bounds, from: entries[number + 2_000].key) == nil)
            }
        }
        #expect(skipped > 20)
    }

    @Test(
        "With conditions a scan gives the same rows, whatever hides and replaces what",
        arguments: 0..<12
    )
    func scans(seed: Int) throws {
        let table = ColumnRangeTests.table(withStatic: seed % 2 == 1)
        var numbers = SeededNumbers(seed: UInt64(seed) + 40)
        let fileSystem = MemoryFileSystem()
        let partitions = (0..<12).map { TestEntries.partition("p\($0)") }
        func entries(_ count: Int) -> [TestEntry] {
            var byKey: [[UInt8]: [UInt8]] = [:]
            for _ in 0..<count {
                let place = Int.random(in: 0..<12, using: &numbers)
                let clustering = UInt32.random(in: 0..<300, using: &numbers)
                // Values go with the partition, so that parts of files differ.
                let n = Int32(place * 100) + Int32.random(in: 0..<100, using: &numbers)
                let isNull = Int.random(in: 0..<9, using: &numbers) == 0
                byKey[TestEntries.row(partitions[place], clustering)] = ColumnRangeTests.row(
                    isNull ? nil : n,
                    "v",
                    timestamp: Int64.random(in: 1...9, using: &numbers)
                )
            }
            return byKey.map { TestEntry(key: $0.key, value: $0.value) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        }
        var sstables: [LiveSSTable] = []
        for number in 1...3 {
            let reader = try ColumnRangeTests.write(
                fileSystem,
                "\(number)",
                entries(1_500),
                table
            )
            sstables.append(LiveSSTable(number: UInt64(number), reader: reader))
        }
        let store = TableStore.test(table, sstables)
        for entry in entries(seed % 3 == 0 ? 40 : 0) { try store.apply(entry) }
        var left = 0
        for _ in 0..<30 {
            let low = Int32.random(in: -50..<1_250, using: &numbers)
            let high = low + Int32.random(in: 0..<150, using: &numbers)
            let bounds = try ColumnRangeTests.bounds(
                table,
                "n",
                ValueCoding.int32(low),
                ValueCoding.int32(high)
            )
            let all = try ColumnRangeTests.scan(store, [])
            let some = try ColumnRangeTests.scan(store, [bounds])
            // Keys and values: which bytes a merge makes of a row depends on the order of its sources.
            let matching = { (rows: [TestEntry]) in
                rows.compactMap { entry -> [UInt8]? in
                    guard let n = ColumnRangeTests.n(entry), low <= n, n <= high else { return nil }
                    return entry.key + ValueCoding.int32(n)
                }
            }
            let missing = Set(matching(all)).symmetricDifference(matching(some))
            #expect(missing.isEmpty, "\(low)...\(high): \(missing)")
            #expect(matching(some).count == matching(all).count)
            left += all.count - some.count
        }
        #expect(left > 0 || seed % 3 == 0)
    }

    /// The merged rows of a store; a cursor with conditions is made anew every 64 rows, as a SELECT does.
    private static func scan(
        _ store: TableStore,
        _ conditions: [ColumnBounds]
    ) throws -> [TestEntry] {
        var rows: [TestEntry] = []
        var lower: [UInt8] = []
        while true {
            let cursor = try store.cursor(lower: lower, upper: [], conditions: conditions)
            var count = 0
            while count < 64, try cursor.next() {
                rows.append(TestEntry(key: cursor.key.array, value: cursor.value.array))
                count += 1
            }
            guard count == 64, let last = rows.last else { return rows }
            lower = last.key + [0]
        }
    }

    private static func n(_ entry: TestEntry) -> Int32? {
        entry.value.withView { view -> Int32? in
            guard var row = try? RowFragment(view) else { return nil }
            while let cell = try? row.nextCell() {
                if cell.column == 3, cell.flags.hasValue { return Int32(cql: cell.value) }
            }
            return nil
        }
    }

    @Test("A slice and a row outside of a file's clusterings don't read it")
    func clustering() throws {
        let table = ColumnRangeTests.table()
        let fileSystem = MemoryFileSystem()
        let partition = TestEntries.partition("p")
        var sstables: [LiveSSTable] = []
        for number in 0..<4 {
            // Each file has the clusterings of its own time.
            let entries = (0..<50).map { row in
                TestEntry(
                    key: TestEntries.row(partition, UInt32(number * 1_000 + row)),
                    value: ColumnRangeTests.row(1, "v", timestamp: 5)
                )
            }
            let reader = try ColumnRangeTests.write(fileSystem, "\(number)", entries, table)
            sstables.append(LiveSSTable(number: UInt64(number), reader: reader))
        }
        let key = { (clustering: UInt32) in TestEntries.row(partition, clustering) }
        for number in 0..<4 as Range<UInt32> {
            let reader = sstables[Int(number)].reader
            let length = partition.count
            func mayHold(_ lower: [UInt8], _ upper: [UInt8]) -> Bool {
                lower.withView { lower in
                    upper.withView {
                        reader.mayHold(lower: lower, upper: $0, partitionLength: length)
                    }
                }
            }
            #expect(mayHold(key(number * 1_000 + 10), key(number * 1_000 + 11)))
            #expect(mayHold(partition, partition + [4]))
            #expect(mayHold(partition + [Key.clustered], partition + [4]))
            #expect(!mayHold(key(number * 1_000 + 50), partition + [4]))
            #expect(!mayHold(partition + [Key.clustered], key(number * 1_000)))
            #expect(mayHold(partition + [Key.clustered], key(number * 1_000) + [0]))
            #expect(
                key(number * 1_000).withView { reader.mayHold(row: $0, partitionLength: length) }
            )
            #expect(
                !key(number * 1_000 + 60).withView {
                    reader.mayHold(row: $0, partitionLength: length)
                }
            )
        }
        let store = TableStore.test(table, sstables)
        let cursor = try store.cursor(lower: key(2_010), upper: key(2_020))
        var count = 0
        while try cursor.next() { count += 1 }
        #expect(count == 10)
    }

    @Test("A file's filter meets the table's chance", arguments: [0.1, 0.01, 0.001])
    func filterChance(chance: Double) throws {
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.filterFalsePositiveChance = chance
        let entries = (0..<20_000).map { number in
            TestEntry(
                key: TestEntries.row(TestEntries.partition("there-\(number)"), 1),
                value: [0]
            )
        }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let source = UncachedBlocks()
        let tries = chance < 0.01 ? 100_000 : 30_000
        var passing = 0
        for number in 0..<tries {
            let partition = TestEntries.partition("absent-\(number)")
            let mayContain = try partition.withView { (view) throws(StorageError) in
                try reader.mayContain(partition: view, through: source)
            }
            if mayContain { passing += 1 }
        }
        let measured = Double(passing) / Double(tries)
        // A fifth more or less, and what chance does to so few tries.
        #expect(measured < chance * 1.2 + 0.0003 && measured > chance * 0.7 - 0.0003)
    }
}
