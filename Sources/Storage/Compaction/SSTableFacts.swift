// SPDX-License-Identifier: Apache-2.0

package import Model

/// An SSTable as a compaction strategy sees it.
package struct SSTableFacts: Sendable, Equatable {
    package let number: UInt64
    /// The bytes of it that are live in the shard.
    package var size: Int
    /// From its first to its last token in the shard.
    package var tokens: TokenRange
    /// Write timestamps, in the table's unit.
    package var minTimestamp: Int64 = 0
    package var maxTimestamp: Int64 = 0
    /// When everything in it is dead, in seconds since 1970: its last deletion or end of a TTL; nil when
    /// something in it has no end.
    package var deadAt: Int64?
    /// The oldest deletion or end of a TTL in it, in seconds since 1970; nil without any.
    package var oldestDeletion: Int64?
    /// When it was written, in seconds since 1970.
    package var createdAt: Int64 = 0
    /// Whether a flush wrote it.
    package var isFlushed = false
    /// Data blocks, and those of which at least half of the entries are nothing but deletions.
    package var blockCount = 1
    package var deadBlockCount = 0
    /// Whether a compaction is reading it.
    package var isBusy = false

    package init(number: UInt64, size: Int, tokens: TokenRange) {
        self.number = number
        self.size = size
        self.tokens = tokens
    }

    /// The part of its data blocks that is mostly deletions, from 0 to 1.
    var deadShare: Double { Double(deadBlockCount) / Double(max(1, blockCount)) }

    /// Whether they have tokens in common.
    func overlaps(_ other: SSTableFacts) -> Bool {
        tokens.intersection(other.tokens) != nil
    }
}

/// What a strategy is told beside the files.
package struct CompactionConditions: Sendable {
    /// The tokens of the shard.
    package var space: TokenSpace
    /// Seconds since 1970.
    package var now: Int64
    /// Deletions made before this moment, in seconds since 1970, may be purged.
    package var graceHorizon: Int64
    /// The smallest write timestamp in memtables.
    package var memtableMinTimestamp: Int64 = .max
    /// The bytes of an SSTable that a flush makes; where no flushed one is there to measure.
    package var flushSize: Int
    /// What part of what was merged into the largest level was found to replace or delete something
    /// there, the last time; nil when that isn't known.
    package var replacedShare: Double?

    package init(
        space: TokenSpace,
        now: Int64,
        graceHorizon: Int64,
        flushSize: Int
    ) {
        self.space = space
        self.now = now
        self.graceHorizon = graceHorizon
        self.flushSize = flushSize
    }
}

/// What to compact, and why.
///
/// Files that overlap no other are in no choice: where they belong is said by their density, so that
/// nothing need be done to move one to a lower level.
package struct CompactionChoice: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        /// Everything in the files is deleted or has ended: they are dropped unread.
        case expired
        /// A level has as many overlapping files as it may have.
        case level(Int)
        /// What lies above the largest level may replace too much of it.
        case replaced
        /// A time window that is over has more than one file.
        case window(Int64)
        /// Much of the file is deletions that may be purged.
        case tombstones
        /// Somebody asked for it.
        case request
        /// The file lacks postings of an index.
        case index

        /// The level of what comes out, at least; nil for the lowest there is.
        var outputLevel: Int? {
            guard case .level(let level) = self else { return nil }
            return level + 1
        }
    }

    package let reason: Reason
    /// The files' numbers, in ascending order.
    package let inputs: [UInt64]
    /// In how many slices of the shard's tokens the output is written, each a file of its own.
    package let sliceCount: Int
    /// With `.replaced`, the bytes of the inputs that aren't in the largest level.
    package let upperSize: Int

    package init(reason: Reason, inputs: [UInt64], sliceCount: Int, upperSize: Int = 0) {
        self.reason = reason
        self.inputs = inputs.sorted()
        self.sliceCount = sliceCount
        self.upperSize = upperSize
    }
}
