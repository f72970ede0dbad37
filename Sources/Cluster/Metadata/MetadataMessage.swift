// SPDX-License-Identifier: Apache-2.0

package import Model

/// Names one attempt to decide an epoch. A proposer never uses one twice for the same epoch, restarts
/// included; of two, the greater wins.
package struct MetadataBallot: Hashable, Comparable, Sendable {
    package let round: UInt64
    package let proposer: NodeID

    package init(round: UInt64, proposer: NodeID) {
        self.round = round
        self.proposer = proposer
    }

    package static func < (a: MetadataBallot, b: MetadataBallot) -> Bool {
        (a.round, a.proposer) < (b.round, b.proposer)
    }
}

/// What a voter has accepted: the entry, and the ballot under which.
package struct MetadataVote: Sendable {
    package let ballot: MetadataBallot
    package let entry: MetadataEntry

    package init(ballot: MetadataBallot, entry: MetadataEntry) {
        self.ballot = ballot
        self.entry = entry
    }
}

/// What nodes tell each other about the metadata log. `slot` is the epoch that is being decided.
package struct MetadataMessage: Sendable {
    package enum Body: Sendable {
        /// Proposer to voter: promise to accept nothing under a lesser ballot.
        case prepare(slot: UInt64, MetadataBallot)
        /// Voter to proposer: promised; and what was accepted before.
        case promise(slot: UInt64, MetadataBallot, accepted: MetadataVote?)
        /// Proposer to voter: accept this.
        case accept(slot: UInt64, MetadataVote)
        /// Voter to proposer: accepted.
        case accepted(slot: UInt64, MetadataBallot)
        /// Voter to proposer: a greater ballot was promised.
        case rejected(slot: UInt64, MetadataBallot, promised: MetadataBallot)
        /// Tell me the entries behind this epoch.
        case fetch(after: UInt64)
        /// Decided entries from the epoch `first` on; the sender is at `latest`.
        case entries(first: UInt64, [MetadataEntry], latest: UInt64)
        /// All at one epoch: for one that is too far behind.
        case snapshot(ClusterMetadata)
    }

    /// The sender's cluster; nil from a node that doesn't know one yet.
    package let identity: UUID?
    package let body: Body

    package init(identity: UUID?, _ body: Body) {
        self.identity = identity
        self.body = body
    }
}

/// What a voter must not forget while an epoch isn't decided.
package struct MetadataAcceptor: Sendable {
    /// The epoch that is being decided.
    package var slot: UInt64
    /// Nothing is accepted under a lesser ballot.
    package var promised: MetadataBallot?
    package var accepted: MetadataVote?
    /// The highest round that this node itself has used in the slot as a proposer.
    package var round: UInt64

    package init(
        slot: UInt64,
        promised: MetadataBallot? = nil,
        accepted: MetadataVote? = nil,
        round: UInt64 = 0
    ) {
        self.slot = slot
        self.promised = promised
        self.accepted = accepted
        self.round = round
    }
}

/// What a node keeps on disk of the metadata log: a run of these, each durable before the next.
package enum MetadataRecord: Sendable {
    /// All at one epoch; what was before it isn't needed any more.
    case snapshot(ClusterMetadata)
    /// The decided entry of an epoch.
    case entry(epoch: UInt64, MetadataEntry)
    /// The voter's state; replaces the one before.
    case acceptor(MetadataAcceptor)
}

/// What the records on disk amount to: what a node starts with.
package struct MetadataRecovery: Sendable {
    package private(set) var metadata = ClusterMetadata()
    /// The entries since the last snapshot; the last one's epoch is that of `metadata`.
    package private(set) var entries: [MetadataEntry] = []
    package var acceptor: MetadataAcceptor?

    package init() {}

    /// Takes the next record in.
    ///
    /// - Throws: What makes an entry illegal; then the records are not those of a working node.
    package mutating func replay(_ record: MetadataRecord) throws(MetadataRefusal) {
        switch record {
        case .snapshot(let snapshot):
            guard snapshot.epoch >= metadata.epoch else { return }
            metadata = snapshot
            entries = []
        case .entry(let epoch, let entry):
            // One that a snapshot before it holds already; one beyond the next is a gap.
            if epoch <= metadata.epoch { return }
            guard epoch == metadata.epoch + 1 else {
                throw .gap(after: metadata.epoch, epoch: epoch)
            }
            try metadata.apply(entry)
            entries.append(entry)
        case .acceptor(let state): acceptor = state
        }
    }
}
