// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// A position in one block's entries.
///
/// The layout stands at `BlockBuilder`.
///
/// The bytes passed their checksum, but are not trusted: every length is checked, and an entry that
/// breaks the format ends the block with `isMalformed` set. Used from one thread.
final class BlockCursor {
    private var block: Block?
    private var base = ByteView.nowhere
    /// Where the entries end and the restart points begin.
    private var entriesEnd = 0
    private(set) var restartCount = 0

    /// Whether the cursor stands on an entry.
    private(set) var isValid = false
    /// Whether the block broke its format; the cursor is then invalid.
    private(set) var isMalformed = false
    /// Where the current entry begins, and the one after it, in the block.
    private(set) var entryOffset = 0
    private var nextOffset = 0
    private var valueOffset = 0
    private var valueCount = 0

    /// The current key, in the block where it is whole there, else in `scratch`, or in `interval`.
    private var keyBase = ByteView.nowhere
    private var keyCount = 0
    /// Where a key is put together from its parts.
    private var scratch = UnsafeMutableRawPointer(mutating: ByteView.nowhere)
    private var scratchCapacity = 0

    /// The entries of one restart interval, gathered to walk through them backwards.
    private var interval: Interval?
    /// The current entry's place in `interval`; -1 when walking forwards.
    private var intervalPosition = -1

    private final class Interval {
        var entries: [Entry] = []
        var keys = ByteWriter(capacity: 1024)

        struct Entry {
            let entryOffset: Int
            let nextOffset: Int
            let keyOffset: Int
            let keyCount: Int
            let valueOffset: Int
            let valueCount: Int
        }
    }

    init() {}

    deinit {
        if scratchCapacity > 0 { scratch.deallocate() }
    }

    /// The current entry's key, valid until the cursor moves.
    var key: ByteView { ByteView(keyBase, count: keyCount) }

    /// The current entry's value, valid while the block is held.
    var value: ByteView { ByteView(base + valueOffset, count: valueCount) }

    /// Turns to another block; the cursor stands on no entry.
    ///
    /// False when the block is malformed.
    func attach(_ block: Block) -> Bool {
        self.block = block
        base = block.view.base
        isValid = false
        isMalformed = false
        intervalPosition = -1
        keyCount = 0
        let count = block.count
        guard count >= 4 else { return fail() }
        restartCount = Int(block.view.loadLittleEndian(count - 4, as: UInt32.self))
        guard restartCount <= (count - 4) / 4 else { return fail() }
        entriesEnd = count - 4 - 4 * restartCount
        guard (restartCount == 0) == (entriesEnd == 0) else { return fail() }
        fetchRestarts()
        return true
    }

    /// Has the keys at the restart points fetched if they are few: a search reads most of them.
    private func fetchRestarts() {
        guard restartCount <= BlockCursor.fetchedRestartsMax else { return }
        for restart in 0..<restartCount { prefetch(base + restartOffset(restart)) }
    }

    private static let fetchedRestartsMax = 8

    /// Lets go of the block.
    func detach() {
        block = nil
        base = ByteView.nowhere
        entriesEnd = 0
        restartCount = 0
        isValid = false
        isMalformed = false
        intervalPosition = -1
        keyCount = 0
        valueCount = 0
    }

    // MARK: Moving

    /// Moves to the first entry; false when there is none.
    func seekToFirst() -> Bool {
        guard restartCount > 0 else { return leave() }
        return jump(to: 0)
    }

    /// Moves to the last entry; false when there is none.
    func seekToLast() -> Bool {
        guard restartCount > 0 else { return leave() }
        return gather(restart: restartCount - 1, before: entriesEnd) && enterInterval()
    }

    /// Moves to the first entry whose key is not below `target`; false when there is none.
    func seek(atOrAfter target: ByteView) -> Bool {
        guard let restart = self.restart(atOrBefore: target) else { return false }
        guard restartCount > 0, jump(to: max(restart, 0)) else { return leave() }
        let matched = key.commonPrefixCount(target)
        guard isBelow(key, target, from: matched) else { return true }
        // The way to the entry, or the most of it.
        for line in 1...6 { prefetch(base + entryOffset + 64 * line) }
        var walk = Walk(matched: matched, keyCount: keyCount, offset: nextOffset)
        while let lengths = advance(&walk, to: target) {
            guard lengths.isBelow else { return enter(lengths.entry, at: walk.offset, target) }
            walk.offset = lengths.entry.end
        }
        return isMalformed ? false : leave()
    }

