// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Merging of what several sources know of the same key: pure, commutative, associative, idempotent.
///
/// The last timestamp wins, a deletion beats a value at a tie, then the greater value
/// (`Cell.supersedes`). What a deletion hides is left out of the result.
package enum RowMerge {
    /// Appends the merge of two values of one key: row fragments or partition deletions. (Markers of
    /// different sources are not merged: a reader follows each source's by itself.)
    package static func merge(
        _ a: ByteView,
        _ b: ByteView,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        guard a.count > 0, b.count > 0 else {
            throw MalformedBytes(offset: 0, expected: "an entry's value")
        }
        if a[0] & EntryHeader.partitionDeletion != 0 {
            let one = try EntryHeader.readPartitionDeletion(a)
            let two = try EntryHeader.readPartitionDeletion(b)
            let stronger = Deletion.stronger(one, two) ?? one
            EntryHeader.appendPartitionDeletion(stronger, to: &writer)
            return
        }
        try mergeRows(a, b, shadow: nil, into: &writer)
    }

    /// Appends what is left of one fragment under `shadow`, the strongest deletion that covers it from
    /// outside. The shadow itself is not written.
    package static func filter(
        _ view: ByteView,
        shadow: Deletion,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        try mergeRows(view, empty, shadow: shadow, into: &writer)
    }

    /// Appends the merge of two row fragments, without what `shadow` (a deletion of the partition or a
    /// range around the row) or their own row deletions hide.
    package static func mergeRows(
        _ a: ByteView,
        _ b: ByteView,
        shadow: Deletion?,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        var one = try RowFragment(a)
        var two = try RowFragment(b)
        var deletion = Deletion.stronger(one.deletion, two.deletion)
        if let shadow, let own = deletion, own.timestamp <= shadow.timestamp { deletion = nil }
        let horizon = max(shadow?.timestamp ?? Int64.min, deletion?.timestamp ?? Int64.min)
        var liveness = one.liveness
        if let other = two.liveness, liveness.map({ other.supersedes($0) }) ?? true {
            liveness = other
        }
        if let kept = liveness, kept.timestamp <= horizon { liveness = nil }
        // The later base is what most of the surviving cells carry.
        var base = liveness?.timestamp
        if one.usesBase { base = max(base ?? Int64.min, one.base) }
        if two.usesBase { base = max(base ?? Int64.min, two.base) }
        RowEncoder.begin(liveness: liveness, deletion: deletion, base: base, to: &writer)

        var output = CellOutput(horizon: horizon, base: base ?? 0)
        var left = try one.nextCell()
        var right = try two.nextCell()
        while let first = left {
            guard let second = right else {
                output.append(first, to: &writer)
                left = try one.nextCell()
                continue
            }
            let order = first.order(second)
            if order < 0 {
                output.append(first, to: &writer)
                left = try one.nextCell()
            } else if order > 0 {
                output.append(second, to: &writer)
                right = try two.nextCell()
            } else {
                output.append(first.supersedes(second) ? first : second, to: &writer)
                left = try one.nextCell()
                right = try two.nextCell()
            }
        }
        while let second = right {
            output.append(second, to: &writer)
            right = try two.nextCell()
        }
    }

    /// Whether a value says nothing at all: no liveness, no deletion, no cell.
    package static func isEmpty(_ view: ByteView) -> Bool {
        guard view.count > 0, view[0] & 0xF0 == 0 else { return false }
        guard let header = try? RowFragment(view) else { return false }
        return header.liveness == nil && header.deletion == nil && header.hasNoCells
    }

    /// A fragment that says nothing.
    package static var empty: ByteView { ByteView(emptyStorage, count: 1) }
    // Never written after it was made.
    nonisolated(unsafe) private static let emptyStorage: UnsafeRawPointer = {
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        storage.storeBytes(of: 0, as: UInt64.self)
        return UnsafeRawPointer(storage)
    }()
}

/// Writes the cells that no deletion hides, in order.
private struct CellOutput {
    let horizon: Int64
    let base: Int64
    private var collection: UInt32 = UInt32.max
    private var collectionHorizon = Int64.min

    init(horizon: Int64, base: Int64) {
        self.horizon = horizon
        self.base = base
    }

    mutating func append(_ cell: Cell, to writer: inout ByteWriter) {
        guard cell.timestamp > horizon else { return }
        if cell.flags.contains(.collectionDeletion) {
            collection = cell.column
            collectionHorizon = cell.timestamp
        } else if cell.column == collection, cell.timestamp <= collectionHorizon {
            return
        }
        RowEncoder.append(cell, base: base, to: &writer)
    }
}
