// SPDX-License-Identifier: Apache-2.0

// What the commands that concern several nodes answer.

/// Of `gossipinfo`.
package struct GossipFacts: Codable, Sendable, Equatable {
    package struct Value: Codable, Sendable, Equatable {
        package var name: String
        package var version: Int
        package var text: String

        package init(name: String, version: Int, text: String) {
            self.name = name
            self.version = version
            self.text = text
        }
    }

    package struct Node: Codable, Sendable, Equatable {
        package var address: String
        package var isAlive: Bool
        package var generation: Int
        package var heartbeat: Int
        package var values: [Value]

        package init(
            address: String,
            isAlive: Bool,
            generation: Int,
            heartbeat: Int,
            values: [Value]
        ) {
            self.address = address
            self.isAlive = isAlive
            self.generation = generation
            self.heartbeat = heartbeat
            self.values = values
        }
    }

    package var nodes: [Node]

    package init(nodes: [Node]) { self.nodes = nodes }
}

/// Of `decommission` and `removenode`.
package struct MembershipChange: Codable, Sendable, Equatable {
    /// The node that has left.
    package var hostId: String
    package var milliseconds: Int

    package init(hostId: String, milliseconds: Int) {
        self.hostId = hostId
        self.milliseconds = milliseconds
    }
}

/// Of `repair`.
package struct RepairFacts: Codable, Sendable, Equatable {
    /// A range of one table each.
    package var ranges: Int
    /// The bytes that replicas lacked and got.
    package var repairedBytes: Int
    /// The bytes of rows that other replicas sent, since digests of their stretches differed.
    package var comparedBytes: Int
    package var milliseconds: Int

    package init(ranges: Int, repairedBytes: Int, comparedBytes: Int, milliseconds: Int) {
        self.ranges = ranges
        self.repairedBytes = repairedBytes
        self.comparedBytes = comparedBytes
        self.milliseconds = milliseconds
    }
}

/// Of `rebuild`.
package struct RebuildFacts: Codable, Sendable, Equatable {
    /// A range of one table each.
    package var ranges: Int
    /// The bytes of the rows that were fetched.
    package var bytes: Int
    package var milliseconds: Int

    package init(ranges: Int, bytes: Int, milliseconds: Int) {
        self.ranges = ranges
        self.bytes = bytes
        self.milliseconds = milliseconds
    }
}

/// Of `netstats`.
package struct NetworkFacts: Codable, Sendable, Equatable {
    /// Data on its way for a purpose: `join`, `decommission`, `repair` …
    package struct Transfer: Codable, Sendable, Equatable {
        package var purpose: String
        package var rangesDone: Int
        package var rangesTotal: Int
        package var bytes: Int

        package init(purpose: String, rangesDone: Int, rangesTotal: Int, bytes: Int) {
            self.purpose = purpose
            self.rangesDone = rangesDone
            self.rangesTotal = rangesTotal
            self.bytes = bytes
        }
    }

    /// What is kept for a node that is away.
    package struct Hints: Codable, Sendable, Equatable {
        package var hostId: String
        package var bytes: Int

        package init(hostId: String, bytes: Int) {
            self.hostId = hostId
            self.bytes = bytes
        }
    }

    package var mode = "NORMAL"
    package var transfers: [Transfer] = []
    package var hints: [Hints] = []
    package var hintsKept = 0
    package var hintsRefused = 0
    /// Ranges of tables that scheduled repairs have proven in sync since the start, couldn't, and are late with.
    package var repairsDone = 0
    package var repairsFailed = 0
    package var repairsOverdue = 0
    /// Reads that have asked another replica since those that they had asked were slow.
    package var speculativeReads = 0
    /// Requests of other nodes that came to their turn when nobody waited for them any more.
    package var droppedRequests = 0
    package var hintsDelivered = 0

    package init() {}
}
