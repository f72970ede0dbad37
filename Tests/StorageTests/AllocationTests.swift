// SPDX-License-Identifier: Apache-2.0

import Bytes
import CAllocationCount
import Environment
import Model
import Testing

@testable import Storage

/// What must not take anything from the heap: point reads of what is in memory, and writes to a memtable,
/// whose memory is an arena.
///
/// A debug build takes memory for loops over arrays, which it doesn't specialize: so the loops here are
/// over numbers, and what has such loops is counted in release builds alone (`tools/allocation-test`).
@Suite("Allocations of hot reads and writes", .enabled(if: allocation_counting()))
struct AllocationTests {
    private static let table = TableSchema(
        id: UUID(high: 1, low: 2),
        keyspace: "k",
        name: "t",
        columns: [
            ColumnSchema(id: 1, name: "p", type: .text, kind: .partitionKey),
            ColumnSchema(id: 2, name: "c", type: .int, kind: .clustering),
            ColumnSchema(id: 3, name: "v", type: .blob, kind: .regular),
        ],
        nextColumnID: 4
    )

    private static let entries: [TestEntry] = (0..<500).map { number in
        let partition = TestEntries.partition("partition \(number % 50)")
        let value = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 60)
        return TestEntry(
            key: TestEntries.row(partition, UInt32(number)),
            value: TestEntries.value(value)
        )
    }.sorted { $0.key.lexicographicallyPrecedes($1.key) }

    private static var isOptimized: Bool {
        #if DEBUG
            false
        #else
            true
        #endif
    }

    /// How many allocations there are, after two rounds that take what is kept.
    private static func allocations(of body: () throws -> Void) rethrows -> Int {
        try body()
        try body()
        let before = allocation_count().allocations
        try body()
        return Int(allocation_count().allocations - before)
    }

    /// Reads all rows by their keys.
    private static func readAll(_ store: TableStore, _ wanted: WantedColumns?) throws {
        var number = 0
        while number < entries.count {
            let found = try entries[number].key.withView { (key) throws(StorageError) -> Int in
                let length = Key.partitionLength(of: key)
                return try store.get(key, partitionLength: length, wanted: wanted)?.count ?? 0
            }
            if found == 0 { Issue.record("a row is missing") }
            number += 1
        }
    }

    @Test("a get of a row in the memtable makes none")
    func memtable() throws {
        let store = TableStore.test(Self.table)
        for entry in Self.entries { try store.apply(entry) }
        #expect(try Self.allocations { try Self.readAll(store, nil) } == 0)
        let wanted = WantedColumns([3], now: 100)
        #expect(try Self.allocations { try Self.readAll(store, wanted) } == 0)
    }

    @Test(
        "a get of a row in cached blocks makes none",
        .enabled(if: isOptimized, "counted by tools/allocation-test"),
        arguments: [1, 3]
    )
    func cachedBlocks(fileCount: Int) throws {
        let files = MemoryFileSystem()
        var sstables: [LiveSSTable] = []
        for number in 0..<fileCount {
            let own = Self.entries.enumerated().filter { $0.offset % fileCount == number }
            try writeSSTable(
                files,
                "\(number)",
                own.map(\.element),
                options: SSTableWriterOptions()
            )
            let reader = try SSTableReader.open(
                fileSystem: files,
                path: "\(number)",
                fileNumber: UInt64(number)
            )
            sstables.append(LiveSSTable(number: UInt64(number), reader: reader))
        }
        let store = TableStore.test(Self.table, sstables)
        #expect(try Self.allocations { try Self.readAll(store, nil) } == 0)
        let wanted = WantedColumns([3], now: 100)
        #expect(try Self.allocations { try Self.readAll(store, wanted) } == 0)
    }

    @Test("a row that is written to a memtable makes none, however many cells it has")
    func writes() throws {
        let store = TableStore.test(Self.table)
        let cells = [UInt8](repeating: 7, count: 30)
        var entries = Self.entries
        for index in entries.indices {
            var writer = ByteWriter()
            RowEncoder.begin(liveness: Liveness(timestamp: 5), to: &writer)
            cells.withView { view in
                for column in 3..<UInt32(4 + index % 40) {
                    let cell = Cell(column: column, flags: [], timestamp: 5, value: view)
                    RowEncoder.append(cell, base: 5, to: &writer)
                }
            }
            entries[index].value = writer.array
        }
        // The first round makes rows, the second replaces them.
        try store.apply(entries[0])
        let memtable = store.memtable(forKey: 100, value: 4000)
        var failures = 0
        let count = Self.allocations {
            var number = 0
            while number < entries.count {
                let isApplied = entries[number].key.withView { key in
                    entries[number].value.withView {
                        (try? memtable.apply(key: key, value: $0)) == true
                    }
                }
                if !isApplied { failures += 1 }
                number += 1
            }
        }
        #expect(count == 0)
        #expect(failures == 0)
    }
}
