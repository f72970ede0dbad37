// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model

/// Clusters for the tests of the ring.
enum RingFixture {
    static func id(_ number: Int) -> NodeID { NodeID(UUID(high: 0, low: UInt64(number))) }

    static func location(_ dataCenter: Int, _ rack: Int) -> NodeLocation {
        NodeLocation(dataCenter: "dc\(dataCenter)", rack: "rack\(rack)")
    }

    static func record(
        _ number: Int,
        _ tokens: [Int64],
        _ location: NodeLocation = location(1, 1),
        _ state: NodeState = .normal
    ) -> NodeRecord {
        let address = NodeAddress(ip: [10, 0, UInt8(number >> 8), UInt8(number & 255)], port: 7000)
        return NodeRecord(
            id: id(number),
            address: address,
            clientAddress: address,
            location: location,
            state: state,
            tokens: tokens.sorted().map { Token($0) }
        )
    }

    /// `count` normal nodes with random tokens, spread over data centers and racks at random.
    static func cluster(
        _ count: Int,
        tokens: Int,
        dataCenters: Int = 1,
        racks: Int = 1,
        using generator: inout SplitMix64
    ) -> [NodeRecord] {
        (0..<count).map { number in
            record(
                number,
                (0..<tokens).map { _ in Int64.random(in: .min + 1 ... .max, using: &generator) },
                location(
                    Int.random(in: 1...dataCenters, using: &generator),
                    Int.random(in: 1...racks, using: &generator)
                )
            )
        }
    }

    static let strategies: [ReplicationStrategy] = [
        .simple(factor: 1), .simple(factor: 3),
        .networkTopology([DataCenterFactor(dataCenter: "dc1", factor: 3)]),
        .networkTopology([
            DataCenterFactor(dataCenter: "dc1", factor: 3),
            DataCenterFactor(dataCenter: "dc2", factor: 2),
        ]),
    ]

    static func map(_ strategy: ReplicationStrategy, _ nodes: [NodeRecord]) -> ReplicaMap {
        ReplicaMap(strategy, nodes: nodes, local: id(0))
    }

    /// A token of each run that tokens cut, both ends and the ring's ends.
    static func probes(_ nodes: [NodeRecord]) -> [Token] {
        let tokens = nodes.flatMap { $0.tokens + $0.pendingTokens }
        return tokens + tokens.map { Token($0.value &+ 1) } + [.min, .max, Token(0)]
    }

    /// What Cassandra's strategies answer, written down the slow way: one walk over the whole ring.
    static func natural(
        _ strategy: ReplicationStrategy,
        _ nodes: [NodeRecord],
        _ token: Token
    ) -> [NodeID] {
        let owned = nodes.filter { $0.state.ownsTokens }
            .flatMap { node in node.tokens.map { (token: $0, node: node) } }
            .sorted { $0.token < $1.token }
        let start = owned.firstIndex { $0.token >= token } ?? 0
        let walk = owned[start...] + owned[..<start]
        var found: [NodeRecord] = []
        func factor(_ node: NodeRecord) -> Int { strategy.factor(in: node.location.dataCenter) }
        for (_, node) in walk where !found.contains(where: { $0.id == node.id }) {
            if case .simple(let factor) = strategy {
                if found.count < factor { found.append(node) }
                continue
            }
            let dataCenter = node.location.dataCenter
            let here = found.filter { $0.location.dataCenter == dataCenter }
            let members = nodes.filter {
                $0.state.ownsTokens && $0.location.dataCenter == dataCenter
            }
            guard here.count < min(factor(node), members.count) else { continue }
            let rackCount = Set(members.map(\.location.rack)).count
            let rackRepeats = here.count - Set(here.map(\.location.rack)).count
            let isNewRack = !here.contains { $0.location.rack == node.location.rack }
            if isNewRack || rackRepeats < factor(node) - rackCount { found.append(node) }
        }
        return found.map(\.id)
    }
}
