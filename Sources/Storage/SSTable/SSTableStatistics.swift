// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Where a file came from.
package enum SSTableOrigin: UInt8, Sendable, CaseIterable {
    case flush = 0
    case compaction = 1
    case bulkLoad = 2
    case streaming = 3

    package var name: String {
        switch self {
        case .flush: "flush"
        case .compaction: "compaction"
        case .bulkLoad: "bulk load"
        case .streaming: "streaming"
        }
    }
}

/// What an SSTable says of its content: for choosing what to read and to compact, and for people.
///
/// `SSTableStatistics+Coding.swift` writes and reads it.
package struct SSTableStatistics: Sendable, Equatable {
    // MARK: Counts

    /// Partitions, entries of all kinds, and among them rows (fragments) and static rows.
    package var partitionCount = 0
    package var entryCount = 0
    package var rowCount = 0
    package var staticRowCount = 0
    /// Cells of all kinds, tombstones included.
    package var cellCount = 0
    /// Cells and livenesses that have a TTL.
    package var expiringCellCount = 0
    package var expiringRowCount = 0
    package var cellTombstoneCount = 0
    package var collectionDeletionCount = 0
    package var rowDeletionCount = 0
    /// Bounds of range deletions; a range deletion has at least two.
    package var rangeMarkerCount = 0
    package var partitionDeletionCount = 0
    /// Values and livenesses without TTL: what never goes away by itself.
    package var permanentCount = 0
    /// Cells by column id, only those above 0.
    package var columnCellCounts: [UInt32: Int] = [:]

    /// Between what the values of regular columns lie, of all whose type has an order that is kept; nil
    /// in files of before this was recorded, or without a schema.
    package var columnRanges: ColumnRanges?

    // MARK: Times

    /// Write timestamps, in microseconds since 1970; min above max without any.
    package var minTimestamp = Int64.max
    package var maxTimestamp = Int64.min
    /// When deletions were made and TTLs end, in seconds since 1970; min above max without any.
    package var minLocalTime = Int64.max
    package var maxLocalTime = Int64.min
    /// TTLs in seconds; 0 without any.
    package var minTTL: UInt32 = 0
    package var maxTTL: UInt32 = 0

    // MARK: Keys

    /// The first and the last key; empty without entries.
    package var firstKey: [UInt8] = []
    package var lastKey: [UInt8] = []
    /// The least and the greatest of the keys' parts after the kind byte, among rows and range-deletion
    /// markers (static rows and partition deletions concern all clusterings); empty without any.
    package var minClustering: [UInt8] = []
    package var maxClustering: [UInt8] = []

    // MARK: Partitions

    /// Partitions by size: bucket i counts those with 2^(i-1) < size <= 2^i; bucket 0 has sizes 0 and 1.
    package var partitionRowHistogram = SizeHistogram()
    package var partitionBytesHistogram = SizeHistogram()
    /// The partitions with the most bytes, the largest first.
    package var largestPartitions: [PartitionSize] = []

    // MARK: The file

    /// Bytes of keys and values, and of the region's blocks as they are stored.
    package var rawCount = 0
    package var regionCount = 0
    package var dataBlockCount = 0
    package var indexBlockCount = 0
    /// Where deletions lie; nil without any, and in files of before this was recorded.
    package var deadEntries: DeadEntries?
    /// The sum of the data blocks before and after compression.
    package var uncompressedCount = 0
    package var storedCount = 0
    package var codec = Codec.lz4
    package var blockCount = 16_384
    /// How many bytes of blocks the file's dictionary was trained from; 0 without one.
    package var dictionarySampleCount = 0
    package var filterFalsePositiveChance = 0.01
    /// 0 without a filter.
    package var filterProbeCount = 0
    package var origin = SSTableOrigin.flush
    package var level = 0
    /// Microseconds since 1970.
    package var createdAt: Int64 = 0
    package var createdBy = ""
    /// The number that the writer named the file by.
    package var identity: UInt64 = 0

    package init() {}

    /// All deletions: of cells, collections, rows, ranges (markers) and partitions.
    package var tombstoneCount: Int {
        cellTombstoneCount + collectionDeletionCount + rowDeletionCount + rangeMarkerCount
            + partitionDeletionCount
    }

    package var hasPartitionDeletions: Bool { partitionDeletionCount > 0 }
    package var hasStaticRows: Bool { staticRowCount > 0 }
    package var hasRangeMarkers: Bool { rangeMarkerCount > 0 }

    /// The tokens of the first and last partition; nil without entries.
    package var tokens: TokenRange? {
        guard firstKey.count >= 8, lastKey.count >= 8 else { return nil }
        return TokenRange(
            firstKey.withView { Key.token(of: $0) },
            lastKey.withView { Key.token(of: $0) }
        )
    }

    /// Stored size over uncompressed size of the data blocks; 1 without data.
    package var compressionRatio: Double {
        uncompressedCount == 0 ? 1 : Double(storedCount) / Double(uncompressedCount)
    }

    /// Whether everything in the file is a deletion made, or a TTL that ended, before `seconds` since
    /// 1970: after the grace period such a file may be dropped unread, when nothing older is hidden
    /// by it.
    package func isExpired(before seconds: Int64) -> Bool {
        permanentCount == 0 && maxLocalTime < seconds
    }
}

/// How densely the entries of a file that are nothing but deletions lie. A part of all entries would say
/// little: they hurt where they are many in a row.
package struct DeadEntries: Sendable, Equatable {
    /// Data blocks of which at least half of the entries are nothing but deletions.
    package var blockCount = 0
    /// The most such entries in a row, over all blocks.
    package var runMax = 0

    package init() {}
}

/// The size of one partition.
package struct PartitionSize: Sendable, Equatable {
    /// The partition part of its keys.
    package let partition: [UInt8]
    /// Bytes of its keys and values.
    package let byteCount: Int
    package let rowCount: Int

    package init(partition: [UInt8], byteCount: Int, rowCount: Int) {
        self.partition = partition
        self.byteCount = byteCount
        self.rowCount = rowCount
    }
}

/// Counts sizes in buckets that double.
package struct SizeHistogram: Sendable, Equatable {
    /// Bucket i counts the sizes above 2^(i-1) and at most 2^i; the last one is not 0.
    package private(set) var buckets: [Int] = []

    package init() {}

    init(buckets: [Int]) { self.buckets = buckets }

    mutating func add(_ size: Int) {
        let bucket = size <= 1 ? 0 : Int.bitWidth - (size - 1).leadingZeroBitCount
        while buckets.count <= bucket { buckets.append(0) }
        buckets[bucket] += 1
    }

    /// How many sizes were counted.
    package var total: Int { buckets.reduce(0, +) }

    /// A bound that at least `fraction` of the sizes don't exceed; 0 without any.
    package func percentile(_ fraction: Double) -> Int {
        let wanted = Int((Double(total) * fraction).rounded(.up))
        var seen = 0
        for (bucket, count) in buckets.enumerated() {
            seen += count
            if seen >= wanted, seen > 0 { return 1 << bucket }
        }
        return 0
    }
}
