// SPDX-License-Identifier: Apache-2.0

package import Model

/// How much of the tokens each node has, as `status` and `ring` show it.
package struct Ownership: Sendable {
    /// A node's share.
    package struct Share: Hashable, Sendable {
        package let node: NodeID
        /// Of all tokens, from 0 to 100.
        package let percent: Double
    }

    /// In order of the ids; those that have nothing aren't among them.
    package let shares: [Share]

    /// What each node is a natural replica of.
    ///
    /// The shares add up to 100 a replica.
    package init(effective map: ReplicaMap) {
        var sums: [NodeID: Double] = [:]
        for part in map.ranges {
            for node in part.replicas.natural { sums[node, default: 0] += part.range.fraction }
        }
        shares = Self.shares(sums)
    }

    /// What each node owns itself, without regard to replication.
    ///
    /// The shares add up to 100.
    package init(primary ring: TokenRing) {
        var sums: [NodeID: Double] = [:]
        for (range, owner) in ring.spans {
            sums[ring.nodes[owner].id, default: 0] += range.fraction
        }
        shares = Self.shares(sums)
    }

    private static func shares(_ sums: [NodeID: Double]) -> [Share] {
        sums.sorted { $0.key < $1.key }.map { Share(node: $0.key, percent: $0.value * 100) }
    }

    /// The share of one node; 0 if it has nothing.
    package func percent(of node: NodeID) -> Double {
        shares.first { $0.node == node }?.percent ?? 0
    }
}
