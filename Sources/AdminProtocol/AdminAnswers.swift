// SPDX-License-Identifier: Apache-2.0

// What the commands of the admin port answer. In JSON, names are in snake case. Sizes are bytes, times
// seconds unless the name says otherwise; what isn't known is left out.

/// Of `flush` and `compact`.
package struct TableWork: Codable, Sendable, Equatable {
    /// `keyspace.table`, in order.
    package var tables: [String]
    /// The SSTables' bytes before and after.
    package var sizeBefore: Int
    package var sizeAfter: Int
    package var milliseconds: Int
    /// Whether it was waited for.
    package var isFinished: Bool

    package init(
        tables: [String],
        sizeBefore: Int,
        sizeAfter: Int,
        milliseconds: Int,
        isFinished: Bool = true
    ) {
        self.tables = tables
        self.sizeBefore = sizeBefore
        self.sizeAfter = sizeAfter
        self.milliseconds = milliseconds
        self.isFinished = isFinished
    }
}

/// Of `compactionstats`.
package struct CompactionStatistics: Codable, Sendable, Equatable {
    package struct Pending: Codable, Sendable, Equatable {
        package var keyspace: String
        package var table: String
        package var count: Int

        package init(keyspace: String, table: String, count: Int) {
            self.keyspace = keyspace
            self.table = table
            self.count = count
        }
    }

    package struct Task: Codable, Sendable, Equatable {
        package var id: String
        package var kind: String
        package var keyspace: String
        package var table: String
        package var shard: Int
        package var completed: Int
        package var total: Int
        package var bytesPerSecond: Int
        package var secondsLeft: Int?

        package init(
            id: String,
            kind: String,
            keyspace: String,
            table: String,
            shard: Int,
            completed: Int,
            total: Int,
            bytesPerSecond: Int,
            secondsLeft: Int?
        ) {
            self.id = id
            self.kind = kind
            self.keyspace = keyspace
            self.table = table
            self.shard = shard
            self.completed = completed
            self.total = total
            self.bytesPerSecond = bytesPerSecond
            self.secondsLeft = secondsLeft
        }
    }

    package var concurrentCompactors: Int
    /// Compactions that run or wait, by table.
    package var pending: [Pending]
    /// What runs: flushes too.
    package var tasks: [Task]

    package init(concurrentCompactors: Int, pending: [Pending], tasks: [Task]) {
        self.concurrentCompactors = concurrentCompactors
        self.pending = pending
        self.tasks = tasks
    }
}

/// Of `tablestats`.
package struct TableStatistics: Codable, Sendable, Equatable {
    package struct Table: Codable, Sendable, Equatable {
        package var name: String
        package var sstableCount = 0
        package var largestSstable = 0
        package var spaceLive = 0
        package var spaceSnapshots = 0
        /// Stored over uncompressed bytes of the data blocks; 1 without any.
        package var compressionRatio = 1.0
        /// Each SSTable's summed: one that is in several counts in each.
        package var partitions = 0
        package var rows = 0
        package var cells = 0
        package var tombstones = 0
        package var partitionBytesMean = 0
        package var partitionBytesMax = 0
        package var memtableBytes = 0
        package var pendingFlushes = 0
        package var pendingCompactions = 0
        package var unreadableSstables = 0

        package init(name: String) { self.name = name }
    }

    package struct Keyspace: Codable, Sendable, Equatable {
        package var name: String
        package var tables: [Table]

        package init(name: String, tables: [Table]) {
            self.name = name
            self.tables = tables
        }
    }

    package var keyspaces: [Keyspace]

    package init(keyspaces: [Keyspace]) { self.keyspaces = keyspaces }
}

/// Of `info`.
package struct NodeFacts: Codable, Sendable, Equatable {
    package var id = ""
    package var isNativeTransportActive = true
    package var clients = 0
    package var load = 0
    package var generation = 0
    package var uptime = 0
    package var dataCenter = ""
    package var rack = ""
    package var shards = 0
    package var memtableBytes = 0
    package var blockCacheEntries = 0
    package var blockCacheSize = 0
    package var blockCacheCapacity = 0
    package var isDrained = false
    /// How shards take writes that are held up or refused; empty if all are taken at once.
    package var writeNotices: [String] = []
    package var damagedBlocks = 0
    package var tokens: [String] = []

    package init() {}
}

