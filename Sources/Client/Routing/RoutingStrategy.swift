// SPDX-License-Identifier: Apache-2.0

package import Cluster

/// How a client chooses among the nodes that could serve a request equally well: the replicas of its partition in its
/// data center, or all nodes there. docs/client.md compares them.
package enum RoutingStrategy: String, CaseIterable, Sendable {
    /// Each node in turn.
    case roundRobin = "round-robin"
    /// Each node in turn, as often as its weight says, evenly spread.
    case weightedRoundRobin = "weighted-round-robin"
    /// The node with the fewest requests of this client that have no answer yet.
    case leastInFlight = "least-in-flight"
    /// The same, with a node of double weight taken to be as busy with two requests as another with one.
    case weightedLeastInFlight = "weighted-least-in-flight"
    /// Any node.
    case random
    /// The node that the client's own address and the nodes' addresses give: always the same one, and another for
    /// another client.
    case addressHash = "address-hash"
    /// Of two nodes that are drawn the one that promises the sooner answer, by its last answers' times and the requests
    /// that it has ("The Power of Two Choices in Randomized Load Balancing", Mitzenmacher 2001).
    case powerOfTwoChoices = "power-of-two-choices"
}

/// How a client of a cluster uses its nodes.
package struct RoutingSettings: Sendable {
    package var strategy = RoutingStrategy.powerOfTwoChoices
    /// Nodes of other data centers get no requests; nil for the data center of the first host that answers.
    package var dataCenter: String?
    /// Weights by a node's host for the strategies that go by them; a node that isn't named has its number of shards.
    package var weights: [String: Double] = [:]
    /// When a node that fails is passed over for a while.
    package var breaker = BreakerRule()
    /// How many requests of a hundred may be sent again after a failure, to another node.
    package var retriesPercent = 10.0
    /// After which percentile of the times of all answers a read that has none is sent to another node, too; nil for
    /// never. Coordinators do as much for their replicas, so that this helps only when they are slow themselves.
    package var hedgingPercentile: Double?
    /// How many requests of a hundred may be sent twice for that.
    package var hedgesPercent = 5.0

    package init() {}
}
