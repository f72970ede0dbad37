// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("SSTable round trips")
struct SSTableRoundTripTests {
    @Test("Entries come back in order, forwards and backwards", arguments: Codec.allCases)
    func scans(codec: Codec) throws {
        let entries = TestEntries.mixture(seed: 1, partitionCount: 120, rowsMax: 60)
        let fileSystem = MemoryFileSystem()
        try fileSystem.createDirectory("/t")
        var options = SSTableWriterOptions()
        options.codec = codec
        options.blockCount = 700
        let summary = try writeSSTable(fileSystem, "/t/1", entries, options: options)
        #expect(summary.statistics.entryCount == entries.count)
        #expect(summary.statistics.dataBlockCount > 50)
        #expect(try fileSystem.list("/t") == ["1"])

        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "/t/1")
        #expect(reader.statistics == summary.statistics)
        #expect(reader.count == summary.count)
        let cursor = SSTableCursor(reader, source: ShardBlocks(cache: BlockCache(capacity: 1 << 16)))
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
    }

    @Test("Seeks find what a sorted array finds", arguments: [64, 500, 16_384])
    func seeks(blockCount: Int) throws {
        let all = TestEntries.mixture(seed: 2, partitionCount: 30, rowsMax: 50, valueMax: 9)
        // Every other entry is left out, so that targets also fall between keys; rows only, since the
        // markers that remain would no longer match.
        let rows = all.filter { $0.value[0] & EntryHeader.marker == 0 }
            .map { TestEntry(key: $0.key, value: $0.value) }
        let entries = rows.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.blockCount = blockCount
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let cursor = SSTableCursor(reader, source: ShardBlocks(cache: BlockCache(capacity: 1 << 20)))
        var targets = rows.map(\.key)
        targets += rows.map { Array($0.key.dropLast()) }
        targets += rows.map { $0.key + [0] }
        targets += [[], [0], [UInt8](repeating: 255, count: 30)]
        for target in targets {
            let after = entries.firstIndex { !$0.key.lexicographicallyPrecedes(target) }
            try target.withView { try cursor.seek(atOrAfter: $0) }
            #expect(current(cursor) == after.map { entries[$0] })
            let before = entries.lastIndex { !target.lexicographicallyPrecedes($0.key) }
            try target.withView { try cursor.seek(atOrBefore: $0) }
            #expect(current(cursor) == before.map { entries[$0] })
            let strictly = entries.lastIndex { $0.key.lexicographicallyPrecedes(target) }
            try target.withView { try cursor.seek(before: $0) }
            #expect(current(cursor) == strictly.map { entries[$0] })
        }
    }

    @Test("A random walk shows the open range deletion whichever way it came")
    func walks() throws {
        let entries = TestEntries.mixture(
            seed: 3,
            partitionCount: 40,
            rowsMax: 120,
            valueMax: 20,
            rangeDeletionChance: 0.05
        )
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.blockCount = 400
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        var numbers = SeededNumbers(seed: 4)
        var position: Int?
        for _ in 0..<6_000 {
            let choice = Int.random(in: 0..<20, using: &numbers)
            if position == nil || choice == 0 {
                let target = Int.random(in: 0..<entries.count, using: &numbers)
                try entries[target].key.withView { key in
                    if Bool.random(using: &numbers) {
                        try cursor.seek(atOrAfter: key)
                    } else {
                        try cursor.seek(atOrBefore: key)
                    }
                }
                position = target
            } else if let at = position, choice < 10 {
                try cursor.next()
                position = at + 1 < entries.count ? at + 1 : nil
            } else if let at = position {
                try cursor.previous()
                position = at > 0 ? at - 1 : nil
            }
            #expect(current(cursor) == position.map { entries[$0] })
        }
    }

    @Test("A table without entries opens and holds nothing")
    func empty() throws {
        let fileSystem = MemoryFileSystem()
        try writeSSTable(fileSystem, "1", [])
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(reader.isEmpty)
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        try cursor.seekToFirst()
        #expect(!cursor.isValid)
        try cursor.seekToLast()
        #expect(!cursor.isValid)
        try [1, 2].withView { try cursor.seek(atOrAfter: $0) }
        #expect(!cursor.isValid)
        #expect(try !reader.mayContain(1, through: UncachedBlocks()))
    }

    @Test("Huge values stand between small ones", arguments: Codec.allCases)
    func hugeValues(codec: Codec) throws {
        let partition = TestEntries.partition("p")
        var numbers = SeededNumbers(seed: 5)
        let sizes = [0, 10_000_000, 1, 16_384, 16_383, 200_000, 3]
        let entries = sizes.enumerated().map { index, size in
            let noise = (0..<size).map {
                $0 % 3 == 0 ? UInt8.random(in: 0...255, using: &numbers) : 0
            }
            return TestEntry(
                key: TestEntries.row(partition, UInt32(index)),
                value: TestEntries.value(noise)
            )
        }
        let fileSystem = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.codec = codec
        try writeSSTable(fileSystem, "1", entries, options: options)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let cursor = SSTableCursor(reader, source: SequentialBlocks())
        for entry in entries.reversed() {
            try entry.key.withView { try cursor.seek(atOrAfter: $0) }
            #expect(current(cursor) == entry)
        }
        try cursor.seekToFirst()
        for entry in entries {
            #expect(current(cursor) == entry)
            try cursor.next()
        }
    }
}
