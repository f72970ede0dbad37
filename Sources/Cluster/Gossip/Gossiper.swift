// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// What gossip has found out. `Gossiper.state(of:)` has the values.
package enum GossipEvent: Hashable, Sendable {
    /// A node is heard of for the first time. It counts as down until it gives a sign of life.
    case joined(NodeID)
    /// A node that wasn't gives signs of life.
    case alive(NodeID)
    /// A node that was alive is silent, or has stopped.
    case down(NodeID)
    /// A node has begun a new generation; all its values are new.
    case restarted(NodeID)
    /// A value has another text than before.
    case changed(NodeID, StateKey)
    /// A node has stopped cleanly; `down` follows if it was alive.
    case shutdown(NodeID)
    /// Somebody knew a newer life of this node than its own, so its generation was raised to be newer
    /// still. Keep the number for the next start. If it happens again and again, another process
    /// runs under this node's id.
    case generationRaised(UInt64)
    /// A message was dropped whole.
    case refused(from: NodeAddress, reason: GossipRefusal)
}

/// Why a message was dropped.
package enum GossipRefusal: Hashable, Sendable, CustomStringConvertible {
    /// It is of another cluster.
    case cluster(String)
    /// Its sender has left this cluster for good.
    case left(NodeID)

    package var description: String {
        switch self {
        case .cluster(let name): "it belongs to the cluster '\(name)'"
        case .left(let id): "node \(id) has left the cluster"
        }
    }
}

/// What a driver has to do after an input: send the messages, and act on the events in their order.
package struct GossipOutput: Sendable {
    package internal(set) var messages: [GossipEnvelope] = []
    package internal(set) var events: [GossipEvent] = []
}

/// Spreads what each node says of itself to all, and finds out who is alive: a machine without I/O.
///
/// Once a second a node sends a SYN to a live node, with some probability to one that is down, so that
/// halves find each other again, and to a seed. A seed is nothing but an address that is known from
/// the start.
///
///     unknown -- a copy of its state --> down <-- silence or shutdown -- alive
///                                          '------ a newer heartbeat ------^
///
/// Duties of the driver:
/// 1. It starts with a generation that is greater than all before: the time in seconds, or one more
///    than the last if the clock was set back. If that can't be, `generationRaised` mends it.
/// 2. It calls `tick` about once a second and `receive` with each message, and does what they return.
/// 3. It calls `quarantine` for each node that the metadata log knows as left, at the start, too.
///
/// Times are of a monotonic clock in nanoseconds, and may jump ahead.
package struct Gossiper: Sendable {
    package struct Configuration: Sendable {
        /// At most 255 bytes.
        package var cluster: String
        /// Between two rounds, in nanoseconds.
        package var roundInterval: UInt64 = 1_000_000_000
        /// The longest message that is sent, in bytes: at least 8,192. What doesn't fit waits for
        /// another round.
        package var messageBytesMax = 65_536
        /// The most nodes that are known; others aren't heard.
        package var nodeCountMax = 10_000
        /// The most nodes that are remembered as left.
        package var leftCountMax = 65_536
        /// If a tick comes so much late, in nanoseconds, this process stood still, and silence means
        /// nothing.
        package var localPauseMax: UInt64 = 5_000_000_000
        package var detector = PhiAccrualDetector.Configuration()

        package init(cluster: String) { self.cluster = cluster }
    }

    /// A node that is known, this one included.
    struct Node: Sendable {
        var state: EndpointState
        var detector = PhiAccrualDetector()
        /// The newest heartbeat of the state's generation that was heard of: a sign of life is newer.
        var heartbeat: UInt64
        var isAlive = false
    }

    package let configuration: Configuration
    /// This node.
    package let id: NodeID
    /// Where to begin, and where to ask now and then.
    package var seeds: [NodeAddress]
    /// In order of the ids.
    var nodes: [Node]
    /// Those that left, and the order in which they came.
    var left: Set<NodeID> = []
    private var leftInOrder: [NodeID] = []
    var lastTick: UInt64?
    var isStopped = false

    /// - Parameters:
    ///   - generation: greater than in all lives before, and at least 1.
    ///   - values: what the node says of itself.
    package init(
        id: NodeID,
        address: NodeAddress,
        generation: UInt64,
        seeds: [NodeAddress],
        values: [(key: StateKey, text: String)] = [],
        configuration: Configuration
    ) {
        invariant(
            configuration.cluster.utf8.count <= GossipMessage.clusterBytesMax,
            "the cluster's name is too long"
        )
        invariant(configuration.messageBytesMax >= 8_192, "gossip messages are too short")
        invariant(configuration.messageBytesMax <= GossipMessage.bytesMax, "they are too long")
        invariant(generation > 0 && generation < GossipMessage.numberMax, "not a generation")
        self.configuration = configuration
        self.id = id
        self.seeds = seeds
        var state = EndpointState(id: id, address: address, generation: generation)
        for (key, text) in values { state.set(key, text) }
        nodes = [Node(state: state, heartbeat: 0, isAlive: true)]
    }

    /// Says something new of this node. At most `EndpointState.valueBytesMax` bytes.
    package mutating func set(_ key: StateKey, _ text: String) {
        nodes[ownIndex].state.set(key, text)
    }

    /// Forgets a node that has left for good: whoever still knows it can't bring it back.
    package mutating func quarantine(_ node: NodeID) {
        guard node != id, left.insert(node).inserted else { return }
        leftInOrder.append(node)
        if leftInOrder.count > configuration.leftCountMax {
            left.remove(leftInOrder.removeFirst())
        }
        if let index = index(of: node) { nodes.remove(at: index) }
    }

    /// Stops: all live nodes are told, and no more rounds follow.
    package mutating func shutdown() -> [GossipEnvelope] {
        guard !isStopped else { return [] }
        isStopped = true
        nodes[ownIndex].state.set(.status, StateKey.shutdownStatus)
        let body = GossipMessage.Body.shutdown(own.delta(since: 0))
        return nodes.filter { $0.isAlive && $0.state.id != id }.map {
            GossipEnvelope(destination: $0.state.address, message: message(body))
        }
    }
}

