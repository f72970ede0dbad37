// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Testing

@testable import Storage

/// A cursor over SSTables passes over blocks that it needn't see; one over memtables sees everything. So
/// both must give the same.
@Suite("Merged reads that pass over blocks")
struct MergePassingTests {
    private static let partitions = ["a", "b", "c"].map { TestEntries.partition($0) }
    private static let clusterings: UInt32 = 240

    /// Three memtables of random runs of rows and deletions, and the same as SSTables of tiny blocks.
    private struct Sources {
        var memtables: [Memtable] = []
        var readers: [SSTableReader] = []
        let blocks = ShardBlocks(cache: BlockCache(capacity: 1 << 20))
        var numbers: SeededNumbers

        init(seed: UInt64) throws {
            numbers = SeededNumbers(seed: seed)
            let files = MemoryFileSystem()
            for number in 1...3 as ClosedRange<UInt64> {
                let memtable = Memtable(capacity: 64 << 20)
                for _ in 0..<12 { try add(to: memtable) }
                memtables.append(memtable)
                var options = SSTableWriterOptions()
                options.blockCount = 64 + pick(400)
                let writer = try SSTableWriter(
                    fileSystem: files,
                    path: "\(number)",
                    options: options
                )
                let cursor = MemtableCursor(memtable)
                cursor.seek(atOrAfter: .empty)
                while cursor.isValid {
                    try writer.add(key: cursor.key, value: cursor.value)
                    cursor.next()
                }
                _ = try writer.finish()
                readers.append(
                    try SSTableReader.open(
                        fileSystem: files,
                        path: "\(number)",
                        fileNumber: number
                    )
                )
            }
        }

        mutating func pick(_ count: Int) -> Int { Int(numbers.next() % UInt64(count)) }

        private mutating func add(to memtable: Memtable) throws {
            let partition = MergePassingTests.partitions[pick(3)]
            let timestamp = Int64(1 + pick(30))
            let deletion = Deletion(timestamp: timestamp, localTime: timestamp)
            let start = UInt32(pick(Int(MergePassingTests.clusterings)))
            let end = start + UInt32(1 + pick(120))
            var value = ByteWriter()
            switch pick(12) {
            case 0:
                EntryHeader.appendPartitionDeletion(deletion, to: &value)
                try apply(partition + [Key.partitionDeletion], value, to: memtable)
            case 1:
                RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &value)
                try apply(partition + [Key.staticRow], value, to: memtable)
            case 2, 3, 4:
                TestEntries.marker(partition, end, end: Key.endBefore).withView {
                    RangeDeletion.append(end: $0, deletion: deletion, to: &value)
                }
                let key = TestEntries.marker(partition, start, end: Key.endBefore)
                try apply(key, value, to: memtable)
            case 5, 6, 7, 8:
                RowEncoder.begin(liveness: nil, deletion: deletion, to: &value)
                for row in start..<end {
                    try apply(TestEntries.row(partition, row), value, to: memtable)
                }
            default:
                RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &value)
                for row in start..<end {
                    try apply(TestEntries.row(partition, row), value, to: memtable)
                }
            }
        }

        private func apply(_ key: [UInt8], _ value: borrowing ByteWriter, to memtable: Memtable) throws {
            let fits = try key.withView { try memtable.apply(key: $0, value: value.view) }
            #expect(fits)
        }

        /// The memtables of some sources and the SSTables of the others.
        func cursors(onDisk: (Int) -> Bool) -> [SourceCursor] {
            (0..<3).map { index in
                onDisk(index)
                    ? .sstable(SSTableCursor(readers[index], source: blocks), blocks)
                    : .memtable(MemtableCursor(memtables[index]), memtables[index])
            }
        }

        /// Bounds: of all, of one partition, or within one.
        mutating func bounds(isReversed: Bool) -> (lower: [UInt8], upper: [UInt8]) {
            if !isReversed, pick(3) == 0 { return ([], []) }
            let partition = MergePassingTests.partitions[pick(3)]
            if pick(3) == 0 { return (partition, partition + [Key.clustered + 1]) }
            let ends = [Key.endBefore, Key.endRow, Key.endAfter]
            let some = (0..<2).map { _ in
                let row = UInt32(pick(Int(MergePassingTests.clusterings) + 60))
                return TestEntries.marker(partition, row, end: ends[pick(3)])
            }
            let isInOrder = some[0].lexicographicallyPrecedes(some[1])
            return isInOrder ? (some[0], some[1]) : (some[1], some[0])
        }
    }

    private static func all(_ cursor: MergeCursor) throws -> [TestEntry] {
        var entries: [TestEntry] = []
        while try cursor.next() {
            entries.append(TestEntry(key: cursor.key.array, value: try normalized(cursor.value)))
        }
        return entries
    }

    /// A row without the base timestamp of cells that it hasn't, which says what fragments it came of.
    private static func normalized(_ value: ByteView) throws -> [UInt8] {
        guard value[0] & 0xF0 == 0 else { return value.array }
        let row = try RowFragment(value)
        #expect(row.hasNoCells)
        var writer = ByteWriter()
        RowEncoder.begin(liveness: row.liveness, deletion: row.deletion, to: &writer)
        return writer.array
    }

    @Test("give what reads of everything give, in both directions and from anywhere")
    func same() throws {
        var passed = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var sources = try Sources(seed: seed)
            for round in 0..<24 {
                let isReversed = round % 2 == 1
                let emitsDeletions = !isReversed && round % 3 == 0
                let bounds = sources.bounds(isReversed: isReversed)
                let mask = 1 + sources.pick(7)
                func cursor(_ cursors: [SourceCursor], _ lower: [UInt8], _ upper: [UInt8]) -> MergeCursor {
                    MergeCursor(
                        sources: cursors,
                        lower: lower,
                        upper: upper,
                        isReversed: isReversed,
                        emitsDeletions: emitsDeletions
                    )
                }
                let inMemory = sources.cursors { _ in false }
                let expected = try Self.all(cursor(inMemory, bounds.lower, bounds.upper))
                let onDisk = sources.cursors { mask >> $0 & 1 == 1 }
                let found = try Self.all(cursor(onDisk, bounds.lower, bounds.upper))
                #expect(found == expected, "seed \(seed), round \(round)")
                for case .sstable(let cursor, _) in onDisk { passed += cursor.blocksPassed }
                // The same in parts, each of some work.
                guard !emitsDeletions else { continue }
                var parts: [TestEntry] = []
                var (lower, upper) = bounds
                while true {
                    let part = cursor(sources.cursors { mask >> $0 & 1 == 1 }, lower, upper)
                    part.workMax = 1 + sources.pick(9)
                    parts += try Self.all(part)
                    guard part.isPaused, let key = part.resumeKey else { break }
                    if isReversed { upper = key } else { lower = key + [0] }
                }
                #expect(parts == expected, "seed \(seed), round \(round), in parts")
            }
        }
        #expect(passed > 1000)
    }
}
