// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("SSTables with a dictionary")
struct SSTableDictionaryTests {
    private static func entries(_ count: Int) -> [TestEntry] {
        (0..<count).map { number in
            let partition = TestEntries.partition("user-\(number * 7919 % 100_003)")
            let text =
                #"{"country":"CH","plan":"standard","visits":\#(number * 31 % 997),"#
                + #""referrer":"https://example.org/list/\#(number % 13)"}"#
            return TestEntry(
                key: TestEntries.row(partition, UInt32(number % 4)),
                value: TestEntries.value(Array(text.utf8))
            )
        }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    private static let settings = CompressionSettings(
        [
            "class": "org.apache.cassandra.io.compress.ZstdDictionaryCompressor",
            "chunk_length_in_kb": "4", "training_max_dictionary_size": "16KiB",
        ],
        level: 1
    )

    private static func options(_ dictionary: TrainedDictionary?) -> SSTableWriterOptions {
        var options = SSTableWriterOptions()
        options.codec = .zstd
        options.blockCount = settings.blockCount
        options.dictionary = dictionary
        return options
    }

    @Test("Trained from the inputs of a merge, the file is smaller, sound, and needs nothing else")
    func fromSSTables() throws {
        let entries = SSTableDictionaryTests.entries(20_000)
        let fileSystem = MemoryFileSystem()
        let plain = try writeSSTable(
            fileSystem,
            "plain",
            entries,
            options: SSTableDictionaryTests.options(nil)
        )
        let input = try SSTableReader.open(fileSystem: fileSystem, path: "plain")
        let trained = try #require(
            DictionaryTrainer.train(from: [input], SSTableDictionaryTests.settings)
        )
        let summary = try writeSSTable(
            fileSystem,
            "1",
            entries,
            options: SSTableDictionaryTests.options(trained)
        )
        #expect(summary.count * 10 < plain.count * 9)

        let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "1")
        #expect(report.problems == [])
        #expect(report.entryCount == entries.count)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(reader.dictionary?.id == trained.dictionary.id)
        #expect(reader.statistics.dictionarySampleCount == trained.sampleCount)
        #expect((reader.dictionary?.bytes.count ?? 0) <= 16_384)
        #expect(reader.memory.parts.contains { $0.name == "dictionary" && $0.count > 4096 })
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        try cursor.seekToFirst()
        for entry in entries {
            #expect(current(cursor) == entry)
            try cursor.next()
        }
    }

    @Test("Trained from a memtable before it is flushed")
    func fromMemtable() throws {
        let memtable = Memtable(capacity: 64 << 20)
        for entry in SSTableDictionaryTests.entries(20_000) {
            let isApplied = try entry.key.withView { (key) throws(MalformedBytes) in
                try entry.value.withView { (value) throws(MalformedBytes) in
                    try memtable.apply(key: key, value: value)
                }
            }
            #expect(isApplied)
        }
        let trained = try #require(
            DictionaryTrainer.train(from: memtable, SSTableDictionaryTests.settings)
        )
        #expect(trained.sampleCount > 500_000)
        let none = CompressionSettings(["class": "ZstdCompressor"], level: 0)
        #expect(DictionaryTrainer.train(from: memtable, none) == nil)
    }

    @Test("A small input gets no dictionary: it would be a large part of the file")
    func small() throws {
        let fileSystem = MemoryFileSystem()
        try writeSSTable(
            fileSystem,
            "1",
            SSTableDictionaryTests.entries(500),
            options: SSTableDictionaryTests.options(nil)
        )
        let input = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        #expect(DictionaryTrainer.train(from: [input], SSTableDictionaryTests.settings) == nil)
    }

    @Test("A dictionary section that is damaged, malformed or missing is never passed over")
    func damaged() throws {
        let entries = SSTableDictionaryTests.entries(6_000)
        let fileSystem = MemoryFileSystem()
        try writeSSTable(
            fileSystem,
            "plain",
            entries,
            options: SSTableDictionaryTests.options(nil)
        )
        let input = try SSTableReader.open(fileSystem: fileSystem, path: "plain")
        let trained = try #require(
            DictionaryTrainer.train(from: [input], SSTableDictionaryTests.settings)
        )
        try writeSSTable(
            fileSystem,
            "1",
            entries,
            options: SSTableDictionaryTests.options(trained)
        )
        let sound = SealedFile(bytes: try fileSystem.contents("1"))
        let place = try #require(sound.section(9))

        func refusal(_ change: (inout SealedFile) -> Void) throws -> String {
            var file = sound
            change(&file)
            try fileSystem.setContents("2", file.bytes)
            let error = #expect(throws: StorageError.self) {
                try SSTableReader.open(fileSystem: fileSystem, path: "2")
            }
            return error.map { "\($0)" } ?? "nothing"
        }
        #expect(try refusal { $0.bytes[place.lowerBound + 9] ^= 1 }.contains("checksum"))
        let malformed = try refusal { file in
            // True checksums around a dictionary that isn't one.
            let count = place.count - 13
            file.replaceBlock(place, with: [UInt8](repeating: 7, count: count))
        }
        #expect(malformed.contains("a trained dictionary"), "\(malformed)")

        // As if it had never been there: no block reads, and none reads wrong.
        var file = sound
        file.renameSection(9, to: 998, isRequired: false)
        try fileSystem.setContents("2", file.bytes)
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "2")
        #expect(reader.dictionary == nil)
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        #expect(throws: StorageError.self) { try cursor.seekToFirst() }
    }

    @Test("Levels may have compressors of their own")
    func levels() {
        let map = [
            "class": "org.apache.cassandra.io.compress.ZstdDictionaryCompressor",
            "levels": "LZ4Compressor,ZstdCompressor", "compression_level": "5",
            "chunk_length_in_kb": "8", "training_max_total_sample_size": "512KiB",
        ]
        let levels = (0..<4).map { CompressionSettings(map, level: $0) }
        #expect(levels.map(\.codec) == [.lz4, .zstd, .zstd, .zstd])
        #expect(levels.map(\.dictionaryCount) == [0, 0, 32_768, 32_768])
        #expect(levels.allSatisfy { $0.blockCount == 8192 && $0.compressionLevel == 5 })
        #expect(levels[3].sampleCount == 512 << 10)
        let named = CompressionSettings(
            ["class": "ZstdCompressor", "dictionary": "true"],
            level: 0
        )
        #expect(named.dictionaryCount == 32_768)
        #expect(CompressionSettings(["enabled": "false"], level: 0).codec == .none)
        #expect(
            CompressionSettings([:], level: 0)
                == CompressionSettings(["class": "LZ4Compressor"], level: 9)
        )
        #expect(CompressionSettings.byteCount("64KiB") == 65_536)
        #expect(
            ["", "KiB", "1GiB", "-1", "99999999999999999999"].allSatisfy {
                CompressionSettings.byteCount($0) == nil
            }
        )
    }
}
