// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A map of byte keys to byte values in key order, as a B+tree in an arena.
///
/// A node holds up to 32 keys, each by its first eight bytes (a table's keys begin with their token,
/// so that these nearly always decide) and the offset of its entry, which has the whole key. Entries
/// are never removed; a value is replaced by pointing its entry elsewhere. Leaves are linked both
/// ways. Owned by one shard; once nothing is written any more, it may be read from anywhere.
///
///     entry = value-offset (4) value-length (4) key-length (4) key
///     leaf  = count (2) 0 (2) previous (4) next (4) 0 (4) prefixes (32 x 8) entries (32 x 4)
///     inner = count (2) 1 (2) children (33 x 4, the last four of them after the entries …)
///             prefixes (32 x 8) entries (32 x 4)
///
/// An inner node's key i is the first key below its child i + 1.
package struct OrderedMap {
    private static let fanout = 32
    private static let prefixes = 16
    private static let entries = prefixes + 8 * fanout
    private static let children = entries + 4 * fanout
    private static let leafSize = children
    /// How many entries before it is reached an entry is fetched.
    private static let lookahead = 4
    private static let innerSize = children + 4 * (fanout + 1)

    private let arena: Arena
    private var root: UInt32
    private var height = 0
    private let firstLeaf: UInt32
    private var lastLeaf: UInt32
    /// The number of entries.
    package private(set) var count = 0

    /// The most arena bytes that one insertion of a key takes, beside the key and the value.
    package static let insertionOverheadMax = 16 * (innerSize + 16)

    /// An empty map in `arena`.
    package init(arena: Arena) {
        self.arena = arena
        root = OrderedMap.makeNode(arena, isLeaf: true)
        firstLeaf = root
        lastLeaf = root
    }

    /// A place in the map: an entry, or past either end (leaf 0).
    package struct Position {
        fileprivate var leaf: UInt32
        fileprivate var index: Int
        /// Whether it is at an entry.
        package var isValid: Bool { leaf != 0 }
        /// Past the ends.
        package static let none = Position(leaf: 0, index: 0)
    }

    // MARK: Reading

    /// The place of the first entry whose key is not less than `key`.
    package func lowerBound(_ key: ByteView) -> Position {
        let prefix = OrderedMap.prefix(of: key)
        let leaf = self.leaf(prefix, key)
        return settled(Position(leaf: leaf, index: lowerIndex(leaf, prefix, key)))
    }

    /// The place of the last entry whose key is less than `key`.
    package func lastBefore(_ key: ByteView) -> Position {
        let position = lowerBound(key)
        return position.isValid ? previous(position) : last
    }

    /// About how many keys are less than `key`: as if all nodes had as many.
    package func estimatedRank(of key: ByteView) -> Int {
        let prefix = OrderedMap.prefix(of: key)
        var node = root
        var (rank, width) = (0.0, Double(count))
        for _ in 0..<height {
            let child = upperIndex(node, prefix, key)
            width /= Double(nodeCount(node) + 1)
            rank += Double(child) * width
            node = load(node, OrderedMap.children + 4 * child)
        }
        let index = lowerIndex(node, prefix, key)
        return Int(rank + width * Double(index) / Double(max(nodeCount(node), 1)))
    }

    /// The place of `key`, or none.
    package func find(_ key: ByteView) -> Position {
        let slot = self.slot(key)
        return slot.isTaken ? slot.position : .none
    }

    /// Where a key is, or where `insert` would put it; until the map changes.
    package struct Slot {
        fileprivate let position: Position
        /// Whether the key is there.
        package let isTaken: Bool
        /// The place of a key that is there.
        package var taken: Position { isTaken ? position : .none }
    }

    /// The slot of a key.
    package func slot(_ key: ByteView) -> Slot {
        // Rows often come in the order of their keys: a look at the last one saves the descent.
        if count > 0 {
            let last = Position(leaf: lastLeaf, index: nodeCount(lastLeaf) - 1)
            if self.key(last).compare(key) < 0 {
                let end = Position(leaf: lastLeaf, index: last.index + 1)
                return Slot(position: end, isTaken: false)
            }
        }
        let prefix = OrderedMap.prefix(of: key)
        let leaf = self.leaf(prefix, key)
        let index = lowerIndex(leaf, prefix, key)
        let position = Position(leaf: leaf, index: index)
        guard index < nodeCount(leaf), loadPrefix(leaf, index) == prefix else {
            return Slot(position: position, isTaken: false)
        }
        return Slot(position: position, isTaken: self.key(position).equals(key))
    }

    /// The leaf in which a key is, or would be.
    private func leaf(_ prefix: UInt64, _ key: ByteView) -> UInt32 {
        var node = root
        for _ in 0..<height {
            let child = upperIndex(node, prefix, key)
            node = load(node, OrderedMap.children + 4 * child)
        }
        return node
    }

    /// The first entry.
    package var first: Position { count == 0 ? .none : Position(leaf: firstLeaf, index: 0) }

    /// The last entry.
    package var last: Position {
        count == 0 ? .none : Position(leaf: lastLeaf, index: nodeCount(lastLeaf) - 1)
    }

    /// The place after `position`.
    package func next(_ position: Position) -> Position {
        // Entries stand in the order in which they came: each is somewhere else.
        let ahead = position.index + OrderedMap.lookahead
        if ahead < nodeCount(position.leaf) {
            let entry = arena.base + Int(load(position.leaf, OrderedMap.entries + 4 * ahead))
            prefetch(entry)
            prefetch(entry + 64)
            prefetch(entry + 128)
        }
        return settled(Position(leaf: position.leaf, index: position.index + 1))
    }

    /// The place before `position`.
    package func previous(_ position: Position) -> Position {
        if position.index > 0 { return Position(leaf: position.leaf, index: position.index - 1) }
        let leaf = load(position.leaf, 4)
        return leaf == 0 ? .none : Position(leaf: leaf, index: nodeCount(leaf) - 1)
    }

    /// The key at a valid place; it lives as long as the arena.
    package func key(_ position: Position) -> ByteView { key(ofEntry: entry(position)) }

    /// The value at a valid place; it lives as long as the arena.
    package func value(_ position: Position) -> ByteView {
        let entry = entry(position)
        return ByteView(arena.base + Int(load(entry, 0)), count: Int(load(entry, 4)))
    }

    // MARK: Writing

    /// Points the entry at a valid place to a copy of `value`.
    ///
    /// `value` must not lie in the arena: an old value that was stored last makes room for it.
    package func replaceValue(_ position: Position, with value: ByteView) {
        let entry = entry(position)
        arena.reclaim(load(entry, 0), count: Int(load(entry, 4)))
        store(value, in: entry)
    }

    /// Adds `key`, which is not in the map, with a copy of `value`.
    ///
    /// The caller has checked that the arena has room for both and `insertionOverheadMax`.
    package mutating func insert(_ key: ByteView, _ value: ByteView) {
        insert(key, value, at: slot(key))
    }

    /// Adds `key` at its slot, which is not taken; else as `insert` without a slot.
    package mutating func insert(_ key: ByteView, _ value: ByteView, at slot: Slot) {
        invariant(!slot.isTaken, "a key is inserted once")
        let entry = arena.allocate(12 + key.count)
        store(value, in: entry)
        store(UInt32(key.count), at: entry, 8)
        (arena.base + Int(entry) + 12).copyMemory(from: key.base, byteCount: key.count)
        let prefix = OrderedMap.prefix(of: key)
        if nodeCount(slot.position.leaf) < OrderedMap.fanout {
            let leaf = slot.position.leaf
            _ = insertKey(prefix, entry, child: nil, into: leaf, at: slot.position.index)
            count += 1
            return
        }
        if let (right, separator) = insert(prefix, key, entry, into: root, height: height) {
            let top = OrderedMap.makeNode(arena, isLeaf: false)
            store(root, at: top, OrderedMap.children)
            store(right, at: top, OrderedMap.children + 4)
            setKey(top, 0, loadPrefix(ofEntry: separator), separator)
            setNodeCount(top, 1)
            root = top
            height += 1
        }
        count += 1
    }

    /// Inserts below `node`; returns the new right sibling and its first entry if the node split.
    private mutating func insert(
        _ prefix: UInt64,
        _ key: ByteView,
        _ entry: UInt32,
        into node: UInt32,
        height: Int
    ) -> (UInt32, UInt32)? {
        if height == 0 {
            return insertKey(prefix, entry, child: nil, into: node, at: lowerIndex(node, prefix, key))
        }
        let index = upperIndex(node, prefix, key)
        let child = load(node, OrderedMap.children + 4 * index)
        guard
            let (right, separator) = insert(prefix, key, entry, into: child, height: height - 1)
        else { return nil }
        return insertKey(
            loadPrefix(ofEntry: separator),
            separator,
            child: right,
            into: node,
            at: index
        )
    }

    /// Puts a key (and, in an inner node, the child to its right) at `index`, splitting a full node.
    private mutating func insertKey(
        _ prefix: UInt64,
        _ entry: UInt32,
        child: UInt32?,
        into node: UInt32,
        at index: Int
    ) -> (UInt32, UInt32)? {
        if nodeCount(node) < OrderedMap.fanout {
            shift(node, from: index, isLeaf: child == nil)
            setKey(node, index, prefix, entry)
            if let child { store(child, at: node, OrderedMap.children + 4 * (index + 1)) }
            return nil
        }
        guard let child else { return insertSplitting(prefix, entry, leaf: node, at: index) }
        let keep = OrderedMap.fanout / 2
        let (right, separator) = split(node, keep: keep, isLeaf: false)
        if index > keep {
            _ = insertKey(prefix, entry, child: child, into: right, at: index - keep - 1)
        } else {
            _ = insertKey(prefix, entry, child: child, into: node, at: index)
        }
        return (right, separator)
    }

    /// Splits a full leaf and puts a key in its half; the separator is the right half's first key.
    ///
    /// Appending in order, as bulk loads do, leaves full leaves behind instead of half-full ones.
    private mutating func insertSplitting(
        _ prefix: UInt64,
        _ entry: UInt32,
        leaf: UInt32,
        at index: Int
    ) -> (UInt32, UInt32)? {
        let keep = index == OrderedMap.fanout ? OrderedMap.fanout : OrderedMap.fanout / 2
        let (right, _) = split(leaf, keep: keep, isLeaf: true)
        if index > keep || keep == OrderedMap.fanout {
            _ = insertKey(prefix, entry, child: nil, into: right, at: index - keep)
        } else {
            _ = insertKey(prefix, entry, child: nil, into: leaf, at: index)
        }
        return (right, self.entry(Position(leaf: right, index: 0)))
    }

    /// Moves the keys from `keep` on to a new right sibling. In an inner node the key at `keep` moves
    /// up instead: it is the separator that is returned.
    private mutating func split(
        _ node: UInt32,
        keep: Int,
        isLeaf: Bool
    ) -> (right: UInt32, separator: UInt32) {
        let right = OrderedMap.makeNode(arena, isLeaf: isLeaf)
        let total = nodeCount(node)
        let from = isLeaf ? keep : keep + 1
        let moved = total - from
        copy(node, OrderedMap.prefixes + 8 * from, to: right, OrderedMap.prefixes, 8 * moved)
        copy(node, OrderedMap.entries + 4 * from, to: right, OrderedMap.entries, 4 * moved)
        let separator = keep < total ? load(node, OrderedMap.entries + 4 * keep) : 0
        if isLeaf {
            let next = load(node, 8)
            store(next, at: right, 8)
            store(node, at: right, 4)
            store(right, at: node, 8)
            if next != 0 { store(right, at: next, 4) } else { lastLeaf = right }
        } else {
            copy(
                node,
                OrderedMap.children + 4 * from,
                to: right,
                OrderedMap.children,
                4 * (moved + 1)
            )
        }
        setNodeCount(node, keep)
        setNodeCount(right, moved)
        return (right, separator)
    }

    // MARK: Nodes

    private static func makeNode(_ arena: Arena, isLeaf: Bool) -> UInt32 {
        let size = isLeaf ? leafSize : innerSize
        let node = arena.allocate(size)
        (arena.base + Int(node)).initializeMemory(as: UInt8.self, repeating: 0, count: 16)
        return node
    }

    private static func prefix(of key: ByteView) -> UInt64 {
        if key.count >= 8 { return key.loadBigEndian(0, as: UInt64.self) }
        var prefix: UInt64 = 0
        for index in 0..<key.count { prefix |= UInt64(key[index]) << UInt64(56 - 8 * index) }
        return prefix
    }

    /// A place past a leaf's last entry is the first of the next leaf.
    private func settled(_ position: Position) -> Position {
        guard position.index >= nodeCount(position.leaf) else { return position }
        let next = load(position.leaf, 8)
        return next == 0 ? .none : Position(leaf: next, index: 0)
    }

    /// The index of the first key that is not less than `key`.
    private func lowerIndex(_ node: UInt32, _ prefix: UInt64, _ key: ByteView) -> Int {
        let count = nodeCount(node)
        let first = firstIndex(node, notBelow: prefix, count)
        guard first < count, loadPrefix(node, first) == prefix else { return first }
        return tiedIndex(node, first, count, prefix, key, isUpper: false)
    }

    /// The index of the first key that is greater than `key`.
    private func upperIndex(_ node: UInt32, _ prefix: UInt64, _ key: ByteView) -> Int {
        let count = nodeCount(node)
        let first = firstIndex(node, notBelow: prefix, count)
        guard first < count, loadPrefix(node, first) == prefix else { return first }
        return tiedIndex(node, first, count, prefix, key, isUpper: true)
    }

    /// The index of the first prefix that is not below `prefix`.
    ///
    /// Without a branch that depends on the keys: a wrong guess of the processor costs more than the
    /// whole search.
    @inline(__always)
    private func firstIndex(_ node: UInt32, notBelow prefix: UInt64, _ count: Int) -> Int {
        guard count > 0 else { return 0 }
        let prefixes = arena.base + Int(node) + OrderedMap.prefixes
        var low = 0
        var rest = count
        while rest > 1 {
            let half = rest / 2
            let probe = prefixes.load(fromByteOffset: 8 * (low + half - 1), as: UInt64.self)
            low += probe < prefix ? half : 0
            rest -= half
        }
        return low + (prefixes.load(fromByteOffset: 8 * low, as: UInt64.self) < prefix ? 1 : 0)
    }

    /// Among keys from `first` on, of which some have the same prefix as `key`: the index of the first
    /// that is not less than `key`, or with `isUpper` greater.
    private func tiedIndex(
        _ node: UInt32,
        _ first: Int,
        _ count: Int,
        _ prefix: UInt64,
        _ key: ByteView,
        isUpper: Bool
    ) -> Int {
        var low = first
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let order = self.order(node, middle, prefix, key)
            if isUpper ? order <= 0 : order < 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Negative, zero or positive as the node's key sorts before, with or after `key`.
    private func order(_ node: UInt32, _ index: Int, _ prefix: UInt64, _ key: ByteView) -> Int {
        let own = loadPrefix(node, index)
        if own != prefix { return own < prefix ? -1 : 1 }
        return self.key(ofEntry: load(node, OrderedMap.entries + 4 * index)).compare(key)
    }

    private func loadPrefix(_ node: UInt32, _ index: Int) -> UInt64 {
        let prefixes = arena.base + Int(node) + OrderedMap.prefixes
        return prefixes.load(fromByteOffset: 8 * index, as: UInt64.self)
    }

    private func entry(_ position: Position) -> UInt32 {
        load(position.leaf, OrderedMap.entries + 4 * position.index)
    }

    private func key(ofEntry entry: UInt32) -> ByteView {
        ByteView(arena.base + Int(entry) + 12, count: Int(load(entry, 8)))
    }

    private func loadPrefix(ofEntry entry: UInt32) -> UInt64 {
        OrderedMap.prefix(of: key(ofEntry: entry))
    }

    private func nodeCount(_ node: UInt32) -> Int {
        Int((arena.base + Int(node)).load(as: UInt16.self))
    }

    private func setNodeCount(_ node: UInt32, _ count: Int) {
        (arena.base + Int(node)).storeBytes(of: UInt16(count), as: UInt16.self)
    }

    private func setKey(_ node: UInt32, _ index: Int, _ prefix: UInt64, _ entry: UInt32) {
        let address = arena.base + Int(node) + OrderedMap.prefixes + 8 * index
        address.storeBytes(of: prefix, as: UInt64.self)
        store(entry, at: node, OrderedMap.entries + 4 * index)
    }

    /// Makes room for one key at `index` and counts it.
    private func shift(_ node: UInt32, from index: Int, isLeaf: Bool) {
        let count = nodeCount(node)
        let moved = count - index
        let base = arena.base + Int(node)
        let prefixes = base + OrderedMap.prefixes + 8 * index
        (prefixes + 8).copyMemory(from: prefixes, byteCount: 8 * moved)
        let entries = base + OrderedMap.entries + 4 * index
        (entries + 4).copyMemory(from: entries, byteCount: 4 * moved)
        if !isLeaf {
            let children = base + OrderedMap.children + 4 * (index + 1)
            (children + 4).copyMemory(from: children, byteCount: 4 * moved)
        }
        setNodeCount(node, count + 1)
    }

    private func copy(_ from: UInt32, _ a: Int, to: UInt32, _ b: Int, _ count: Int) {
        let source = arena.base + Int(from) + a
        (arena.base + Int(to) + b).copyMemory(from: source, byteCount: count)
    }

    private func load(_ node: UInt32, _ offset: Int) -> UInt32 {
        (arena.base + Int(node) + offset).load(as: UInt32.self)
    }

    private func store(_ value: UInt32, at node: UInt32, _ offset: Int) {
        (arena.base + Int(node) + offset).storeBytes(of: value, as: UInt32.self)
    }

    private func store(_ value: ByteView, in entry: UInt32) {
        let offset = arena.allocateUnaligned(value.count)
        (arena.base + Int(offset)).copyMemory(from: value.base, byteCount: value.count)
        store(offset, at: entry, 0)
        store(UInt32(value.count), at: entry, 4)
    }
}
