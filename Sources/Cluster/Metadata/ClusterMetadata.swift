// SPDX-License-Identifier: Apache-2.0

package import Model

/// What the nodes of a cluster must never disagree about, at one epoch: the schema, who owns which
/// tokens, the nodes' states, and who decides the next epoch.
///
/// A value, and a function of the log's entries alone: whoever has applied the same entries has the
/// same value. Entries are applied one after the other; each is legal at the epoch that it is applied
/// to, or changes nothing.
package struct ClusterMetadata: Sendable {
    /// Tells this cluster from every other; nil before one is founded or known.
    package internal(set) var identity: UUID?
    /// Counts the entries; the founding is 1.
    package internal(set) var epoch: UInt64
    package internal(set) var schema: Schema
    /// By id.
    package internal(set) var nodes: [NodeRecord]
    /// Who decides epoch `epoch + 1`; sorted.
    package internal(set) var voters: [NodeID]
    /// The requests of the last entries, oldest first; the last one's entry has the epoch `epoch`.
    package internal(set) var recent: [MetadataRequestID]

    /// No cluster: what a node knows before it has founded or joined one.
    package init() {
        identity = nil
        epoch = 0
        schema = Schema()
        nodes = []
        voters = []
        recent = []
    }

    /// A cluster of one node, which owns the ring from the beginning and is the only voter.
    ///
    /// - Parameters:
    ///   - identity: Random; names the cluster for good.
    ///   - node: State `normal` with its tokens.
    ///   - schema: What the node has already, if it was alone before.
    package init(
        founding identity: UUID,
        node: NodeRecord,
        schema: Schema = Schema()
    )
        throws(MetadataRefusal)
    {
        self.init()
        guard node.state == .normal, node.pendingTokens.isEmpty, node.replaces == nil else {
            throw .wrongState(node.id, is: node.state, needed: [.normal])
        }
        try Self.checkShape(of: node.tokens, of: node.id)
        try Self.checkNames(node.location)
        self.identity = identity
        self.schema = schema
        epoch = 1
        nodes = [node]
        voters = [node.id]
    }

    /// The node of an id; nil if there is none.
    package func node(_ id: NodeID) -> NodeRecord? { index(of: id).map { nodes[$0] } }

    /// At which epoch a request was decided; nil if it isn't among the last ones.
    package func epoch(of request: MetadataRequestID) -> UInt64? {
        recent.lastIndex(of: request).map { epoch - UInt64(recent.count - 1 - $0) }
    }

    /// Moves to the next epoch by an entry; changes nothing if that isn't legal.
    package mutating func apply(_ entry: MetadataEntry) throws(MetadataRefusal) {
        guard identity != nil else { throw .notFounded }
        if let decided = epoch(of: entry.request) { throw .repeated(epoch: decided) }
        var next = self
        try next.change(by: entry.change)
        next.epoch += 1
        next.recent.append(entry.request)
        if next.recent.count > MetadataLimits.recentRequests { next.recent.removeFirst() }
        self = next
    }

    /// Throws if an entry isn't legal at this epoch.
    package func check(_ entry: MetadataEntry) throws(MetadataRefusal) {
        var copy = self
        try copy.apply(entry)
    }

    /// Who should vote: an odd number of nodes that own tokens, spread over data centers and then
    /// racks, today's voters before others where that is equal.
    ///
    /// - Parameters:
    ///   - max: How many at most.
    ///   - excluding: Those that must not, since they are down for long.
    package func recommendedVoters(max: Int = 5, excluding: [NodeID] = []) -> [NodeID] {
        var candidates = nodes.filter {
            ($0.state == .normal || $0.state == .moving) && !excluding.contains($0.id)
        }
        let wanted = min(max, MetadataLimits.votersMax, candidates.count)
        var chosen: [NodeRecord] = []
        while chosen.count < wanted - (wanted + 1) % 2 || chosen.isEmpty {
            let best = candidates.indices.min { a, b in
                rank(candidates[a], after: chosen).lexicographicallyPrecedes(
                    rank(candidates[b], after: chosen)
                )
            }
            guard let best else { break }
            chosen.append(candidates.remove(at: best))
        }
        return chosen.map(\.id).sorted()
    }

    /// The lower, the better a next voter; ties go to the first by id.
    private func rank(_ node: NodeRecord, after chosen: [NodeRecord]) -> [Int] {
        [
            chosen.count { $0.location.dataCenter == node.location.dataCenter },
            chosen.count { $0.location == node.location },
            voters.contains(node.id) ? 0 : 1,
        ]
    }

    /// Where the node of an id stands in `nodes`.
    func index(of id: NodeID) -> Int? {
        var low = 0
        var high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < nodes.count && nodes[low].id == id ? low : nil
    }

    static func checkShape(of tokens: [Token], of id: NodeID) throws(MetadataRefusal) {
        guard !tokens.isEmpty, tokens.count <= MetadataLimits.tokensMax,
            zip(tokens, tokens.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .badTokens(id) }
    }

    static func checkNames(_ location: NodeLocation) throws(MetadataRefusal) {
        let limit = MetadataLimits.nameBytesMax
        guard location.dataCenter.utf8.count <= limit, location.rack.utf8.count <= limit else {
            throw .tooMany("bytes in the name of a data center or rack", limit: limit)
        }
    }
}
