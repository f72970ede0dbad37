// SPDX-License-Identifier: Apache-2.0

package import Model

/// How new a node's copy of another's state is.
package struct GossipDigest: Hashable, Sendable {
    package let id: NodeID
    package let generation: UInt64
    /// In a request: what the asker has; 0 if it has nothing.
    package let version: UInt64

    package init(id: NodeID, generation: UInt64, version: UInt64) {
        self.id = id
        self.generation = generation
        self.version = version
    }
}

/// The digests of all nodes that the sender knows between two ids, so that who is missing is known to
/// be missing.
package struct DigestRun: Hashable, Sendable {
    /// The smallest id that is spoken of; nil for all from the first on.
    package let lower: NodeID?
    /// The largest id that is spoken of; nil for all up to the last.
    package let upper: NodeID?
    /// Ascending.
    package let digests: [GossipDigest]

    package init(lower: NodeID?, upper: NodeID?, digests: [GossipDigest]) {
        self.lower = lower
        self.upper = upper
        self.digests = digests
    }
}

/// What nodes say to each other each second.
///
///     A -- syn: how new my copies are -----------------------------> B
///     A <- ack: what I lack of yours, and what you lack of mine ---- B
///     A -- ack2: what you lacked ----------------------------------> B
///
/// Each may be lost, late, doubled or out of order. `GossipMessage+Coding` has the bytes.
package struct GossipMessage: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case syn(DigestRun)
        case ack(requests: [GossipDigest], deltas: [StateDelta])
        case ack2(deltas: [StateDelta])
        /// The sender stops; its whole state.
        case shutdown(StateDelta)
    }

    /// The sender's cluster: messages of another one are refused.
    package let cluster: String
    package let sender: NodeID
    /// The sender's generation and heartbeat: a sign of life.
    package let generation: UInt64
    package let heartbeat: UInt64
    package let body: Body

    package init(
        cluster: String,
        sender: NodeID,
        generation: UInt64,
        heartbeat: UInt64,
        body: Body
    ) {
        self.cluster = cluster
        self.sender = sender
        self.generation = generation
        self.heartbeat = heartbeat
        self.body = body
    }
}

/// A message and where it goes.
package struct GossipEnvelope: Hashable, Sendable {
    package let destination: NodeAddress
    package let message: GossipMessage
}
