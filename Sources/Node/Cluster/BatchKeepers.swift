// SPDX-License-Identifier: Apache-2.0

internal import Cluster
internal import Environment
package import Model

extension Coordinator {
    /// The other nodes that keep a logged batch until all its replicas have their parts: two of this data center that are
    /// up, not of this node's rack if there are others; fewer, or none, if no more are up.
    package func batchKeepers() -> [NodeID] {
        let view = view
        let rack = view.node(view.local)?.location.rack
        let able = view.nodes.filter { node in
            node.id != view.local && node.state == .normal && isAlive(node.id)
                && node.location.dataCenter == view.localDataCenter
        }
        guard able.count > 2 else { return able.map(\.id) }
        let random = self.node.environment.random
        let start = Int(random.next() % UInt64(able.count))
        let turned = able[start...] + able[..<start]
        let others = turned.filter { $0.location.rack != rack }
        guard let first = others.first ?? turned.first else { return [] }
        let rest = turned.filter { $0.id != first.id }
        // Of three racks, each has it.
        let apart = rest.first { $0.location.rack != rack && $0.location.rack != first.location.rack }
        guard let second = apart ?? rest.first(where: { $0.location.rack != rack }) ?? rest.first else {
            return [first.id]
        }
        return [first.id, second.id]
    }
}
