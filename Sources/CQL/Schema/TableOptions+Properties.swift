// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// Table options from what follows `WITH`; the rules are those of Cassandra 5.0's TableParams.
extension TableOptions {
    /// The longest time to live, in seconds: 20 years.
    static let timeToLiveMax: Int32 = 630_720_000

    /// What a filter of 20 bits a key reaches; it has no more.
    static let bloomFilterFPChanceMin = 6.71e-05

    private static let known: Set<String> = Set(TableOptions().all.map(\.name))
        .union(["id", "tombstone_gc"])

    /// The options that `properties` make of `previous`, or of the defaults for a new table.
    init(_ properties: PropertyList, previous: TableOptions?) throws(CQLError) {
        self = previous ?? TableOptions()
        try properties.check(known: Self.known)
        try setMaps(properties)
        let leveled = CompactionOptions.package + CompactionOptions.leveled
        if previous == nil, compaction["class"] == leveled {
            // Levels keep most rows in one SSTable, so that a smaller filter serves as well.
            bloomFilterFPChance = 0.1
        }
        try setNumbers(properties)
        try setTexts(properties)
        try checkRanges()
    }

    private mutating func setMaps(_ properties: PropertyList) throws(CQLError) {
        if let map = try properties.map("caching") { caching = try CachingOptions.check(map) }
        if let map = try properties.map("compaction") {
            compaction = try CompactionOptions.check(map)
        }
        if let map = try properties.map("compression") {
            compression = try CompressionOptions.check(map)
        }
        if let map = try properties.map("tombstone_gc") { tombstoneGC = try Self.tombstoneGC(map) }
        if let map = try properties.map("extensions") { extensions = try Self.blobs(map) }
    }

    private mutating func setNumbers(_ properties: PropertyList) throws(CQLError) {
        if let number = try properties.double("bloom_filter_fp_chance") {
            bloomFilterFPChance = number
        }
        if let number = try properties.double("crc_check_chance") { crcCheckChance = number }
        if let number = try properties.int("default_time_to_live") { defaultTimeToLive = number }
        if let number = try properties.int("gc_grace_seconds") { gcGraceSeconds = number }
        if let number = try properties.int("min_index_interval") { minIndexInterval = number }
        if let number = try properties.int("max_index_interval") { maxIndexInterval = number }
        if let number = try properties.int("memtable_flush_period_in_ms") {
            memtableFlushPeriod = number
        }
        if let flag = try properties.boolean("allow_auto_snapshot") { allowAutoSnapshot = flag }
        if let flag = try properties.boolean("incremental_backups") { incrementalBackups = flag }
        if let flag = try properties.boolean("cdc") {
            if flag { throw .notYet("change data capture (cdc = true)") }
            cdc = flag
        }
    }

    private mutating func setTexts(_ properties: PropertyList) throws(CQLError) {
        if let text = try properties.string("comment") { comment = text }
        if let text = try properties.string("memtable") {
            guard text == "default" else {
                throw .configuration(
                    "Memtable configuration \"\(text)\" not found; there is \"default\""
                )
            }
            memtable = text
        }
        if let text = try properties.string("read_repair") {
            let upper = text.uppercased()
            guard upper == "BLOCKING" || upper == "NONE" else {
                throw .configuration(
                    "Invalid value \(text) for option 'read_repair': only 'BLOCKING' and 'NONE'"
                        + " are allowed"
                )
            }
            readRepair = upper
        }
        if let text = try properties.string("speculative_retry") {
            speculativeRetry = try SpeculationPolicy.check(text, option: "speculative_retry")
        }
        if let text = try properties.string("additional_write_policy") {
            additionalWritePolicy = try SpeculationPolicy.check(
                text,
                option: "additional_write_policy"
            )
        }
    }

    private func checkRanges() throws(CQLError) {
        guard bloomFilterFPChance > Self.bloomFilterFPChanceMin, bloomFilterFPChance <= 1 else {
            throw .configuration(
                "bloom_filter_fp_chance must be larger than \(Self.bloomFilterFPChanceMin) and less than or equal to 1.0"
                    + " (got \(SchemaText.doubleText(bloomFilterFPChance)))"
            )
        }
        guard crcCheckChance >= 0, crcCheckChance <= 1 else {
            throw .configuration(
                "crc_check_chance must be larger than or equal to 0 and smaller than or equal to"
                    + " 1.0 (got \(SchemaText.doubleText(crcCheckChance)))"
            )
        }
        try Self.check("default_time_to_live", defaultTimeToLive, atLeast: 0)
        guard defaultTimeToLive <= Self.timeToLiveMax else {
            throw .configuration(
                "default_time_to_live must be less than or equal to \(Self.timeToLiveMax)"
                    + " (got \(defaultTimeToLive))"
            )
        }
        try Self.check("gc_grace_seconds", gcGraceSeconds, atLeast: 0)
        try Self.check("min_index_interval", minIndexInterval, atLeast: 1)
        guard maxIndexInterval >= minIndexInterval else {
            throw .configuration(
                "max_index_interval must be greater than or equal to min_index_interval"
                    + " (\(minIndexInterval)) (got \(maxIndexInterval))"
            )
        }
        try Self.check("memtable_flush_period_in_ms", memtableFlushPeriod, atLeast: 0)
    }

    private static func check(
        _ name: String,
        _ value: Int32,
        atLeast minimum: Int32
    ) throws(CQLError) {
        guard value < minimum else { return }
        throw .configuration("\(name) must be greater than or equal to \(minimum) (got \(value))")
    }

    /// The option `tombstone_gc` in the form that is stored.
    private static func tombstoneGC(_ map: Map) throws(CQLError) -> Map {
        let strangers = map.keys.filter { $0 != "mode" }.sorted()
        guard strangers.isEmpty else {
            throw .configuration(
                "Invalid tombstone_gc sub-options [\(strangers.joined(separator: ", "))]: only 'mode'"
                    + " is allowed"
            )
        }
        let mode = (map["mode"] ?? "timeout").lowercased()
        if mode == "repair" { throw .notYet("tombstone_gc = {'mode': 'repair'}") }
        guard ["timeout", "immediate", "disabled"].contains(mode) else {
            throw .configuration(
                "Invalid value '\(map["mode"] ?? "")' for tombstone_gc sub-option 'mode': it must be"
                    + " 'timeout', 'immediate' or 'disabled'"
            )
        }
        return ["mode": mode]
    }

    /// The values of `extensions`: hexadecimal digits, without `0x`.
    private static func blobs(_ map: Map) throws(CQLError) -> Map {
        var blobs: Map = [:]
        for (key, value) in map {
            let digits = value.dropFirst(2).lowercased()
            guard value.lowercased().hasPrefix("0x"), digits.utf8.count.isMultiple(of: 2),
                digits.allSatisfy({ $0.isHexDigit })
            else {
                throw .configuration(
                    "Invalid value '\(value)' for extension '\(key)': it must be a blob such as"
                        + " 0xCAFE"
                )
            }
            blobs[key] = digits
        }
        return blobs
    }
}
