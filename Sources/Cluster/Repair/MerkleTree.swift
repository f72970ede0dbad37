// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Hashes of what a replica has in a range of tokens: the range cut into 2^depth leaves of equally many
/// tokens, each with a hash of its entries, and a hash of hashes above each two.
///
/// Two replicas that have the same have the same tree, if they read the same way: rows merged and
/// purged as of the same time, in key order.
package struct MerkleTree: Sendable, Equatable {
    /// The most leaves are 2^20: 8 MiB.
    package static let depthMax = 20
    /// The hash of a leaf or a node without entries.
    package static let emptyHash: UInt64 = 0

    package let range: TokenRange
    package let depth: Int
    /// As a heap: the root at 1, the children of n at 2n and 2n + 1, the leaves at 2^depth.
    fileprivate var hashes: [UInt64]

    /// Two trees that can't be compared: other ranges or depths.
    package struct Mismatch: Error, Equatable {}

    fileprivate init(range: TokenRange, depth: Int) {
        self.range = range
        self.depth = depth
        hashes = Array(repeating: Self.emptyHash, count: 2 << depth)
    }

    /// A depth at which a leaf has about one partition, and a tree fits in the memory.
    ///
    /// - Parameters:
    ///   - partitions: How many the range has, estimated.
    ///   - memory: For the tree of one replica, in bytes.
    package static func depth(partitions: Int, memory: Int = 8 << 20) -> Int {
        let wanted = partitions <= 1 ? 0 : Int.bitWidth - (partitions - 1).leadingZeroBitCount
        // A node of the tree takes 8 bytes, and there are twice as many as leaves.
        let fitting = memory < 32 ? 0 : Int.bitWidth - 1 - (memory / 16).leadingZeroBitCount
        return min(wanted, fitting, depthMax)
    }

    package var leafCount: Int { 1 << depth }
    package var root: UInt64 { hashes[1] }
    package func hash(ofLeaf index: Int) -> UInt64 { hashes[leafCount + index] }

    /// The tokens of a leaf; nil if the range has fewer tokens than the tree leaves, and this one none.
    package func tokens(ofLeaf index: Int) -> TokenRange? {
        let first = offset(ofLeaf: index)
        let next = index + 1 == leafCount ? nil : offset(ofLeaf: index + 1)
        let last = next.map { $0 == 0 ? nil : $0 - 1 } ?? span
        guard let last, first <= last else { return nil }
        let base = range.first.biased
        return TokenRange(Token(biased: base + first), Token(biased: base + last))
    }

    /// The leaf that a token of the range is in.
    package func leaf(of token: Token) -> Int {
        invariant(range.contains(token), "a token outside the tree's range")
        let place = token.biased - range.first.biased
        if span == .max { return depth == 0 ? 0 : Int(place >> UInt64(64 - depth)) }
        return Int((span + 1).dividingFullWidth(place.multipliedFullWidth(by: UInt64(leafCount))).0)
    }

    /// How many tokens the range has, less one.
    private var span: UInt64 { range.last.biased - range.first.biased }

    /// The first place p with p · leaves / tokens >= index.
    private func offset(ofLeaf index: Int) -> UInt64 {
        if index == 0 { return 0 }
        if span == .max { return UInt64(index) << UInt64(64 - depth) }
        let product = (span + 1).multipliedFullWidth(by: UInt64(index))
        let (quotient, remainder) = UInt64(leafCount).dividingFullWidth(product)
        return quotient + (remainder == 0 ? 0 : 1)
    }

    /// The ranges in which two replicas differ, in order, as few as possible.
    package func differences(with other: MerkleTree) throws(Mismatch) -> [TokenRange] {
        guard range == other.range, depth == other.depth else { throw Mismatch() }
        return joined(differingLeaves(with: other))
    }

    /// The indices of the leaves that differ, in order.
    func differingLeaves(with other: MerkleTree) -> [Int] {
        var leaves: [Int] = []
        var stack = [1]
        while let node = stack.popLast() {
            if hashes[node] == other.hashes[node] { continue }
            if node >= leafCount {
                leaves.append(node - leafCount)
            } else {
                stack.append(2 * node + 1)
                stack.append(2 * node)
            }
        }
        return leaves
    }

    /// The tokens of leaves, those of neighbours as one range.
    func joined(_ leaves: [Int]) -> [TokenRange] {
        var ranges: [TokenRange] = []
        for leaf in leaves {
            guard let tokens = tokens(ofLeaf: leaf) else { continue }
            if let last = ranges.last, last.last.value < Int64.max,
                last.last.value + 1 == tokens.first.value
            {
                ranges[ranges.count - 1] = TokenRange(last.first, tokens.last)
            } else {
                ranges.append(tokens)
            }
        }
        return ranges
    }

    fileprivate mutating func fillUp() {
        for node in stride(from: leafCount - 1, through: 1, by: -1) {
            hashes[node] = Self.combined(hashes[2 * node], hashes[2 * node + 1])
        }
    }

    private static func combined(_ left: UInt64, _ right: UInt64) -> UInt64 {
        if left == emptyHash, right == emptyHash { return emptyHash }
        let hash = withUnsafeBytes(of: (left.littleEndian, right.littleEndian)) {
            Checksum.xxh3(ByteView($0))
        }
        return hash == emptyHash ? 1 : hash
    }
}

