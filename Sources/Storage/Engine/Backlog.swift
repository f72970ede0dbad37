// SPDX-License-Identifier: Apache-2.0

/// How far flushes and compactions are behind, and what follows for writes.
///
/// Each part is 0 when all is well, 0.5 where writes begin to be held up, and 1 at a limit.
package struct Backlog: Sendable, Equatable {
    /// Memtables that wait to be flushed.
    package var memory = 0.0
    /// Files that overlap, of which each read of a row may have to look into every one.
    package var files = 0.0
    /// Rows that may replace others in the largest level.
    package var replaced = 0.0

    package init() {}

    /// The largest of all.
    package var pressure: Double { max(memory, files, replaced) }

    /// For the pacing of background work: at 1, before any write is held up, all runs at normal priority.
    package var share: Double { min(1, 2 * pressure) }

    /// The longest that a write is held up, in nanoseconds.
    package static let delayMax: UInt64 = 1_000_000_000
    /// A shorter delay is none: timers aren't finer.
    private static let delayMin: UInt64 = 50_000

    /// What a write is held up by, in nanoseconds: nothing up to half of the way to the limit, then the
    /// cube of the rest. So a few clients that write as fast as they can find the place where they are as
    /// fast as the disk, without a jump on the way.
    package var delay: UInt64 {
        let excess = min(1, max(0, 2 * pressure - 1))
        let delay = UInt64(excess * excess * excess * Double(Backlog.delayMax))
        return delay < Backlog.delayMin ? 0 : delay
    }

    /// What the delay is for, as the end of a sentence.
    package var reason: String {
        guard delay > 0 else { return "" }
        if memory >= pressure { return "memtables wait to be flushed" }
        if files >= pressure { return "many SSTables wait to be compacted" }
        return "overwritten rows wait to be compacted away"
    }

    // MARK: Measures

    /// Memtables: what is beyond the space of the active ones, as a part of the room for it.
    package static func memory(unflushed: Int, space: Int, limit: Int) -> Double {
        guard limit > space else { return unflushed > limit ? 1 : 0 }
        return min(1, max(0, Double(unflushed - space) / Double(limit - space)))
    }

    /// Files that overlap: a table has about four of each of four sizes.
    package static func files(depth: Int) -> Double { min(1, max(0, Double(depth - 16) / 48)) }

    /// Rows that may replace others, as a part of the largest level, where `bound` is what should be.
    package static func replaced(_ share: Double, bound: Double) -> Double {
        guard bound > 0 else { return 0 }
        return min(1, max(0, (share / bound - 1) / 6))
    }
}
