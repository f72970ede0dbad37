// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// The codecs over rows of some kinds.
struct CodecLines {
    let folder: String
    let rowCount: Int
    let csv: String?

    private static let codecs: [(name: String, codec: Codec, level: Int, hasDictionary: Bool)] = [
        ("none", .none, 1, false), ("lz4", .lz4, 1, false), ("snappy", .snappy, 1, false),
        ("zstd 1", .zstd, 1, false), ("zstd 3", .zstd, 3, false),
        ("zstd 1 + dictionary", .zstd, 1, true), ("zstd 3 + dictionary", .zstd, 3, true),
    ]

    func run() throws {
        BenchOutput.line(
            "rows   block  codec                  ratio  write MB/s  scan MB/s  block us  dictionary"
        )
        try run("json", FormatEntries(partitions: CodecLines.jsonRows(rowCount)))
        if let csv { try run("csv", FormatEntries(partitions: try csvRows(csv))) }
    }

    private func run(_ name: String, _ entries: FormatEntries) throws {
        for kilobytes in [4, 16] {
            for codec in CodecLines.codecs { try measure(name, entries, kilobytes, codec) }
        }
    }

    private func measure(
        _ name: String,
        _ entries: FormatEntries,
        _ kilobytes: Int,
        _ codec: (name: String, codec: Codec, level: Int, hasDictionary: Bool)
    ) throws {
        var options = SSTableWriterOptions()
        options.codec = codec.codec
        options.compressionLevel = codec.level
        options.blockCount = kilobytes * 1024
        let clock = SystemClock()
        let path = FilePath.join(folder, "codecs.sst")
        let watch = Stopwatch(clock: clock)
        if codec.hasDictionary {
            // As a compaction does: from the blocks of what is merged, in the time that is measured.
            var plain = SSTableWriterOptions()
            plain.blockCount = options.blockCount
            let input = try entries.write(FilePath.join(folder, "input.sst"), plain)
            let training = Stopwatch(clock: clock)
            var settings = CompressionSettings(["class": "ZstdDictionaryCompressor"], level: 1)
            settings.compressionLevel = codec.level
            settings.blockCount = options.blockCount
            options.dictionary = DictionaryTrainer.train(from: [input], settings)
            BenchOutput.note(
                "training took \(BenchOutput.text(training.cpuSeconds * 1000, digits: 0)) ms"
            )
        }
        let writing = Stopwatch(clock: clock)
        let reader = try entries.write(path, options)
        let writeSeconds = writing.cpuSeconds
        let scanning = Stopwatch(clock: clock)
        _ = try FormatRow.scan(reader)
        let scanSeconds = scanning.cpuSeconds
        let blockSeconds = try seek(reader, entries)
        let megabytes = Double(entries.count) / 1e6
        let statistics = reader.statistics
        let ratio = Double(reader.count) / Double(statistics.uncompressedCount)
        let dictionary = reader.dictionary.map { "\($0.bytes.count)" } ?? "-"
        BenchOutput.line(
            name.padding(6) + BenchOutput.padded("\(kilobytes)", 6) + "  " + codec.name.padding(20)
                + BenchOutput.padded(BenchOutput.text(ratio, digits: 3), 8)
                + BenchOutput.padded(BenchOutput.text(megabytes / writeSeconds, digits: 0), 12)
                + BenchOutput.padded(BenchOutput.text(megabytes / scanSeconds, digits: 0), 11)
                + BenchOutput.padded(BenchOutput.text(blockSeconds * 1e6, digits: 1), 10)
                + BenchOutput.padded(dictionary, 12)
        )
        BenchOutput.note("all of it took \(BenchOutput.text(watch.seconds, digits: 1)) s")
    }

    /// Seconds of processor time to read one row at a random key without a cache.
    private func seek(_ reader: SSTableReader, _ entries: FormatEntries) throws -> Double {
        let reads = 20_000
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        var place = 1
        let watch = Stopwatch(clock: SystemClock())
        for _ in 0..<reads {
            place = (place &* 7919 &+ 104_729) % entries.entries.count
            try entries.entries[place].key.withView { try cursor.seek(atOrAfter: $0) }
        }
        return watch.cpuSeconds / Double(reads)
    }

    private static func jsonRows(_ count: Int) -> [[UInt8]] {
        let countries = ["CH", "DE", "FR", "IT", "AT", "US", "JP", "BR"]
        let plans = ["free", "standard", "business"]
        return (0..<count).map { number in
            let mixed = (number &* 2_654_435_761) & 0xFFFF_FFFF
            let text =
                #"{"user":"u\#(mixed % 1_000_003)","country":"\#(countries[mixed % 8])","plan":"#
                + #""\#(plans[mixed / 8 % 3])","visits":\#(mixed % 997),"score":0.\#(mixed % 10_007),"#
                + #""referrer":"https://example.org/lists/\#(mixed % 4_001)","active":true}"#
            let cells = [
                FormatRow.CellBytes(column: 1, value: Array(text.utf8)),
                FormatRow.CellBytes(column: 2, value: ValueCoding.int64(Int64(mixed))),
            ]
            return FormatRow.encode(cells)
        }
    }

    /// The lines of a CSV file without quoted fields, each field a cell of text.
    private func csvRows(_ path: String) throws -> [[UInt8]] {
        let file = try POSIXFileSystem().open(path)
        var bytes = [UInt8](repeating: 0, count: file.size)
        let count = try bytes.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }
        let lines = bytes[..<count].split(separator: UInt8(ascii: "\n")).dropFirst()
        return lines.prefix(rowCount).map { line in
            let fields = line.split(
                separator: UInt8(ascii: ","),
                omittingEmptySubsequences: false
            )
            return FormatRow.encode(
                fields.enumerated().compactMap { index, field in
                    field.isEmpty
                        ? nil
                        : FormatRow.CellBytes(column: UInt32(index + 1), value: Array(field))
                }
            )
        }
    }
}

extension String {
    /// The text, filled with spaces on the right.
    func padding(_ width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - utf8.count))
    }
}