/// Makes a tree of a replica's entries.
package struct MerkleTreeBuilder: Sendable {
    private var tree: MerkleTree
    private var lastLeaf = 0
    /// Entries fed.
    package private(set) var entries = 0

    /// - Parameter depth: 0 to `MerkleTree.depthMax`.
    package init(range: TokenRange, depth: Int) {
        invariant(depth >= 0 && depth <= MerkleTree.depthMax, "depth out of range")
        invariant(range.first <= range.last, "an empty range of tokens")
        tree = MerkleTree(range: range, depth: depth)
    }

    /// Takes the next entry in: its whole key and its row fragment. Entries come in key order, which is
    /// the order of tokens.
    package mutating func add(token: Token, key: ByteView, fragment: ByteView) {
        let leaf = tree.leaf(of: token)
        invariant(leaf >= lastLeaf, "entries out of order")
        lastLeaf = leaf
        // The hash so far is the seed of the next: lengths and order count, and nothing is kept.
        let place = tree.leafCount + leaf
        let keyed = Checksum.xxh3(key, seed: tree.hashes[place])
        let hash = Checksum.xxh3(fragment, seed: keyed)
        tree.hashes[place] = hash == MerkleTree.emptyHash ? 1 : hash
        entries += 1
    }

    /// The tree of all entries.
    package consuming func finish() -> MerkleTree {
        tree.fillUp()
        return tree
    }
}

// MARK: Binary form

private let formatVersion: UInt8 = 1

extension MerkleTree {
    /// Appends the tree: range, depth, and its leaves' hashes, with the length of each run of empty
    /// ones; what is above is worked out again.
    package func encode(to writer: inout ByteWriter) {
        writer.append(formatVersion)
        writer.appendBigEndian(range.first.value)
        writer.appendBigEndian(range.last.value)
        writer.append(UInt8(depth))
        var leaf = 0
        while leaf < leafCount {
            let start = leaf
            while leaf < leafCount, hash(ofLeaf: leaf) == Self.emptyHash { leaf += 1 }
            writer.appendVarint(leaf - start)
            let full = leaf
            while leaf < leafCount, hash(ofLeaf: leaf) != Self.emptyHash { leaf += 1 }
            writer.appendVarint(leaf - full)
            for index in full..<leaf { writer.appendLittleEndian(hash(ofLeaf: index)) }
        }
    }

    /// Reads what `encode` wrote.
    ///
    /// - Parameter depthMax: The deepest tree that is taken, which bounds its memory: 2^(depth + 4)
    ///   bytes.
    package init(
        from reader: inout ByteReader,
        depthMax: Int = MerkleTree.depthMax
    ) throws(MalformedBytes) {
        guard try reader.readByte() == formatVersion else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "tree format 1")
        }
        let first = Token(try reader.readBigEndian())
        let last = Token(try reader.readBigEndian())
        let depth = Int(try reader.readByte())
        guard first <= last, depth <= min(depthMax, Self.depthMax) else {
            throw MalformedBytes(offset: reader.offset, expected: "a tree of depth \(depthMax)")
        }
        self.init(range: TokenRange(first, last), depth: depth)
        var leaf = 0
        while leaf < leafCount {
            let empty = try reader.readCount(max: leafCount - leaf)
            leaf += empty
            let full = try reader.readCount(max: min(leafCount - leaf, reader.remaining / 8))
            guard empty > 0 || full > 0 else {
                throw MalformedBytes(offset: reader.offset, expected: "a run of leaves")
            }
            for _ in 0..<full {
                hashes[leafCount + leaf] = try reader.readLittleEndian()
                leaf += 1
            }
        }
        fillUp()
    }
}
