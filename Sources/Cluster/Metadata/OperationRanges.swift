// SPDX-License-Identifier: Apache-2.0

internal import Model

/// How many replicas a keyspace wants, and of what.
enum ReplicaCounts: Equatable {
    /// Each node has its own: nothing moves with tokens.
    case none
    /// Of all nodes together.
    case ring(Int)
    /// Of each data center.
    case dataCenters([String: Int])

    /// - Parameter replication: The options of a keyspace, `class` included.
    init(_ replication: [String: String]) {
        let name = replication["class"] ?? ""
        if name.hasSuffix("NetworkTopologyStrategy") {
            var counts: [String: Int] = [:]
            for (key, value) in replication where key != "class" { counts[key] = Self.count(value) }
            self = .dataCenters(counts)
        } else if name.hasSuffix("SimpleStrategy") {
            self = .ring(Self.count(replication["replication_factor"] ?? "1"))
        } else {
            self = .none
        }
    }

    /// `3`, or `3/1` with transient replicas.
    private static func count(_ text: String) -> Int {
        text.split(separator: "/").first.flatMap { Int($0) }.map { max(0, $0) } ?? 1
    }
}

/// The tokens whose replicas an operation (a join, a leave, a move) may change.
///
/// For a token t that a node gains or gives up, the keys concerned are those from which a walk along
/// the ring reaches t before it has found all replicas. A walk is complete at the latest when it has
/// met as many nodes as there are replicas, and as many racks as there are or as there are replicas.
/// So the walk back from t ends where both have been met, and no key beyond is concerned, whatever
/// the strategy. Only nodes that no operation changes are counted: the answer then holds before,
/// during and after every other operation.
struct OperationRanges {
    private let metadata: ClusterMetadata
    /// The most replicas that a keyspace wants of the ring.
    private var ringReplicas = 1
    /// The most replicas that a keyspace wants of each data center.
    private var centerReplicas: [String: Int] = [:]

    init(_ metadata: ClusterMetadata) {
        self.metadata = metadata
        for keyspace in metadata.schema.keyspaces.values {
            switch ReplicaCounts(keyspace.replication) {
            case .none: break
            case .ring(let replicas): ringReplicas = max(ringReplicas, replicas)
            case .dataCenters(let counts):
                centerReplicas.merge(counts) { max($0, $1) }
            }
        }
    }

    /// The ranges that the operation of a node concerns, sorted, apart from each other.
    func ranges(of node: NodeRecord) -> [TokenRange] {
        let tokens = node.tokens + node.pendingTokens
        var ranges = walk(back: tokens, over: metadata.nodes, replicas: ringReplicas, racks: false)
        let center = node.location.dataCenter
        if let replicas = centerReplicas[center], replicas > 0 {
            let peers = metadata.nodes.filter { $0.location.dataCenter == center }
            ranges += walk(back: tokens, over: peers, replicas: replicas, racks: true)
        }
        return Self.joined(ranges)
    }

    private func walk(
        back tokens: [Token],
        over nodes: [NodeRecord],
        replicas: Int,
        racks countsRacks: Bool
    ) -> [TokenRange] {
        let replaced = nodes.compactMap(\.replaces)
        var ring: [(token: Token, node: Int)] = []
        var racks: [String] = []
        var rackOfNode: [Int] = []
        for (index, node) in nodes.enumerated() {
            let rack = racks.firstIndex(of: node.location.rack)
            rackOfNode.append(rack ?? racks.count)
            guard !node.tokens.isEmpty else { continue }
            if rack == nil { racks.append(node.location.rack) }
            guard node.state == .normal, !replaced.contains(node.id) else { continue }
            for token in node.tokens { ring.append((token, index)) }
        }
        ring.sort { $0.token < $1.token }
        let racksNeeded = countsRacks ? min(replicas, racks.count) : 0
        return tokens.flatMap { token -> [TokenRange] in
            let start = ring.firstIndex { $0.token >= token } ?? ring.count
            var nodesMet: Set<Int> = []
            var racksMet: Set<Int> = []
            for step in 1...max(1, ring.count) where !ring.isEmpty {
                let entry = ring[(start - step + 2 * ring.count) % ring.count]
                nodesMet.insert(entry.node)
                racksMet.insert(rackOfNode[entry.node])
                if nodesMet.count >= replicas, racksMet.count >= racksNeeded {
                    return Self.arc(after: entry.token, through: token)
                }
            }
            return [.all]
        }
    }

    /// The tokens behind `after` up to `through`, around the ring's end if need be.
    private static func arc(after: Token, through: Token) -> [TokenRange] {
        if after == through { return [.all] }
        if after < through { return [TokenRange(Token(after.value + 1), through)] }
        let head = TokenRange(.min, through)
        return after == .max ? [head] : [head, TokenRange(Token(after.value + 1), .max)]
    }

    private static func joined(_ ranges: [TokenRange]) -> [TokenRange] {
        var result: [TokenRange] = []
        for range in ranges.sorted(by: { $0.first < $1.first }) {
            if let last = result.last, range.first <= last.last {
                result[result.count - 1] = TokenRange(last.first, max(last.last, range.last))
            } else {
                result.append(range)
            }
        }
        return result
    }

    /// Whether two sorted lists of ranges have a token in common.
    static func touch(_ a: [TokenRange], _ b: [TokenRange]) -> Bool {
        var i = 0
        var j = 0
        while i < a.count, j < b.count {
            if a[i].intersection(b[j]) != nil { return true }
            if a[i].last < b[j].last { i += 1 } else { j += 1 }
        }
        return false
    }
}

extension ClusterMetadata {
    /// Whether no two operations concern the same tokens; of a node, or all pairs of them.
    func requireOperationsApart(of id: NodeID?) throws(MetadataRefusal) {
        let running = nodes.filter {
            $0.state == .joining || $0.state == .leaving || $0.state == .moving
        }
        guard running.count > 1 else { return }
        let ranges = OperationRanges(self)
        let concerned = running.map { ranges.ranges(of: $0) }
        for first in running.indices {
            for second in running.indices where second > first {
                if let id, running[first].id != id, running[second].id != id { continue }
                guard OperationRanges.touch(concerned[first], concerned[second]) else { continue }
                let isSecond = running[second].id == id
                let new = isSecond ? second : first
                throw .rangesTouch(running[new].id, running[isSecond ? first : second].id)
            }
        }
    }
}
