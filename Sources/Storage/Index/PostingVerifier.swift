// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Checks an SSTable's postings while its rows are checked: the blocks, their order and counts, and that
/// they are just those that the rows have.
///
/// Postings are compared by the sum of their hashes, so that neither has to be sorted or kept.
final class PostingVerifier {
    private let reader: SSTableReader
    private let indexes: AttachedIndexes
    private let builder: PostingBuilder
    private let listed: Set<UInt32>
    private let blocks = SequentialBlocks(windowCount: 1 << 20)
    private let indexBlocks = UncachedBlocks()
    /// What the rows have, by index.
    private var expected: [UInt32: Sum] = [:]
    private var hashes: [(index: UInt32, hash: UInt64)] = []

    private struct Sum: Equatable {
        var count = 0
        var hash: UInt64 = 0

        mutating func add(_ hash: UInt64) {
            count += 1
            self.hash &+= hash
        }
    }

    /// A verifier of the postings of a file; nil when it has none.
    init?(_ reader: SSTableReader) throws(StorageError) {
        guard let indexes = reader.indexes else { return nil }
        self.reader = reader
        self.indexes = indexes
        listed = Set(indexes.entries.map(\.index))
        let table = reader.schema.withView { view -> TableSchema? in
            var reader = ByteReader(view)
            return try? TableSchema.decode(from: &reader)
        }
        guard let table else {
            throw reader.corruption(indexes.topHandle, "the schema of the postings' table", "none")
        }
        builder = PostingBuilder(table)
    }

    /// Takes note of a row's postings.
    func add(key: ByteView, partitionLength: Int, value: ByteView) throws(MalformedBytes) {
        try builder.build(key: key, partitionLength: partitionLength, value: value)
        hashes.removeAll(keepingCapacity: true)
        for number in 0..<builder.count {
            let posting = builder.key(number)
            let index = posting.loadBigEndian(0, as: UInt32.self)
            if listed.contains(index) { hashes.append((index, Checksum.xxh3(posting))) }
        }
        // A collection may have a value twice: a posting is there once.
        hashes.sort { $0.hash < $1.hash }
        for (number, entry) in hashes.enumerated()
        where number == 0 || hashes[number - 1].hash != entry.hash {
            expected[entry.index, default: Sum()].add(entry.hash)
        }
    }

    /// Reads all postings and compares them with what the rows have.
    ///
    /// - Returns: how many blocks there were.
    /// - Throws: the first problem.
    func finish() throws(StorageError) -> Int {
        let section = reader.sections.first { $0.id == SectionID.postings.rawValue }
        guard let section else {
            throw reader.corruption(indexes.topHandle, "a section of postings", "none")
        }
        var walk = Walk(position: section.offset)
        let top = BlockCursor()
        guard top.attach(indexes.top) else { throw malformed(indexes.topHandle) }
        var hasIndex = top.seekToFirst()
        while hasIndex {
            let entry = try IndexEntry.read(top) { _ in malformed(indexes.topHandle) }
            try checkIndexBlock(entry, key: top.key, &walk)
            hasIndex = top.next()
        }
        guard walk.position == section.handle.end else {
            throw reader.corruption(section.handle, "postings that the blocks list", "more bytes")
        }
        for entry in indexes.entries {
            let found = walk.sums[entry.index] ?? Sum()
            guard found == expected[entry.index] ?? Sum(), found.count == entry.postingCount,
                walk.terms[entry.index] ?? 0 == entry.termCount
            else {
                throw reader.corruption(
                    section.handle,
                    "the \(expected[entry.index]?.count ?? 0) postings of index \(entry.index) that"
                        + " the rows have",
                    "\(found.count), or others"
                )
            }
        }
        return walk.blockCount
    }

    /// What the walk over the postings has seen.
    private struct Walk {
        var position: Int
        var blockCount = 0
        var last: [UInt8] = []
        var lastTerm: [UInt8] = []
        var sums: [UInt32: Sum] = [:]
        var terms: [UInt32: Int] = [:]
    }

    private func checkIndexBlock(
        _ stated: IndexEntry,
        key: ByteView,
        _ walk: inout Walk
    ) throws(StorageError) {
        let index = BlockCursor()
        let block = try indexBlocks.block(stated.handle, of: reader)
        guard index.attach(block), index.seekToFirst(), index.key.equals(key) else {
            throw malformed(stated.handle)
        }
        var count = 0
        var hasBlock = true
        while hasBlock {
            let listed = try IndexEntry.read(index) { _ in malformed(stated.handle) }
            try checkData(listed, key: index.key, &walk)
            count += listed.entryCount
            hasBlock = index.next()
        }
        guard stated.handle.offset == walk.position, count == stated.entryCount else {
            throw malformed(stated.handle)
        }
        walk.position = stated.handle.end
        walk.blockCount += 1
    }

    private func checkData(
        _ listed: IndexEntry,
        key: ByteView,
        _ walk: inout Walk
    ) throws(StorageError) {
        let data = BlockCursor()
        let block = try blocks.block(listed.handle, of: reader)
        guard listed.handle.offset == walk.position, data.attach(block), data.seekToFirst(),
            data.key.compare(key) >= 0, walk.last.withView({ key.compare($0) > 0 })
        else { throw malformed(listed.handle) }
        var count = 0
        repeat {
            try checkPosting(data, listed.handle, &walk)
            count += 1
        } while data.next()
        guard !data.isMalformed, count == listed.entryCount else { throw malformed(listed.handle) }
        walk.position = listed.handle.end
        walk.blockCount += 1
    }

    private func checkPosting(
        _ data: BlockCursor,
        _ handle: BlockHandle,
        _ walk: inout Walk
    ) throws(StorageError) {
        let posting = data.key
        var value = ByteReader(data.value)
        guard let place = try? value.readCount(max: posting.count), place > 4,
            posting[place - 1] == PostingKey.endTerm,
            walk.last.withView({ posting.compare($0) > 0 })
        else { throw malformed(handle) }
        let index = posting.loadBigEndian(0, as: UInt32.self)
        guard listed.contains(index) else { throw malformed(handle) }
        walk.sums[index, default: Sum()].add(Checksum.xxh3(posting))
        let term = posting.prefix(place)
        if !walk.lastTerm.withView({ term.equals($0) }) {
            walk.terms[index, default: 0] += 1
            walk.lastTerm = term.array
        }
        walk.last = posting.array
    }

    private func malformed(_ handle: BlockHandle) -> StorageError {
        reader.corruption(handle, "postings in order, as their index says", "others")
    }
}
