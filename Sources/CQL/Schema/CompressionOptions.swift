// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// The table option `compression`.
enum CompressionOptions {
    static let package = "org.apache.cassandra.io.compress."

    /// How dictionaries are trained, by Cassandra's names.
    private static let training: Set<String> = [
        "training_max_dictionary_size", "training_max_total_sample_size", "training_min_frequency",
        "auto_training_enabled",
    ]

    /// What each compressor may be told.
    private static let compressors: [String: Set<String>] = [
        "LZ4Compressor": ["lz4_compressor_type", "lz4_high_compressor_level"],
        "NoopCompressor": [],
        "SnappyCompressor": [],
        "ZstdCompressor": training.union(["compression_level", "dictionary"]),
        "ZstdDictionaryCompressor": training.union(["compression_level"]),
    ]

    /// Other names of compressors: ScyllaDB's.
    private static let aliases = ["ZstdWithDictsCompressor": "ZstdDictionaryCompressor"]

    /// The option in the form that is stored: the class with its full name and the chunk length, or
    /// `enabled: false` alone.
    static func check(_ given: TableOptions.Map) throws(CQLError) -> TableOptions.Map {
        var map = given
        let isEnabled = map.removeValue(forKey: "enabled").map { $0.lowercased() == "true" } ?? true
        guard isEnabled else {
            guard map.isEmpty else {
                throw .configuration(
                    "If the 'enabled' option is set to false no other options must be specified"
                )
            }
            return ["enabled": "false"]
        }
        if map.isEmpty, given.isEmpty { return ["enabled": "false"] }
        // ScyllaDB's name, and that of Cassandra before 3.0.
        let older = map.removeValue(forKey: "sstable_compression")
        guard let name = map.removeValue(forKey: "class") ?? older else {
            throw .configuration("Missing sub-option 'class' for the 'compression' option.")
        }
        let className = try fullName(name)
        let shortName = String(className.dropFirst(package.count))
        let levels = try map.removeValue(forKey: "levels").map(levels)
        let chunkLength = try chunkLength(map.removeValue(forKey: "chunk_length_in_kb"))
        let ratio = try minCompressRatio(map.removeValue(forKey: "min_compress_ratio"))
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            guard compressors[shortName]?.contains(key) == true else {
                throw .configuration("Unknown compression options \(key)")
            }
            try checkOption(key, value)
        }
        map["class"] = className
        if let levels { map["levels"] = levels }
        map["chunk_length_in_kb"] = "\(chunkLength)"
        if ratio != 0 { map["min_compress_ratio"] = SchemaText.doubleText(ratio) }
        return map
    }

    private static func fullName(_ name: String) throws(CQLError) -> String {
        guard !name.isEmpty else {
            throw .configuration(
                "The 'class' option must not be empty. To disable compression use 'enabled' : false"
            )
        }
        let given = name.hasPrefix(package) ? String(name.dropFirst(package.count)) : name
        let shortName = aliases[given] ?? given
        guard compressors[shortName] != nil else {
            let known = compressors.keys.sorted().joined(separator: ", ")
            throw .configuration(
                "Could not create Compression for type '\(name)': this version of Tholos has"
                    + " \(known)"
            )
        }
        return package + shortName
    }

    /// The compressors of the first levels, checked, by their short names.
    private static func levels(_ list: String) throws(CQLError) -> String {
        var names: [String] = []
        for name in CompressionSettings.names(list) {
            names.append(String(try fullName(name).dropFirst(package.count)))
        }
        return names.joined(separator: ",")
    }

    private static func chunkLength(_ text: String?) throws(CQLError) -> Int32 {
        guard let text else { return 16 }
        guard let number = Int32(text) else {
            throw .configuration("Invalid value '\(text)' for chunk_length_in_kb")
        }
        guard number > 0 else {
            throw .configuration("Invalid negative or null chunk_length_in_kb")
        }
        guard number <= Int32.max / 1024 else {
            throw .configuration("Value of chunk_length_in_kb is too large (\(number))")
        }
        guard number & (number - 1) == 0 else {
            throw .configuration("chunk_length_in_kb must be a power of 2")
        }
        return number
    }

    private static func minCompressRatio(_ text: String?) throws(CQLError) -> Double {
        guard let text else { return 0 }
        guard let number = Double(text), number.isFinite else {
            throw .configuration("Invalid value '\(text)' for min_compress_ratio")
        }
        guard number >= 0 else { throw .configuration("Invalid negative min_compress_ratio") }
        guard number == 0 || number >= 1 else {
            throw .configuration(
                "min_compress_ratio can either be 0 or greater than or equal to 1"
            )
        }
        return number
    }

    private static func checkOption(_ name: String, _ value: String) throws(CQLError) {
        switch name {
        case "lz4_compressor_type":
            guard value == "fast" || value == "high" else {
                throw .configuration(
                    "Invalid compressor type '\(value)' specified for LZ4 parameter"
                        + " 'lz4_compressor_type'. Valid options are fast, high."
                )
            }
        case "lz4_high_compressor_level": try check(value, of: name, in: 1...17)
        case "dictionary", "auto_training_enabled":
            guard value == "true" || value == "false" else {
                throw .configuration("\(name) must be true or false (got '\(value)')")
            }
        case "training_max_dictionary_size": try checkSize(name, value, max: 1 << 20)
        case "training_max_total_sample_size": try checkSize(name, value, max: 1 << 28)
        case "training_min_frequency": break
        default: try check(value, of: name, in: -131_072...22)
        }
    }

    private static func checkSize(_ name: String, _ value: String, max: Int) throws(CQLError) {
        guard let count = CompressionSettings.byteCount(value), (4096...max).contains(count) else {
            throw .configuration(
                "\(name) must be a size from 4KiB to \(max >> 20)MiB, such as 64KiB (got '\(value)')"
            )
        }
    }

    private static func check(
        _ value: String,
        of name: String,
        in range: ClosedRange<Int>
    ) throws(CQLError) {
        guard let number = Int(value), range.contains(number) else {
            throw .configuration(
                "\(name) must be a number between \(range.lowerBound) and \(range.upperBound)"
                    + " (got '\(value)')"
            )
        }
    }
}
