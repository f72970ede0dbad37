// SPDX-License-Identifier: Apache-2.0

/// What a node says about itself in gossip. Keys that a later version adds are carried on unread.
package struct StateKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Part of the wire format.
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// What the node does: `NORMAL`, `JOINING` …; `shutdown` after a clean stop.
    package static let status = StateKey(rawValue: 0)
    /// Bytes of data on the disk.
    package static let load = StateKey(rawValue: 1)
    /// The schema's version for drivers.
    package static let schema = StateKey(rawValue: 2)
    package static let dataCenter = StateKey(rawValue: 3)
    package static let rack = StateKey(rawValue: 4)
    package static let releaseVersion = StateKey(rawValue: 5)
    package static let hostID = StateKey(rawValue: 6)
    /// Where clients reach the node.
    package static let clientAddress = StateKey(rawValue: 7)
    /// How far the node has applied the metadata log.
    package static let metadataEpoch = StateKey(rawValue: 8)
    /// How many shards the node has.
    package static let shards = StateKey(rawValue: 9)
    /// How much the node is held up by its own work; others ask it less.
    package static let severity = StateKey(rawValue: 10)

    /// The value of `status` after a clean stop.
    package static let shutdownStatus = "shutdown"

    package static func < (a: StateKey, b: StateKey) -> Bool { a.rawValue < b.rawValue }

    private static let names = [
        "STATUS", "LOAD", "SCHEMA", "DC", "RACK", "RELEASE_VERSION", "HOST_ID", "RPC_ADDRESS",
        "METADATA_EPOCH", "SHARDS", "SEVERITY",
    ]

    /// The name that users of `nodetool gossipinfo` know.
    package var description: String {
        Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "X_\(rawValue)"
    }
}

/// A value and the version of the state at which the node set it.
package struct StateValue: Hashable, Sendable {
    package let key: StateKey
    package let version: UInt64
    package let text: String

    package init(key: StateKey, version: UInt64, text: String) {
        self.key = key
        self.version = version
        self.text = text
    }
}
