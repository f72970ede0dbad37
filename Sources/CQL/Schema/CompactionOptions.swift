// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// The table option `compaction`: the strategies of Cassandra 5.0 and what each may be told.
enum CompactionOptions {
    static let package = "org.apache.cassandra.db.compaction."
    static let leveled = "LeveledCompactionStrategy"
    private static let unified = "UnifiedCompactionStrategy"

    /// What a sub-option may be set to.
    private enum Rule {
        case boolean
        /// A number of at least this.
        case number(Double)
        /// A whole number of at least this.
        case int(Int64)
        /// One of these, in either case.
        case word([String])
        /// A size such as `100MiB`.
        case size
        /// A part such as `0.333` or `33.3%`.
        case part
        /// A list such as `T4, N, L10, -2`.
        case scaling
    }

    private static let common: [String: Rule] = [
        "enabled": .boolean, "log_all": .boolean, "only_purge_repaired_tombstones": .boolean,
        "provide_overlapping_tombstones": .word(["NONE", "ROW", "CELL"]),
        "tombstone_compaction_interval": .int(0), "tombstone_threshold": .number(0),
        "unchecked_tombstone_compaction": .boolean,
    ]

    private static let sizeTiered: [String: Rule] = [
        "bucket_high": .number(0), "bucket_low": .number(0), "max_threshold": .int(1),
        "min_sstable_size": .int(0), "min_threshold": .int(1),
    ]

    private static let strategies: [String: [String: Rule]] = [
        "SizeTieredCompactionStrategy": sizeTiered,
        leveled: sizeTiered.merging([
            "fanout_size": .int(1), "single_sstable_uplevel": .boolean,
            "sstable_size_in_mb": .int(1),
        ]) { $1 },
        "TimeWindowCompactionStrategy": sizeTiered.merging([
            "compaction_window_size": .int(1),
            "compaction_window_unit": .word(["MINUTES", "HOURS", "DAYS"]),
            "expired_sstable_check_frequency_seconds": .int(0),
            "timestamp_resolution": .word(["MICROSECONDS", "MILLISECONDS", "SECONDS"]),
            "unsafe_aggressive_sstable_expiration": .boolean,
        ]) { $1 },
        unified: [
            "base_shard_count": .int(1), "expired_sstable_check_frequency_seconds": .int(1),
            "flush_size_override": .size, "max_sstables_to_compact": .int(0),
            // Not in Cassandra: what keeps the largest level merged.
            "max_space_amplification": .number(1),
            "min_sstable_size": .size,
            "overlap_inclusion_method": .word(["NONE", "SINGLE", "TRANSITIVE"]),
            "scaling_parameters": .scaling, "sstable_growth": .part,
            "target_sstable_size": .size, "unsafe_aggressive_sstable_expiration": .boolean,
        ],
    ]

    /// The option in the form that is stored: the class with its full name, the thresholds with
    /// their defaults where the strategy has them.
    static func check(_ given: TableOptions.Map) throws(CQLError) -> TableOptions.Map {
        var map = given
        guard let name = map.removeValue(forKey: "class") else {
            throw .configuration("Missing sub-option 'class' for the 'compaction' option")
        }
        let shortName = name.hasPrefix(package) ? String(name.dropFirst(package.count)) : name
        guard let rules = strategies[shortName] else {
            let className = name.contains(".") ? name : package + name
            let known = strategies.keys.sorted().joined(separator: ", ")
            throw .configuration(
                "Unable to find compaction strategy class '\(className)'; there are \(known)"
            )
        }
        if rules["min_threshold"] != nil {
            map["min_threshold"] = map["min_threshold"] ?? "4"
            map["max_threshold"] = map["max_threshold"] ?? "32"
        }
        let strangers = map.keys.filter { rules[$0] == nil && common[$0] == nil }.sorted()
        guard strangers.isEmpty else {
            throw .configuration(
                "Properties specified [\(strangers.joined(separator: ", "))] are not understood by"
                    + " \(shortName)"
            )
        }
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            if let rule = rules[key] ?? common[key] { try check(key, value, rule) }
        }
        try checkThresholds(map)
        map["class"] = package + shortName
        return map
    }

    private static func checkThresholds(_ map: TableOptions.Map) throws(CQLError) {
        guard let minimum = map["min_threshold"].flatMap({ Int64($0) }),
            let maximum = map["max_threshold"].flatMap({ Int64($0) })
        else { return }
        guard minimum >= 2 else {
            throw .configuration(
                "Min compaction threshold cannot be less than 2 (got \(minimum))"
            )
        }
        guard minimum <= maximum else {
            throw .configuration(
                "Min compaction threshold (got \(minimum)) cannot be greater than max compaction"
                    + " threshold (got \(maximum))"
            )
        }
    }

    private static func check(
        _ name: String,
        _ value: String,
        _ rule: Rule
    ) throws(CQLError) {
        let expected: String
        switch rule {
        case .boolean:
            if ["true", "false"].contains(value.lowercased()) { return }
            expected = "'true' or 'false'"
        case .number(let minimum):
            if let number = Double(value), number.isFinite {
                if number >= minimum { return }
                throw .configuration(
                    "\(name) must be greater than \(Int64(minimum)), but was \(fixed(number))"
                )
            }
            expected = "a number of at least \(SchemaText.doubleText(minimum))"
        case .int(let minimum):
            if let number = Int64(value) {
                if number >= minimum { return }
                throw .configuration(
                    minimum == 0
                        ? "\(name) must be non negative: \(number)"
                        : "\(name) must be larger than \(minimum - 1), but was \(number)"
                )
            }
            expected = "an integer of at least \(minimum)"
        case .word(let words):
            if words.contains(value.uppercased()) { return }
            throw .configuration(
                "\(value) is not valid for \(name): it must be one of"
                    + " [\(words.joined(separator: ", "))]"
            )
        case .size:
            if isSize(value) { return }
            expected = "a size such as 100MiB"
        case .part:
            let number = value.hasSuffix("%") ? String(value.dropLast()) : value
            let whole = value.hasSuffix("%") ? 100.0 : 1.0
            if let number = Double(number), number >= 0, number <= whole { return }
            expected = "a number between 0 and 1, or a percentage"
        case .scaling:
            if value.split(separator: ",", omittingEmptySubsequences: false)
                .allSatisfy(isScalingParameter)
            {
                return
            }
            expected = "a list of N, T or L and a number of at least 2, or whole numbers"
        }
        throw .configuration(
            "Invalid value '\(value)' for '\(name)' compaction sub-option - must be \(expected)"
        )
    }

    /// A number with six decimals.
    private static func fixed(_ number: Double) -> String {
        guard abs(number) < 1e12 else { return "\(number)" }
        let millionths = Int64((abs(number) * 1_000_000).rounded())
        let decimals = String(millionths % 1_000_000)
        let padding = String(repeating: "0", count: 6 - decimals.utf8.count)
        return "\(number < 0 ? "-" : "")\(millionths / 1_000_000).\(padding)\(decimals)"
    }

    /// Digits, maybe with a fraction, and a unit.
    private static func isSize(_ text: String) -> Bool {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        guard let size = Double(number), size.isFinite else { return false }
        return ["B", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB", ""].contains(unit)
    }

    private static func isScalingParameter(_ text: Substring) -> Bool {
        let word = text.drop { $0 == " " }.prefix { $0 != " " }
        switch word.first {
        case "N": return word.count == 1
        case "T", "L": return Int32(word.dropFirst()).map { $0 >= 2 } ?? false
        default: return Int32(word) != nil
        }
    }
}
