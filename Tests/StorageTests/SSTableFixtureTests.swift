// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Foundation
import Model
import Testing

@testable import Storage

/// Files of every version of the format that was released: they stay readable for good.
///
/// Beside each stands a text of what is in it. With `FIXTURES=1` in the environment those of today's
/// version that aren't there yet are made; what is there is never written again.
@Suite("SSTables of all versions")
struct SSTableFixtureTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("fixtures").path

    /// The versions that were released, and which fixtures each has.
    private static let names = [
        "1.0": [
            "collections", "deletions", "empty", "expiring", "no-filter", "plain-lz4", "plain-none",
            "plain-snappy", "plain-zstd", "static", "wide",
        ],
        "1.1": [
            "collections", "deletions", "dictionary", "empty", "expiring", "no-filter", "plain-lz4",
            "plain-none", "plain-snappy", "plain-zstd", "postings", "static", "wide",
        ],
    ]

    static let files: [String] = names.flatMap { version, names in
        names.map { "sstable-\(version)-\($0)" }
    }.sorted()

    private static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).sst")))
    }

    /// Everything that the file says, through all ways of reading it.
    private static func describe(_ bytes: [UInt8]) throws -> String {
        let fileSystem = MemoryFileSystem()
        try fileSystem.setContents("1", bytes)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let statistics = reader.statistics
        let table = try reader.schema.withView { view in
            var reader = ByteReader(view)
            return try TableSchema.decode(from: &reader)
        }
        let columns = table.columns.map { "\($0.id) \($0.name) \($0.type)" }
        let dictionary = reader.dictionary.map { ", dictionary \($0.id)" } ?? ""
        var lines = [
            "version \(reader.version.major).\(reader.version.minor)",
            "schema \(table.keyspace).\(table.name): " + columns.joined(separator: ", "),
            "written by \(statistics.createdBy), \(statistics.createdAt), "
                + "\(statistics.origin.name), level \(statistics.level)",
            "blocks \(statistics.dataBlockCount) + \(statistics.indexBlockCount), "
                + "\(statistics.codec.name), \(statistics.blockCount), "
                + "\(statistics.uncompressedCount) in \(statistics.storedCount)"
                + dictionary,
            "filter \(statistics.filterFalsePositiveChance), \(statistics.filterProbeCount) probes",
            "partitions \(statistics.partitionCount), entries \(statistics.entryCount), rows "
                + "\(statistics.rowCount), static \(statistics.staticRowCount), cells "
                + "\(statistics.cellCount), permanent \(statistics.permanentCount)",
            "deletions \(statistics.cellTombstoneCount) \(statistics.collectionDeletionCount) "
                + "\(statistics.rowDeletionCount) \(statistics.rangeMarkerCount) "
                + "\(statistics.partitionDeletionCount)",
            "expiring \(statistics.expiringCellCount) \(statistics.expiringRowCount), "
                + "\(statistics.minTTL) to \(statistics.maxTTL)",
            "timestamps \(statistics.minTimestamp) to \(statistics.maxTimestamp)",
            "local times \(statistics.minLocalTime) to \(statistics.maxLocalTime)",
            "clustering \(hex(statistics.minClustering)) to \(hex(statistics.maxClustering))",
        ]
        for entry in try entries(reader) {
            let open = entry.open.map { " \($0.timestamp)/\($0.localTime)" } ?? ""
            lines.append("\(hex(entry.key)) \(hex(entry.value))\(open)")
        }
        lines += try postings(reader)
        return lines.joined(separator: "\n") + "\n"
    }

    /// The postings by their indexes, each found again by a seek.
    private static func postings(_ reader: SSTableReader) throws -> [String] {
        guard let indexes = reader.indexes else { return [] }
        var lines = indexes.entries.map {
            "index \($0.index): terms \($0.termCount), postings \($0.postingCount)"
        }
        let cursor = PostingCursor(.sstable(reader, UncachedBlocks()))
        let other = PostingCursor(.sstable(reader, UncachedBlocks()))
        try cursor.seek(atOrAfter: .empty)
        while cursor.isValid {
            let key = cursor.key
            try other.seek(atOrAfter: key)
            #expect(other.isValid && other.key.equals(key))
            lines.append("posting \(hex(key.array)), place at \(try cursor.placeOffset())")
            try cursor.next()
        }
        return lines
    }

    /// The bytes; of very many the first, and a hash.
    private static func hex(_ bytes: [UInt8]) -> String {
        guard bytes.count < 10_000 else {
            let hash = bytes.withView { Checksum.xxh3($0) }
            return "\(hex(Array(bytes.prefix(40))))... of \(bytes.count) bytes, hash \(hash)"
        }
        return bytes.isEmpty ? "-" : bytes.withView { String(CQLType.hex($0).dropFirst(2)) }
    }

    /// The entries; what is read backwards, by seeks and by the filter must agree.
    private static func entries(_ reader: SSTableReader) throws -> [TestEntry] {
        let source = UncachedBlocks()
        let cursor = SSTableCursor(reader, source: source)
        var entries: [TestEntry] = []
        try cursor.seekToFirst()
        while let entry = current(cursor) {
            entries.append(entry)
            try cursor.next()
        }
        try cursor.seekToLast()
        for entry in entries.reversed() {
            #expect(current(cursor) == entry)
            try cursor.previous()
        }
        #expect(!cursor.isValid)
        for entry in entries {
            try entry.key.withView { key in
                #expect(try reader.mayContain(partition: Key.partition(of: key), through: source))
                try cursor.seek(atOrAfter: key)
                #expect(current(cursor) == entry)
                try cursor.seek(atOrBefore: key)
                #expect(current(cursor) == entry)
            }
        }
        return entries
    }

    @Test("A file of each version is sound and reads as it always did", arguments: files)
    func stays(name: String) throws {
        let bytes = try SSTableFixtureTests.bytes(name)
        let fileSystem = MemoryFileSystem()
        try fileSystem.setContents("1", bytes)
        #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "1").problems == [])
        let path = "\(SSTableFixtureTests.folder)/\(name).txt"
        let expected = try String(contentsOfFile: path, encoding: .utf8)
        #expect(try SSTableFixtureTests.describe(bytes) == expected)
    }

    @Test("What is written today has fixtures, or FIXTURES=1 makes them")
    func today() throws {
        let version = "\(SSTableFormat.majorVersion).\(SSTableFormat.minorVersion)"
        if ProcessInfo.processInfo.environment["FIXTURES"] == "1" {
            for fixture in SSTableFixture.all { try SSTableFixtureTests.make(fixture, version) }
        }
        let names = try #require(SSTableFixtureTests.names[version])
        #expect(Set(SSTableFixture.all.map(\.name)).isSuperset(of: names))
    }

    private static func make(_ fixture: SSTableFixture, _ version: String) throws {
        let name = "\(folder)/sstable-\(version)-\(fixture.name)"
        guard !FileManager.default.fileExists(atPath: name + ".sst") else { return }
        let fileSystem = MemoryFileSystem()
        try writeSSTable(fileSystem, "1", fixture.entries, options: fixture.options)
        let bytes = try fileSystem.contents("1")
        try Data(bytes).write(to: URL(fileURLWithPath: name + ".sst"))
        try describe(bytes).write(toFile: name + ".txt", atomically: true, encoding: .utf8)
    }

    // MARK: What must be refused

    /// A corrupt file, the bytes changed, and what its error says.
    struct Damage: Sendable, CustomTestStringConvertible {
        let what: String
        let message: String
        let change: @Sendable (inout SealedFile) -> Void
        var testDescription: String { what }
    }

    static let damages = [
        Damage(what: "nothing left", message: "an SSTable of at least 96 bytes") {
            $0.bytes.removeSubrange(50...)
        },
        Damage(what: "cut off", message: "bad magic number") { $0.bytes.removeLast(9) },
        Damage(what: "extended", message: "bad magic number") { $0.bytes.append(0) },
        Damage(what: "a flipped bit in the footer", message: "footer checksum") {
            $0.bytes[$0.footer + 20] ^= 4
        },
        Damage(what: "another file's size", message: "bytes were added or lost") {
            $0.put(UInt64($0.bytes.count + 1), at: $0.footer + 24)
            $0.sealFooter()
        },
        Damage(what: "a greater major version", message: "SSTable format 2.") {
            $0.put(UInt16(2), at: $0.footer + 40)
            $0.sealFooter()
        },
        Damage(what: "a flipped bit in the directory", message: "checksum") {
            $0.bytes[$0.directory + 3] ^= 1
        },
        Damage(what: "a required section of a later version", message: "a section of kind 999") {
            $0.put(UInt16(999), at: $0.directory)
            $0.sealDirectory()
        },
        Damage(what: "a section outside of the file", message: "sections within the file") {
            $0.put(UInt64(1) << 40, at: $0.directory + 8)
            $0.sealDirectory()
        },
        Damage(what: "no statistics", message: "a section 'statistics'") {
            $0.renameSection(4, to: 2)
        },
        Damage(what: "a codec of a later version", message: "blocks of codec 77") {
            $0.bytes[$0.bytes.count - 64 - 13] = 77
            $0.sealDirectory()
        },
    ]

    @Test("What is damaged or too new is refused with what is wrong", arguments: damages)
    func refused(damage: Damage) throws {
        for name in SSTableFixtureTests.files where name.hasSuffix("plain-none") {
            var file = SealedFile(bytes: try SSTableFixtureTests.bytes(name))
            damage.change(&file)
            let fileSystem = MemoryFileSystem()
            try fileSystem.setContents("1", file.bytes)
            let error = #expect(throws: StorageError.self) {
                try SSTableReader.open(fileSystem: fileSystem, path: "1")
            }
            let text = error.map { "\($0)" } ?? "nothing"
            #expect(text.contains(damage.message), "\(text)")
            let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "1")
            #expect(report.problems == [error].compactMap(\.self))
        }
    }

    @Test("A greater minor version reads: what it adds is passed over")
    func laterMinorVersion() throws {
        for name in SSTableFixtureTests.files {
            let bytes = try SSTableFixtureTests.bytes(name)
            let before = try SSTableFixtureTests.describe(bytes)
            let later = try SealedFile(bytes: bytes).withAdditions()
            let fileSystem = MemoryFileSystem()
            try fileSystem.setContents("1", later)
            #expect(SSTableVerifier.verify(fileSystem: fileSystem, path: "1").problems == [])
            let after = try SSTableFixtureTests.describe(later)
            #expect(after.contains(".900\n"))
            let rest = { (text: String) in text.split(separator: "\n").dropFirst() }
            #expect(rest(after) == rest(before))
        }
    }
}

