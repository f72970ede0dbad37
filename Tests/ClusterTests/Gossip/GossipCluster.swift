// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
import Testing

/// Gossiping nodes in rounds of a second each: all tick, in an order by chance, and everything that is
/// sent arrives within the round or not at all.
struct GossipCluster {
    var nodes: [Gossiper]
    var generator: SplitMix64
    /// In nanoseconds.
    var now: UInt64 = 1_000_000_000_000
    /// How likely a message is lost.
    var loss = 0.0
    /// Nodes that neither tick nor hear.
    var stopped: Set<Int> = []
    /// Nodes of different groups don't hear each other.
    var group: (Int) -> Int = { _ in 0 }
    /// Whether messages go through their bytes.
    var encodes = true
    /// What came of the last round, for each node.
    var events: [[GossipEvent]]
    /// The biggest message so far, in bytes.
    var bytesMax = 0
    var round = 0

    static let second: UInt64 = 1_000_000_000

    static func id(_ index: Int) -> NodeID {
        // Spread as random ids are, and different.
        NodeID(UUID(random: SplitMix64.mixed(UInt64(index + 1)), UInt64(index)))
    }

    static func address(_ index: Int) -> NodeAddress {
        NodeAddress(ip: [10, 1, UInt8(index >> 8), UInt8(index & 255)], port: 7000)
    }

    static func index(_ address: NodeAddress) -> Int {
        Int(address.ip[2]) << 8 | Int(address.ip[3])
    }

    static func gossiper(
        _ index: Int,
        seeds: Int,
        generation: UInt64 = 100,
        configuration: Gossiper.Configuration = .init(cluster: "test")
    ) -> Gossiper {
        Gossiper(
            id: id(index),
            address: address(index),
            generation: generation,
            seeds: (0..<seeds).map(address),
            values: [
                (.status, "NORMAL"), (.dataCenter, "dc1"), (.rack, "rack\(index % 3)"),
                (.releaseVersion, "5.0.0"), (.load, "\(index * 1_000)"), (.shards, "8"),
                (.schema, "6f0b1c6e-4f3e-4a8f-9f39-3f6f4a5d8e21"), (.metadataEpoch, "17"),
            ],
            configuration: configuration
        )
    }

    init(
        _ count: Int,
        seeds: Int = 2,
        seed: UInt64 = 1,
        configuration: Gossiper.Configuration = .init(cluster: "test")
    ) {
        nodes = (0..<count).map {
            Self.gossiper($0, seeds: seeds, configuration: configuration)
        }
        generator = SplitMix64(seed: seed)
        events = Array(repeating: [], count: count)
    }

    mutating func runRound() throws {
        for index in events.indices { events[index] = [] }
        var queue: [(from: Int, envelope: GossipEnvelope)] = []
        for index in nodes.indices.shuffled(using: &generator) where !stopped.contains(index) {
            let output = nodes[index].tick(now, using: &generator)
            events[index] += output.events
            queue += output.messages.map { (index, $0) }
            try deliver(&queue)
        }
        now += Self.second
        round += 1
    }

    mutating func deliver(_ queue: inout [(from: Int, envelope: GossipEnvelope)]) throws {
        while !queue.isEmpty {
            let (from, envelope) = queue.removeFirst()
            let target = Self.index(envelope.destination)
            if Double.random(in: 0..<1, using: &generator) < loss { continue }
            if stopped.contains(target) || group(from) != group(target) { continue }
            var message = envelope.message
            if encodes {
                var writer = ByteWriter()
                message.encode(to: &writer)
                bytesMax = max(bytesMax, writer.count)
                message = try GossipMessage(decoding: writer.view)
            }
            let output = nodes[target].receive(
                message,
                from: Self.address(from),
                now: now,
                using: &generator
            )
            events[target] += output.events
            queue += output.messages.map { (target, $0) }
        }
    }

    /// Runs rounds until `condition` holds, and says how many it took; nil after `max`.
    mutating func rounds(
        max: Int,
        until condition: (GossipCluster) -> Bool
    ) throws -> Int? {
        let start = round
        while !condition(self) {
            guard round - start < max else { return nil }
            try runRound()
        }
        return round - start
    }

    /// Whether all that run think that all that run are alive, and nobody else is.
    var isConverged: Bool {
        let running = nodes.indices.filter { !stopped.contains($0) }
        return running.allSatisfy { index in
            nodes[index].live.count == running.count
                && (running.count > 100
                    || running.allSatisfy { nodes[index].isAlive(Self.id($0)) })
        }
    }

    /// Whether all that run have the same text for a key of a node.
    func agrees(_ key: StateKey, of node: Int, _ text: String) -> Bool {
        nodes.indices.allSatisfy {
            stopped.contains($0) || nodes[$0].state(of: Self.id(node))?[key] == text
        }
    }
}
