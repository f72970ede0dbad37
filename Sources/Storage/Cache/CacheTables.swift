// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension HeapCount {
    /// What an array of `count` elements takes that was made with just as many.
    static func array<Element>(_ count: Int, of: Element.Type) -> Int {
        // An object's header, count and capacity stand before the elements.
        count == 0 ? 0 : HeapCount.of(32 + count * MemoryLayout<Element>.stride)
    }
}

/// An open-addressing table of slot numbers, found by hash; the caller compares keys.
struct SlotTable {
    private var places: [Int32]

    /// A table for at most `slotCount` slots, a power of two, half of which stays empty; for none it has no
    /// place at all and can't be asked.
    init(slotCount: Int) { places = [Int32](repeating: -1, count: 2 * slotCount) }

    /// What a table takes of the heap.
    static func memoryCount(slotCount: Int) -> Int {
        HeapCount.array(2 * slotCount, of: Int32.self)
    }

    subscript(_ place: Int) -> Int32 {
        get { places[place] }
        set { places[place] = newValue }
    }
    func start(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (places.count - 1) }
    func after(_ place: Int) -> Int { (place + 1) & (places.count - 1) }

    mutating func insert(_ slot: Int32, hash: UInt64) {
        var place = start(hash)
        while places[place] >= 0 { place = after(place) }
        places[place] = slot
    }

    mutating func remove(_ slot: Int32, hash: UInt64, hashOf: (Int32) -> UInt64) {
        var hole = start(hash)
        while places[hole] != slot { hole = after(hole) }
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
/// A fingerprint may be overwritten early, or be another block's: that costs a hit, nothing else.
struct GhostTable {
    private var ghosts: [Ghost] = []
    private var clock: UInt32 = 0
    private let lifetime: Int

    private struct Ghost {
        var fingerprint: UInt32 = 0
        /// When it came; 0 in a place without one.
        var time: UInt32 = 0
    }

    /// A table for at most `entryCount` fingerprints, which takes its memory with the first.
    init(entryCount: Int) { lifetime = entryCount }

    /// What the table takes of the heap, and what it will take.
    var memoryCount: Int { HeapCount.array(ghosts.count, of: Ghost.self) }
    var memoryCountMax: Int { HeapCount.array(placeCount, of: Ghost.self) }

    /// At least twice as many as there are fingerprints, a power of two.
    private var placeCount: Int {
        lifetime == 0 ? 0 : 1 << (Int.bitWidth - (2 * lifetime - 1).leadingZeroBitCount)
    }

    mutating func insert(_ hash: UInt64) {
        guard lifetime > 0 else { return }
        if ghosts.isEmpty { ghosts = [Ghost](repeating: Ghost(), count: placeCount) }
        clock = clock == .max ? 1 : clock + 1
        ghosts[place(hash)] = Ghost(fingerprint: UInt32(truncatingIfNeeded: hash), time: clock)
    }

    /// Whether the fingerprint is known and still young; it is forgotten.
    mutating func remove(_ hash: UInt64) -> Bool {
        guard !ghosts.isEmpty else { return false }
        let place = place(hash)
        let ghost = ghosts[place]
        guard ghost.time > 0, ghost.fingerprint == UInt32(truncatingIfNeeded: hash) else {
            return false
        }
        ghosts[place].time = 0
        return clock &- ghost.time <= lifetime
    }

    private func place(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash >> 32) & (ghosts.count - 1)
    }
}
