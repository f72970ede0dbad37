// SPDX-License-Identifier: Apache-2.0

package import Cluster

/// Chooses nodes by a strategy, from what this client has seen of them. Nodes are known by their indices. A value
/// without I/O or time of its own, so that it can be run in virtual time.
package struct NodeRouter: Sendable {
    /// A node to choose.
    package struct Node: Sendable {
        fileprivate var score = NodeScore()
        /// Above 0.
        fileprivate var weight: Double
        /// Of the client's and the node's addresses.
        fileprivate let hash: UInt64
        /// What it is owed by weighted round robin.
        fileprivate var credit = 0.0

        /// - Parameters:
        ///   - weight: how much it can do, compared with others.
        ///   - hash: of the client's and the node's addresses.
        package init(weight: Double, hash: UInt64) {
            self.weight = max(weight, 0.001)
            self.hash = hash
        }
    }

    private let strategy: RoutingStrategy
    private let breaker: BreakerRule
    private var nodes: [Node]
    private var turn = 0

    package init(_ strategy: RoutingStrategy, _ breaker: BreakerRule, nodes: [Node]) {
        self.strategy = strategy
        self.breaker = breaker
        self.nodes = nodes
    }

    /// Takes what `former` has seen of a node, which was another number there.
    package mutating func adopt(_ node: Int, from former: NodeRouter, _ number: Int) {
        nodes[node].score = former.nodes[number].score
    }

    /// - Parameter weight: how much a node can do, compared with others.
    package mutating func setWeight(_ node: Int, _ weight: Double) { nodes[node].weight = max(weight, 0.001) }

    /// How many requests of this client a node has to answer.
    package func inFlight(_ node: Int) -> Int { nodes[node].score.inFlight }

    // MARK: What happens

    package mutating func asked(_ node: Int) { nodes[node].score.asked() }
    /// - Parameter nanoseconds: since it was asked.
    package mutating func answered(_ node: Int, after nanoseconds: UInt64, at now: UInt64) {
        nodes[node].score.answered(after: nanoseconds, at: now)
    }
    /// It couldn't, said nothing in time or was lost.
    package mutating func failed(_ node: Int, at now: UInt64) { nodes[node].score.failed(at: now, breaker) }

    // MARK: Choosing

    /// Puts nodes in the order in which they should be asked: the first is the strategy's choice, those that follow,
    /// for retries and hedges, are in the order of what one request more would wait for. Nodes whose breaker is open come
    /// last.
    package mutating func order(
        _ candidates: inout [Int],
        at now: UInt64,
        using random: inout some RandomNumberGenerator
    ) {
        guard candidates.count > 1 else { return }
        let sound = candidates.partition { nodes[$0].score.isOpen(at: now) }
        let end = sound == 0 ? candidates.count : sound
        let chosen = choose(candidates[..<end], now, using: &random)
        candidates.swapAt(0, chosen)
        if end > 2 { candidates[1..<end].sort { nodes[$0].score.cost(at: now) < nodes[$1].score.cost(at: now) } }
    }

    /// The index in `candidates`, which begin at 0, of the strategy's choice.
    private mutating func choose(
        _ candidates: ArraySlice<Int>,
        _ now: UInt64,
        using random: inout some RandomNumberGenerator
    ) -> Int {
        switch strategy {
        case .random: return Int.random(in: candidates.indices, using: &random)
        case .roundRobin: return nextInTurn(candidates)
        case .weightedRoundRobin: return mostOwed(candidates)
        case .leastInFlight:
            return least(candidates, using: &random) { Double($0.score.inFlight) }
        case .weightedLeastInFlight:
            return least(candidates, using: &random) { Double($0.score.inFlight + 1) / $0.weight }
        case .addressHash: return candidates.indices.max { hash(candidates[$0]) < hash(candidates[$1]) } ?? 0
        case .powerOfTwoChoices:
            let first = Int.random(in: candidates.indices, using: &random)
            guard candidates.count > 1 else { return first }
            var second = Int.random(in: candidates.indices.dropLast(), using: &random)
            if second >= first { second += 1 }
            let (a, b) = (nodes[candidates[first]].score.cost(at: now), nodes[candidates[second]].score.cost(at: now))
            return b < a ? second : first
        }
    }

    private func hash(_ node: Int) -> UInt64 { nodes[node].hash }

    /// The first node behind the one that was chosen last, in the order of all nodes: also when the candidates are other
    /// ones each time, all get the same.
    private mutating func nextInTurn(_ candidates: ArraySlice<Int>) -> Int {
        let count = nodes.count
        let start = turn
        let chosen = candidates.indices.min {
            (candidates[$0] - start + count) % count < (candidates[$1] - start + count) % count
        } ?? 0
        turn = (candidates[chosen] + 1) % count
        return chosen
    }

    /// Each is owed its weight, and the chosen one pays for all: no node gets its turns in a row.
    private mutating func mostOwed(_ candidates: ArraySlice<Int>) -> Int {
        var total = 0.0
        var chosen = 0
        for (index, node) in candidates.enumerated() {
            nodes[node].credit += nodes[node].weight
            total += nodes[node].weight
            if nodes[node].credit > nodes[candidates[chosen]].credit { chosen = index }
        }
        nodes[candidates[chosen]].credit -= total
        return chosen
    }

    /// The one with the least load; of several, any: else all clients would begin with the same.
    private func least(
        _ candidates: ArraySlice<Int>,
        using random: inout some RandomNumberGenerator,
        _ load: (Node) -> Double
    ) -> Int {
        var chosen = 0
        var equals = 1
        for index in candidates.indices.dropFirst() {
            let (a, b) = (load(nodes[candidates[index]]), load(nodes[candidates[chosen]]))
            if a < b {
                (chosen, equals) = (index, 1)
            } else if a == b {
                equals += 1
                if Int.random(in: 0..<equals, using: &random) == 0 { chosen = index }
            }
        }
        return chosen
    }
}
