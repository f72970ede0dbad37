// SPDX-License-Identifier: Apache-2.0

package import Model

extension NodeState {
    /// Whether a node in this state owns its `tokens` now.
    package var ownsTokens: Bool { self == .normal || self == .leaving || self == .moving }

    /// Whether the ownership of tokens will change when what is under way is finished.
    package var isUnderWay: Bool { self == .joining || self == .leaving || self == .moving }
}

extension Array where Element == NodeRecord {
    /// The nodes whose movement isn't finished, in order of their ids.
    package var underWay: [NodeID] { filter { $0.state.isUnderWay }.map(\.id).sorted() }

    /// The records as they will be when the movement of `id` is finished, and nothing else; the same
    /// records if it doesn't move.
    package func completing(_ id: NodeID) -> [NodeRecord] {
        guard let index = firstIndex(where: { $0.id == id }) else { return self }
        var records = self
        switch records[index].state {
        case .joining:
            records[index].state = .normal
            if let dead = records[index].replaces {
                for other in records.indices where records[other].id == dead {
                    records[other].state = .left
                }
            }
            records[index].replaces = nil
        case .leaving:
            records[index].state = .left
        case .moving:
            records[index].state = .normal
            records[index].tokens = records[index].pendingTokens
            records[index].pendingTokens = []
        case .registered, .normal, .left:
            break
        }
        records[index].isHandedOver = false
        return records
    }

    /// The records as those see them who read: what is handed over counts as finished.
    ///
    /// - Parameter except: what is taken as not handed over.
    package func asRead(except: NodeID? = nil) -> [NodeRecord] {
        filter { $0.isHandedOver && $0.id != except }.reduce(self) { $0.completing($1.id) }
    }

    /// The records as they will be when all that is under way is finished.
    package var completed: [NodeRecord] {
        underWay.reduce(self) { records, id in records.completing(id) }
    }
}
