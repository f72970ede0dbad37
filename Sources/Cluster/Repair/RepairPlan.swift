// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a repair has to stream so that the replicas of some ranges have the same: for each pair of
/// nodes, which tokens go from one to the other.
package struct RepairPlan: Sendable, Equatable {
    /// One direction between two nodes.
    package struct Stream: Sendable, Equatable {
        package let from: NodeID
        package let to: NodeID
        /// In order, apart from each other.
        package var ranges: [TokenRange]
    }

    /// What the replicas of one range have.
    package struct Replicas: Sendable {
        package let range: TokenRange
        /// In the order of preference as a source: the nearest first.
        package let trees: [(node: NodeID, tree: MerkleTree)]

        package init(range: TokenRange, trees: [(node: NodeID, tree: MerkleTree)]) {
            self.range = range
            self.trees = trees
        }
    }

    /// By source and target; none with no ranges.
    package private(set) var streams: [Stream] = []

    /// Whether all replicas have the same.
    package var isInSync: Bool { streams.isEmpty }

    /// Plans the streams of some ranges.
    ///
    /// Replicas that have the same of a leaf form a group; one of each group sends to the members of
    /// all other groups, so that nothing is sent twice to anyone. A group that has nothing there sends
    /// nothing.
    ///
    /// - Throws: If trees of one range can't be compared.
    package init(_ ranges: [Replicas]) throws(MerkleTree.Mismatch) {
        var leaves: [Pair: [TokenRange]] = [:]
        for replicas in ranges {
            for (pair, found) in try Self.plan(replicas) { leaves[pair, default: []] += found }
        }
        streams = leaves.keys.sorted().map { pair in
            let sorted = (leaves[pair] ?? []).sorted { $0.first < $1.first }
            return Stream(from: pair.from, to: pair.to, ranges: sorted)
        }
    }

    private struct Pair: Hashable, Comparable {
        let from: NodeID
        let to: NodeID

        static func < (a: Pair, b: Pair) -> Bool { (a.from, a.to) < (b.from, b.to) }
    }

    private static func plan(
        _ replicas: Replicas
    ) throws(MerkleTree.Mismatch)
        -> [Pair: [TokenRange]]
    {
        guard let first = replicas.trees.first?.tree else { return [:] }
        var differing: Set<Int> = []
        for (_, tree) in replicas.trees {
            guard tree.range == replicas.range, tree.depth == first.depth else {
                throw MerkleTree.Mismatch()
            }
            differing.formUnion(first.differingLeaves(with: tree))
        }
        var leaves: [Pair: [Int]] = [:]
        for leaf in differing.sorted() {
            var groups: [(hash: UInt64, members: [NodeID])] = []
            for (node, tree) in replicas.trees {
                let hash = tree.hash(ofLeaf: leaf)
                if let group = groups.firstIndex(where: { $0.hash == hash }) {
                    groups[group].members.append(node)
                } else {
                    groups.append((hash, [node]))
                }
            }
            for source in groups where source.hash != MerkleTree.emptyHash {
                for target in groups where target.hash != source.hash {
                    for node in target.members {
                        leaves[Pair(from: source.members[0], to: node), default: []].append(leaf)
                    }
                }
            }
        }
        return leaves.mapValues { first.joined($0) }
    }
}
