// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension SSTableReader {
    /// What the postings of each attached index take in the file, in bytes, by the index's id: the stored
    /// blocks of postings, of which one may hold those of several indexes and is shared out by their number.
    ///
    /// Reads the index of the postings, not the postings.
    package func storedPostingCounts() throws(StorageError) -> [UInt32: Int] {
        guard let indexes else { return [:] }
        var shares = PostingShares(indexes.entries)
        let source = UncachedBlocks()
        let top = BlockCursor()
        let index = BlockCursor()
        guard top.attach(indexes.top) else { throw malformedPostings(indexes.topHandle) }
        var hasIndex = top.seekToFirst()
        while hasIndex {
            let handle = try IndexEntry.read(top) { _ in malformedPostings(indexes.topHandle) }
                .handle
            guard index.attach(try source.block(handle, of: self)), index.seekToFirst() else {
                throw malformedPostings(handle)
            }
            repeat {
                let entry = try IndexEntry.read(index) { _ in malformedPostings(handle) }
                shares.add(entry.entryCount, storedCount: entry.handle.storedCount)
            } while index.next()
            guard !index.isMalformed else { throw malformedPostings(handle) }
            hasIndex = top.next()
        }
        guard !top.isMalformed else { throw malformedPostings(indexes.topHandle) }
        return shares.bytes
    }

    private func malformedPostings(_ handle: BlockHandle) -> StorageError {
        corruption(handle, "the index of postings", "bytes that break the format")
    }
}

/// Shares blocks out among the indexes whose postings follow each other in them.
private struct PostingShares {
    private(set) var bytes: [UInt32: Int] = [:]
    private var left: [(index: UInt32, count: Int)]

    init(_ entries: [AttachedIndexes.Entry]) {
        left = entries.map { ($0.index, $0.postingCount) }.sorted { $0.index > $1.index }
        for entry in entries { bytes[entry.index] = 0 }
    }

    /// Takes the next block, of `count` postings.
    mutating func add(_ count: Int, storedCount: Int) {
        var (count, storedCount) = (count, storedCount)
        while count > 0, let first = left.last {
            let taken = min(first.count, count)
            let share = taken == count ? storedCount : storedCount * taken / count
            bytes[first.index, default: 0] += share
            count -= taken
            storedCount -= share
            left[left.count - 1].count -= taken
            if left[left.count - 1].count == 0 { left.removeLast() }
        }
    }
}
