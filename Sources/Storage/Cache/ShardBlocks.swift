// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// The blocks of a shard's SSTables as its reads see them: nothing here waits for the disk.
///
/// A block comes from the cache or, if the system has it in memory, from the file. One that is in
/// neither is noted as wanted, and the read ends with `StorageError.wouldBlock`. `ShardStore.read` has
/// what is wanted read elsewhere and then runs the read again, which by then finds it: in the cache, or
/// kept for it here, so that it gets on whatever the cache's size. A block that several reads want is
/// read once. Used on the shard's executor alone.
package final class ShardBlocks: BlockSource {
    /// The blocks that are kept for whoever comes.
    package let cache: BlockCache
    /// How many blocks were read at once since the system had them in memory.
    package private(set) var readAtOnceCount = 0
    /// How many were read while somebody waited, and ahead of somebody who reads in order.
    package private(set) var readElsewhereCount = 0

    /// The blocks, and the bytes in them, that reads have looked at so far.
    package private(set) var seen = ReadCost()

    /// Cursors that nobody uses.
    private var idleCursors: [SSTableCursor] = []
    private static let idleCursorsMax = 64

    /// The read that is running, if it has waited before.
    private var current: WaitingRead?
    private var wanted: [BlockRun] = []
    private var inFlight: [Place: [WaitingRead]] = [:]
    private var scratch = ByteWriter(capacity: 32_768)

    /// Where a block is stored.
    struct Place: Hashable {
        let file: UInt64
        let offset: Int
    }

    /// Blocks of one file that are read together, the first since somebody needs it.
    struct BlockRun: Sendable {
        let reader: SSTableReader
        var handles: [BlockHandle]
    }

    /// A read that waits for blocks, and those that have come since it last got on.
    final class WaitingRead {
        fileprivate var arrived: [Place: Result<Block, StorageError>] = [:]
        fileprivate var outstanding = 0
        fileprivate let resume: (WaitingRead) -> Void

        init(resume: @escaping (WaitingRead) -> Void) { self.resume = resume }
    }

    package init(cache: BlockCache) { self.cache = cache }

    package func block(
        _ handle: BlockHandle,
        of reader: SSTableReader
    ) throws(StorageError) -> Block {
        if let block = cache.cached(handle, fileNumber: reader.fileNumber) {
            seen.blocks += 1
            seen.bytes += block.count
            return block
        }
        let block = try uncached(handle, reader)
        seen.blocks += 1
        seen.bytes += block.count
        return block
    }

    package func block(
        _ handle: BlockHandle,
        of reader: SSTableReader,
        readingAt offset: Int
    ) throws(StorageError) -> Block {
        let file = reader.fileNumber
        if let block = cache.cached(handle, fileNumber: file, readingAt: offset) { return block }
        return try uncached(handle, reader)
    }

    @inline(never)
    private func uncached(
        _ handle: BlockHandle,
        _ reader: SSTableReader
    ) throws(StorageError) -> Block {
        let place = Place(file: reader.fileNumber, offset: handle.offset)
        if let arrived = current?.arrived[place] { return try arrived.get() }
        if let block = try reader.readBlockIfCached(handle, scratch: &scratch) {
            readAtOnceCount += 1
            cache.insert(block, handle, fileNumber: reader.fileNumber)
            return block
        }
        wanted.append(BlockRun(reader: reader, handles: [handle]))
        throw .wouldBlock
    }

    package func readAhead(_ handles: [BlockHandle], of reader: SSTableReader) {
        // A small cache would lose them before they are used.
        let count = handles.reduce(0) { $0 + $1.storedCount }
        guard count * 16 <= cache.capacity, let last = wanted.indices.last,
            wanted[last].reader === reader
        else { return }
        wanted[last].handles += handles
    }

    // MARK: Cursors

    /// A cursor over a file that takes its blocks from here: one that was given back, if there is any.
    func cursor(_ reader: SSTableReader) -> SSTableCursor {
        guard let cursor = idleCursors.popLast() else { return SSTableCursor(reader, source: self) }
        cursor.reuse(for: reader)
        return cursor
    }

    /// Takes a cursor back; nothing that it gave may be used any more.
    func takeBack(_ cursor: SSTableCursor) {
        guard idleCursors.count < ShardBlocks.idleCursorsMax else { return }
        // It lets go of its blocks.
        cursor.reuse(for: cursor.reader)
        idleCursors.append(cursor)
    }

    /// Forgets a file that is gone.
    func removeFile(_ fileNumber: UInt64) {
        cache.removeFile(fileNumber)
        idleCursors.removeAll { $0.reader.fileNumber == fileNumber }
    }

    // MARK: Reads that wait

    /// Begins a read, or goes on with one that has waited.
    func begin(_ read: WaitingRead?) {
        current = read
        wanted.removeAll(keepingCapacity: true)
    }

    /// Ends a read for now. Whether it can go on only when what it wants is there.
    func end() -> Bool {
        current = nil
        return !wanted.isEmpty
    }

    /// Lets go of what was kept for the read that is running: it has got on, and won't come back to
    /// where it needed that.
    package func release() { current?.arrived.removeAll(keepingCapacity: true) }

    /// Puts a read on the list of those that wait for the blocks that it wants.
    ///
    /// - Returns: the blocks that have to be read for it, all others being under way.
    func enlist(_ read: WaitingRead) -> [BlockRun] {
        var runs: [BlockRun] = []
        for run in wanted {
            var needed: [BlockHandle] = []
            for (index, handle) in run.handles.enumerated() {
                let place = Place(file: run.reader.fileNumber, offset: handle.offset)
                let isAhead = index > 0
                if inFlight[place] == nil {
                    if isAhead, cache.contains(handle, fileNumber: run.reader.fileNumber) { continue }
                    inFlight[place] = []
                    needed.append(handle)
                }
                if !isAhead {
                    inFlight[place]?.append(read)
                    read.outstanding += 1
                }
            }
            if !needed.isEmpty { runs.append(BlockRun(reader: run.reader, handles: needed)) }
        }
        wanted.removeAll(keepingCapacity: true)
        return runs
    }

    /// Takes the blocks of a run that was read, and resumes the reads that have all they wait for.
    func arrive(_ run: BlockRun, _ results: [Result<Block, StorageError>]) {
        var ready: [WaitingRead] = []
        for (handle, result) in zip(run.handles, results) {
            readElsewhereCount += 1
            let place = Place(file: run.reader.fileNumber, offset: handle.offset)
            if case .success(let block) = result {
                cache.insert(block, handle, fileNumber: place.file)
            }
            for read in inFlight.removeValue(forKey: place) ?? [] {
                read.arrived[place] = result
                read.outstanding -= 1
                if read.outstanding == 0 { ready.append(read) }
            }
        }
        for read in ready { read.resume(read) }
    }
}

extension ShardBlocks.BlockRun {
    /// The longest stretch of a file that is read at once.
    private static let stretchMax = 1 << 20

    /// Reads, checks and decompresses the blocks: with one access if they stand together.
    func load() -> [Result<Block, StorageError>] {
        let start = handles.map(\.offset).min() ?? 0
        let end = handles.map(\.end).max() ?? 0
        let isStretch = handles.count > 1 && end - start <= Self.stretchMax
            && handles.allSatisfy { reader.contains($0) }
        var scratch = ByteWriter(capacity: isStretch ? end - start : 16_384)
        if isStretch, (try? reader.read(at: start, count: end - start, into: &scratch)) != nil {
            let view = scratch.view
            return handles.map { handle in
                Result { () throws(StorageError) in
                    let place = handle.offset - start
                    return try reader.decode(
                        view[place..<place + handle.storedCount],
                        at: handle.offset
                    )
                }
            }
        }
        // Also when the stretch can't be read: then each block tells by itself what is wrong with it.
        return handles.map { handle in
            Result { () throws(StorageError) in
                try reader.readBlock(handle, scratch: &scratch)
            }
        }
    }
}
