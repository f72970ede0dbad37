// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("Damaged SSTables")
struct SSTableDamageTests {
    /// A small file with all kinds of entries and several blocks, and its entries.
    private static func small(_ codec: Codec) throws -> (bytes: [UInt8], entries: [TestEntry]) {
        let entries = TestEntries.mixture(
            seed: 8,
            partitionCount: 2,
            rowsMax: 6,
            valueMax: 12,
            rangeDeletionChance: 0.4
        )
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.codec = codec
        options.blockCount = 150
        options.schema = [1, 2, 3]
        options.createdBy = "t"
        options.identity = 5
        try writeSSTable(fileSystem, "1", entries, options: options)
        return (try fileSystem.contents("1"), entries)
    }

    /// Reads everything in both directions.
    ///
    /// Returns false when damage was reported; what is read without a report must be right.
    private static func readsAll(_ fileSystem: MemoryFileSystem, _ entries: [TestEntry]) -> Bool {
        do {
            let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
            let source = UncachedBlocks()
            let cursor = SSTableCursor(reader, source: source)
            try cursor.seekToFirst()
            for entry in entries {
                #expect(current(cursor) == entry)
                try cursor.next()
            }
            #expect(!cursor.isValid)
            try cursor.seekToLast()
            for entry in entries.reversed() {
                #expect(current(cursor) == entry)
                try cursor.previous()
            }
            #expect(!cursor.isValid)
            for entry in entries {
                try entry.key.withView { key in
                    #expect(
                        try reader.mayContain(partition: Key.partition(of: key), through: source)
                    )
                    try cursor.seek(atOrAfter: key)
                    #expect(current(cursor) == entry)
                }
            }
            return true
        } catch {
            return false
        }
    }

    @Test("A sound file verifies", arguments: Codec.allCases)
    func sound(codec: Codec) throws {
        let (bytes, entries) = try SSTableDamageTests.small(codec)
        let fileSystem = MemoryFileSystem()
        try fileSystem.setContents("1", bytes)
        let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "1")
        #expect(report.problems == [])
        #expect(report.byteCount == bytes.count)
        #expect(report.entryCount == entries.count)
        #expect(SSTableDamageTests.readsAll(fileSystem, entries))
    }

    @Test("Any flipped bit is found, and never changes an answer", arguments: [Codec.lz4, .none])
    func flippedBits(codec: Codec) throws {
        let (bytes, entries) = try SSTableDamageTests.small(codec)
        let fileSystem = MemoryFileSystem()
        var unnoticedByReads = 0
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= 1 << UInt8(bit)
                try fileSystem.setContents("1", damaged)
                let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "1")
                #expect(!report.isSound, "bit \(bit) of byte \(offset)")
                if SSTableDamageTests.readsAll(fileSystem, entries) {
                    // Reads don't look at the header.
                    #expect(offset < 32, "bit \(bit) of byte \(offset)")
                    unnoticedByReads += 1
                }
            }
        }
        #expect(unnoticedByReads == 32 * 8)
    }

    @Test("A file that was cut off or extended is refused")
    func truncated() throws {
        let (bytes, _) = try SSTableDamageTests.small(.lz4)
        let fileSystem = MemoryFileSystem()
        for count in 0..<bytes.count {
            try fileSystem.setContents("1", Array(bytes.prefix(count)))
            #expect(!SSTableVerifier.verify(fileSystem: fileSystem, path: "1").isSound)
            #expect(throws: StorageError.self) {
                try SSTableReader.open(fileSystem: fileSystem, path: "1")
            }
        }
        try fileSystem.setContents("1", bytes + [0])
        #expect(!SSTableVerifier.verify(fileSystem: fileSystem, path: "1").isSound)
    }

    @Test("A damaged block is reported with file, offset and keys; the others stay readable")
    func keySpan() throws {
        let entries = TestEntries.mixture(seed: 9, partitionCount: 50, rowsMax: 30)
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.blockCount = 1_000
        try writeSSTable(fileSystem, "/1", entries, options: options)
        let offset = try fileSystem.contents("/1").count / 2
        try fileSystem.flipBit("/1", offset: offset, bit: 3)

        let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "/1")
        #expect(report.problems.count == 1)
        guard case .corruption(let error) = report.problems[0], let keys = error.keys else {
            Issue.record("expected a corruption with keys, not \(report.problems)")
            return
        }
        #expect(error.path == "/1")
        #expect(error.offset <= offset && offset < error.offset + error.length)

        // What the error says is lost is just what can't be read.
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "/1")
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        var lost = 0
        for entry in entries {
            let isInSpan =
                !entry.key.lexicographicallyPrecedes(keys.first)
                && entry.key.lexicographicallyPrecedes(keys.last)
            if isInSpan {
                lost += 1
                let thrown = #expect(throws: StorageError.self) {
                    try entry.key.withView { try cursor.seek(atOrAfter: $0) }
                }
                #expect(thrown == .corruption(error))
            } else {
                try entry.key.withView { try cursor.seek(atOrAfter: $0) }
                #expect(current(cursor) == entry)
            }
        }
        #expect(lost > 2 && lost < entries.count / 10)
    }

    @Test("Blocks of another file or place are not taken for the right ones")
    func misplaced() throws {
        let entries = TestEntries.mixture(seed: 10, partitionCount: 20, rowsMax: 30)
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.codec = .none
        let summary = try writeSSTable(fileSystem, "a", entries, options: options)
        options.identity = 1
        try writeSSTable(fileSystem, "b", entries, options: options)
        // The same entries at the same place, but of another file: an old block that stayed on disk.
        var mixed = try fileSystem.contents("a")
        let other = try fileSystem.contents("b")
        let region = 32..<32 + summary.statistics.regionCount
        mixed.replaceSubrange(region, with: other[region])
        try fileSystem.setContents("a", mixed)
        #expect(!SSTableVerifier.verify(fileSystem: fileSystem, path: "a").isSound)
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "b").isSound)
    }

    @Test("A newer format is refused with what it is and what is known here")
    func newerVersion() throws {
        let (bytes, _) = try SSTableDamageTests.small(.lz4)
        var newer = bytes
        let footer = bytes.count - 64
        newer[footer + 40] = 2
        let checksum = Array(newer[footer..<footer + 48]).withView {
            Checksum.xxh3($0, seed: UInt64(footer))
        }
        for index in 0..<8 {
            newer[footer + 48 + index] = UInt8(truncatingIfNeeded: checksum >> UInt64(8 * index))
        }
        let fileSystem = MemoryFileSystem()
        try fileSystem.setContents("1", newer)
        let error = #expect(throws: StorageError.self) {
            try SSTableReader.open(fileSystem: fileSystem, path: "1")
        }
        guard case .unsupported(let unsupported) = error else {
            Issue.record("expected .unsupported, not \(String(describing: error))")
            return
        }
        #expect(unsupported.description.contains("SSTable format 2."))
    }

    @Test("Arbitrary bytes never trap")
    func fuzz() throws {
        let (bytes, _) = try SSTableDamageTests.small(.none)
        var numbers = SeededNumbers(seed: 11)
        for round in 0..<3_000 {
            var input = [UInt8(round % 4)] + bytes.prefix(Int(numbers.next() % 900))
            for _ in 0..<(1 + numbers.next() % 6) {
                let place = Int(numbers.next() % UInt64(input.count))
                if place > 0 { input[place] = UInt8(truncatingIfNeeded: numbers.next()) }
            }
            input.withView { SSTableFuzz.run($0) }
        }
    }
}
