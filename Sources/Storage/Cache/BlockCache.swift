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
///     new ----> small (1/10) --- used again ---> main (9/10) --- not used ---> gone
///                  \------ not used ---> fingerprint --- asked again ---^
package final class BlockCache {
    /// The most memory that cached blocks take, in bytes.
    package let capacity: Int
    /// The memory that they take now, in bytes.
    package var usedCount: Int { small.bytes + main.bytes }
    /// How many blocks are cached.
    package private(set) var blockCount = 0
    /// How often a block was found.
    package private(set) var hitCount = 0

    private var slots: [Slot] = []
    private var freeSlots: [Int32] = []
    /// Of each file the block that came last.
    private var files: [UInt64: Int32] = [:]
    private var small = Queue()
    private var main = Queue()
    private var table: SlotTable
    private var ghosts: GhostTable

    private static let smallDivisor = 10
    private static let usesMax: UInt8 = 3
    /// Where a block's restart points are, which a cursor reads first, or most of them.
    private static let tailCount = 32

    private struct Slot {
        var file: UInt64
        var offset: Int
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
        table = SlotTable()
        ghosts = GhostTable(entryCount: max(capacity / 4096, 64))
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
        var slot = Slot(file: fileNumber, offset: handle.offset, block: block)
        slot.base = block.view.base
        slot.count = Int32(clamping: block.count)
        slot.isMain = ghosts.remove(hash)
        let index: Int32
        if let free = freeSlots.popLast() {
            index = free
            slots[Int(index)] = slot
        } else {
            index = Int32(slots.count)
            slots.append(slot)
        }
        table.insert(index, hash: hash) {
            BlockCache.hash(slots[Int($0)].file, slots[Int($0)].offset)
        }
        blockCount += 1
        joinFile(index)
        append(index)
        while usedCount > capacity { evict() }
    }

    /// Forgets the blocks of a file that is gone.
    package func removeFile(_ fileNumber: UInt64) {
        while let index = files[fileNumber] {
            unlink(index)
            release(index)
        }
    }

    private func joinFile(_ index: Int32) {
        let file = slots[Int(index)].file
        let next = files.updateValue(index, forKey: file) ?? -1
        slots[Int(index)].filePrevious = -1
        slots[Int(index)].fileNext = next
        if next >= 0 { slots[Int(next)].filePrevious = index }
    }

    private func leaveFile(_ index: Int32) {
        let slot = slots[Int(index)]
        if slot.fileNext >= 0 { slots[Int(slot.fileNext)].filePrevious = slot.filePrevious }
        if slot.filePrevious >= 0 {
            slots[Int(slot.filePrevious)].fileNext = slot.fileNext
        } else {
            files[slot.file] = slot.fileNext >= 0 ? slot.fileNext : nil
        }
    }

    // MARK: Eviction

    private func evict() {
        if small.bytes * BlockCache.smallDivisor > capacity || main.oldest < 0 {
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
        freeSlots.append(index)
        blockCount -= 1
    }

    // MARK: Lookup

    private func find(_ file: UInt64, _ offset: Int, _ hash: UInt64) -> Int {
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

/// An open-addressing table of slot numbers, found by hash; the caller compares keys.
private struct SlotTable {
    private var places = [Int32](repeating: -1, count: 256)
    private var count = 0

    subscript(_ place: Int) -> Int32 { places[place] }
    func start(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (places.count - 1) }
    func after(_ place: Int) -> Int { (place + 1) & (places.count - 1) }

    mutating func insert(_ slot: Int32, hash: UInt64, hashOf: (Int32) -> UInt64) {
        if count * 2 >= places.count {
            let old = places
            places = [Int32](repeating: -1, count: old.count * 2)
            for other in old where other >= 0 { put(other, hash: hashOf(other)) }
        }
        put(slot, hash: hash)
        count += 1
    }

    private mutating func put(_ slot: Int32, hash: UInt64) {
        var place = start(hash)
        while places[place] >= 0 { place = after(place) }
        places[place] = slot
    }

    mutating func remove(_ slot: Int32, hash: UInt64, hashOf: (Int32) -> UInt64) {
        var hole = start(hash)
        while places[hole] != slot { hole = after(hole) }
        count -= 1
        // Move back what could not stand at its own place because of the hole's former content.
        var place = hole
        while true {
            place = after(place)
            let other = places[place]
            if other < 0 { break }
            let home = start(hashOf(other))
            let distance = (place - home) & (places.count - 1)
            if distance >= (place - hole) & (places.count - 1) {
                places[hole] = other
                hole = place
            }
        }
        places[hole] = -1
    }
}

/// The fingerprints of blocks that left the small queue lately, at most as many as the cache has
/// blocks.
///
/// A fingerprint may be overwritten early: that costs a hit, nothing else.
private struct GhostTable {
    private var fingerprints: [UInt64]
    private var order: [UInt64]
    private var clock: UInt64 = 0
    private let lifetime: UInt64

    init(entryCount: Int) {
        lifetime = UInt64(entryCount)
        var capacity = 64
        while capacity < entryCount * 2 { capacity *= 2 }
        fingerprints = [UInt64](repeating: 0, count: capacity)
        order = [UInt64](repeating: 0, count: capacity)
    }

    mutating func insert(_ hash: UInt64) {
        clock += 1
        let place = Int(truncatingIfNeeded: hash >> 32) & (fingerprints.count - 1)
        fingerprints[place] = hash
        order[place] = clock
    }

    /// Whether the fingerprint is known and still young; it is forgotten.
    mutating func remove(_ hash: UInt64) -> Bool {
        let place = Int(truncatingIfNeeded: hash >> 32) & (fingerprints.count - 1)
        guard fingerprints[place] == hash, order[place] > 0 else { return false }
        let isYoung = clock - order[place] <= lifetime
        order[place] = 0
        return isYoung
    }
}
