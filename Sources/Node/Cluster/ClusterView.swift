// SPDX-License-Identifier: Apache-2.0

package import Cluster
package import Environment
package import Model

/// The cluster at one epoch of the metadata log, as requests need it: who owns what, and where the nodes are.
///
/// Immutable: a request that holds one runs under its epoch to its end.
package final class ClusterView: Sendable {
    /// This node.
    package let local: NodeID
    package let epoch: UInt64
    /// The first epoch since which rows have been where they are: requests of before it may ask the wrong nodes.
    package let placementEpoch: UInt64
    /// By id.
    package let nodes: [NodeRecord]
    /// This node's data center; empty before it is registered.
    package let localDataCenter: String
    /// Whether there is no other node that owns or will own anything: then nothing is sent anywhere.
    package let isAlone: Bool
    private let byID: [NodeID: NodeRecord]
    private let byAddress: [NodeAddress: NodeID]
    private let placements: [String: Placement]

    /// Where a keyspace's rows are.
    package struct Placement: Sendable {
        package let map: ReplicaMap
        package let factors: ReplicationFactors
    }

    /// - Parameter old: the view of an earlier epoch.
    package init(
        local: NodeID,
        metadata: ClusterMetadata,
        after old: ClusterView? = nil,
        planted: PlantedBugs = []
    ) {
        self.local = local
        epoch = metadata.epoch
        nodes = metadata.nodes
        var byID: [NodeID: NodeRecord] = [:]
        var byAddress: [NodeAddress: NodeID] = [:]
        for node in metadata.nodes {
            byID[node.id] = node
            if node.state != .left { byAddress[node.address] = node.id }
        }
        self.byID = byID
        self.byAddress = byAddress
        localDataCenter = byID[local]?.location.dataCenter ?? ""
        isAlone = !metadata.nodes.contains {
            $0.id != local && ($0.state.ownsTokens || $0.state.isUnderWay)
        }
        var maps: [ReplicationStrategy: Placement] = [:]
        var placements: [String: Placement] = [:]
        for keyspace in metadata.schema.keyspaces.values {
            let strategy = ReplicationStrategy(options: keyspace.replication) ?? .local
            let placement = maps[strategy] ?? Placement(
                map: ReplicaMap(
                    strategy,
                    nodes: metadata.nodes,
                    local: local,
                    withPending: !planted.contains(.skipPendingWrites)
                ),
                factors: ReplicationFactors(strategy)
            )
            maps[strategy] = placement
            placements[keyspace.name] = placement
        }
        self.placements = placements
        let isSame = old.map { old in
            old.nodes == metadata.nodes
                && old.placements.allSatisfy { name, placement in
                    placements[name].map { $0.map.strategy == placement.map.strategy } ?? true
                }
        }
        if planted.contains(.serveStaleEpoch) {
            placementEpoch = 0
        } else {
            placementEpoch = isSame == true ? old?.placementEpoch ?? epoch : epoch
        }
    }

    /// The keyspaces that have replicas, by name.
    package var replicated: [(keyspace: String, placement: Placement)] {
        placements.filter { $0.value.map.strategy != .local }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    /// The node of an id; nil if there is none.
    package func node(_ id: NodeID) -> NodeRecord? { byID[id] }

    /// The node that is reached at an address; nil if there is none.
    package func node(at address: NodeAddress) -> NodeID? { byAddress[address] }

    /// The tokens of which this node gets a keyspace's writes, in order; nil for a keyspace of which every node has its
    /// own.
    package func rangesWritten(of keyspace: String) -> [TokenRange]? {
        placement(of: keyspace)?.map.rangesWritten(to: local)
    }

    /// Where a keyspace's rows are; nil for a keyspace of which every node has its own, as the system's.
    package func placement(of keyspace: String) -> Placement? {
        guard let placement = placements[keyspace], placement.map.strategy != .local else { return nil }
        return placement
    }
}

extension ReplicationFactors {
    init(_ strategy: ReplicationStrategy) {
        switch strategy {
        case .local: self.init(total: 1)
        case .simple(let factor): self.init(total: factor)
        case .networkTopology(let factors):
            self.init(byDataCenter: factors.map { ($0.dataCenter, $0.factor) })
        }
    }
}
