// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Where a cursor gets blocks from: those of a shard (`ShardBlocks`), or straight from the file.
///
/// Used from one thread.
package protocol BlockSource: AnyObject {
    /// The block at `handle`, checked and decompressed.
    ///
    /// - Throws: `.corruption` when the file holds something else there; `.file` when it can't be read;
    ///   `.wouldBlock` when the source doesn't wait for the disk, and would have to.
    func block(_ handle: BlockHandle, of reader: SSTableReader) throws(StorageError) -> Block

    /// As `block`, for a caller that will read at `offset` of it.
    func block(
        _ handle: BlockHandle,
        of reader: SSTableReader,
        readingAt offset: Int
    ) throws(StorageError) -> Block

    /// After `.wouldBlock`: blocks that stand near the one that was asked for and are likely to be
    /// asked for next.
    func readAhead(_ handles: [BlockHandle], of reader: SSTableReader)
}

extension BlockSource {
    package func block(
        _ handle: BlockHandle,
        of reader: SSTableReader,
        readingAt offset: Int
    ) throws(StorageError) -> Block {
        try block(handle, of: reader)
    }

    package func readAhead(_ handles: [BlockHandle], of reader: SSTableReader) {}
}

/// Reads each block from the file and keeps none: for tests and tools.
package final class UncachedBlocks: BlockSource {
    private var scratch = ByteWriter(capacity: 32_768)
    /// How many blocks were read.
    package private(set) var readCount = 0

    package init() {}

    package func block(
        _ handle: BlockHandle,
        of reader: SSTableReader
    ) throws(StorageError) -> Block {
        readCount += 1
        return try reader.readBlock(handle, scratch: &scratch)
    }
}

/// Reads ahead in large pieces, for a scan of one file (compaction): it leaves the shard's cache
/// alone.
///
/// A block that lies elsewhere is read by itself.
package final class SequentialBlocks: BlockSource {
    private let windowCount: Int
    private var window = ByteWriter(capacity: 64)
    private var windowOffset = 0
    private var scratch = ByteWriter(capacity: 64)
    private var owner: ObjectIdentifier?

    /// Reads `windowCount` bytes at a time.
    package init(windowCount: Int = 1 << 20) {
        self.windowCount = windowCount
    }

    package func block(
        _ handle: BlockHandle,
        of reader: SSTableReader
    ) throws(StorageError) -> Block {
        let isInside =
            owner == ObjectIdentifier(reader) && handle.offset >= windowOffset
            && handle.end <= windowOffset + window.count
        if !isInside {
            guard handle.storedCount <= windowCount, reader.contains(handle) else {
                return try reader.readBlock(handle, scratch: &scratch)
            }
            // A scan backwards gets the window that ends with the block.
            let isBackwards = owner == ObjectIdentifier(reader) && handle.offset < windowOffset
            let start =
                isBackwards
                ? max(handle.end - windowCount, SSTableFormat.headerCount) : handle.offset
            owner = nil
            window.removeAll()
            let count = min(windowCount, reader.count - start)
            try reader.read(at: start, count: count, into: &window)
            windowOffset = start
            owner = ObjectIdentifier(reader)
        }
        let start = handle.offset - windowOffset
        return try reader.decode(window.view[start..<start + handle.storedCount], at: handle.offset)
    }
}
