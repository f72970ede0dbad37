// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a table's option `compression` says of the SSTables of one level.
package struct CompressionSettings: Equatable, Sendable {
    package var codec = Codec.lz4
    /// For codecs that have levels.
    package var compressionLevel = 1
    /// The uncompressed size at which a data block is closed, in bytes: `chunk_length_in_kb`.
    package var blockCount = 16_384
    /// The most bytes of a dictionary that is trained for each file; 0 for none.
    package var dictionaryCount = 0
    /// The most bytes of blocks from which it is trained.
    package var sampleCount = CompressionSettings.sampleCountDefault

    /// A dictionary's size where the option doesn't say.
    package static let dictionaryCountDefault = 32_768
    package static let sampleCountDefault = 2 << 20

    /// The compressors by their short names: those of Cassandra, and ScyllaDB's name for one.
    package static let compressors: [String: Codec] = [
        "LZ4Compressor": .lz4, "NoopCompressor": .none, "SnappyCompressor": .snappy,
        "ZstdCompressor": .zstd, "ZstdDictionaryCompressor": .zstd,
    ]
    /// The compressor that trains a dictionary for each file.
    package static let dictionaryCompressor = "ZstdDictionaryCompressor"

    /// What `map`, in the form that is stored, says of files of a level; flushed ones are of level 0, and
    /// nil is the lowest level there is.
    package init(_ map: TableOptions.Map, level: Int?) {
        var name = map["class"].map(CompressionSettings.shortName)
        // The first levels may have compressors of their own.
        if let level, let levels = map["levels"].map(CompressionSettings.names),
            level < levels.count
        {
            name = levels[level]
        }
        codec = name.map { CompressionSettings.compressors[$0] ?? .none } ?? .lz4
        if map["enabled"] == "false" { codec = .none }
        if let level = map["compression_level"].flatMap({ Int($0) }) { compressionLevel = level }
        if let kilobytes = map["chunk_length_in_kb"].flatMap({ Int($0) }) {
            blockCount = min(max(kilobytes, 1), 1024) * 1024
        }
        let isOn = map["dictionary"].map { $0 == "true" }
        if codec == .zstd, isOn ?? (name == CompressionSettings.dictionaryCompressor) {
            let count = map["training_max_dictionary_size"]
                .flatMap(CompressionSettings.byteCount)
            dictionaryCount = count ?? CompressionSettings.dictionaryCountDefault
        }
        if let count = map["training_max_total_sample_size"].flatMap(CompressionSettings.byteCount)
        {
            sampleCount = count
        }
    }

    /// A compressor's name without its package.
    package static func shortName(_ name: String) -> String {
        name.split(separator: ".").last.map(String.init) ?? name
    }

    /// The short names of a list with commas.
    package static func names(_ list: String) -> [String] {
        list.split(separator: ",").map { part in
            shortName(String(part.filter { $0 != " " }))
        }
    }

    /// A size in bytes, with or without a unit (`B`, `KiB`, `MiB`); nil for other text and sizes above
    /// 1 GiB.
    package static func byteCount(_ text: String) -> Int? {
        let digits = text.prefix { $0.isNumber }
        let unit =
            switch text.dropFirst(digits.count) {
            case "", "B": 1
            case "KiB": 1024
            case "MiB": 1 << 20
            default: 0
            }
        guard let number = Int(digits), unit > 0, number <= (1 << 30) / unit else { return nil }
        return number * unit
    }
}
