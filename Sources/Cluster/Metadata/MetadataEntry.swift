// SPDX-License-Identifier: Apache-2.0

package import Model

/// Names one wish to change the metadata, so that whoever wished it knows its entry again when
/// another node has completed it, and so that a wish that is repeated is decided once.
package struct MetadataRequestID: Hashable, Sendable {
    package let proposer: NodeID
    /// Never used twice by the proposer, restarts included: random.
    package let number: UInt64

    package init(proposer: NodeID, number: UInt64) {
        self.proposer = proposer
        self.number = number
    }
}

/// One entry of the metadata log: a change, and who wished it.
package struct MetadataEntry: Sendable {
    package let request: MetadataRequestID
    package let change: MetadataChange

    package init(request: MetadataRequestID, change: MetadataChange) {
        self.request = request
        self.change = change
    }
}

/// What an entry of the metadata log changes.
package enum MetadataChange: Sendable {
    /// Edits of the schema, planned on the schema whose `epoch` is `base`: illegal on any other, since
    /// a plan that didn't see a change would undo it. `version` is the schema's new version.
    case schema([SchemaEdit], base: UInt64, version: UUID)
    /// Makes a node known: state `registered`, no tokens.
    case register(NodeRecord)
    /// The node begins to fetch the data of `tokens`; those of `replaces`, if it replaces a dead node.
    case startJoin(NodeID, tokens: [Token], replaces: NodeID?)
    /// Of a node that joins, leaves or moves: those who will own its ranges have all rows and are read from now on;
    /// the others still get the writes.
    case handOver(NodeID)
    /// The node has the data of its tokens, which are handed over, and owns them; a node that it replaces has left.
    case finishJoin(NodeID)
    /// The node gives its join up and is `registered` again.
    case abortJoin(NodeID)
    /// The node's data begins to go to those who will own its tokens: sent by itself, or fetched
    /// from the other replicas if it is dead. `force` allows fewer nodes than a keyspace wants
    /// replicas, but never none.
    case startLeave(NodeID, force: Bool)
    /// The node has left for good.
    case finishLeave(NodeID)
    /// The node stays and owns its tokens as before.
    case abortLeave(NodeID)
    /// The node begins to fetch the data of `tokens`, which it will own instead of its own.
    case startMove(NodeID, tokens: [Token])
    /// The node owns its new tokens and no others.
    case finishMove(NodeID)
    /// The node keeps its old tokens.
    case abortMove(NodeID)
    /// Takes a node out at once, data or no data: for one that never owned anything, or whose data
    /// is lost and must be repaired from the other replicas. One that has left is forgotten.
    case remove(NodeID)
    /// The node is reached elsewhere.
    case changeAddress(NodeID, address: NodeAddress, clientAddress: NodeAddress)
    /// Who decides from the next epoch on.
    case setVoters([NodeID])
}

/// What bounds the metadata.
package enum MetadataLimits {
    /// Nodes, those that have left and aren't forgotten included.
    package static let nodesMax = 4_096
    /// Tokens of one node.
    package static let tokensMax = 1_536
    package static let votersMax = 7
    /// Bytes of one entry.
    package static let entryBytesMax = 4 << 20
    /// Bytes of the name of a data center or a rack.
    package static let nameBytesMax = 255
    /// How many of the last entries' requests are kept to know a repeated one.
    package static let recentRequests = 256
}
