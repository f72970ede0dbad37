// SPDX-License-Identifier: Apache-2.0

import Client
import Cluster
import Environment
import Testing

@Suite("Routing")
struct RoutingTests {
    private static func router(_ strategy: RoutingStrategy, weights: [Double] = [1, 1, 1], salt: UInt64 = 0) -> NodeRouter {
        let nodes = weights.enumerated().map { index, weight in
            NodeRouter.Node(weight: weight, hash: SplitMix64.mixed(UInt64(index) &+ salt))
        }
        return NodeRouter(strategy, BreakerRule(), nodes: nodes)
    }

    /// Whom a router chooses first, so many times.
    private func firsts(
        _ router: inout NodeRouter,
        of nodes: [Int] = [0, 1, 2],
        times: Int = 300,
        at now: UInt64 = 0
    ) -> [Int] {
        var random = SplitMix64(seed: 7)
        return (0..<times).map { _ in
            var candidates = nodes
            router.order(&candidates, at: now, using: &random)
            #expect(candidates.sorted() == nodes.sorted())
            return candidates[0]
        }
    }

    private func counts(_ chosen: [Int]) -> [Int: Int] { chosen.reduce(into: [:]) { $0[$1, default: 0] += 1 } }

    @Test("Round robin takes turns, also among parts of the nodes")
    func roundRobin() {
        var router = Self.router(.roundRobin)
        #expect(firsts(&router, times: 6) == [0, 1, 2, 0, 1, 2])
        #expect(counts(firsts(&router, of: [0, 2])) == [0: 150, 2: 150])
    }

    @Test("Weighted round robin gives turns by weight, evenly spread")
    func weightedRoundRobin() {
        var router = Self.router(.weightedRoundRobin, weights: [3, 1, 1])
        let chosen = firsts(&router, times: 500)
        #expect(counts(chosen) == [0: 300, 1: 100, 2: 100])
        #expect(!zip(chosen, zip(chosen.dropFirst(), chosen.dropFirst(2))).contains { $0 == $1.0 && $0 == $1.1 })
    }

    @Test("Least in flight takes who has the least to do, and any of those that have the same")
    func leastInFlight() {
        var router = Self.router(.leastInFlight)
        router.asked(0)
        router.asked(2)
        #expect(counts(firsts(&router)) == [1: 300])
        router.asked(1)
        let even = counts(firsts(&router))
        #expect(even.count == 3 && even.values.allSatisfy { $0 > 50 })
    }

    @Test("Weighted least in flight gives a node of double weight twice as much")
    func weightedLeastInFlight() {
        var router = Self.router(.weightedLeastInFlight, weights: [2, 1, 1])
        for node in [0, 0, 1, 2] { router.asked(node) }
        // 3/2 against 2/1.
        #expect(counts(firsts(&router)) == [0: 300])
        router.asked(0)
        router.asked(0)
        #expect(counts(firsts(&router))[0] == nil)
    }

    @Test("Address hash gives one client always the same node, and clients different ones")
    func addressHash() {
        var chosen: Set<Int> = []
        for salt in 0..<20 as Range<UInt64> {
            var router = Self.router(.addressHash, salt: salt * 1000)
            let nodes = counts(firsts(&router))
            #expect(nodes.count == 1)
            chosen.formUnion(nodes.keys)
        }
        #expect(chosen == [0, 1, 2])
    }

    @Test("Random takes all about equally")
    func random() {
        var router = Self.router(.random)
        #expect(counts(firsts(&router)).values.allSatisfy { $0 > 60 && $0 < 140 })
    }

    @Test("Two choices prefer the faster and the idler node, and never take the worst of all")
    func powerOfTwoChoices() {
        var router = Self.router(.powerOfTwoChoices)
        for (node, time) in [(0, 1_000_000), (1, 9_000_000), (2, 2_000_000)] as [(Int, UInt64)] {
            router.asked(node)
            router.answered(node, after: time, at: 0)
        }
        let chosen = counts(firsts(&router))
        #expect(chosen[1] == nil)
        #expect((chosen[0] ?? 0) > (chosen[2] ?? 0))
    }

    @Test("A node that fails is last for a while, under each strategy", arguments: RoutingStrategy.allCases)
    func breaker(strategy: RoutingStrategy) {
        for node in 0..<3 {
            var router = Self.router(strategy)
            for _ in 0..<5 {
                router.asked(node)
                router.failed(node, at: 100)
            }
            #expect(counts(firsts(&router, at: 200))[node] == nil)
            // Also alone, and when all fail, somebody is asked.
            #expect(firsts(&router, of: [node], times: 1, at: 200) == [node])
            // Then it's tried again.
            var later = Self.router(strategy)
            later.adopt(node, from: router, node)
            let chosen = counts(firsts(&later, at: 3_000_000_000))
            if strategy != .addressHash { #expect(chosen[node] != nil) }
            #expect(router.inFlight(node) == 0)
        }
    }

    @Test("A budget allows a part of the requests, and a few more at once")
    func budget() {
        var budget = RequestBudget(percent: 10)
        var spent = 0
        for _ in 0..<1000 {
            budget.earn()
            while budget.spend() { spent += 1 }
        }
        // A tenth, and the ten that are kept; rounding may cost one.
        #expect((108...110).contains(spent), "\(spent)")
        var none = RequestBudget(percent: 0)
        none.earn()
        let isAllowed = none.spend()
        #expect(!isAllowed)
    }
}
