// SPDX-License-Identifier: Apache-2.0

internal import Model

/// Finds the natural replicas of a token: the rules of SimpleStrategy and NetworkTopologyStrategy.
///
/// Both walk the ring from the token on. SimpleStrategy takes the first nodes. NetworkTopologyStrategy
/// does so for each data center by itself, and passes over a node in a rack that has a replica already,
/// unless the data center has fewer racks than replicas: then so many nodes may repeat a rack, and the
/// first ones met do. Each data center's part of the ring is walked alone, which gives the same nodes,
/// and the results are put in the order of the whole ring.
///
/// Holds scratch memory, so a value is used by one caller.
struct ReplicaPlacement {
    /// The part of the ring that is walked, and what is sought there.
    private struct Walk {
        var tokens: [Token] = []
        /// For each token an index of the ring's nodes.
        var owners: [Int] = []
        var replicasMax = 0
        /// How many replicas may stand in a rack that has one.
        var rackRepeatsMax = 0
    }

    private let ring: TokenRing
    private var walks: [Walk]
    /// For each node, a number for its rack.
    private let racks: [Int]
    // The number of the search in which a node or a rack was last taken.
    private var nodeTaken: [Int]
    private var rackTaken: [Int]
    private var search = 0

    init(_ strategy: ReplicationStrategy, _ ring: TokenRing) {
        self.ring = ring
        var rackNumbers: [NodeLocation: Int] = [:]
        var racks: [Int] = []
        for node in ring.nodes {
            let number = rackNumbers[node.location] ?? rackNumbers.count
            rackNumbers[node.location] = number
            racks.append(number)
        }
        self.racks = racks
        nodeTaken = Array(repeating: 0, count: ring.nodes.count)
        rackTaken = Array(repeating: 0, count: rackNumbers.count)
        switch strategy {
        case .local:
            walks = []
        case .simple(let factor):
            walks = [
                Walk(
                    tokens: ring.tokens,
                    owners: ring.owners,
                    replicasMax: min(factor, ring.nodes.count),
                    rackRepeatsMax: factor
                )
            ]
        case .networkTopology(let factors):
            walks = factors.map { Self.walk($0, ring) }
        }
    }

    private static func walk(_ factor: DataCenterFactor, _ ring: TokenRing) -> Walk {
        let isInside = ring.nodes.map { $0.location.dataCenter == factor.dataCenter }
        let inside = ring.nodes.filter { $0.location.dataCenter == factor.dataCenter }
        var walk = Walk()
        for (token, owner) in zip(ring.tokens, ring.owners) where isInside[owner] {
            walk.tokens.append(token)
            walk.owners.append(owner)
        }
        walk.replicasMax = min(factor.factor, inside.count)
        walk.rackRepeatsMax = factor.factor - Set(inside.map(\.location)).count
        return walk
    }

    /// The natural replicas of `token` in ring order.
    mutating func replicas(of token: Token) -> [NodeID] {
        var found: [(distance: UInt64, node: Int)] = []
        for walk in walks where walk.replicasMax > 0 { take(walk, from: token, into: &found) }
        if walks.count > 1 { found.sort { $0.distance < $1.distance } }
        return found.map { ring.nodes[$0.node].id }
    }

    private mutating func take(
        _ walk: Walk,
        from token: Token,
        into found: inout [(distance: UInt64, node: Int)]
    ) {
        search += 1
        var missing = walk.replicasMax
        var repeats = walk.rackRepeatsMax
        var index = walk.tokens.firstIndexAtLeast(token)
        for _ in walk.tokens.indices {
            if index == walk.tokens.count { index = 0 }
            let node = walk.owners[index]
            let next = walk.tokens[index]
            index += 1
            if nodeTaken[node] == search { continue }
            let isRepeat = rackTaken[racks[node]] == search
            if isRepeat {
                if repeats <= 0 { continue }
                repeats -= 1
            }
            nodeTaken[node] = search
            rackTaken[racks[node]] = search
            found.append((next.biased &- token.biased, node))
            missing -= 1
            if missing == 0 { return }
        }
    }
}