/// Of `status` and `ring`.
package struct ClusterStatus: Codable, Sendable, Equatable {
    package struct Node: Codable, Sendable, Equatable {
        package var address = ""
        package var isUp = true
        /// `normal`, `joining`, `leaving`, `moving`.
        package var state = "normal"
        package var load = 0
        /// The part of all data that the node has, from 0 to 1.
        package var owns = 1.0
        package var hostId = ""
        package var rack = ""
        /// In order.
        package var tokens: [String] = []

        package init() {}
    }

    package struct DataCenter: Codable, Sendable, Equatable {
        package var name: String
        package var nodes: [Node]

        package init(name: String, nodes: [Node]) {
            self.name = name
            self.nodes = nodes
        }
    }

    package var dataCenters: [DataCenter]

    package init(dataCenters: [DataCenter]) { self.dataCenters = dataCenters }
}

/// Of `describecluster`.
package struct ClusterFacts: Codable, Sendable, Equatable {
    package struct Version: Codable, Sendable, Equatable {
        package var version: String
        package var nodes: [String]

        package init(version: String, nodes: [String]) {
            self.version = version
            self.nodes = nodes
        }
    }

    package struct DataCenter: Codable, Sendable, Equatable {
        package var name: String
        package var nodes: Int
        package var down: Int

        package init(name: String, nodes: Int, down: Int) {
            self.name = name
            self.nodes = nodes
            self.down = down
        }
    }

    package struct Keyspace: Codable, Sendable, Equatable {
        package var name: String
        package var replicationClass: String
        package var options: [String: String]

        package init(name: String, replicationClass: String, options: [String: String]) {
            self.name = name
            self.replicationClass = replicationClass
            self.options = options
        }
    }

    package var name = ""
    package var partitioner = ""
    package var schemaVersions: [Version] = []
    package var live = 0
    package var joining = 0
    package var moving = 0
    package var leaving = 0
    package var unreachable = 0
    package var dataCenters: [DataCenter] = []
    package var databaseVersions: [Version] = []
    package var keyspaces: [Keyspace] = []

    package init() {}
}

/// Of `version`.
package struct VersionFacts: Codable, Sendable, Equatable {
    /// The version of Cassandra whose behaviour is claimed.
    package var releaseVersion: String
    package var tholosVersion: String
    package var cqlVersion: String
    package var nativeProtocolVersion: String

    package init(
        releaseVersion: String,
        tholosVersion: String,
        cqlVersion: String,
        nativeProtocolVersion: String
    ) {
        self.releaseVersion = releaseVersion
        self.tholosVersion = tholosVersion
        self.cqlVersion = cqlVersion
        self.nativeProtocolVersion = nativeProtocolVersion
    }
}

/// Of `drain`.
package struct DrainFacts: Codable, Sendable, Equatable {
    package var milliseconds: Int

    package init(milliseconds: Int) { self.milliseconds = milliseconds }
}

/// Of `snapshot`.
package struct SnapshotMade: Codable, Sendable, Equatable {
    package var name: String
    /// `keyspace.table`, in order.
    package var tables: [String]

    package init(name: String, tables: [String]) {
        self.name = name
        self.tables = tables
    }
}

/// Of `listsnapshots` and `clearsnapshot`: what there is, and what was taken away.
package struct SnapshotList: Codable, Sendable, Equatable {
    package struct Snapshot: Codable, Sendable, Equatable {
        package var name: String
        package var keyspace: String
        package var table: String
        /// The bytes that nothing else takes, and all.
        package var ownSize: Int
        package var size: Int
        /// ISO 8601, UTC.
        package var createdAt: String?
        package var folder: String

        package init(
            name: String,
            keyspace: String,
            table: String,
            ownSize: Int,
            size: Int,
            createdAt: String?,
            folder: String
        ) {
            self.name = name
            self.keyspace = keyspace
            self.table = table
            self.ownSize = ownSize
            self.size = size
            self.createdAt = createdAt
            self.folder = folder
        }
    }

    package var snapshots: [Snapshot]

    package init(snapshots: [Snapshot]) { self.snapshots = snapshots }
}
