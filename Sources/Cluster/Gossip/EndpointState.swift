// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// What is known of a node by gossip: only the node itself changes it, all others copy.
///
/// A node's life is its generation, which grows with each start. Within it one counter numbers all
/// changes, heartbeats included, so a single number says how new a copy is. A copy of version v has
/// every value that was set up to v.
package struct EndpointState: Hashable, Sendable {
    /// The longest value, in bytes.
    package static let valueBytesMax = 4_096
    /// The longest state, in bytes as encoded: it has to fit into one message.
    package static let bytesMax = 6_144
    /// The most values.
    package static let valueCountMax = 64

    package let id: NodeID
    /// Where other nodes reach it; the same for a whole generation.
    package let address: NodeAddress
    package internal(set) var generation: UInt64
    /// The version at the last heartbeat.
    package private(set) var heartbeat: UInt64
    /// In order of the keys.
    package private(set) var values: [StateValue]
    /// The version of the newest of heartbeat and values.
    package private(set) var version: UInt64

    /// The state of a node that starts.
    package init(id: NodeID, address: NodeAddress, generation: UInt64) {
        self.id = id
        self.address = address
        self.generation = generation
        heartbeat = 1
        values = []
        version = 1
    }

    /// The whole state as another node has sent it; nil for a difference.
    init?(_ delta: StateDelta) {
        guard delta.since == 0, let address = delta.address else { return nil }
        id = delta.id
        self.address = address
        generation = delta.generation
        heartbeat = delta.heartbeat
        values = delta.values
        version = delta.version
    }

    /// The value of a key; nil if the node hasn't set it.
    package subscript(key: StateKey) -> String? {
        values.first { $0.key == key }?.text
    }

    /// Whether the node has stopped cleanly.
    package var isShutdown: Bool { self[.status] == StateKey.shutdownStatus }

    /// What a copy of `version` lacks; everything if that is 0.
    package func delta(since version: UInt64) -> StateDelta {
        StateDelta(
            id: id,
            generation: generation,
            since: version,
            address: version == 0 ? address : nil,
            heartbeat: heartbeat,
            values: version == 0 ? values : values.filter { $0.version > version }
        )
    }

    /// Says that the node lives. Only for the node's own state.
    mutating func beat() {
        version += 1
        heartbeat = version
    }

    /// Sets a value. Only for the node's own state; nothing changes if it is set already.
    mutating func set(_ key: StateKey, _ text: String) {
        guard self[key] != text else { return }
        version += 1
        put(StateValue(key: key, version: version, text: text))
        invariant(text.utf8.count <= Self.valueBytesMax, "\(key) is too long for gossip")
        invariant(delta(since: 0).encodedCount <= Self.bytesMax, "the state is too long for gossip")
    }

    /// Merges what another node knows of the same generation.
    ///
    /// Nothing happens if there is a gap, or if the state would get too long.
    /// - Returns: the keys whose values are new, in order; nil if nothing was taken.
    mutating func apply(_ delta: StateDelta) -> [StateKey]? {
        guard delta.generation == generation, delta.since <= version else { return nil }
        var merged = self
        var changed: [StateKey] = []
        for value in delta.values {
            let known = merged.values.first { $0.key == value.key }
            guard value.version > known?.version ?? 0 else { continue }
            if value.text != known?.text { changed.append(value.key) }
            merged.put(value)
        }
        merged.heartbeat = max(heartbeat, delta.heartbeat)
        merged.version = max(version, delta.version)
        if !delta.values.isEmpty {
            guard merged.values.count <= Self.valueCountMax,
                merged.delta(since: 0).encodedCount <= Self.bytesMax
            else { return nil }
        }
        self = merged
        return changed
    }

    private mutating func put(_ value: StateValue) {
        if let index = values.firstIndex(where: { $0.key >= value.key }) {
            if values[index].key == value.key {
                values[index] = value
            } else {
                values.insert(value, at: index)
            }
        } else {
            values.append(value)
        }
    }
}

/// What one node tells another of a third: the values that were set after a version.
package struct StateDelta: Hashable, Sendable {
    package let id: NodeID
    package let generation: UInt64
    /// All that was set after this version is in it; 0 for the whole state.
    package let since: UInt64
    /// There if and only if it is the whole state.
    package let address: NodeAddress?
    package let heartbeat: UInt64
    /// In order of the keys.
    package let values: [StateValue]

    package init(
        id: NodeID,
        generation: UInt64,
        since: UInt64,
        address: NodeAddress?,
        heartbeat: UInt64,
        values: [StateValue]
    ) {
        self.id = id
        self.generation = generation
        self.since = since
        self.address = address
        self.heartbeat = heartbeat
        self.values = values
    }

    /// The version of a copy that has taken it.
    package var version: UInt64 { values.reduce(heartbeat) { max($0, $1.version) } }
}
