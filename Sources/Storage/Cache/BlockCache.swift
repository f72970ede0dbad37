// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// A shard's cache of decompressed blocks, bounded in bytes.
///
/// Used from the shard's thread alone.
///
/// It keeps what is used again and lets a scan pass through: S3-FIFO (Yang et al., "FIFO queues are all
/// you need for cache eviction", SOSP 2023). A new block enters a small queue; one that was asked for
/// again by the time it leaves goes on to the main queue, another is forgotten but for its
/// fingerprint; a block whose fingerprint is still known enters the main queue at once.
///
/// All that it allocates counts: blocks, and the tables by which they are found, as much of the heap as
/// they take. The tables grow with the number of blocks, to a quarter of the capacity at most.
///
///     new ----> small (1/10) --- used again ---> main (9/10) --- not used ---> gone
///                  \------ not used ---> fingerprint --- asked again ---^
package final class BlockCache {
    /// The most memory that blocks and tables take, in bytes.
    package let capacity: Int
    /// The memory that they take now, in bytes.
    package var usedCount: Int { blockBytes + tableBytes }
    /// The memory that the blocks take.
    package var blockBytes: Int { small.bytes + main.bytes }
    /// The memory that the tables take.
    package var tableBytes: Int { slotBytes + ghosts.memoryCount }
    private var slotBytes = 0
    /// How many blocks are cached.
    package private(set) var blockCount = 0
    /// How often a block was found.
    package private(set) var hitCount = 0

    private var slots: [Slot] = []
    /// The first of the slots without a block; the others follow as `newer`.
    private var freeSlot: Int32 = -1
    /// The slots by file and offset.
    private var table = SlotTable(slotCount: 0)
    /// Of each file the slot of the block that came last.
    private var files = SlotTable(slotCount: 0)
    private var small = Queue()
    private var main = Queue()
    private var ghosts: GhostTable

    private static let smallDivisor = 10
    private static let usesMax: UInt8 = 3
    private static let tableDivisor = 4
    private static let slotCountMin = 16
    /// Where a block's restart points are, which a cursor reads first, or most of them.
    private static let tailCount = 32

    private struct Slot {
        var file: UInt64 = 0
        var offset = 0
        var block: Block?
        /// The block's bytes.
        var base = ByteView.nowhere
        var count: Int32 = 0
        var uses: UInt8 = 0
        var isMain = false
        /// The neighbours in the queue: towards its end, where blocks leave, and its start.
        var older: Int32 = -1
        var newer: Int32 = -1
        /// The neighbours among the blocks of the same file.
        var filePrevious: Int32 = -1
        var fileNext: Int32 = -1
    }

    private struct Queue {
        var oldest: Int32 = -1
        var newest: Int32 = -1
        var bytes = 0
    }

    /// A cache of at most `capacity` bytes; with 0, nothing is kept.
    package init(capacity: Int) {
        self.capacity = capacity
        ghosts = GhostTable(entryCount: max(capacity / 4096, min(capacity / 1024, 64)))
    }

    // MARK: Reading

    /// The block if it is cached.
    ///
    /// - Parameter offset: where in the block the caller reads first; nil: its end.
    package func cached(
        _ handle: BlockHandle,
        fileNumber: UInt64,
        readingAt offset: Int? = nil
    ) -> Block? {
        let hash = BlockCache.hash(fileNumber, handle.offset)
        let slot = find(fileNumber, handle.offset, hash)
        guard slot >= 0 else { return nil }
        hitCount += 1
        // Counting the reference below waits for the block's memory; this is fetched meanwhile.
        let end = max(Int(slots[slot].count) - BlockCache.tailCount, 0)
        prefetch(slots[slot].base + (offset ?? end))
        if slots[slot].uses < BlockCache.usesMax { slots[slot].uses += 1 }
        return slots[slot].block
    }

    /// Whether a block is cached; asking makes no difference to how long it stays.
    func contains(_ handle: BlockHandle, fileNumber: UInt64) -> Bool {
        find(fileNumber, handle.offset, BlockCache.hash(fileNumber, handle.offset)) >= 0
    }

    /// Adds a block that was read elsewhere; one that is cached already stays.
    package func insert(_ block: Block, _ handle: BlockHandle, fileNumber: UInt64) {
        let hash = BlockCache.hash(fileNumber, handle.offset)
        // A block that would push out much of the cache isn't worth it.
        guard block.memoryCount <= capacity / 8, find(fileNumber, handle.offset, hash) < 0 else {
            return
        }
        guard let index = takeSlot() else { return }
        var slot = Slot(file: fileNumber, offset: handle.offset, block: block)
        slot.base = block.view.base
        slot.count = Int32(clamping: block.count)
        slot.isMain = ghosts.remove(hash)
        slots[Int(index)] = slot
        table.insert(index, hash: hash)
        blockCount += 1
        joinFile(index)
        append(index)
        while usedCount > capacity { evict() }
    }

    /// Forgets the blocks of a file that is gone.
    package func removeFile(_ fileNumber: UInt64) {
        while let place = filePlace(fileNumber) {
            let index = files[place]
            unlink(index)
            release(index)
        }
    }

    // MARK: Files

    private static func hash(_ file: UInt64) -> UInt64 { hash(file, 0) }

    /// Where in `files` a file's is.
    private func filePlace(_ file: UInt64) -> Int? {
        guard !slots.isEmpty else { return nil }
        var place = files.start(BlockCache.hash(file))
        while true {
            let index = Int(files[place])
            if index < 0 { return nil }
            if slots[index].file == file { return place }
            place = files.after(place)
        }
    }

    private func joinFile(_ index: Int32) {
        let file = slots[Int(index)].file
        slots[Int(index)].filePrevious = -1
        guard let place = filePlace(file) else {
            slots[Int(index)].fileNext = -1
            return files.insert(index, hash: BlockCache.hash(file))
        }
        let next = files[place]
        slots[Int(index)].fileNext = next
        slots[Int(next)].filePrevious = index
        files[place] = index
    }

    private func leaveFile(_ index: Int32) {
        let slot = slots[Int(index)]
        if slot.fileNext >= 0 { slots[Int(slot.fileNext)].filePrevious = slot.filePrevious }
        if slot.filePrevious >= 0 {
            slots[Int(slot.filePrevious)].fileNext = slot.fileNext
        } else if slot.fileNext >= 0 {
            if let place = filePlace(slot.file) { files[place] = slot.fileNext }
        } else {
            files.remove(index, hash: BlockCache.hash(slot.file)) {
                BlockCache.hash(slots[Int($0)].file)
            }
        }
    }

    // MARK: Slots

    /// A slot without a block, after growing the tables or leaving another block; nil in a cache that is
    /// too small for any.
    private func takeSlot() -> Int32? {
        if freeSlot < 0, !grow() {
            while freeSlot < 0, blockCount > 0 { evict() }
        }
        guard freeSlot >= 0 else { return nil }
        let index = freeSlot
        freeSlot = slots[Int(index)].newer
        return index
    }

    /// Makes room for twice as many blocks; false when the tables would take too much.
    private func grow() -> Bool {
        let count = max(2 * slots.count, BlockCache.slotCountMin)
        let bytes =
            HeapCount.array(count, of: Slot.self)
            + 2 * SlotTable.memoryCount(slotCount: count)
        let room = capacity / BlockCache.tableDivisor
        guard bytes + ghosts.memoryCountMax <= room else { return false }
        // The old tables are there until the new ones are filled.
        while usedCount + bytes > capacity, blockCount > 0 { evict() }
        let old = slots
        slots = [Slot](repeating: Slot(), count: count)
        table = SlotTable(slotCount: count)
        files = SlotTable(slotCount: count)
        freeSlot = -1
        for index in stride(from: count - 1, through: 0, by: -1) {
            if index < old.count, old[index].block != nil {
                slots[index] = old[index]
                let (file, offset) = (old[index].file, old[index].offset)
                table.insert(Int32(index), hash: BlockCache.hash(file, offset))
                if old[index].filePrevious < 0 {
                    files.insert(Int32(index), hash: BlockCache.hash(file))
                }
            } else {
                slots[index].newer = freeSlot
                freeSlot = Int32(index)
            }
        }
        slotBytes = bytes
        return true
    }

    // MARK: Eviction

    private func evict() {
        let room = capacity - tableBytes
        if small.bytes * BlockCache.smallDivisor > room || main.oldest < 0 {
            let index = small.oldest
            unlink(index)
            if slots[Int(index)].uses > 0 {
                slots[Int(index)].uses = 0
                slots[Int(index)].isMain = true
                append(index)
            } else {
                let slot = slots[Int(index)]
                ghosts.insert(BlockCache.hash(slot.file, slot.offset))
                release(index)
            }
        } else {
            let index = main.oldest
            unlink(index)
            if slots[Int(index)].uses > 0 {
                slots[Int(index)].uses -= 1
                append(index)
            } else {
                release(index)
            }
        }
    }

    private func append(_ index: Int32) {
        let isMain = slots[Int(index)].isMain
        let newest = isMain ? main.newest : small.newest
        slots[Int(index)].older = newest
        slots[Int(index)].newer = -1
        if newest >= 0 { slots[Int(newest)].newer = index }
        let bytes = slots[Int(index)].block?.memoryCount ?? 0
        if isMain {
            main.newest = index
            if newest < 0 { main.oldest = index }
            main.bytes += bytes
        } else {
            small.newest = index
            if newest < 0 { small.oldest = index }
            small.bytes += bytes
        }
    }

    private func unlink(_ index: Int32) {
        let slot = slots[Int(index)]
        if slot.older >= 0 { slots[Int(slot.older)].newer = slot.newer }
        if slot.newer >= 0 { slots[Int(slot.newer)].older = slot.older }
        let bytes = slot.block?.memoryCount ?? 0
        if slot.isMain {
            if main.oldest == index { main.oldest = slot.newer }
            if main.newest == index { main.newest = slot.older }
            main.bytes -= bytes
        } else {
            if small.oldest == index { small.oldest = slot.newer }
            if small.newest == index { small.newest = slot.older }
            small.bytes -= bytes
        }
    }

    private func release(_ index: Int32) {
        let slot = slots[Int(index)]
        table.remove(index, hash: BlockCache.hash(slot.file, slot.offset)) {
            BlockCache.hash(slots[Int($0)].file, slots[Int($0)].offset)
        }
        leaveFile(index)
        slots[Int(index)].block = nil
        slots[Int(index)].newer = freeSlot
        freeSlot = index
        blockCount -= 1
    }

    // MARK: Lookup

    private func find(_ file: UInt64, _ offset: Int, _ hash: UInt64) -> Int {
        guard blockCount > 0 else { return -1 }
        var place = table.start(hash)
        while true {
            let index = Int(table[place])
            if index < 0 { return -1 }
            if slots[index].file == file, slots[index].offset == offset { return index }
            place = table.after(place)
        }
    }

    private static func hash(_ file: UInt64, _ offset: Int) -> UInt64 {
        let mixed = (file &* 0x9E37_79B9_7F4A_7C15) ^ UInt64(offset)
        let product = mixed.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }
}
