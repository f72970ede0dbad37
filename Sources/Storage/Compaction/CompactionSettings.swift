// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a table's options say of its compaction, in numbers.
package struct CompactionSettings: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case unified
        case timeWindow
    }

    /// How a level is compacted: Cassandra's W. Above 0 it is tiered, below levelled.
    package struct Scaling: Sendable, Equatable {
        package let factor: Int

        package init(_ factor: Int) { self.factor = factor }

        /// From how many times the size of a level's smallest file the next level begins.
        var fanout: Int { factor < 0 ? 2 - factor : 2 + factor }
        /// How many overlapping files make a level be compacted.
        var threshold: Int { factor <= 0 ? 2 : 2 + factor }

        /// `N`, `T4`, `L10` or a whole number; nil for anything else.
        package init?(_ text: some StringProtocol) {
            let word = text.drop { $0 == " " }.prefix { $0 != " " }
            switch word.first {
            case "N" where word.count == 1: factor = 0
            case "T":
                guard let fanout = Int32(word.dropFirst()), fanout >= 2 else { return nil }
                factor = Int(fanout) - 2
            case "L":
                guard let fanout = Int32(word.dropFirst()), fanout >= 2 else { return nil }
                factor = 2 - Int(fanout)
            default:
                guard let number = Int32(word) else { return nil }
                factor = Int(number)
            }
        }
    }

    package var kind = Kind.unified
    package var isEnabled = true
    /// By level; the last one holds for all that follow.
    package var scaling = [Scaling(2)]
    /// The part of the largest level that lower ones may replace before all are merged; nil for no
    /// such bound.
    package var replacedShareMax: Double?
    /// The size that files of the output should have, in bytes.
    package var targetSize = 1 << 30
    /// Files are not made smaller than this, in bytes.
    package var minSize = 4 << 20
    /// The fewest slices of an output that has room for them.
    package var baseSliceCount = 1
    /// How much files grow beyond the target with the data: 0 not at all, 1 never are more made.
    package var growth = 0.333
    /// The size of a level's smallest file, in bytes; nil to take what flushes make.
    package var flushSize: Int?
    /// The most overlapping files that are merged at once.
    package var runsMax = 32

    /// Seconds between two looks for files that have expired.
    package var expiryInterval: Int64 = 600
    /// Whether files are dropped whatever others hold.
    package var expiresBlindly = false

    /// Time windows: how long, in seconds, how many timestamps a second has, and how many files of one
    /// size the newest window may have.
    package var windowSeconds: Int64 = 86_400
    package var timestampsPerSecond: Int64 = 1_000_000

    /// The part of a file's blocks that may be mostly deletions.
    package var tombstoneThreshold = 0.2
    /// The age in seconds from which a file is compacted for its deletions.
    package var tombstoneInterval: Int64 = 86_400
    /// Whether it is also done when other files overlap it.
    package var tombstonesUnchecked = false

    /// The default: levels of T4 under a largest level that is kept merged.
    package init() { replacedShareMax = CompactionSettings.defaultReplacedShare }

    /// What lower levels may hold, as a part of the largest: with it the space is at most this much more
    /// than the data, and each row is written 1 / this often in the largest level.
    package static let defaultReplacedShare = 0.15

    /// The settings of a table; unknown and malformed options, which CREATE and ALTER refuse, are passed
    /// over.
    package init(_ options: TableOptions) {
        self.init()
        let map = options.compaction
        isEnabled = map["enabled"]?.lowercased() != "false"
        setTombstones(map)
        let name = map["class"]?.split(separator: ".").last.map(String.init)
        switch name {
        case "SizeTieredCompactionStrategy": setSizeTiers(map)
        case "LeveledCompactionStrategy":
            replacedShareMax = nil
            let fanout = map["fanout_size"].flatMap { Int32($0) } ?? 10
            scaling = [Scaling(2 - max(2, Int(fanout)))]
            if let megabytes = map["sstable_size_in_mb"].flatMap({ Int32($0) }) {
                targetSize = Int(megabytes) << 20
                growth = 0
            }
        case "TimeWindowCompactionStrategy": setWindows(map)
        default: setUnified(map)
        }
    }

    private mutating func setSizeTiers(_ map: TableOptions.Map) {
        replacedShareMax = nil
        let threshold = map["min_threshold"].flatMap { Int32($0) } ?? 4
        scaling = [Scaling(max(2, Int(threshold)) - 2)]
        runsMax = max(2, map["max_threshold"].flatMap { Int32($0) }.map(Int.init) ?? 32)
    }

    private mutating func setWindows(_ map: TableOptions.Map) {
        setSizeTiers(map)
        kind = .timeWindow
        let unit: Int64 =
            switch map["compaction_window_unit"]?.uppercased() {
            case "MINUTES": 60
            case "HOURS": 3_600
            default: 86_400
            }
        let size = map["compaction_window_size"].flatMap { Int32($0) } ?? 1
        windowSeconds = unit * Int64(max(1, size))
        timestampsPerSecond =
            switch map["timestamp_resolution"]?.uppercased() {
            case "SECONDS": 1
            case "MILLISECONDS": 1_000
            default: 1_000_000
            }
        expiryInterval = seconds(map["expired_sstable_check_frequency_seconds"]) ?? expiryInterval
        expiresBlindly = map["unsafe_aggressive_sstable_expiration"]?.lowercased() == "true"
    }

    private mutating func setUnified(_ map: TableOptions.Map) {
        if let text = map["scaling_parameters"] {
            let parsed = text.split(separator: ",").compactMap { Scaling($0) }
            if !parsed.isEmpty {
                scaling = parsed
                replacedShareMax = nil
            }
        }
        if let text = map["max_space_amplification"], let value = Double(text), value > 1 {
            replacedShareMax = value - 1
        }
        if let size = CompactionSettings.bytes(map["target_sstable_size"]) {
            targetSize = max(1 << 20, size)
        }
        if let size = CompactionSettings.bytes(map["min_sstable_size"]) { minSize = max(1, size) }
        flushSize = CompactionSettings.bytes(map["flush_size_override"])
        if let count = map["base_shard_count"].flatMap({ Int32($0) }) {
            baseSliceCount = min(max(1, Int(count)), 1024)
        }
        if let share = CompactionSettings.part(map["sstable_growth"]) { growth = share }
        if let count = map["max_sstables_to_compact"].flatMap({ Int32($0) }), count >= 2 {
            runsMax = Int(count)
        }
        expiryInterval = seconds(map["expired_sstable_check_frequency_seconds"]) ?? expiryInterval
        expiresBlindly = map["unsafe_aggressive_sstable_expiration"]?.lowercased() == "true"
    }

    private mutating func setTombstones(_ map: TableOptions.Map) {
        if let share = map["tombstone_threshold"].flatMap({ Double($0) }), share >= 0 {
            tombstoneThreshold = share
        }
        tombstoneInterval = seconds(map["tombstone_compaction_interval"]) ?? tombstoneInterval
        tombstonesUnchecked = map["unchecked_tombstone_compaction"]?.lowercased() == "true"
    }

    private func seconds(_ text: String?) -> Int64? { text.flatMap { Int32($0) }.map(Int64.init) }

    /// The bytes of a size such as `100MiB`.
    static func bytes(_ text: String?) -> Int? {
        guard let text else { return nil }
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        let factors: [Substring: Double] = [
            "": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 0x1p10,
            "MiB": 0x1p20, "GiB": 0x1p30, "TiB": 0x1p40,
        ]
        guard let value = Double(number), let factor = factors[unit] else { return nil }
        let size = value * factor
        return size.isFinite && size >= 0 && size < 0x1p60 ? Int(size) : nil
    }

    /// The number of `0.333` or `33.3%`, from 0 to 1.
    private static func part(_ text: String?) -> Double? {
        guard let text else { return nil }
        let isPercentage = text.hasSuffix("%")
        guard let number = Double(isPercentage ? text.dropLast() : text[...]) else { return nil }
        let share = isPercentage ? number / 100 : number
        return share >= 0 && share <= 1 ? share : nil
    }
}