    /// Moves to the last entry whose key is not above `target`; false when there is none.
    func seek(atOrBefore target: ByteView) -> Bool {
        guard let restart = self.restart(atOrBefore: target) else { return false }
        guard restart >= 0 else { return leave() }
        guard jump(to: restart) else { return false }
        let end = restart + 1 < restartCount ? restartOffset(restart + 1) : entriesEnd
        let matched = key.commonPrefixCount(target)
        // How far to go is found without putting keys together; then the way is gone.
        var last = entryOffset
        var walk = Walk(matched: matched, keyCount: keyCount, offset: nextOffset)
        while walk.offset < end, let lengths = advance(&walk, to: target) {
            guard lengths.isBelow || lengths.isEqual else { break }
            last = walk.offset
            guard lengths.isBelow else { break }
            walk.offset = lengths.entry.end
        }
        guard !isMalformed else { return false }
        while entryOffset < last {
            guard next() else { return false }
        }
        return true
    }

    /// The last restart point whose key is not above `target`; -1 when there is none, nil when the block
    /// is malformed.
    private func restart(atOrBefore target: ByteView) -> Int? {
        var low = 0
        var high = restartCount
        while low < high {
            let middle = (low + high) / 2
            guard let key = restartKey(middle) else {
                _ = fail()
                return nil
            }
            let order = key.compare(target)
            if order == 0 { return middle }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    /// Where a search by lengths alone stands: keys are not put together on the way.
    private struct Walk {
        /// How many bytes the entry before `offset`, whose key is below the target, has in common with
        /// the target.
        var matched: Int
        /// The length of that entry's key.
        var keyCount: Int
        var offset: Int
    }

    /// How the entry at a walk's offset stands to the target.
    private struct WalkStep {
        let entry: Lengths
        let isBelow: Bool
        let isEqual: Bool
    }

    /// Looks at the entry at the walk's offset; nil at the end, and when the entry is malformed.
    ///
    /// An entry that shares more with the one before it than that one with the target differs from the
    /// target at the same byte, and so is below it too. Of any other the beginning is the target's.
    @inline(__always)
    private func advance(_ walk: inout Walk, to target: ByteView) -> WalkStep? {
        guard walk.offset < entriesEnd else { return nil }
        guard let entry = readLengths(at: walk.offset), entry.shared <= walk.keyCount else {
            _ = fail()
            return nil
        }
        walk.keyCount = entry.shared + entry.unshared
        if entry.shared > walk.matched {
            return WalkStep(entry: entry, isBelow: true, isEqual: false)
        }
        let suffix = ByteView(base + entry.bodyOffset, count: entry.unshared)
        let rest = ByteView(target.base + entry.shared, count: target.count - entry.shared)
        let common = suffix.commonPrefixCount(rest)
        walk.matched = entry.shared + common
        return WalkStep(
            entry: entry,
            isBelow: isBelow(suffix, rest, from: common),
            isEqual: common == suffix.count && common == rest.count
        )
    }

    /// Whether `key` sorts before `target`, with which it has exactly `common` bytes in common.
    @inline(__always)
    private func isBelow(_ key: ByteView, _ target: ByteView, from common: Int) -> Bool {
        guard common < key.count else { return key.count < target.count }
        return common < target.count && key[common] < target[common]
    }

    /// Stands on an entry that a walk has found: its key begins as the target does.
    private func enter(_ entry: Lengths, at offset: Int, _ target: ByteView) -> Bool {
        if entry.shared == 0 {
            keyBase = base + entry.bodyOffset
            keyCount = entry.unshared
        } else {
            let count = entry.shared + entry.unshared
            // The current key isn't needed any more.
            keyCount = 0
            if count > scratchCapacity { growScratch(count) }
            scratch.copyMemory(from: target.base, byteCount: entry.shared)
            (scratch + entry.shared).copyMemory(
                from: base + entry.bodyOffset,
                byteCount: entry.unshared
            )
            keyBase = UnsafeRawPointer(scratch)
            keyCount = count
        }
        valueOffset = entry.bodyOffset + entry.unshared
        valueCount = entry.valueCount
        entryOffset = offset
        nextOffset = entry.end
        isValid = true
        return true
    }

    /// Moves to the next entry; false after the last.
    func next() -> Bool {
        intervalPosition = -1
        guard nextOffset < entriesEnd else { return leave() }
        return decode(at: nextOffset)
    }

    /// Moves to the entry before the current one; false at the first.
    func previous() -> Bool {
        if intervalPosition > 0 {
            intervalPosition -= 1
            useInterval()
            return true
        }
        guard entryOffset > 0 else { return leave() }
        // The interval that holds the byte before the current entry.
        var low = 0
        var high = restartCount
        while low < high {
            let middle = (low + high) / 2
            if restartOffset(middle) < entryOffset { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return fail() }
        return gather(restart: low - 1, before: entryOffset) && enterInterval()
    }

    /// The last entry before the current one whose value begins with a byte that has all bits of
    /// `mask`: its value; nil when there is none.
    func lastValue(beforeCurrentWith mask: UInt8) -> ByteView? {
        var end = entryOffset
        var restart = restartCount
        while restart > 0 {
            restart -= 1
            let start = restartOffset(restart)
            if start >= end { continue }
            var found: ByteView?
            var offset = start
            while offset < end {
                guard let entry = readLengths(at: offset) else { return nil }
                let value = ByteView(
                    base + (entry.bodyOffset + entry.unshared),
                    count: entry.valueCount
                )
                if value.count > 0, value[0] & mask == mask { found = value }
                offset = entry.end
            }
            if let found { return found }
            end = start
        }
        return nil
    }

    /// The key after the current one; nil at the last.
    ///
    /// The cursor stays; for messages.
    func keyOfNext() -> [UInt8]? {
        guard let other = copy(), other.next() else { return nil }
        return other.key.array
    }

    /// Another cursor at the same entry; nil when the cursor stands at none.
    func copy() -> BlockCursor? {
        let other = BlockCursor()
        guard isValid, let block, other.attach(block), other.seek(atOrAfter: key) else { return nil }
        return other
    }

    /// Whether the current entry is the one of a restart point, with a whole key.
    func isAtRestart(_ restart: Int) -> Bool {
        restart < restartCount && restartOffset(restart) == entryOffset
            && restartKey(restart) != nil
    }

    // MARK: Decoding

    private struct Lengths {
        let shared: Int
        let unshared: Int
        let valueCount: Int
        let bodyOffset: Int
        var end: Int { bodyOffset + unshared + valueCount }
    }

    /// Reads an entry's lengths and checks that it ends within the entries; nil if it doesn't.
    @inline(__always)
    private func readLengths(at offset: Int) -> Lengths? {
        if offset + 3 <= entriesEnd {
            let shared = base.load(fromByteOffset: offset, as: UInt8.self)
            let unshared = base.load(fromByteOffset: offset + 1, as: UInt8.self)
            let valueCount = base.load(fromByteOffset: offset + 2, as: UInt8.self)
            if (shared | unshared | valueCount) < 0x80 {
                let lengths = Lengths(
                    shared: Int(shared),
                    unshared: Int(unshared),
                    valueCount: Int(valueCount),
                    bodyOffset: offset + 3
                )
                return lengths.end <= entriesEnd ? lengths : nil
            }
        }
        return readLongLengths(at: offset)
    }

    @inline(never)
    private func readLongLengths(at offset: Int) -> Lengths? {
        var reader = ByteReader(ByteView(base, count: entriesEnd))
        reader.offset = offset
        guard let shared = try? reader.readCount(max: entriesEnd),
            let unshared = try? reader.readCount(max: entriesEnd),
            let valueCount = try? reader.readCount(max: entriesEnd),
            unshared + valueCount <= reader.remaining
        else { return nil }
        return Lengths(
            shared: shared,
            unshared: unshared,
            valueCount: valueCount,
            bodyOffset: reader.offset
        )
    }

    /// Makes the entry at `offset` the current one; the entry before it must be the current one, or
    /// `keyCount` 0.
    @inline(__always)
    private func decode(at offset: Int) -> Bool {
        guard let lengths = readLengths(at: offset), lengths.shared <= keyCount else {
            return fail()
        }
        if lengths.shared == 0 {
            keyBase = base + lengths.bodyOffset
            keyCount = lengths.unshared
        } else {
            extendKey(lengths)
        }
        valueOffset = lengths.bodyOffset + lengths.unshared
        valueCount = lengths.valueCount
        entryOffset = offset
        nextOffset = lengths.end
        isValid = true
        return true
    }

    /// Puts the next key together: the beginning of the current one and the suffix in the block.
    @inline(__always)
    private func extendKey(_ lengths: Lengths) {
        let count = lengths.shared + lengths.unshared
        if count > scratchCapacity { growScratch(count) }
        if keyBase != UnsafeRawPointer(scratch) {
            scratch.copyMemory(from: keyBase, byteCount: lengths.shared)
            keyBase = UnsafeRawPointer(scratch)
        }
        (scratch + lengths.shared).copyMemory(
            from: base + lengths.bodyOffset,
            byteCount: lengths.unshared
        )
        keyCount = count
    }

    private func jump(to restart: Int) -> Bool {
        intervalPosition = -1
        keyCount = 0
        let offset = restartOffset(restart)
        guard offset < entriesEnd else { return fail() }
        return decode(at: offset)
    }

    private func restartOffset(_ restart: Int) -> Int {
        let word = base.loadUnaligned(fromByteOffset: entriesEnd + 4 * restart, as: UInt32.self)
        return Int(UInt32(littleEndian: word))
    }

    /// The key at a restart point, in place; nil when it is malformed.
    private func restartKey(_ restart: Int) -> ByteView? {
        let offset = restartOffset(restart)
        guard offset < entriesEnd, let lengths = readLengths(at: offset), lengths.shared == 0 else {
            return nil
        }
        return ByteView(base + lengths.bodyOffset, count: lengths.unshared)
    }

    // MARK: Walking backwards

    /// Decodes the entries from a restart point up to the offset `end` into `interval`.
    private func gather(restart: Int, before end: Int) -> Bool {
        let interval = self.interval ?? Interval()
        self.interval = interval
        interval.entries.removeAll(keepingCapacity: true)
        // The current key may be in there, but is not needed any more.
        interval.keys.removeAll()
        guard jump(to: restart) else { return false }
        while true {
            interval.entries.append(
                Interval.Entry(
                    entryOffset: entryOffset,
                    nextOffset: nextOffset,
                    keyOffset: interval.keys.count,
                    keyCount: keyCount,
                    valueOffset: valueOffset,
                    valueCount: valueCount
                )
            )
            interval.keys.append(key)
            guard interval.entries.count <= SSTableFormat.restartIntervalMax else { return fail() }
            guard nextOffset < end else { return nextOffset == end || fail() }
            guard decode(at: nextOffset) else { return false }
        }
    }

    private func enterInterval() -> Bool {
        intervalPosition = (interval?.entries.count ?? 0) - 1
        useInterval()
        return true
    }

    private func useInterval() {
        guard let interval else { return }
        let entry = interval.entries[intervalPosition]
        keyBase = interval.keys.view.base + entry.keyOffset
        keyCount = entry.keyCount
        valueOffset = entry.valueOffset
        valueCount = entry.valueCount
        entryOffset = entry.entryOffset
        nextOffset = entry.nextOffset
        isValid = true
    }

    // MARK: Ends

    @inline(never)
    private func growScratch(_ count: Int) {
        let capacity = max(count, scratchCapacity * 2, 128)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        if keyBase == UnsafeRawPointer(scratch) {
            moved.copyMemory(from: scratch, byteCount: keyCount)
            keyBase = UnsafeRawPointer(moved)
        }
        if scratchCapacity > 0 { scratch.deallocate() }
        scratch = moved
        scratchCapacity = capacity
    }

    private func leave() -> Bool {
        isValid = false
        intervalPosition = -1
        return false
    }

    @inline(never)
    private func fail() -> Bool {
        isMalformed = true
        return leave()
    }
}
