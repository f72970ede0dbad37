// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// The writes of one table that are not in an SSTable yet, in key order.
///
/// Rows, static rows and partition deletions are in one map; the markers of range deletions in
/// another, as a step function over the positions of a partition: each marker says which deletion is
/// open before and after it. Used by its shard only; when a flush has begun it no longer changes and
/// may be read from the flushing thread too.
package final class Memtable: @unchecked Sendable {  // Owner: the shard; read-only once rotated.
    private let arena: Arena
    /// Rows, static rows and partition deletions.
    package private(set) var rows: OrderedMap
    /// Markers of range deletions.
    package private(set) var markers: OrderedMap
    /// The postings of the table's secondary indexes; nil without any.
    package let postings: MemtablePostings?
    private var scratch = ByteWriter(capacity: 1024)

    /// How many partition deletions it holds.
    package private(set) var partitionDeletionCount = 0
    /// The smallest write timestamp in it; `Int64.max` when empty.
    package private(set) var minTimestamp = Int64.max
    /// The first commit-log position whose record is in it.
    package var firstPosition: CommitLogPosition?
    /// The last commit-log position whose record is in it.
    package var lastPosition: CommitLogPosition?

    /// An empty memtable that can hold up to `capacity` bytes, of which only the used are taken; with
    /// postings for the indexes of `table`.
    package init(capacity: Int, table: TableSchema? = nil) {
        postings = table.flatMap { MemtablePostings($0, arenaCapacity: capacity) }
        arena = Arena(capacity: capacity)
        rows = OrderedMap(arena: arena)
        markers = OrderedMap(arena: arena)
    }

    /// The bytes that the memtable takes.
    package var byteCount: Int { arena.used + (postings?.byteCount ?? 0) }

    /// Whether nothing has been written.
    package var isEmpty: Bool { rows.count == 0 && markers.count == 0 }

    /// Whether an entry of these sizes surely fits, merged with what is there already.
    package func hasRoom(keyCount: Int, valueCount: Int) -> Bool {
        arena.hasRoom(
            for: 3 * (keyCount + 64 + 2 * OrderedMap.insertionOverheadMax) + 2 * valueCount
        )
    }

    /// Merges one entry of a mutation in.
    ///
    /// - Returns: false when what comes of the merge doesn't fit; nothing is changed then.
    /// - Throws: `MalformedBytes` when the value is not what its header says; nothing is changed then.
    package func apply(key: ByteView, value: ByteView) throws(MalformedBytes) -> Bool {
        guard value.count > 0 else { throw MalformedBytes(offset: 0, expected: "an entry's value") }
        if value[0] & EntryHeader.marker != 0 {
            let range = try RangeDeletion(start: key, value: value)
            // It may have to rewrite every marker that there is.
            guard arena.hasRoom(for: markers.count * Memtable.markerSizeMax) else { return false }
            note(range.deletion.timestamp)
            apply(range)
            return true
        }
        try noteTimestamps(value)
        try postings?.add(key: key, value: value)
        let slot = rows.slot(key)
        guard slot.isTaken else {
            if value[0] & EntryHeader.partitionDeletion != 0 { partitionDeletionCount += 1 }
            rows.insert(key, value, at: slot)
            return true
        }
        let position = slot.taken
        scratch.removeAll()
        try RowMerge.merge(rows.value(position), value, into: &scratch)
        guard arena.hasRoom(for: scratch.count) else { return false }
        rows.replaceValue(position, with: scratch.view)
        return true
    }

    /// The most bytes of a marker's value: a header and two deletions of two varints.
    private static let markerSizeMax = 1 + 4 * Varint.lengthMax

    private func note(_ timestamp: Int64) { minTimestamp = min(minTimestamp, timestamp) }

    private func noteTimestamps(_ value: ByteView) throws(MalformedBytes) {
        if value[0] & EntryHeader.partitionDeletion != 0 {
            note(try EntryHeader.readPartitionDeletion(value).timestamp)
            return
        }
        var fragment = try RowFragment(value)
        if let liveness = fragment.liveness { note(liveness.timestamp) }
        if let deletion = fragment.deletion { note(deletion.timestamp) }
        if fragment.skipPlainCells() { note(fragment.base) }
        while let cell = try fragment.nextCell() { note(cell.timestamp) }
    }

    // MARK: Range deletions

    /// Lays a range deletion over the step function of its partition.
    private func apply(_ range: RangeDeletion) {
        let partition = Key.partition(of: range.start)
        let opened = openDeletion(before: range.end, in: partition)
        put(
            range.start,
            before: openDeletion(before: range.start, in: partition),
            deletion: range.deletion,
            isStart: true
        )
        var position = markers.next(markers.find(range.start))
        while position.isValid, markers.key(position).compare(range.end) < 0 {
            if let marker = try? RangeMarker(markers.value(position)) {
                replace(
                    position,
                    RangeMarker(
                        before: Deletion.stronger(marker.before, range.deletion),
                        after: Deletion.stronger(marker.after, range.deletion)
                    )
                )
            }
            position = markers.next(position)
        }
        put(range.end, before: opened, deletion: range.deletion, isStart: false)
    }

    /// Makes sure of a marker at one end of a range. Without one there yet, `before` was open on both
    /// sides of the place.
    private func put(_ key: ByteView, before: Deletion?, deletion: Deletion, isStart: Bool) {
        let position = markers.find(key)
        var marker = RangeMarker(before: before, after: before)
        if position.isValid, let old = try? RangeMarker(markers.value(position)) { marker = old }
        let changed = RangeMarker(
            before: isStart ? marker.before : Deletion.stronger(marker.before, deletion),
            after: isStart ? Deletion.stronger(marker.after, deletion) : marker.after
        )
        if position.isValid {
            replace(position, changed)
        } else {
            scratch.removeAll()
            changed.append(to: &scratch)
            markers.insert(key, scratch.view)
        }
    }

    private func replace(_ position: OrderedMap.Position, _ marker: RangeMarker) {
        scratch.removeAll()
        marker.append(to: &scratch)
        markers.replaceValue(position, with: scratch.view)
    }

    /// The range deletion that is open just before `key` in its partition.
    package func openDeletion(before key: ByteView, in partition: ByteView) -> Deletion? {
        guard markers.count > 0 else { return nil }
        let position = markers.lastBefore(key)
        guard position.isValid, markers.key(position).hasPrefix(partition) else { return nil }
        return (try? RangeMarker(markers.value(position)))?.after
    }

    /// The deletion of a whole partition, if there is one.
    package func partitionDeletion(of partition: ByteView) -> Deletion? {
        guard partitionDeletionCount > 0 else { return nil }
        let position = rows.lowerBound(partition)
        guard position.isValid else { return nil }
        let key = rows.key(position)
        guard key.count == partition.count + 1, key.hasPrefix(partition),
            key[partition.count] == Key.partitionDeletion
        else { return nil }
        return try? EntryHeader.readPartitionDeletion(rows.value(position))
    }
}
