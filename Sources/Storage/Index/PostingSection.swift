// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// The postings of an SSTable's rows: written with the rows, in sections of their own.
///
///     postings       = (data-block+ index-block)*     as the region has them
///     postings-top   = one block that lists the index blocks
///     indexes        = one block: for each index whose postings are all there
///                      id (varint) postings (varint) terms (varint)
///
/// The blocks are those of the region: entries are postings (`PostingKey`), the value is the offset of
/// the place; the counts of index entries are those of postings. The reader is `AttachedIndexes`.
enum PostingSection {
    /// The uncompressed size at which a block of postings is closed, in bytes.
    static let blockCount = 16_384
    /// The memory in which postings are sorted before they are written to temporary files, in bytes.
    static let sortMemory = 32 << 20
}

/// Collects the postings of a file's rows while they are written, and writes them behind the rows.
///
/// Used by the thread that writes the file.
final class PostingCollector {
    private let builder: PostingBuilder
    private let sorter: PostingSorter
    private let indexes: [UInt32]

    /// A collector for the indexes of `table` in the file `path`; nil when it has none.
    init?(_ table: TableSchema, fileSystem: any FileSystem, path: String, sortMemory: Int) {
        guard !table.indexes.isEmpty else { return nil }
        indexes = table.indexes.map(\.id)
        builder = PostingBuilder(table)
        sorter = PostingSorter(fileSystem: fileSystem, path: path, memoryMax: sortMemory)
    }

    /// Takes the postings of an entry.
    func add(
        key: ByteView,
        partitionLength: Int,
        value: ByteView
    ) throws(StorageError) {
        do throws(MalformedBytes) {
            try builder.build(key: key, partitionLength: partitionLength, value: value)
        } catch {
            // The writer has read the same bytes before.
            invariantFailure("an entry that was written can't be read: \(error)")
        }
        for number in 0..<builder.count {
            try sorter.add(builder.key(number), placeOffset: builder.placeOffset(number))
        }
    }

    /// Writes the sections.
    func write(
        to output: inout BlockOutput,
        codec: Codec,
        level: Int
    ) throws(StorageError) -> [Section] {
        defer { sorter.discard() }
        let writer = PostingWriter(codec: codec, level: level)
        let start = output.offset
        try sorter.drain { (key, placeOffset) throws(StorageError) in
            try writer.add(key, placeOffset: placeOffset, to: &output)
        }
        return try writer.finish(indexes, start: start, to: &output)
    }

    /// Removes the temporary files of a file that is given up.
    func discard() { sorter.discard() }
}

/// Writes sorted postings as blocks.
private final class PostingWriter {
    private let codec: Codec
    private let level: Int
    private var data = BlockBuilder(
        restartInterval: SSTableFormat.dataRestartInterval,
        capacity: 2 * PostingSection.blockCount
    )
    private var index = BlockBuilder(
        restartInterval: SSTableFormat.indexRestartInterval,
        capacity: 2 * SSTableFormat.indexBlockCount
    )
    private var top = BlockBuilder(restartInterval: 1, capacity: 1024)
    private var lastKey = ByteWriter(capacity: 256)
    private var lastTermLength = 0
    private var separator = ByteWriter(capacity: 256)
    private var indexSeparator = ByteWriter(capacity: 256)
    private var lastIndexKey = ByteWriter(capacity: 256)
    private var scratch = ByteWriter(capacity: 64)
    private var indexCount = 0
    private var counts: [UInt32: (postings: Int, terms: Int)] = [:]

    init(codec: Codec, level: Int) {
        self.codec = codec
        self.level = level
    }

    func add(
        _ key: ByteView,
        placeOffset: Int,
        to output: inout BlockOutput
    ) throws(StorageError) {
        let shared = lastKey.view.commonPrefixCount(key)
        if data.isEmpty {
            separator.removeAll()
            separator.append(key.prefix(min(shared + 1, key.count)))
        }
        count(key, placeOffset, shared)
        scratch.removeAll()
        scratch.appendVarint(placeOffset)
        data.append(key: key, shared: shared, value: scratch.view)
        lastKey.truncate(to: shared)
        lastKey.append(key.dropFirst(shared))
        if data.count >= PostingSection.blockCount { try cutData(&output) }
    }

    private func count(_ key: ByteView, _ placeOffset: Int, _ shared: Int) {
        let isNewTerm = shared < placeOffset || lastTermLength != placeOffset
        lastTermLength = placeOffset
        let id = key.loadBigEndian(0, as: UInt32.self)
        counts[id, default: (0, 0)].postings += 1
        if isNewTerm { counts[id, default: (0, 0)].terms += 1 }
    }

    private func cutData(_ output: inout BlockOutput) throws(StorageError) {
        let entryCount = data.entryCount
        var entry = IndexEntry(handle: try output.store(data.finish(), codec: codec, level: level))
        entry.entryCount = entryCount
        data.removeAll()
        if index.isEmpty {
            indexCount = 0
            indexSeparator.removeAll()
            indexSeparator.append(separator.view)
            lastIndexKey.removeAll()
        }
        scratch.removeAll()
        entry.append(to: &scratch)
        let shared = lastIndexKey.view.commonPrefixCount(separator.view)
        index.append(key: separator.view, shared: shared, value: scratch.view)
        indexCount += entryCount
        lastIndexKey.removeAll()
        lastIndexKey.append(separator.view)
        if index.count >= SSTableFormat.indexBlockCount { try cutIndex(&output) }
    }

    private func cutIndex(_ output: inout BlockOutput) throws(StorageError) {
        var entry = IndexEntry(handle: try output.store(index.finish(), codec: codec, level: level))
        entry.entryCount = indexCount
        index.removeAll()
        scratch.removeAll()
        entry.append(to: &scratch)
        top.append(key: indexSeparator.view, shared: 0, value: scratch.view)
    }

    /// Writes what is left, and the sections' list for the directory.
    func finish(
        _ indexes: [UInt32],
        start: Int,
        to output: inout BlockOutput
    ) throws(StorageError) -> [Section] {
        if !data.isEmpty { try cutData(&output) }
        if !index.isEmpty { try cutIndex(&output) }
        let end = output.offset
        let topHandle = try output.store(top.finish(), codec: codec, level: 1)
        scratch.removeAll()
        for id in indexes {
            scratch.appendVarint(UInt64(id))
            scratch.appendVarint(counts[id]?.postings ?? 0)
            scratch.appendVarint(counts[id]?.terms ?? 0)
        }
        let list = try output.store(scratch.view, codec: .none, level: 0)
        return [
            Section(.postings, offset: start, count: end - start, required: false),
            Section(
                .postingsTop,
                offset: topHandle.offset,
                count: topHandle.storedCount,
                required: false
            ),
            Section(.indexes, offset: list.offset, count: list.storedCount, required: false),
        ]
    }
}
