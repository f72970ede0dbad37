// SPDX-License-Identifier: Apache-2.0

/// What statistics and index need to know of one entry.
struct EntryFacts {
    /// The kinds of entries, which key and value tell.
    enum Kind {
        case row, staticRow, marker, partitionDeletion
    }

    var kind: Kind
    /// Deletions of cells, collections, the row, a range or the partition in it.
    var tombstoneCount = 0
    /// Whether there is nothing in it but deletions.
    var isDead = true
    /// The latest write timestamp; `Int64.min` without any.
    var maxTimestamp = Int64.min
}
