// SPDX-License-Identifier: Apache-2.0

/// Everything that can be set on a node: the defaults are the initial values here, and what each
/// setting is called, means and allows stands in `Setting.all`.
///
/// Names follow cassandra.yaml where the meaning is the same. Sizes are bytes.
package struct Configuration: Sendable, Equatable {
    package var clusterName = "Tholos"
    package var dataCenter = "datacenter1"
    package var rack = "rack1"

    /// A file as GossipingPropertyFileSnitch reads it, which names data center and rack; nil for none.
    package var rackDCFile: String?
    /// The nodes to ask for the cluster at first, separated by commas; nil for a node on its own.
    package var seeds: String?
    /// Where other nodes reach this one; nil for `rpcAddress`.
    package var listenAddress: String?
    package var storagePort = 7000
    package var internodeEncryption = InternodeEncryption.none
    /// Files in PEM, of which all are needed when connections between nodes are encrypted.
    package var internodeCertificate: String?
    package var internodeKey: String?
    package var internodeAuthority: String?
    package var autoRepair = AutoRepair.enabled
    package var tokenCount = 16
    /// Tokens separated by commas; nil to have them chosen.
    package var initialToken: String?
    /// The address of a dead node whose place this one takes.
    package var replaceAddress: String?
    package var readRequestTimeout = Duration.seconds(5)
    package var rangeRequestTimeout = Duration.seconds(10)
    package var writeRequestTimeout = Duration.seconds(2)
    package var casContentionTimeout = Duration.seconds(2)

    package var dataDirectory = "tholos-data"
    /// How many shards share the data; nil for one a core.
    package var shardCount: Int?

    package var rpcAddress = "127.0.0.1"
    /// What drivers are told to connect to; nil for `rpcAddress`.
    package var broadcastRPCAddress: String?
    package var nativeTransportPort = 9042
    /// The listener whose source ports choose a shard; 0 for none.
    package var nativeTransportPortShardAware = 19042
    package var nativeTransportFrameSizeMax = 16 << 20
    package var nativeTransportConnectionsMax = 8192

    /// Where operators' requests are taken.
    /// Nil for `rpcAddress` if that is a loopback address, and for 127.0.0.1 if not.
    package var adminAddress: String?
    /// 0 for none.
    package var adminPort = 7780
    /// Whether the system chooses the port instead: not a setting, for tests.
    package var choosesAdminPort = false

    package var statementSizeMax = 1 << 20
    package var preparedStatementsMax = 10_000
    package var batchSizeFailThreshold = 1 << 20

    package var commitLogSync = CommitLogSync.group
    package var commitLogSyncPeriod = Duration.seconds(1)
    package var commitLogSegmentSize = 32 << 20
    package var memtableSpace = 256 << 20
    package var blockCacheSize = 256 << 20

    package var pageWorkMax = 100_000
    package var tombstoneWarnThreshold = 1000
    /// How many compactions run at once; nil for one a core.
    package var concurrentCompactors: Int?
    /// MiB a second; 0 for no bound.
    package var compactionThroughput = 0
    package var diskReserve = 256 << 20

    /// The defaults.
    package init() {}
}

/// Which connections between nodes go under TLS.
package enum InternodeEncryption: String, Sendable, CaseIterable {
    case none, all
}

/// Whether a node repairs its ranges by itself.
package enum AutoRepair: String, Sendable, CaseIterable {
    case enabled, disabled
}

/// When a write is acknowledged.
package enum CommitLogSync: String, Sendable, CaseIterable {
    /// Once its bytes are on disk; writes that wait together share one sync.
    case group
    /// At once; what came since the last sync is lost if the machine stops.
    case periodic
}

extension Configuration {
    /// Where `tholos admin` is answered.
    package var adminHost: String {
        if let adminAddress { return adminAddress }
        return rpcAddress.hasPrefix("127.") || rpcAddress == "::1" ? rpcAddress : "127.0.0.1"
    }
}