/// An SSTable whose bytes are changed and given true checksums again.
struct SealedFile {
    var bytes: [UInt8]

    var footer: Int { bytes.count - 64 }
    var directory: Int { Int(word(footer)) }
    private var salt: UInt64 { word(footer + 16) }
    private var sectionCount: Int { (footer - directory - 13) / 24 }

    private func word(_ offset: Int) -> UInt64 {
        bytes.withView { $0.loadLittleEndian(offset, as: UInt64.self) }
    }

    mutating func put<I: FixedWidthInteger>(_ value: I, at offset: Int) {
        for index in 0..<MemoryLayout<I>.size {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> I(8 * index))
        }
    }

    mutating func sealFooter() {
        let seed = UInt64(footer)
        let checksum = Array(bytes[footer..<footer + 48]).withView { Checksum.xxh3($0, seed: seed) }
        put(checksum, at: footer + 48)
    }

    mutating func sealDirectory() {
        let seed = salt &+ UInt64(directory)
        let checksum = Array(bytes[directory..<footer - 8]).withView {
            Checksum.xxh3($0, seed: seed)
        }
        put(checksum, at: footer - 8)
    }

    /// Gives the section of a kind another one.
    mutating func renameSection(_ kind: UInt16, to other: UInt16, isRequired: Bool = true) {
        for index in 0..<sectionCount where bytes[directory + 24 * index] == UInt8(kind) {
            put(other, at: directory + 24 * index)
            put(UInt16(isRequired ? 1 : 0), at: directory + 24 * index + 2)
        }
        sealDirectory()
    }

    /// Where the section of a kind is.
    func section(_ kind: UInt16) -> Range<Int>? {
        for index in 0..<sectionCount where bytes[directory + 24 * index] == UInt8(kind) {
            let offset = Int(word(directory + 24 * index + 8))
            return offset..<offset + Int(word(directory + 24 * index + 16))
        }
        return nil
    }

    /// Puts other content, of the same stored length, in the place of a block.
    mutating func replaceBlock(_ place: Range<Int>, with content: [UInt8]) {
        bytes.replaceSubrange(place, with: stored(content, at: place.lowerBound))
    }

    private func stored(_ content: [UInt8], at offset: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(content)
        writer.append(Codec.none.rawValue)
        writer.appendLittleEndian(UInt32(content.count))
        let seed = salt &+ UInt64(offset)
        writer.appendLittleEndian(Checksum.xxh3(writer.view, seed: seed))
        return writer.array
    }

    /// The file as version 1.900 may write it: statistics with a field more, index entries in the top
    /// index with bytes more, and a section more.
    func withAdditions() throws -> [UInt8] {
        var sections: [(kind: UInt16, flags: UInt16, page: UInt32, content: ArraySlice<UInt8>)] = []
        for index in 0..<sectionCount {
            let (offset, count, head) = bytes.withView { view in
                let start = directory + 24 * index
                return (
                    Int(view.loadLittleEndian(start + 8, as: UInt64.self)),
                    Int(view.loadLittleEndian(start + 16, as: UInt64.self)),
                    view.loadLittleEndian(start, as: UInt64.self)
                )
            }
            sections.append(
                (
                    UInt16(truncatingIfNeeded: head), UInt16(truncatingIfNeeded: head >> 16),
                    UInt32(truncatingIfNeeded: head >> 32), bytes[offset..<offset + count]
                )
            )
        }
        var file = ByteWriter()
        file.append(Array(bytes[0..<32]))
        var listing = ByteWriter()
        sections.append((998, 0, 0, []))
        for section in sections {
            let offset = file.count
            let plain = section.content.dropLast(13)
            switch section.kind {
            case 4: file.append(stored(Array(plain) + [0xE7, 0x07, 3, 1, 2, 3], at: offset))
            case 2:
                let content = try SealedFile.withLongerValues(content(section.content))
                file.append(stored(content, at: offset))
            case 998: file.append(stored([9, 9, 9], at: offset))
            case 5: file.append(stored(Array(plain), at: offset))
            case 9: file.append(stored(try content(section.content), at: offset))
            default:
                // Region and filter come first and stay where they are.
                #expect(offset == section.content.startIndex)
                file.append(Array(section.content))
            }
            listing.appendLittleEndian(section.kind)
            listing.appendLittleEndian(section.flags)
            listing.appendLittleEndian(section.page)
            listing.appendLittleEndian(UInt64(offset))
            listing.appendLittleEndian(UInt64(file.count - offset))
        }
        let place = file.count
        file.append(stored(listing.array, at: place))
        var result = SealedFile(bytes: file.array + bytes[footer...])
        result.put(UInt64(place), at: result.footer)
        result.put(UInt32(result.footer - place), at: result.footer + 8)
        result.put(UInt64(result.bytes.count), at: result.footer + 24)
        result.put(UInt16(900), at: result.footer + 42)
        result.sealFooter()
        return result.bytes
    }

    /// The content of a stored block.
    private func content(_ stored: ArraySlice<UInt8>) throws -> [UInt8] {
        let trailer = Array(stored.suffix(13))
        let codec = try #require(Codec(rawValue: trailer[0]))
        let count = trailer.withView { Int($0.loadLittleEndian(1, as: UInt32.self)) }
        var content = [UInt8](repeating: 0, count: count)
        let isSound = Array(stored.dropLast(13)).withView { view in
            content.withUnsafeMutableBytes { codec.decompress(view, into: $0) }
        }
        #expect(isSound)
        return content
    }

    /// The top index, whose entries are all restart points, with two bytes more in each value.
    private static func withLongerValues(_ content: [UInt8]) throws -> [UInt8] {
        try content.withView { view in
            let count = Int(view.loadLittleEndian(view.count - 4, as: UInt32.self))
            var reader = ByteReader(view.prefix(view.count - 4 - 4 * count))
            var writer = ByteWriter()
            var restarts: [UInt32] = []
            while !reader.isAtEnd {
                restarts.append(UInt32(writer.count))
                #expect(try reader.readVarint() == 0)
                let keyCount = try reader.readCount()
                let valueCount = try reader.readCount()
                writer.appendVarint(0)
                writer.appendVarint(keyCount)
                writer.appendVarint(valueCount + 2)
                writer.append(try reader.readView(keyCount + valueCount))
                writer.append([0xAB, 0xCD])
            }
            #expect(restarts.count == count)
            for restart in restarts { writer.appendLittleEndian(restart) }
            writer.appendLittleEndian(UInt32(restarts.count))
            return writer.array
        }
    }
}
