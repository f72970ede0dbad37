// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// A position among the entries of one SSTable, moved in both directions.
///
/// Used from one thread. After an error the cursor is invalid and may be moved with a seek. It keeps
/// the blocks that it stands in, whatever its source does.
///
///     top index (in memory) -> index block -> data block
package final class SSTableCursor {
    package private(set) var reader: SSTableReader
    private let source: any BlockSource
    private let top = BlockCursor()
    let index = BlockCursor()
    let data = BlockCursor()
    /// What the index says of the data block.
    var block: IndexEntry
    private var indexOffset = -1
    private var dataOffset = -1
    /// Whether the cursor stands on an entry.
    package internal(set) var isValid = false
    /// The range deletion that is open just before the current entry, in key order, whichever way
    /// the cursor came.
    ///
    /// Nil across partitions, since a range deletion ends in its partition.
    package private(set) var openDeletion: Deletion?
    /// How many blocks, of data and of index, were asked of the source.
    package private(set) var blocksRead = 0
    /// How many data blocks were passed over unread.
    package internal(set) var blocksPassed = 0
    /// How many data blocks the cursor has gone through one after the other, and which way: what it
    /// reads ahead by.
    private var runLength = 0
    private var isRunReversed = false

    /// A cursor that stands nowhere yet; it takes its blocks from `source`.
    package init(_ reader: SSTableReader, source: any BlockSource) {
        self.reader = reader
        self.source = source
        block = IndexEntry(handle: BlockHandle(offset: 0, storedCount: 0))
    }

    /// Turns to another file, in the memory that the cursor has; it then stands nowhere.
    package func reuse(for reader: SSTableReader) {
        self.reader = reader
        isValid = false
        openDeletion = nil
        indexOffset = -1
        dataOffset = -1
        top.detach()
        index.detach()
        data.detach()
    }

    /// The current entry's key; valid until the cursor moves.
    package var key: ByteView { data.key }

    /// The current entry's value; valid until the cursor moves.
    package var value: ByteView { data.value }

    /// The key at which the cursor stood before a step that ended with an error of its source.
    var keyBeforeStep: ByteView { data.key }

    /// Whether the current entry is a range-deletion marker.
    package var isMarker: Bool { block.hasMarkers && hasMarkerHeader(data.value) }

    // MARK: Seeking

    /// Moves to the first entry of the file.
    package func seekToFirst() throws(StorageError) {
        try beginSeek()
        guard top.seekToFirst() else { return try end(top) }
        try loadIndex()
        guard index.seekToFirst() else { return try end(index) }
        try enterFirstOfBlock()
    }

    /// Moves to the last entry of the file.
    package func seekToLast() throws(StorageError) {
        try beginSeek()
        guard top.seekToLast() else { return try end(top) }
        try loadIndex()
        guard index.seekToLast() else { return try end(index) }
        try enterLastOfBlock()
    }

    /// Moves to the first entry whose key is not below `target`; invalid when there is none.
    package func seek(atOrAfter target: ByteView) throws(StorageError) {
        try beginSeek()
        guard try findBlock(target, orFirst: true) else { return }
        if data.seek(atOrAfter: target) {
            try enter(openDeletion: try openDeletionInBlock())
        } else {
            try checkData()
            try advanceBlock()
        }
    }

    /// Moves to the last entry whose key is not above `target`; invalid when there is none.
    package func seek(atOrBefore target: ByteView) throws(StorageError) {
        try beginSeek()
        guard try findBlock(target, orFirst: false) else { return }
        if data.seek(atOrBefore: target) {
            try enter(openDeletion: try openDeletionInBlock())
        } else {
            try checkData()
            try retreatBlock()
        }
    }

    /// Moves to the last entry whose key is below `target`; invalid when there is none.
    package func seek(before target: ByteView) throws(StorageError) {
        try seek(atOrBefore: target)
        if isValid, key.equals(target) { try previous() }
    }

    // MARK: Stepping

    /// Moves to the next entry; invalid after the last.
    package func next() throws(StorageError) {
        invariant(isValid, "next of a cursor that stands nowhere")
        try leaveMarker()
        guard !data.next() else { return }
        isValid = false
        try checkData()
        try advanceBlock()
    }

    /// Moves to the entry before; invalid before the first.
    package func previous() throws(StorageError) {
        invariant(isValid, "previous of a cursor that stands nowhere")
        guard data.previous() else {
            isValid = false
            try checkData()
            return try retreatBlock()
        }
        try enterMarker()
    }

    /// Before a step forward: takes over what a marker opens or closes.
    @inline(__always)
    func leaveMarker() throws(StorageError) {
        if block.hasMarkers, hasMarkerHeader(data.value) { openDeletion = try marker().after }
    }

    /// After a step backward: takes over what was open before a marker.
    @inline(__always)
    func enterMarker() throws(StorageError) {
        if block.hasMarkers, hasMarkerHeader(data.value) { openDeletion = try marker().before }
    }

    // MARK: Blocks

    private func beginSeek() throws(StorageError) {
        isValid = false
        openDeletion = nil
        runLength = 0
        guard top.attach(reader.topIndex) else { throw malformed(topHandle, "a top index") }
    }

    /// Loads the block in which `target` belongs.
    ///
    /// When it belongs before all blocks: the first one or none.
    private func findBlock(
        _ target: ByteView,
        orFirst: Bool
    ) throws(StorageError) -> Bool {
        if !top.seek(atOrBefore: target) {
            guard !top.isMalformed else { throw malformed(topHandle, "a top index") }
            guard orFirst, top.seekToFirst() else { return false }
        }
        try loadIndex()
        if !index.seek(atOrBefore: target) {
            guard !index.isMalformed, orFirst, index.seekToFirst() else {
                // An index block's key in the top index is its first key.
                throw malformed(indexHandle, "an index block that begins at its key")
            }
        }
        try loadData()
        return true
    }

    private func advanceBlock() throws(StorageError) {
        if try advanceIndex() { try enterFirstOfBlock() }
    }

    /// Moves the index to the next data block, without reading that; false at the end.
    func advanceIndex() throws(StorageError) -> Bool {
        runLength += 1
        isRunReversed = false
        if !index.next() {
            try checkIndex()
            guard top.next() else {
                try end(top)
                return false
            }
            try loadIndex()
            guard index.seekToFirst() else {
                try end(index)
                return false
            }
        }
        block = try indexEntry()
        return true
    }

    private func retreatBlock() throws(StorageError) {
        if try retreatIndex() { try enterLastOfBlock() }
    }

    /// Moves the index to the data block before, without reading that; false at the end.
    func retreatIndex() throws(StorageError) -> Bool {
        runLength += 1
        isRunReversed = true
        if !index.previous() {
            try checkIndex()
            guard top.previous() else {
                try end(top)
                return false
            }
            try loadIndex()
            guard index.seekToLast() else {
                try end(index)
                return false
            }
        }
        block = try indexEntry()
        return true
    }

    func checkIndex() throws(StorageError) {
        guard !index.isMalformed else { throw malformed(indexHandle, "an index block") }
    }

    /// What the entry at which the index stands says of its data block.
    func indexEntry() throws(StorageError) -> IndexEntry { try entry(index, indexHandle) }

    func enterFirstOfBlock() throws(StorageError) {
        try loadData()
        guard data.seekToFirst() else { throw malformed(block.handle, "a block with entries") }
        try enter(openDeletion: block.openDeletion)
    }

    func enterLastOfBlock() throws(StorageError) {
        try loadData()
        guard data.seekToLast() else { throw malformed(block.handle, "a block with entries") }
        try enter(openDeletion: try openDeletionInBlock())
    }

    private func enter(openDeletion: Deletion?) throws(StorageError) {
        self.openDeletion = openDeletion
        isValid = true
    }

    /// The range deletion that is open before the entry at which `data` stands.
    private func openDeletionInBlock() throws(StorageError) -> Deletion? {
        guard block.hasMarkers else { return block.openDeletion }
        if hasMarkerHeader(data.value) { return try marker().before }
        guard let value = data.lastValue(beforeCurrentWith: EntryHeader.marker) else {
            return block.openDeletion
        }
        return try marker(value).after
    }

    private func loadIndex() throws(StorageError) {
        let handle = try entry(top, topHandle).handle
        // The block in which the cursor stands already needs no search in the cache.
        if handle.offset == indexOffset { return }
        indexOffset = -1
        blocksRead += 1
        guard index.attach(try read(handle)) else { throw malformed(handle, "an index block") }
        indexOffset = handle.offset
    }

    private func loadData() throws(StorageError) {
        block = try indexEntry()
        if block.handle.offset == dataOffset { return }
        dataOffset = -1
        blocksRead += 1
        guard data.attach(try readData()) else {
            throw malformed(block.handle, "a data block")
        }
        dataOffset = block.handle.offset
    }

    private func readData() throws(StorageError) -> Block {
        do throws(StorageError) {
            return try read(block.handle)
        } catch .wouldBlock {
            if runLength > 0 { source.readAhead(handlesAhead(), of: reader) }
            throw .wouldBlock
        }
    }

    /// The data blocks that come next in the index block: the more, the more have come.
    private func handlesAhead() -> [BlockHandle] {
        var handles: [BlockHandle] = []
        let limit = min(2 + 2 * runLength, SSTableCursor.readAheadMax)
        guard let ahead = index.copy() else { return [] }
        while handles.count < limit, isRunReversed ? ahead.previous() : ahead.next() {
            guard let entry = try? IndexEntry(ahead.value) else { break }
            handles.append(entry.handle)
        }
        return handles
    }

    /// The most blocks that are read ahead at once.
    private static let readAheadMax = 32

    private func read(_ handle: BlockHandle) throws(StorageError) -> Block {
        do throws(StorageError) {
            return try source.block(handle, of: reader)
        } catch {
            if error == .wouldBlock { throw error }
            throw reader.unusable(handle, error, keys: keySpan())
        }
    }

    private func entry(
        _ cursor: BlockCursor,
        _ handle: BlockHandle
    ) throws(StorageError) -> IndexEntry {
        try IndexEntry.read(cursor) { malformed(handle, "an index entry with \($0.expected)") }
    }

    private func marker() throws(StorageError) -> RangeMarker { try marker(data.value) }

    private func marker(_ value: ByteView) throws(StorageError) -> RangeMarker {
        do throws(MalformedBytes) {
            return try RangeMarker(value)
        } catch {
            isValid = false
            throw malformed(block.handle, error.expected)
        }
    }

    @inline(__always)
    private func hasMarkerHeader(_ value: ByteView) -> Bool {
        value.count > 0 && value[0] & EntryHeader.marker != 0
    }

    // MARK: Errors

    private var topHandle: BlockHandle {
        let section = reader.sections.first { $0.id == SectionID.topIndex.rawValue }
        return section?.handle ?? reader.directory
    }

    private var indexHandle: BlockHandle {
        BlockHandle(offset: max(indexOffset, 0), storedCount: 0)
    }

    /// Leaves the cursor invalid at the end of the file, or reports that a block is malformed.
    private func end(_ cursor: BlockCursor) throws(StorageError) {
        guard !cursor.isMalformed else {
            throw malformed(cursor === top ? topHandle : indexHandle, "an index block")
        }
    }

    /// What to throw when the entry at which the cursor stands can't be decoded.
    func malformedEntry(_ error: MalformedBytes) -> StorageError {
        let found = reader.corruption(block.handle, "well-formed entries", error.description)
        return reader.unusable(block.handle, found, keys: keySpan())
    }

    func checkData() throws(StorageError) {
        guard !data.isMalformed else { throw malformed(block.handle, "a data block") }
    }

    @inline(never)
    private func malformed(_ handle: BlockHandle, _ expected: String) -> StorageError {
        isValid = false
        let error = reader.corruption(handle, expected, "bytes that break the format")
        return reader.unusable(handle, error, keys: keySpan())
    }

    /// The keys that the block at which the index stands may hold.
    private func keySpan() -> KeySpan {
        let isInIndex = index.isValid && indexOffset >= 0
        let cursor = isInIndex ? index : top
        return KeySpan(
            first: cursor.isValid ? cursor.key.array : [],
            last: cursor.keyOfNext() ?? top.keyOfNext() ?? reader.statistics.lastKey
        )
    }
}