extension Gossiper {
    /// What this node says of itself.
    package var own: EndpointState { nodes[ownIndex].state }

    /// All that are known, this node included, in order of their ids.
    package var states: [EndpointState] { nodes.map(\.state) }

    /// Those that are alive, this node included, in order of their ids.
    package var live: [NodeID] { nodes.filter(\.isAlive).map(\.state.id) }

    /// What is known of a node; nil if nothing is.
    package func state(of node: NodeID) -> EndpointState? { index(of: node).map { nodes[$0].state } }

    /// Whether a node gives signs of life; this one does.
    package func isAlive(_ node: NodeID) -> Bool { index(of: node).map { nodes[$0].isAlive } ?? false }

    /// How much a node is suspected; 0 for this one and for those that never gave a sign of life.
    package func phi(of node: NodeID, now: UInt64) -> Double {
        index(of: node).map { nodes[$0].detector.phi(now) } ?? 0
    }

    var ownIndex: Int {
        let index = lowerBound(id)
        invariant(index < nodes.count && nodes[index].state.id == id, "this node is gone")
        return index
    }

    func index(of node: NodeID) -> Int? {
        let index = lowerBound(node)
        return index < nodes.count && nodes[index].state.id == node ? index : nil
    }

    /// The index of the first node whose id is at least `id`.
    func lowerBound(_ id: NodeID) -> Int {
        var low = 0
        var high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].state.id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func message(_ body: GossipMessage.Body) -> GossipMessage {
        let own = nodes[ownIndex].state
        return GossipMessage(
            cluster: configuration.cluster,
            sender: id,
            generation: own.generation,
            heartbeat: own.heartbeat,
            body: body
        )
    }
}
