// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a node brings along when it joins a cluster.
package struct ClusterSettings: Sendable {
    /// Nodes of another cluster's name are refused.
    package var clusterName: String
    /// Where other nodes reach this one.
    package var address: NodeAddress
    /// Where clients reach it.
    package var clientAddress: NodeAddress
    package var location: NodeLocation
    /// Nodes to ask for the cluster at first; none, or just this one: it founds a cluster.
    package var seeds: [NodeAddress]
    /// How many tokens the node gets.
    package var tokenCount = 16
    /// The tokens that it gets in place of chosen ones; sorted.
    package var initialTokens: [Token]?
    /// The replicas for which tokens are chosen so that all nodes own about the same.
    package var allocationFactor = 3
    /// The dead node whose place this one takes, when it joins.
    package var replaces: NodeAddress?
    /// Whether this node repairs its ranges by itself.
    package var repairsBySchedule = true

    package init(
        clusterName: String,
        address: NodeAddress,
        clientAddress: NodeAddress,
        location: NodeLocation,
        seeds: [NodeAddress] = []
    ) {
        self.clusterName = clusterName
        self.address = address
        self.clientAddress = clientAddress
        self.location = location
        self.seeds = seeds
    }
}
