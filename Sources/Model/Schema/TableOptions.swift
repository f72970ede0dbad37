// SPDX-License-Identifier: Apache-2.0

/// The options of a table, by the names and defaults of Cassandra 5.0.
///
/// All are stored and shown. What the engine acts on: `default_time_to_live`, `gc_grace_seconds`,
/// `bloom_filter_fp_chance`, `compression`, `compaction`, and ScyllaDB's `tombstone_gc`.
package struct TableOptions: Hashable, Sendable {
    /// A map option, in the order of its keys.
    package typealias Map = [String: String]

    package var comment = ""
    package var defaultTimeToLive: Int32 = 0
    package var gcGraceSeconds: Int32 = 864_000
    package var bloomFilterFPChance = 0.01
    package var crcCheckChance = 1.0
    package var compaction: Map = [
        "class": "org.apache.cassandra.db.compaction.UnifiedCompactionStrategy"
    ]
    package var compression: Map = [
        "chunk_length_in_kb": "16", "class": "org.apache.cassandra.io.compress.LZ4Compressor",
    ]
    package var caching: Map = ["keys": "ALL", "rows_per_partition": "NONE"]
    package var speculativeRetry = "99p"
    package var additionalWritePolicy = "99p"
    package var allowAutoSnapshot = true
    package var incrementalBackups = true
    package var readRepair = "BLOCKING"
    package var memtable = "default"
    package var memtableFlushPeriod: Int32 = 0
    package var minIndexInterval: Int32 = 128
    package var maxIndexInterval: Int32 = 2048
    package var cdc = false
    /// Shown as blobs; the values are their hexadecimal text.
    package var extensions: Map = [:]
    /// When deletions may be purged, by `mode`: `timeout`, `immediate` or `disabled`. Cassandra doesn't know
    /// the option, so it is shown only where it was changed.
    package var tombstoneGC = TableOptions.defaultTombstoneGC

    package static let defaultTombstoneGC: Map = ["mode": "timeout"]

    package init() {}

    /// Deletions made before this moment may be purged, as may TTLs that have ended before it. Both it and
    /// `now` are in seconds since 1970.
    package func graceHorizon(now: Int64) -> Int64 {
        switch tombstoneGC["mode"] {
        case "immediate": now
        case "disabled": .min
        default: now - Int64(gcGraceSeconds)
        }
    }
}

extension TableOptions {
    /// Every option by its CQL name, as text or as a map; the order is that of DESCRIBE.
    ///
    /// The one table behind storing, showing and parsing options.
    package enum Value: Hashable, Sendable {
        case text(String)
        case map(Map)
        case int(Int32)
        case double(Double)
        case boolean(Bool)
    }

    /// All options with their values; those that Cassandra doesn't have only where they were changed.
    package var all: [(name: String, value: Value)] {
        let options: [(name: String, value: Value)] = [
            ("additional_write_policy", .text(additionalWritePolicy)),
            ("allow_auto_snapshot", .boolean(allowAutoSnapshot)),
            ("bloom_filter_fp_chance", .double(bloomFilterFPChance)),
            ("caching", .map(caching)),
            ("cdc", .boolean(cdc)),
            ("comment", .text(comment)),
            ("compaction", .map(compaction)),
            ("compression", .map(compression)),
            ("memtable", .text(memtable)),
            ("crc_check_chance", .double(crcCheckChance)),
            ("default_time_to_live", .int(defaultTimeToLive)),
            ("extensions", .map(extensions)),
            ("gc_grace_seconds", .int(gcGraceSeconds)),
            ("incremental_backups", .boolean(incrementalBackups)),
            ("max_index_interval", .int(maxIndexInterval)),
            ("memtable_flush_period_in_ms", .int(memtableFlushPeriod)),
            ("min_index_interval", .int(minIndexInterval)),
            ("read_repair", .text(readRepair)),
            ("speculative_retry", .text(speculativeRetry)),
        ]
        guard tombstoneGC != TableOptions.defaultTombstoneGC else { return options }
        return options + [("tombstone_gc", .map(tombstoneGC))]
    }

    /// Sets an option by its CQL name.
    ///
    /// - Returns: false when there is no such option or the value is of another kind.
    package mutating func set(_ name: String, _ value: Value) -> Bool {
        switch (name, value) {
        case ("additional_write_policy", .text(let text)): additionalWritePolicy = text
        case ("allow_auto_snapshot", .boolean(let flag)): allowAutoSnapshot = flag
        case ("incremental_backups", .boolean(let flag)): incrementalBackups = flag
        case ("bloom_filter_fp_chance", .double(let number)): bloomFilterFPChance = number
        case ("caching", .map(let map)): caching = map
        case ("cdc", .boolean(let flag)): cdc = flag
        case ("comment", .text(let text)): comment = text
        case ("compaction", .map(let map)): compaction = map
        case ("compression", .map(let map)): compression = map
        case ("memtable", .text(let text)): memtable = text
        case ("crc_check_chance", .double(let number)): crcCheckChance = number
        case ("default_time_to_live", .int(let number)): defaultTimeToLive = number
        case ("extensions", .map(let map)): extensions = map
        case ("gc_grace_seconds", .int(let number)): gcGraceSeconds = number
        case ("max_index_interval", .int(let number)): maxIndexInterval = number
        case ("memtable_flush_period_in_ms", .int(let number)): memtableFlushPeriod = number
        case ("min_index_interval", .int(let number)): minIndexInterval = number
        case ("read_repair", .text(let text)): readRepair = text
        case ("speculative_retry", .text(let text)): speculativeRetry = text
        case ("tombstone_gc", .map(let map)): tombstoneGC = map
        default: return false
        }
        return true
    }
}
