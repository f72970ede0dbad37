// SPDX-License-Identifier: Apache-2.0

/// What a merged read cost, reported upward.
package struct ReadCost: Sendable, Equatable {
    /// Row fragments looked at.
    package var fragments = 0
    /// Rows given out.
    package var rows = 0
    /// Deletions passed: markers, partition deletions and rows of which nothing was left.
    package var tombstones = 0
    /// Places looked for: in the postings of indexes, and rows by their keys.
    package var seeks = 0
    /// Postings of wide ranges of indexes gone through. What they cost doesn't end a page: the next would
    /// go through them again.
    package var postings = 0
    /// Blocks of SSTables looked at, of the index and filter too, and the bytes in them.
    package var blocks = 0
    package var bytes = 0

    package init() {}

    /// What takes a read's time, whether it gives anything out or not.
    package var work: Int { fragments + tombstones + ReadCost.workPerSeek * seeks }

    /// What looking for a place costs, in fragments that are passed one after the other.
    private static let workPerSeek = 8

    /// Adds another read's cost.
    package mutating func add(_ other: ReadCost) {
        fragments += other.fragments
        rows += other.rows
        tombstones += other.tombstones
        seeks += other.seeks
        postings += other.postings
        blocks += other.blocks
        bytes += other.bytes
    }
}
