// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// What an open SSTable knows of the postings in it: which indexes they are of, and where they are.
///
/// The layout stands at `PostingSection`.
package struct AttachedIndexes: Sendable {
    /// An index whose postings for the file's rows are all there.
    package struct Entry: Sendable, Equatable {
        /// The index's id in its table.
        package let index: UInt32
        package let postingCount: Int
        package let termCount: Int
    }

    /// The indexes, by id.
    package let entries: [Entry]
    /// The block that lists the index blocks.
    let top: Block
    let topHandle: BlockHandle

    init(
        top: Block,
        topHandle: BlockHandle,
        list: ByteView
    ) throws(MalformedBytes) {
        self.top = top
        self.topHandle = topHandle
        var reader = ByteReader(list)
        var entries: [Entry] = []
        while !reader.isAtEnd {
            entries.append(
                Entry(
                    index: UInt32(try reader.readCount(max: Int(UInt32.max))),
                    postingCount: try reader.readCount(max: 1 << 61),
                    termCount: try reader.readCount(max: 1 << 61)
                )
            )
        }
        self.entries = entries
    }

    /// What is known of an index; nil when the file has no postings of it.
    package func entry(_ index: UInt32) -> Entry? { entries.first { $0.index == index } }
}

/// Walks the postings of an SSTable forward.
///
/// Used from one thread. It keeps the blocks that it stands in, whatever its source does.
final class PostingSectionCursor {
    private let reader: SSTableReader
    private let indexes: AttachedIndexes
    private let source: any BlockSource
    private let top = BlockCursor()
    private let index = BlockCursor()
    private let data = BlockCursor()
    private var indexOffset = -1
    private var dataOffset = -1
    private(set) var isValid = false

    /// A cursor that stands nowhere; nil when the file has no postings.
    init?(_ reader: SSTableReader, source: any BlockSource) {
        guard let indexes = reader.indexes else { return nil }
        self.reader = reader
        self.indexes = indexes
        self.source = source
    }

    var key: ByteView { data.key }
    var value: ByteView { data.value }

    /// Moves to the first posting whose key is not below `target`; invalid when there is none.
    func seek(atOrAfter target: ByteView) throws(StorageError) {
        isValid = false
        guard top.attach(indexes.top) else { throw malformed(indexes.topHandle) }
        if !top.seek(atOrBefore: target) {
            guard !top.isMalformed else { throw malformed(indexes.topHandle) }
            guard top.seekToFirst() else { return }
        }
        try loadIndex()
        if !index.seek(atOrBefore: target) {
            guard !index.isMalformed, index.seekToFirst() else { throw malformed(indexHandle) }
        }
        try loadData()
        if data.seek(atOrAfter: target) {
            isValid = true
        } else {
            try check()
            try advanceBlock()
        }
    }

    /// Moves to the next posting; invalid after the last.
    func next() throws(StorageError) {
        if data.next() { return }
        isValid = false
        try check()
        try advanceBlock()
    }

    /// About how many postings there are in a range, as the index says of the blocks: of the first and
    /// the last of them all are counted.
    func estimatedCount(in range: KeyBounds) throws(StorageError) -> Int {
        try range.lower.withView { (lower) throws(StorageError) in try seek(atOrAfter: lower) }
        guard isValid, isBelow(key, range.upper) else { return 0 }
        var count = 0
        while true {
            repeat {
                count += try IndexEntry.read(index) { _ in malformed(indexHandle) }.entryCount
            } while index.next() && isBelow(index.key, range.upper)
            guard !index.isMalformed else { throw malformed(indexHandle) }
            // Standing at a block: the range ends before it.
            guard !index.isValid, top.next(), isBelow(top.key, range.upper) else { break }
            // Index blocks that are within are counted whole; the last is looked into.
            while let next = top.keyOfNext(), next.withView({ isBelow($0, range.upper) }) {
                count += try IndexEntry.read(top) { _ in malformed(indexes.topHandle) }.entryCount
                guard top.next() else { break }
            }
            try loadIndex()
            guard index.seekToFirst() else { throw malformed(indexHandle) }
        }
        guard !top.isMalformed else { throw malformed(indexes.topHandle) }
        isValid = false
        return count
    }

    private func isBelow(_ key: ByteView, _ bound: [UInt8]) -> Bool {
        bound.withView { key.compare($0) < 0 }
    }

    private func advanceBlock() throws(StorageError) {
        if !index.next() {
            guard !index.isMalformed else { throw malformed(indexHandle) }
            guard top.next() else {
                if top.isMalformed { throw malformed(indexes.topHandle) }
                return
            }
            try loadIndex()
            guard index.seekToFirst() else { throw malformed(indexHandle) }
        }
        try loadData()
        guard data.seekToFirst() else { throw malformed(dataHandle) }
        isValid = true
    }

    private func read(_ handle: BlockHandle) throws(StorageError) -> Block {
        do throws(StorageError) {
            return try source.block(handle, of: reader)
        } catch {
            if error == .wouldBlock { throw error }
            throw reader.unusable(handle, error, keys: nil, isDerived: true)
        }
    }

    private func loadIndex() throws(StorageError) {
        let handle = try IndexEntry.read(top) { _ in malformed(indexes.topHandle) }.handle
        if handle.offset == indexOffset { return }
        indexOffset = -1
        guard index.attach(try read(handle)) else { throw malformed(handle) }
        indexOffset = handle.offset
    }

    private func loadData() throws(StorageError) {
        let handle = try IndexEntry.read(index) { _ in malformed(indexHandle) }.handle
        if handle.offset == dataOffset { return }
        dataOffset = -1
        guard data.attach(try read(handle)) else { throw malformed(handle) }
        dataOffset = handle.offset
    }

    private func check() throws(StorageError) {
        if data.isMalformed { throw malformed(dataHandle) }
    }

    private var indexHandle: BlockHandle {
        BlockHandle(offset: max(indexOffset, 0), storedCount: 0)
    }
    private var dataHandle: BlockHandle {
        BlockHandle(offset: max(dataOffset, 0), storedCount: 0)
    }

    /// What to throw when a posting or a block breaks the format.
    func malformed(_ handle: BlockHandle? = nil) -> StorageError {
        isValid = false
        return reader.corruption(
            handle ?? dataHandle,
            "postings of an index",
            "bytes that break the format"
        )
    }
}
