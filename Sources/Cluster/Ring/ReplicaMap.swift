// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// The nodes that a token's rows are written to.
package struct ReplicaSet: Hashable, Sendable {
    /// Those that own the token, in ring order, the primary first.
    ///
    /// Reads ask these.
    package let natural: [NodeID]
    /// Those that will own it when what is under way is finished, or did before it was handed over: they get the
    /// writes, too, and no reads.
    ///
    /// A write waits for so many acknowledgements more as there are pending nodes.
    package let pending: [NodeID]

    package init(natural: [NodeID], pending: [NodeID] = []) {
        self.natural = natural
        self.pending = pending
    }
}

/// A run of tokens that have the same replicas.
package struct ReplicatedRange: Hashable, Sendable {
    package let range: TokenRange
    package let replicas: ReplicaSet
}

/// The replicas of every token under one strategy, worked out in advance for one state of the ring.
///
/// Immutable; made anew, once a strategy, when the metadata log changes a node. Keyspaces with the same
/// strategy share one.
///
/// With several movements under way, those are pending that will own a range when any one of them is
/// finished, or all, and those that owned it before any one was handed over. That covers every order for up to two
/// at a time.
package struct ReplicaMap: Sendable {
    package let strategy: ReplicationStrategy
    /// All tokens, in order: where the replicas change, a new range begins.
    ///
    /// Never empty.
    package let ranges: [ReplicatedRange]
    /// The last token of each range; what is searched.
    private let lasts: [Token]

    /// - Parameters:
    ///   - nodes: all records of the metadata log, in any order.
    ///   - local: this node: under the local strategy it has all tokens.
    ///   - withPending: whether those that will own ranges are told; false for a planted bug only.
    package init(
        _ strategy: ReplicationStrategy,
        nodes: [NodeRecord],
        local: NodeID,
        withPending: Bool = true
    ) {
        self.strategy = strategy
        if case .local = strategy {
            ranges = [ReplicatedRange(range: .all, replicas: ReplicaSet(natural: [local]))]
            lasts = [.max]
            return
        }
        let underWay = nodes.underWay
        let read = nodes.asRead()
        var futures = underWay.map { id in
            let isHandedOver = nodes.contains { $0.id == id && $0.isHandedOver }
            return TokenRing(isHandedOver ? nodes.asRead(except: id) : read.completing(id))
        }
        if underWay.count > 1 { futures += [TokenRing(nodes), TokenRing(nodes.completed)] }
        let ring = TokenRing(read)
        var placement = ReplicaPlacement(strategy, ring)
        var placements = futures.map { ReplicaPlacement(strategy, $0) }
        var ranges: [ReplicatedRange] = []
        if !withPending { placements = [] }
        for range in Self.cut([ring] + futures) {
            let natural = placement.replicas(of: range.last)
            var pending: [NodeID] = []
            for index in placements.indices {
                for node in placements[index].replicas(of: range.last)
                where !natural.contains(node) && !pending.contains(node) {
                    pending.append(node)
                }
            }
            let replicas = ReplicaSet(natural: natural, pending: pending)
            if let last = ranges.last, last.replicas == replicas {
                let joined = TokenRange(last.range.first, range.last)
                ranges[ranges.count - 1] = ReplicatedRange(range: joined, replicas: replicas)
            } else {
                ranges.append(ReplicatedRange(range: range, replicas: replicas))
            }
        }
        self.ranges = ranges
        lasts = ranges.map(\.range.last)
    }

    /// All tokens in runs that no token of `rings` cuts, in order.
    static func cut(_ rings: [TokenRing]) -> [TokenRange] {
        let cuts = Set(rings.flatMap(\.tokens)).sorted()
        var ranges: [TokenRange] = []
        ranges.reserveCapacity(cuts.count + 1)
        var first = Token.min
        for token in cuts {
            ranges.append(TokenRange(first, token))
            first = token.next
        }
        if cuts.last != .max { ranges.append(TokenRange(first, .max)) }
        return ranges
    }

    /// The replicas of a token, in O(log n) and without copying.
    package func replicas(of token: Token) -> ReplicaSet {
        ranges[lasts.firstIndexAtLeast(token)].replicas
    }

    /// Where a run of keys has to end for all of them to have the replicas of `token`, that of the first; nil if they
    /// have.
    package func cut(_ bounds: KeyBounds, at token: Token) -> [UInt8]? {
        let range = ranges[lasts.firstIndexAtLeast(token)].range
        guard range.last != .max else { return nil }
        // Most runs are of one partition.
        if bounds.upper.count >= 8, bounds.upper.withView({ Key.token(of: $0) }) <= range.last { return nil }
        let end = KeyBounds(range).upper
        let isInside = !bounds.upper.isEmpty
            && end.withView { end in bounds.upper.withView { $0.compare(end) <= 0 } }
        return isInside ? nil : end
    }

    /// The runs of `range` with their replicas, in token order and cut to it.
    package func ranges(in range: TokenRange) -> [ReplicatedRange] {
        var found: [ReplicatedRange] = []
        var index = lasts.firstIndexAtLeast(range.first)
        while index < ranges.count, let part = ranges[index].range.intersection(range) {
            found.append(ReplicatedRange(range: part, replicas: ranges[index].replicas))
            index += 1
        }
        return found
    }

    /// The ranges that a node is a natural replica of.
    package func ranges(of node: NodeID) -> [TokenRange] { ranges { $0.natural.contains(node) } }

    /// The ranges that a node gets the writes of, as an owner now or in a movement that is under way.
    package func rangesWritten(to node: NodeID) -> [TokenRange] {
        ranges { $0.natural.contains(node) || $0.pending.contains(node) }
    }

    /// The ranges that a node is the first replica of: no token is in those of two nodes, so each does
    /// its part of what has to be done once.
    package func primaryRanges(of node: NodeID) -> [TokenRange] { ranges { $0.natural.first == node } }

    /// The ranges that a node will get.
    package func pendingRanges(of node: NodeID) -> [TokenRange] { ranges { $0.pending.contains(node) } }

    /// The ranges with such replicas, in order, neighbors joined.
    private func ranges(where isWanted: (ReplicaSet) -> Bool) -> [TokenRange] {
        var found: [TokenRange] = []
        for part in ranges where isWanted(part.replicas) { found.appendMerging(part.range) }
        return found
    }
}
