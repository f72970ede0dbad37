// SPDX-License-Identifier: Apache-2.0

/// A cluster and its load, for `RoutingModel`.
struct RoutingCase {
    let name: String
    let nodeCount: Int
    /// How many times as long as others each node takes, by its number; 1 for those that aren't named.
    var slowness: [Int: Double] = [:]
    /// The weights that clients are told; 1 for those that aren't named.
    var weights: [Int: Double] = [:]
    /// The share of what all nodes could do at full speed.
    let load: Double
    /// Whether some keys are asked for much more than others.
    var isSkewed = false
    /// Whether node 0 is gone from the first to the second quarter's end.
    var hasOutage = false

    static let all = [
        RoutingCase(name: "even", nodeCount: 3, load: 0.6),
        RoutingCase(name: "slow", nodeCount: 3, slowness: [0: 10], load: 1.0 / 3),
        RoutingCase(name: "half", nodeCount: 5, slowness: [0: 2], weights: [0: 0.5], load: 0.65 * 0.9),
        RoutingCase(name: "zipf", nodeCount: 5, load: 0.5, isSkewed: true),
        RoutingCase(name: "returns", nodeCount: 3, load: 0.4, hasOutage: true),
    ]
}
