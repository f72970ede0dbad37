// SPDX-License-Identifier: Apache-2.0

import Environment
import Model
import Node
import Storage

/// How the engine is set up in one run of the model test. As text: `shards=2 block=1 …`, in which what
/// is left out has its default.
struct ModelOptions: CustomStringConvertible, Equatable {
    /// Numbers, by name, with what they may be.
    private static let choices: [(name: String, values: [Int])] = [
        // What the node starts with; restarts change it.
        ("shards", [1, 2, 3, 5]),
        ("ignoredBits", [0, 0, 0, 2]),
        // KiB of a block before it is compressed.
        ("block", [1, 1, 4, 16]),
        // none, LZ4, Snappy, Zstd.
        ("codec", [0, 1, 2, 3]),
        // Bytes of the shard's block cache.
        ("cache", [0, 3_000, 60_000, 64 << 20]),
        // What of the files the system has in memory: all, nothing, half of the reads.
        ("memory", [0, 0, 1, 2]),
        ("memtable", [2_000, 6_000, 40_000, 64 << 20]),
        // Commit-log segments, in bytes: half of one is the most that a write may have.
        ("segment", [16_384, 16_384, 65_536]),
        // Bytes of edits after which the manifest is written anew.
        ("rewrite", [4 << 20, 4 << 20, 300]),
        ("automatic", [0, 1, 1]),
        ("strategy", Array(0..<strategies.count)),
        ("grace", [0, 60, 60, 2_000, 864_000]),
        // Milliseconds between syncs; 0: each write waits for its sync.
        ("period", [0, 0, 0, 10]),
        // Percent of false positives of the partition filter; 100: no filter.
        ("filter", [1, 10, 100]),
        // Write timestamps: 0 few and far in the past, 1 around the clock, 2 both.
        ("times", [0, 1, 2]),
        // Rows of the wide partition.
        ("wide", [40, 400]),
    ]

    /// What is given for `compaction`. Files are small, so that compactions are of many slices.
    private static let strategies: [[String: String]] = [
        ["class": "SizeTieredCompactionStrategy"],
        ["class": "LeveledCompactionStrategy"],
        [
            "class": "TimeWindowCompactionStrategy", "compaction_window_unit": "MINUTES",
            "compaction_window_size": "1", "expired_sstable_check_frequency_seconds": "60",
        ],
        ["class": "UnifiedCompactionStrategy", "scaling_parameters": "T4"],
        [
            "class": "UnifiedCompactionStrategy", "scaling_parameters": "T2, L4",
            "min_sstable_size": "64B", "target_sstable_size": "1KiB",
            "tombstone_compaction_interval": "1",
        ],
        ["class": "UnifiedCompactionStrategy", "min_sstable_size": "64B"],
    ]

    private var numbers: [String: Int] = [:]

    /// Any of the sets of options, as the seed decides.
    init(seed: UInt64) {
        var generator = SplitMix64(seed: seed ^ 0x6f70_7469_6f6e)
        for (name, values) in ModelOptions.choices {
            numbers[name] = values[Int.random(in: 0..<values.count, using: &generator)]
        }
    }

    /// Reads what `description` gives; nil when a name isn't known or a value isn't a number.
    init?(_ text: String) {
        for (name, values) in ModelOptions.choices { numbers[name] = values[0] }
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let value = Int(parts[1]), numbers[String(parts[0])] != nil else {
                return nil
            }
            numbers[String(parts[0])] = value
        }
    }

    var description: String {
        ModelOptions.choices.map { "\($0.name)=\(self[$0.name])" }.joined(separator: " ")
    }

    private subscript(_ name: String) -> Int { numbers[name] ?? 0 }

    var shardCount: Int { max(self["shards"], 1) }
    var hasWildTimes: Bool { self["times"] != 1 }
    var hasTameTimes: Bool { self["times"] != 0 }
    var wideCount: Int { max(self["wide"], 1) }
    var memory: MemoryFileSystem.Residency {
        switch self["memory"] {
        case 0: .whole
        case 1: .nothing
        default: .seeded(1)
        }
    }
    var isPeriodic: Bool { self["period"] > 0 }

    func configure(_ options: inout NodeOptions) {
        options.ignoredTokenBits = self["ignoredBits"]
        options.manifestRewriteSize = self["rewrite"]
        options.store.memtableSpace = self["memtable"]
        options.store.blockCacheSize = self["cache"]
        options.store.compactsAutomatically = self["automatic"] != 0
        options.commitLog.segmentSize = max(self["segment"], 16_384)
        if isPeriodic { options.commitLog.sync = .periodic(milliseconds: self["period"]) }
    }

    var tableOptions: TableOptions {
        var options = TableOptions()
        options.gcGraceSeconds = Int32(truncatingIfNeeded: self["grace"])
        options.bloomFilterFPChance = Double(self["filter"]) / 100
        let codecs = ["", "LZ4Compressor", "SnappyCompressor", "ZstdCompressor"]
        options.compression = ["chunk_length_in_kb": "\(self["block"])"]
        switch self["codec"] {
        case 1...3: options.compression["class"] = codecs[self["codec"]]
        default: options.compression["enabled"] = "false"
        }
        let strategies = ModelOptions.strategies
        options.compaction = strategies[abs(self["strategy"]) % strategies.count]
        return options
    }
}
