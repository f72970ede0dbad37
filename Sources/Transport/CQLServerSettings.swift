// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
package import Model

/// What a CQL server listens on and how much it takes.
package struct CQLServerSettings: Sendable {
    /// The address to listen on.
    package var host = "127.0.0.1"
    /// The port for all clients; 0 lets the system choose.
    package var port = 9042
    /// The port on which a client's own port chooses the shard; nil for none, 0 for any.
    package var shardAwarePort: Int?
    /// Whether drivers are told of shards, in the way ScyllaDB does.
    package var announcesShards = true
    /// How many shards there are, and how tokens map to them.
    package var shards: ShardMap
    /// The most bytes of a frame's body.
    package var frameLimit = FrameDecoder.defaultBodyLimit
    /// How many connections there may be at once; more are closed at once.
    package var connectionLimit = 10_000
    /// How many requests of one connection may be in work; reading stops above it.
    package var requestLimit = 1024
    /// How many bytes of requests of one connection may be in work; reading stops above it.
    package var requestByteLimit = 64 << 20
    /// How many bytes of responses may wait for a client that reads slowly; reading stops above it.
    package var responseByteLimit = 1 << 20
    /// How long a client may leave its responses unread before it is cut off, in nanoseconds.
    package var stallTimeout: UInt64 = 60_000_000_000
    /// The CQL version that SUPPORTED names.
    package var cqlVersion = "3.4.7"

    package init(shards: ShardMap) { self.shards = shards }

    /// The answer to OPTIONS on a connection of `shard`, asked in `version`.
    func supported(
        version: ProtocolVersion,
        shard: Int,
        shardAwarePort: Int?
    ) -> [String: [String]] {
        var options = [
            "CQL_VERSION": [cqlVersion],
            "COMPRESSION": version == .v5 ? ["lz4"] : ["lz4", "snappy"],
            "PROTOCOL_VERSIONS": ProtocolVersion.allCases.map(\.name),
        ]
        guard announcesShards else { return options }
        options["SCYLLA_SHARD"] = [String(shard)]
        options["SCYLLA_NR_SHARDS"] = [String(shards.count)]
        options["SCYLLA_PARTITIONER"] = ["org.apache.cassandra.dht.Murmur3Partitioner"]
        options["SCYLLA_SHARDING_ALGORITHM"] = ["biased-token-round-robin"]
        options["SCYLLA_SHARDING_IGNORE_MSB"] = [String(shards.ignoredBits)]
        if let shardAwarePort { options["SCYLLA_SHARD_AWARE_PORT"] = [String(shardAwarePort)] }
        return options
    }
}

/// A listener or a connection could not be made.
package struct TransportError: Error, Equatable, CustomStringConvertible, Sendable {
    /// What failed, where and why.
    package let message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
