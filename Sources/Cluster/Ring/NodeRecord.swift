// SPDX-License-Identifier: Apache-2.0

package import Model

/// How far a node's membership has come. Decided by the metadata log alone, so that all nodes agree.
///
///     registered -> joining -> normal -> leaving -> left
///                                 normal -> moving -> normal
///
/// What joins, leaves or moves has two halves. In the first, the old owners of its ranges are read, and those who
/// will own them get the writes, too, and the rows. In the second, from `NodeRecord.isHandedOver` on, the new owners
/// are read, and the old ones still get the writes: a coordinator that has yet to hear of the second half reads what
/// it misses in none. It ends when so many old owners know of it that no quorum of them answers such a coordinator.
package enum NodeState: UInt8, Hashable, Sendable, CaseIterable {
    /// Known, without tokens.
    case registered = 0
    /// Owns nothing yet; its ranges are pending: it gets their writes while it fetches their data.
    case joining = 1
    /// Owns its tokens.
    case normal = 2
    /// Still owns its tokens; those who will own them get their writes, too.
    case leaving = 3
    /// As `normal` with its old tokens; its new ones are pending.
    case moving = 4
    /// Gone for good: by decommission, removal or replacement.
    case left = 5
}

/// What the metadata log has decided of a node.
package struct NodeRecord: Hashable, Sendable {
    package let id: NodeID
    /// Where other nodes reach it.
    package var address: NodeAddress
    /// Where clients reach it.
    package var clientAddress: NodeAddress
    package var location: NodeLocation
    package var state: NodeState
    /// Those that it owns, or will own while it is joining; sorted.
    package var tokens: [Token]
    /// While it is moving: those that it will own; sorted.
    package var pendingTokens: [Token]
    /// While it is joining: the dead node whose tokens it takes over, if it replaces one.
    package var replaces: NodeID?
    /// While it is joining, leaving or moving: whether those who will own its ranges have all rows, and are read.
    package var isHandedOver: Bool

    package init(
        id: NodeID,
        address: NodeAddress,
        clientAddress: NodeAddress,
        location: NodeLocation,
        state: NodeState = .registered,
        tokens: [Token] = [],
        pendingTokens: [Token] = [],
        replaces: NodeID? = nil,
        isHandedOver: Bool = false
    ) {
        self.id = id
        self.address = address
        self.clientAddress = clientAddress
        self.location = location
        self.state = state
        self.tokens = tokens
        self.pendingTokens = pendingTokens
        self.replaces = replaces
        self.isHandedOver = isHandedOver
    }
}
