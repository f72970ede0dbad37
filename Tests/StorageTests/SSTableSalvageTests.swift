// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("Salvage of damaged SSTables")
struct SSTableSalvageTests {
    /// A file with several index blocks, and its entries.
    private static func make(
        _ codec: Codec = .lz4,
        _ fileSystem: MemoryFileSystem,
        rangeDeletionChance: Double = 0.1
    ) throws -> [TestEntry] {
        let entries = TestEntries.mixture(
            seed: 21,
            partitionCount: 60,
            rowsMax: 60,
            rangeDeletionChance: rangeDeletionChance
        )
        var options = SSTableWriterOptions()
        options.codec = codec
        options.blockCount = 40
        options.identity = 77
        options.schema = [1, 2, 3]
        let summary = try writeSSTable(fileSystem, "1", entries, options: options)
        #expect(summary.statistics.indexBlockCount > 1)
        return entries
    }

    private static func salvage(
        _ fileSystem: MemoryFileSystem
    ) throws -> (
        SSTableSalvage, [TestEntry]
    ) {
        if try fileSystem.kind("2") != nil { try fileSystem.remove("2") }
        let report = SSTableSalvager.salvage(
            fileSystem: fileSystem,
            path: "1",
            to: "2",
            identity: 78
        )
        guard report.output != nil else { return (report, []) }
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "2").problems == [])
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "2")
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        var entries: [TestEntry] = []
        try cursor.seekToFirst()
        while let entry = current(cursor) {
            entries.append(entry)
            try cursor.next()
        }
        #expect(entries.count == report.entryCount)
        return (report, entries)
    }

    private static func isMarker(_ entry: TestEntry) -> Bool { entry.value[0] & 0x80 != 0 }

    private static func covers(_ run: LostRun, _ key: [UInt8]) -> Bool {
        !key.lexicographicallyPrecedes(run.keys.first)
            && (run.keys.last.isEmpty || key.lexicographicallyPrecedes(run.keys.last))
    }

    /// What is saved is the file without the lost runs: all other entries, each with what was open there.
    private static func check(
        _ report: SSTableSalvage,
        _ saved: [TestEntry],
        _ entries: [TestEntry]
    ) {
        let rows = entries.filter { !isMarker($0) }
        let savedRows = saved.filter { !isMarker($0) }
        let lost = Set(rows.map(\.key)).subtracting(savedRows.map(\.key))
        #expect(Set(savedRows.map(\.key)).isSubset(of: Set(rows.map(\.key))))
        let expected = rows.filter { !lost.contains($0.key) }
        #expect(savedRows == expected)
        for key in lost {
            #expect(report.lost.contains { covers($0, key) }, "a lost key that isn't named")
        }
        #expect(report.rowCount == savedRows.count { isRow($0) })
    }

    private static func isRow(_ entry: TestEntry) -> Bool {
        entry.value[0] & 0x40 == 0
            && entry.key.withView { $0[Key.partitionLength(of: $0)] == Key.clustered }
    }

    @Test("A sound file is saved whole", arguments: Codec.allCases)
    func sound(codec: Codec) throws {
        let fileSystem = MemoryFileSystem()
        let entries = try SSTableSalvageTests.make(codec, fileSystem)
        let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
        #expect(report.isSound)
        #expect(saved == entries)
        let trial = SSTableSalvager.salvage(fileSystem: fileSystem, path: "1", to: nil, identity: 1)
        #expect(trial.isSound && trial.output == nil && trial.entryCount == entries.count)
    }

    @Test("A damaged data block loses its keys, which are named; nothing else changes")
    func dataBlocks() throws {
        let fileSystem = MemoryFileSystem()
        let entries = try SSTableSalvageTests.make(.lz4, fileSystem, rangeDeletionChance: 0.4)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let end = 32 + reader.statistics.regionCount
        var damaged = 0
        for offset in stride(from: 33, to: end, by: 3_001) {
            try fileSystem.flipBit("1", offset: offset, bit: 2)
            let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
            #expect(!report.isSound)
            #expect(report.lost.count <= 1)
            SSTableSalvageTests.check(report, saved, entries)
            if let run = report.lost.first {
                damaged += 1
                #expect(run.offset <= offset && offset < run.offset + run.length)
                let count = entries.count { SSTableSalvageTests.covers(run, $0.key) }
                #expect(run.entryCount == count)
                // What the verifier names is the same.
                let verified = SSTableVerifier.verify(fileSystem: fileSystem, path: "1")
                guard case .corruption(let error) = verified.problems.first else {
                    Issue.record("no corruption")
                    continue
                }
                #expect(error.offset == run.offset && error.keys?.first == run.keys.first)
            }
            try fileSystem.flipBit("1", offset: offset, bit: 2)
        }
        #expect(damaged > 10)
    }

    @Test("A part of a partition that is lost is told from one that is whole")
    func edges() throws {
        let fileSystem = MemoryFileSystem()
        let first = TestEntries.partition("one")
        let second = TestEntries.partition("two")
        let partitions = [first, second].sorted { $0.lexicographicallyPrecedes($1) }
        let entries = partitions.flatMap { partition in
            (0..<9).map { number in
                TestEntry(
                    key: TestEntries.row(partition, UInt32(number)),
                    value: TestEntries.value([1])
                )
            }
        }
        var options = SSTableWriterOptions()
        options.codec = .none
        options.blockCount = 100
        try writeSSTable(fileSystem, "1", entries, options: options)
        var seen = Set<Int>()
        for offset in stride(from: 33, to: 32 + 18 * 30, by: 13) {
            try fileSystem.flipBit("1", offset: offset, bit: 2)
            let report = SSTableSalvager.salvage(
                fileSystem: fileSystem,
                path: "1",
                to: nil,
                identity: 1
            )
            if let run = report.lost.first {
                let lost = entries.filter { SSTableSalvageTests.covers(run, $0.key) }
                let hit = Set(lost.map { $0.key.withView { Key.partition(of: $0).array } })
                let named = run.edges.filter(\.isCertain).map(\.partition)
                #expect(Set(named) == hit, "offset \(offset)")
                seen.insert(hit.count)
            }
            try fileSystem.flipBit("1", offset: offset, bit: 2)
        }
        #expect(seen == [1, 2] || seen == [1])
    }

    @Test("Without its index every block is still found", arguments: Codec.allCases)
    func indexBlocks(codec: Codec) throws {
        let fileSystem = MemoryFileSystem()
        let entries = try SSTableSalvageTests.make(codec, fileSystem)
        let bytes = try fileSystem.contents("1")
        let sound = SealedFile(bytes: bytes)
        let top = try #require(sound.section(2))
        // The top index, then the directory, then the footer: each leads to all below it.
        for place in [top.lowerBound + 2, sound.directory + 2, sound.footer + 2] {
            try fileSystem.flipBit("1", offset: place, bit: 1)
            let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
            #expect(report.failure == nil)
            #expect(report.lost == [])
            #expect(!report.problems.isEmpty)
            #expect(saved == entries)
            try fileSystem.flipBit("1", offset: place, bit: 1)
        }
        // Index blocks stand where no data block does: those that verify names as such.
        var found = 0
        for offset in stride(from: 33, to: top.lowerBound, by: 4_999) {
            try fileSystem.flipBit("1", offset: offset, bit: 2)
            let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
            if report.lost.isEmpty {
                found += 1
                #expect(saved == entries)
            }
            try fileSystem.flipBit("1", offset: offset, bit: 2)
        }
        #expect(found > 1)
    }

    @Test("Without index, damaged blocks are passed over and the next ones are found")
    func scanPastDamage() throws {
        for codec in [Codec.none, .lz4, .zstd] {
            let fileSystem = MemoryFileSystem()
            let entries = try SSTableSalvageTests.make(codec, fileSystem, rangeDeletionChance: 0)
            let top = try #require(SealedFile(bytes: try fileSystem.contents("1")).section(2))
            try fileSystem.flipBit("1", offset: top.lowerBound + 2, bit: 1)
            for offset in [40, 47, 2_000, 2_031, 9_000] {
                try fileSystem.flipBit("1", offset: offset, bit: 3)
                let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
                #expect(report.lost.count <= 1)
                #expect(saved.count + 12 > entries.count, "\(codec) \(offset)")
                SSTableSalvageTests.check(report, saved, entries)
                try fileSystem.flipBit("1", offset: offset, bit: 3)
            }
        }
    }

    @Test("A file cut off at any place keeps what stands before")
    func truncated() throws {
        let fileSystem = MemoryFileSystem()
        let entries = try SSTableSalvageTests.make(.lz4, fileSystem)
        let bytes = try fileSystem.contents("1")
        for count in stride(from: 40, to: bytes.count, by: bytes.count / 17) {
            try fileSystem.setContents("1", Array(bytes.prefix(count)))
            let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
            #expect(report.failure == nil && !report.isSound)
            let rows = saved.filter { !SSTableSalvageTests.isMarker($0) }
            let expected = entries.filter { !SSTableSalvageTests.isMarker($0) }.prefix(rows.count)
            #expect(rows == Array(expected))
            #expect(saved.count * bytes.count + 100 * bytes.count > entries.count * count / 2)
        }
        // Without header and footer no block is known.
        try fileSystem.setContents("1", Array(bytes.dropFirst(40).dropLast(3)))
        #expect(try SSTableSalvageTests.salvage(fileSystem).0.failure != nil)
        #expect(try fileSystem.kind("2") == nil)
    }

    @Test("Damage anywhere, however much, never traps and never invents anything")
    func randomDamage() throws {
        let fileSystem = MemoryFileSystem()
        let entries = try SSTableSalvageTests.make(.snappy, fileSystem)
        let bytes = try fileSystem.contents("1")
        var numbers = SeededNumbers(seed: 5)
        for round in 0..<30 {
            var damaged = bytes
            for _ in 0..<(1 + round % 12) {
                let place = Int(numbers.next() % UInt64(bytes.count))
                let count = min(Int(numbers.next() % 300), bytes.count - place)
                for index in place..<place + count {
                    damaged[index] = UInt8(truncatingIfNeeded: numbers.next())
                }
            }
            try fileSystem.setContents("1", damaged)
            let (report, saved) = try SSTableSalvageTests.salvage(fileSystem)
            guard report.failure == nil else { continue }
            let rows = Set(entries.filter { !SSTableSalvageTests.isMarker($0) }.map(\.key))
            #expect(
                saved.allSatisfy { SSTableSalvageTests.isMarker($0) || rows.contains($0.key) }
            )
        }
    }
}
