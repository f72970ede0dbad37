// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Environment
internal import Model

/// Feeds arbitrary bytes to everything that reads SSTables: whatever they are, nothing may trap,
/// hang or take memory without bound.
///
/// Errors are the expected outcome.
package enum SSTableFuzz {
    /// The first byte picks what the rest is taken for.
    package static func run(_ input: ByteView) {
        guard input.count > 1 else { return }
        let rest = input.dropFirst(1)
        switch input[0] % 4 {
        case 0: read(BytesFile(rest.array))
        case 1: read(BytesFile(sealed(rest)))
        case 2: walk(Block(copying: rest))
        default:
            _ = try? IndexEntry(rest)
            _ = try? SSTableStatistics(rest)
        }
    }

    /// Walks through a file's entries in both directions, seeks, and verifies it.
    private static func read(_ file: BytesFile) {
        _ = SSTableVerifier.verify(file)
        guard let reader = try? SSTableReader.open(file, fileNumber: 1) else { return }
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        _ = try? reader.mayContain(0x1234_5678_9ABC_DEF0, through: UncachedBlocks())
        _ = try? cursor.seekToFirst()
        var steps = 0
        while cursor.isValid, steps < 10_000, (try? cursor.next()) != nil { steps += 1 }
        _ = try? cursor.seekToLast()
        while cursor.isValid, steps < 20_000, (try? cursor.previous()) != nil { steps += 1 }
        for target in [reader.statistics.firstKey, reader.statistics.lastKey, [128]] {
            _ = target.withView { try? cursor.seek(atOrAfter: $0) }
            _ = target.withView { try? cursor.seek(atOrBefore: $0) }
        }
        walkPostings(reader)
    }

    /// Walks through the postings, in order and term by term.
    private static func walkPostings(_ reader: SSTableReader) {
        guard reader.indexes != nil else { return }
        let cursor = PostingCursor(.sstable(reader, UncachedBlocks()))
        var steps = 0
        _ = try? cursor.seek(atOrAfter: .empty)
        while cursor.isValid, steps < 10_000, let offset = try? cursor.placeOffset() {
            let place = cursor.key.dropFirst(offset)
            _ = Key.partitionLength(of: place)
            steps += 1
            guard (try? cursor.next()) != nil else { break }
        }
        _ = try? PostingVerifier(reader)?.finish()
    }

    /// Walks through one block.
    private static func walk(_ block: Block) {
        let cursor = BlockCursor()
        guard cursor.attach(block) else { return }
        var hasEntry = cursor.seekToFirst()
        while hasEntry { hasEntry = cursor.next() }
        hasEntry = cursor.attach(block) && cursor.seekToLast()
        while hasEntry {
            _ = cursor.lastValue(beforeCurrentWith: 0x80)
            hasEntry = cursor.previous()
        }
        let target = block.view.prefix(min(block.count, 9))
        if cursor.attach(block), cursor.seek(atOrAfter: target) { _ = cursor.previous() }
        if cursor.attach(block), cursor.seek(atOrBefore: target) { _ = cursor.next() }
    }

    /// A file with true checksums around arbitrary contents: data block, index block, top index,
    /// statistics, filter and dictionary, cut from the input by lengths of two bytes.
    private static func sealed(_ input: ByteView) -> [UInt8] {
        var reader = ByteReader(input)
        var file = ByteWriter(capacity: 1024)
        Header.append(to: &file, salt: 0)
        var handles: [BlockHandle] = []
        for _ in 0..<6 {
            let stated: UInt16 = (try? reader.readBigEndian()) ?? 0
            let part = (try? reader.readView(min(Int(stated), reader.remaining))) ?? .empty
            handles.append(store(part, &file))
        }
        let start = SSTableFormat.headerCount
        var directory = ByteWriter(capacity: 128)
        Section(.region, offset: start, count: handles[1].end - start).append(to: &directory)
        let ids: [SectionID] = [.topIndex, .statistics, .filter]
        for (id, handle) in zip(ids, handles[2...]) {
            let section = Section(
                id,
                offset: handle.offset,
                count: handle.storedCount,
                pageCount: id == .filter ? 64 : 0
            )
            section.append(to: &directory)
        }
        if let last = handles.last, last.storedCount > SSTableFormat.trailerCount {
            Section(.dictionary, offset: last.offset, count: last.storedCount)
                .append(to: &directory)
        }
        let schema = store(.empty, &file)
        Section(.schema, offset: schema.offset, count: schema.storedCount).append(to: &directory)
        var list = ByteWriter(capacity: 16)
        for number in [UInt64(1), 1, 1] { list.appendVarint(number) }
        let indexes = store(list.view, &file)
        Section(.postings, offset: start, count: handles[1].end - start).append(to: &directory)
        Section(.postingsTop, offset: handles[2].offset, count: handles[2].storedCount)
            .append(to: &directory)
        Section(.indexes, offset: indexes.offset, count: indexes.storedCount)
            .append(to: &directory)
        let place = store(directory.view, &file)
        let end = file.count
        Footer(directory: place, salt: 0, fileCount: end + SSTableFormat.footerCount)
            .append(to: &file, offset: end)
        return file.array
    }

    private static func store(_ content: ByteView, _ file: inout ByteWriter) -> BlockHandle {
        let offset = file.count
        StoredBlock.append(content, codec: .none, level: 0, salt: 0, offset: offset, to: &file)
        return BlockHandle(offset: offset, storedCount: file.count - offset)
    }
}

/// A file whose bytes are in memory.
private final class BytesFile: ReadableFile {
    let path = "fuzz"
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var size: Int { bytes.count }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        let count = min(max(bytes.count - offset, 0), buffer.count)
        guard count > 0 else { return 0 }
        bytes.withUnsafeBytes { source in
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + count])
            )
        }
        return count
    }

    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int? {
        try read(at: offset, into: buffer)
    }
}
