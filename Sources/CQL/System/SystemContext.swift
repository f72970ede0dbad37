// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a node tells of itself in `system.local`.
package struct SystemContext: Sendable {
    /// The version of Cassandra whose behaviour is claimed: drivers and tools go by it, and cqlsh
    /// warns when it is not to the digit the one that it was built against.
    package static let releaseVersion = "5.0.0"
    /// The version of CQL that goes with it.
    package static let cqlVersion = "3.4.7"
    /// The newest version of the protocol.
    package static let nativeProtocolVersion = "5"
    /// The only partitioner.
    package static let partitioner = "org.apache.cassandra.dht.Murmur3Partitioner"

    package var clusterName: String
    package var dataCenter: String
    package var rack: String
    package var hostID: UUID
    /// Where other nodes reach this one: 4 or 16 bytes.
    package var listenAddress: [UInt8]
    package var listenPort: Int32
    /// Where clients reach this node: 4 or 16 bytes.
    package var rpcAddress: [UInt8]
    package var rpcPort: Int32
    /// The tokens that the node owns.
    package var tokens: [Model.Token]
    /// When the node started, in seconds since 1970.
    package var gossipGeneration: Int32

    package init(
        clusterName: String = "Test Cluster",
        dataCenter: String = "datacenter1",
        rack: String = "rack1",
        hostID: UUID,
        listenAddress: [UInt8] = [127, 0, 0, 1],
        listenPort: Int32 = 7000,
        rpcAddress: [UInt8] = [127, 0, 0, 1],
        rpcPort: Int32 = 9042,
        tokens: [Model.Token] = SystemContext.evenTokens(count: 16),
        gossipGeneration: Int32 = 1
    ) {
        self.clusterName = clusterName
        self.dataCenter = dataCenter
        self.rack = rack
        self.hostID = hostID
        self.listenAddress = listenAddress
        self.listenPort = listenPort
        self.rpcAddress = rpcAddress
        self.rpcPort = rpcPort
        self.tokens = tokens
        self.gossipGeneration = gossipGeneration
    }

    /// `count` tokens (at least 1) that divide the ring evenly.
    package static func evenTokens(count: Int) -> [Model.Token] {
        let count = UInt64(max(count, 1))
        // Half a step off the ring's ends, which are not tokens of keys.
        let step = UInt64.max / count
        return (0..<count).map { Model.Token(biased: $0 * step + step / 2) }
    }
}
