// SPDX-License-Identifier: Apache-2.0

package import Model

/// A run of tokens that a node has to fetch before it becomes their replica.
package struct RangeStream: Hashable, Sendable {
    package let range: TokenRange
    /// The node that fetches.
    package let target: NodeID
    /// Who has the rows, the best first; one of them is enough.
    ///
    /// Empty if all who have them are unreachable: then the rows are lost, or have to wait.
    package let sources: [NodeID]
    /// The node that stops being a replica in exchange, whether or not it can be reached.
    ///
    /// What the target gets from it is what it would have answered itself, so a read that meets a
    /// quorum of the new replicas meets what was acknowledged by a quorum of the old ones. From another
    /// source that isn't so until the range has been repaired.
    package let loser: NodeID?

    /// Whether the first source keeps what quorums have promised.
    package var isConsistent: Bool {
        guard let first = sources.first else { return false }
        return loser == nil || loser == first
    }
}

/// What has to be streamed, and what may be removed, when the ownership of tokens changes: by a join, a
/// leave, a move or a replacement, or any two states of the records.
///
/// It holds for the records that it was made from. When another movement finishes meanwhile, it is made
/// anew, and what has been fetched already needs not be fetched again.
package struct RangeMovements: Sendable {
    /// What has to be fetched, in token order; neighbors with the same nodes are joined.
    package let streams: [RangeStream]
    private let releases: [NodeID: [TokenRange]]

    /// The movements that finish what `node` has begun.
    ///
    /// A node that is replaced is never a source.
    package init(
        _ strategy: ReplicationStrategy,
        completing node: NodeID,
        in nodes: [NodeRecord],
        unreachable: Set<NodeID> = []
    ) {
        var unreachable = unreachable
        if let replaced = nodes.first(where: { $0.id == node })?.replaces {
            unreachable.insert(replaced)
        }
        self.init(
            strategy,
            from: nodes,
            to: nodes.completing(node),
            unreachable: unreachable
        )
    }

    /// The movements from one state of the records to another.
    /// - Parameter unreachable: nodes that nothing can be fetched from.
    package init(
        _ strategy: ReplicationStrategy,
        from: [NodeRecord],
        to: [NodeRecord],
        unreachable: Set<NodeID> = []
    ) {
        let rings = (TokenRing(from), TokenRing(to))
        var before = ReplicaPlacement(strategy, rings.0)
        var after = ReplicaPlacement(strategy, rings.1)
        let sources = SourceChoice(strategy, from + to, unreachable)
        // Per target, since its ranges are joined though others' lie between.
        var streams: [NodeID: [RangeStream]] = [:]
        var releases: [NodeID: [TokenRange]] = [:]
        for range in ReplicaMap.cut([rings.0, rings.1]) {
            let old = before.replicas(of: range.last)
            let new = after.replicas(of: range.last)
            for node in old where !new.contains(node) {
                releases[node, default: []].appendMerging(range)
            }
            if old.isEmpty { continue }
            for stream in sources.streams(range, old, new) {
                streams[stream.target, default: []].appendMerging(stream)
            }
        }
        self.releases = releases
        self.streams = streams.values.joined().sorted {
            ($0.range.first, $0.target) < ($1.range.first, $1.target)
        }
    }

    /// The ranges that a data center's node fetches from another data center: a rebuild.
    ///
    /// It takes all that the node is a natural replica of.
    package init(
        rebuilding node: NodeID,
        from dataCenter: String,
        map: ReplicaMap,
        nodes: [NodeRecord]
    ) {
        let inside = Set(nodes.filter { $0.location.dataCenter == dataCenter }.map(\.id))
        var streams: [RangeStream] = []
        for part in map.ranges where part.replicas.natural.contains(node) {
            let sources = part.replicas.natural.filter { inside.contains($0) && $0 != node }
            streams.appendMerging(
                RangeStream(range: part.range, target: node, sources: sources, loser: nil)
            )
        }
        self.streams = streams
        releases = [:]
    }

    /// What `node` has to fetch, in token order.
    package func fetches(by node: NodeID) -> [RangeStream] { streams.filter { $0.target == node } }

    /// What others fetch from `node` before all other sources, in token order.
    package func handOvers(by node: NodeID) -> [RangeStream] {
        streams.filter { $0.sources.first == node }
    }

    /// What `node` is no replica of any more: its rows may be removed when the change is made.
    package func released(by node: NodeID) -> [TokenRange] { releases[node] ?? [] }
}

/// Chooses who hands a range over.
private struct SourceChoice {
    private let locations: [NodeID: NodeLocation]
    private let unreachable: Set<NodeID>
    /// Whether a node may take over from one in another data center.
    private let crossesDataCenters: Bool

    init(_ strategy: ReplicationStrategy, _ nodes: [NodeRecord], _ unreachable: Set<NodeID>) {
        var locations: [NodeID: NodeLocation] = [:]
        for node in nodes { locations[node.id] = node.location }
        self.locations = locations
        self.unreachable = unreachable
        if case .networkTopology = strategy {
            crossesDataCenters = false
        } else {
            crossesDataCenters = true
        }
    }

    /// How far two nodes are apart: 0 in one rack, 1 in one data center, else 2.
    private func distance(_ a: NodeID, _ b: NodeID) -> Int {
        if locations[a] == locations[b] { return 0 }
        return locations[a]?.dataCenter == locations[b]?.dataCenter ? 1 : 2
    }

    /// What those of `new` have to fetch that aren't among `old`, each with a loser of its own as far
    /// as there are any: one of the same rack first, then of the same data center.
    func streams(_ range: TokenRange, _ old: [NodeID], _ new: [NodeID]) -> [RangeStream] {
        let gainers = new.filter { !old.contains($0) }
        guard !gainers.isEmpty else { return [] }
        var losers = old.filter { !new.contains($0) }
        var pairs: [NodeID: NodeID] = [:]
        for distanceMax in 0...(crossesDataCenters ? 2 : 1) {
            for gainer in gainers where pairs[gainer] == nil {
                let index = losers.firstIndex { distance($0, gainer) <= distanceMax }
                if let index { pairs[gainer] = losers.remove(at: index) }
            }
        }
        return gainers.map { gainer in
            let loser = pairs[gainer]
            let others = old.filter { $0 != loser }
            let nearest = (0...2).flatMap { near in others.filter { distance($0, gainer) == near } }
            let sources = ((loser.map { [$0] } ?? []) + nearest).filter {
                !unreachable.contains($0)
            }
            return RangeStream(range: range, target: gainer, sources: sources, loser: loser)
        }
    }
}

extension Array where Element == RangeStream {
    /// Appends a stream that lies behind all others; one that continues the last is joined with it.
    fileprivate mutating func appendMerging(_ stream: RangeStream) {
        if let last, last.range.last != .max, last.range.last.next == stream.range.first,
            last.target == stream.target, last.sources == stream.sources,
            last.loser == stream.loser
        {
            self[count - 1] = RangeStream(
                range: TokenRange(last.range.first, stream.range.last),
                target: last.target,
                sources: last.sources,
                loser: last.loser
            )
        } else {
            append(stream)
        }
    }
}
