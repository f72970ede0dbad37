// SPDX-License-Identifier: Apache-2.0

import CQL
internal import Environment
import Model
internal import Node

extension SystemContext {
    /// What a node of this configuration tells of itself.
    init(_ configuration: Configuration, _ node: Node) {
        let address = configuration.broadcastRPCAddress ?? configuration.rpcAddress
        // A node that listens everywhere and says nothing else is known by the loopback address.
        let bytes = (try? CQLType.inet.parse(text: address)).flatMap { bytes in
            bytes.allSatisfy { $0 == 0 } ? nil : bytes
        }
        let started = node.environment.clock.secondsSinceEpoch()
        self.init(
            clusterName: configuration.clusterName,
            dataCenter: configuration.dataCenter,
            rack: configuration.rack,
            hostID: node.hostID,
            listenAddress: bytes ?? [127, 0, 0, 1],
            rpcAddress: bytes ?? [127, 0, 0, 1],
            rpcPort: Int32(truncatingIfNeeded: configuration.nativeTransportPort),
            gossipGeneration: Int32(truncatingIfNeeded: started)
        )
    }
}
