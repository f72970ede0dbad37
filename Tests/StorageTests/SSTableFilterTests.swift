// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Testing

@testable import Storage

@Suite("SSTable filters and statistics")
struct SSTableFilterTests {
    @Test("A filter meets its chance of false positives", arguments: [0.5, 0.1, 0.01, 0.001])
    func chance(chance: Double) {
        let keys = 20_000
        let shape = FilterShape(keyCount: keys, falsePositiveChance: chance)
        var numbers = SeededNumbers(seed: 1)
        let present = (0..<keys).map { _ in numbers.next() }
        let filter = PartitionFilter.build(present, shape: shape)
        func contains(_ hash: UInt64) -> Bool {
            let line = filter.view.base + shape.line(of: hash) * FilterShape.lineBytes
            return PartitionFilter.contains(hash, in: line, probes: shape.probeCount)
        }
        #expect(present.allSatisfy { contains($0) })
        let tries = 200_000
        let passing = (0..<tries).count { _ in contains(numbers.next()) }
        let measured = Double(passing) / Double(tries)
        #expect(measured < chance * 1.15 + 0.0002)
        // A filter that is much better than asked for is larger than needed.
        #expect(measured > chance * 0.7)
    }

    @Test("A filter takes the bits that theory asks for, and a quarter more at most")
    func size() {
        // Bits a key of a Bloom filter without lines: 1.44 log2(1 / chance).
        for (chance, ideal) in [(0.1, 4.79), (0.01, 9.57), (0.001, 14.35)] {
            let shape = FilterShape(keyCount: 100_000, falsePositiveChance: chance)
            let bits = Double(shape.count * 8) / 100_000
            #expect(bits >= ideal * 0.98 && bits < ideal * 1.25, "\(chance): \(bits)")
        }
        let empty = FilterShape(keyCount: 0, falsePositiveChance: 0.01)
        #expect(empty.lineCount == 1)
    }

    @Test("A filter that is too large for memory is read by pages, through the cache")
    func paged() throws {
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.filterFalsePositiveChance = 0.00001
        var entries: [TestEntry] = []
        for index in 0..<300_000 {
            var key = ByteWriter()
            key.appendBigEndian(UInt64(index) << 40)
            key.append(0x41)
            key.append(0)
            key.append(Key.clustered)
            key.append(Key.endRow)
            entries.append(TestEntry(key: key.array, value: [0]))
        }
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let shape = try #require(reader.filterShape)
        #expect(shape.count > 1 << 20)
        #expect(reader.memoryCount < 100_000)
        let blocks = ShardBlocks(cache: BlockCache(capacity: 4 << 20))
        for index in stride(from: 0, to: entries.count, by: 7) {
            let key = entries[index].key
            let partition = key.withView { Key.partition(of: $0).array }
            let mayContain = try partition.withView { (view) throws(StorageError) in
                try reader.mayContain(partition: view, through: blocks)
            }
            #expect(mayContain)
        }
        #expect(blocks.readAtOnceCount <= shape.count / SSTableFormat.filterPageCount + 1)
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "1").problems == [])
    }

    @Test("Without a filter every partition may be there")
    func noFilter() throws {
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.filterFalsePositiveChance = 1
        let entries = TestEntries.mixture(seed: 30, partitionCount: 5, rowsMax: 5)
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(reader.filterShape == nil)
        #expect(try reader.mayContain(12_345, through: UncachedBlocks()))
    }

    @Test("Statistics say what was written, and come back the same")
    func statistics() throws {
        let partition = TestEntries.partition("p")
        var deletion = ByteWriter()
        EntryHeader.appendPartitionDeletion(Deletion(timestamp: 3, localTime: 50), to: &deletion)
        var row = ByteWriter()
        RowEncoder.begin(
            liveness: Liveness(timestamp: 100, ttl: 60, expiry: 900),
            deletion: Deletion(timestamp: 40, localTime: 45),
            to: &row
        )
        for (column, flags) in [(2, []), (3, .tombstone), (4, .expiring), (5, .collectionDeletion)]
            as [(UInt32, Cell.Flags)]
        {
            let cell = Cell(
                column: column,
                flags: flags,
                timestamp: 100 + Int64(column),
                ttl: 30,
                localTime: 800
            )
            RowEncoder.append(cell, base: 100, to: &row)
        }
        let open = Deletion(timestamp: 9, localTime: 60)
        let entries = [
            TestEntry(key: partition + [Key.partitionDeletion], value: deletion.array),
            TestEntry(key: partition + [Key.staticRow], value: TestEntries.value([1])),
            TestEntry(
                key: TestEntries.marker(partition, 4, end: Key.endBefore),
                value: TestEntries.markerValue(nil, open)
            ),
            TestEntry(key: TestEntries.row(partition, 4), value: row.array, open: open),
            TestEntry(
                key: TestEntries.marker(partition, 4, end: Key.endAfter),
                value: TestEntries.markerValue(open, nil),
                open: open
            ),
        ]
        let fileSystem = MemoryFileSystem()
        let summary = try writeSSTable(fileSystem, "1", entries)
        let found = summary.statistics
        #expect(found.entryCount == 5)
        #expect(found.rowCount == 1)
        #expect(found.staticRowCount == 1)
        #expect(found.cellCount == 5)
        #expect(found.cellTombstoneCount == 1)
        #expect(found.collectionDeletionCount == 1)
        #expect(found.rowDeletionCount == 1)
        #expect(found.rangeMarkerCount == 2)
        #expect(found.partitionDeletionCount == 1)
        #expect(found.tombstoneCount == 6)
        #expect(found.expiringCellCount == 1)
        #expect(found.expiringRowCount == 1)
        #expect(found.permanentCount == 3)
        #expect(found.minTimestamp == 3 && found.maxTimestamp == 1_000)
        #expect(found.minLocalTime == 45 && found.maxLocalTime == 900)
        #expect(found.minTTL == 30 && found.maxTTL == 60)
        #expect(found.columnCellCounts == [2: 1, 3: 2, 4: 1, 5: 1])
        #expect(found.minClustering.last == Key.endBefore)
        #expect(found.maxClustering.last == Key.endAfter)
        #expect(found.largestPartitions.map(\.partition) == [partition])
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(reader.statistics == found)
    }

    @Test("The largest partitions and the histograms are those of the sizes")
    func partitionSizes() throws {
        var entries: [TestEntry] = []
        for index in 0..<40 {
            let partition = TestEntries.partition("p\(index)")
            for row in 0..<(index + 1) {
                entries.append(
                    TestEntry(key: TestEntries.row(partition, UInt32(row)), value: [0])
                )
            }
        }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        let fileSystem = MemoryFileSystem()
        let found = try writeSSTable(fileSystem, "1", entries).statistics
        #expect(found.largestPartitions.map(\.rowCount) == Array((31...40).reversed()))
        // Sizes 1, 2, 3-4, 5-8, 9-16, 17-32, 33-40.
        #expect(found.partitionRowHistogram.buckets == [1, 1, 2, 4, 8, 16, 8])
        #expect(found.partitionRowHistogram.percentile(0.5) == 32)
    }
}
