// SPDX-License-Identifier: Apache-2.0

package import Model

/// Why a change of the metadata isn't legal at an epoch.
package enum MetadataRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The cluster hasn't been founded, or this node doesn't know its metadata yet.
    case notFounded
    /// Records on disk: entries are missing between `after` and `epoch`.
    case gap(after: UInt64, epoch: UInt64)
    /// The same request was decided at `epoch`.
    case repeated(epoch: UInt64)
    /// Planned on another schema than the one that it would change.
    case schemaChanged(base: UInt64, current: UInt64)
    case noEdits
    case keyspaceMissing(String)
    case tableMissing(keyspace: String, table: String)
    case tableExists(keyspace: String, table: String)
    case nodeUnknown(NodeID)
    case nodeExists(NodeID)
    case addressInUse(NodeAddress, by: NodeID)
    /// The node isn't in a state from which the change leads on.
    case wrongState(NodeID, is: NodeState, needed: [NodeState])
    /// None, too many, not sorted, or one of them twice.
    case badTokens(NodeID)
    case tokenOwned(Token, by: NodeID)
    /// A replacement takes exactly the tokens of the node that it replaces.
    case notTokensOf(NodeID)
    case beingReplaced(NodeID, by: NodeID)
    /// Those who will own the node's ranges don't have all rows yet.
    case notHandedOver(NodeID)
    /// The node's ranges are read from their new owners already.
    case handedOver(NodeID)
    /// Both would change the replicas of the same tokens at the same time.
    case rangesTouch(NodeID, NodeID)
    /// No node would be left that owns tokens.
    case lastNode(NodeID)
    /// No node would be left to hold a replica of the keyspace (in the data center).
    case lastReplica(keyspace: String, dataCenter: String?)
    /// Fewer nodes would be left than the keyspace wants replicas (in the data center).
    case tooFewNodes(keyspace: String, dataCenter: String?, replicas: Int, left: Int)
    case badVoters(String)
    case tooMany(String, limit: Int)
    case tooLarge(bytes: Int, limit: Int)

    package var description: String {
        switch self {
        case .notFounded: "this node doesn't know the metadata of a cluster yet"
        case .gap(let after, let epoch): "entry \(epoch) follows epoch \(after)"
        case .repeated(let epoch): "the same request was decided at epoch \(epoch)"
        case .schemaChanged(let base, let current):
            "planned on schema epoch \(base), but the schema is at \(current) by now; plan again"
        case .noEdits: "a change of the schema without edits"
        case .keyspaceMissing(let name): "keyspace '\(name)' doesn't exist"
        case .tableMissing(let keyspace, let table): "table \(keyspace).\(table) doesn't exist"
        case .tableExists(let keyspace, let table): "table \(keyspace).\(table) already exists"
        case .nodeUnknown(let id): "node \(id) isn't registered"
        case .nodeExists(let id): "node \(id) is registered already"
        case .addressInUse(let address, let id): "address \(address) is that of node \(id)"
        case .wrongState(let id, let state, let needed):
            "node \(id) is \(state), not \(needed.map { "\($0)" }.joined(separator: " or "))"
        case .badTokens(let id):
            "the tokens of node \(id) must be 1 to \(MetadataLimits.tokensMax), sorted, none twice"
        case .tokenOwned(let token, let id): "token \(token) is that of node \(id)"
        case .notTokensOf(let id): "a replacement takes exactly the tokens of node \(id)"
        case .beingReplaced(let id, let other): "node \(id) is being replaced by node \(other)"
        case .notHandedOver(let id):
            "the new owners of node \(id)'s ranges don't have all rows yet"
        case .handedOver(let id):
            "node \(id)'s ranges belong to their new owners already; that can't be taken back"
        case .rangesTouch(let id, let other):
            "node \(id) would change replicas of tokens whose replicas node \(other) is changing; "
                + "wait until that is finished"
        case .lastNode(let id): "node \(id) is the last one that owns tokens"
        case .lastReplica(let keyspace, let dataCenter):
            "no node would be left for keyspace '\(keyspace)'" + Self.place(dataCenter)
        case .tooFewNodes(let keyspace, let dataCenter, let replicas, let left):
            "keyspace '\(keyspace)' wants \(replicas) replicas\(Self.place(dataCenter)), but only "
                + "\(left) nodes would be left; change its replication or force it"
        case .badVoters(let reason): "these can't be the voters: \(reason)"
        case .tooMany(let what, let limit): "more than \(limit) \(what)"
        case .tooLarge(let bytes, let limit):
            "an entry of \(bytes) bytes is above the limit of \(limit)"
        }
    }

    private static func place(_ dataCenter: String?) -> String {
        dataCenter.map { " in data center '\($0)'" } ?? ""
    }
}
