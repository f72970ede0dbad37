// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// What the index says of a block (or of all blocks that an index block lists).
///
///     key   = a separator: above every key before the block, not above its first key
///     value = flags (1) offset (varint) stored-size (varint) entries (varint) tombstones (varint)
///             dead-entries (varint) max-timestamp (signed varint) [open deletion]
///     flags = 01 a range deletion is open where the block begins, 02 it holds range-deletion markers,
///             04 it holds partition deletions
///
/// A reader passes over bytes after these: later minor versions may add some.
package struct IndexEntry: Equatable, Sendable {
    /// The block that the entry stands for.
    package var handle: BlockHandle
    /// How many entries the block has; of an index block, the sum over the blocks that it lists.
    ///
    /// The same holds for the other counts.
    package var entryCount = 0
    /// Deletions of cells, collections, rows, ranges (markers) and partitions.
    package var tombstoneCount = 0
    /// Entries without any live value: what a read passes over.
    package var deadEntryCount = 0
    /// The latest write timestamp: everything in the block is deleted by a deletion at or after it.
    package var maxTimestamp = Int64.min
    /// Whether there are range-deletion markers in the block.
    package var hasMarkers = false
    /// Whether there are partition deletions in the block.
    package var hasPartitionDeletions = false
    /// The range deletion that is open before the block's first entry.
    package var openDeletion: Deletion?

    private static let flagOpen: UInt8 = 1
    private static let flagMarkers: UInt8 = 2
    private static let flagPartitionDeletions: UInt8 = 4

    init(handle: BlockHandle) { self.handle = handle }

    func append(to writer: inout ByteWriter) {
        writer.append(
            (openDeletion == nil ? 0 : IndexEntry.flagOpen)
                | (hasMarkers ? IndexEntry.flagMarkers : 0)
                | (hasPartitionDeletions ? IndexEntry.flagPartitionDeletions : 0)
        )
        writer.appendVarint(handle.offset)
        writer.appendVarint(handle.storedCount)
        writer.appendVarint(entryCount)
        writer.appendVarint(tombstoneCount)
        writer.appendVarint(deadEntryCount)
        writer.appendSignedVarint(maxTimestamp)
        openDeletion?.append(to: &writer)
    }

    /// Reads the value of an index entry.
    init(_ value: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(value)
        let flags = try reader.readByte()
        let offset = try reader.readCount(max: 1 << 61)
        handle = BlockHandle(offset: offset, storedCount: try reader.readCount(max: 1 << 31))
        entryCount = try reader.readCount(max: 1 << 61)
        tombstoneCount = try reader.readCount(max: 1 << 61)
        deadEntryCount = try reader.readCount(max: 1 << 61)
        maxTimestamp = try reader.readSignedVarint()
        hasMarkers = flags & IndexEntry.flagMarkers != 0
        hasPartitionDeletions = flags & IndexEntry.flagPartitionDeletions != 0
        openDeletion = flags & IndexEntry.flagOpen != 0 ? try Deletion(from: &reader) : nil
    }

    /// Reads what a cursor in an index block stands at; `failure` says what to throw when it isn't an index
    /// entry.
    @inline(__always)
    static func read(
        _ cursor: BlockCursor,
        _ failure: (MalformedBytes) -> StorageError
    ) throws(StorageError) -> IndexEntry {
        do throws(MalformedBytes) {
            return try IndexEntry(cursor.value)
        } catch {
            throw failure(error)
        }
    }

    /// Counts one entry of the block.
    mutating func add(_ facts: EntryFacts) {
        entryCount += 1
        tombstoneCount += facts.tombstoneCount
        if facts.isDead { deadEntryCount += 1 }
        maxTimestamp = max(maxTimestamp, facts.maxTimestamp)
        switch facts.kind {
        case .marker: hasMarkers = true
        case .partitionDeletion: hasPartitionDeletions = true
        case .row, .staticRow: break
        }
    }

    /// Counts a block of the index block.
    mutating func add(_ child: IndexEntry) {
        if entryCount == 0 { openDeletion = child.openDeletion }
        entryCount += child.entryCount
        tombstoneCount += child.tombstoneCount
        deadEntryCount += child.deadEntryCount
        maxTimestamp = max(maxTimestamp, child.maxTimestamp)
        hasMarkers = hasMarkers || child.hasMarkers
        hasPartitionDeletions = hasPartitionDeletions || child.hasPartitionDeletions
    }
}
