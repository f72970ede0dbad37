// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model
import Testing

@Suite struct ReplicaMapTests {
    private typealias Fixture = RingFixture

    private let prefix = "org.apache.cassandra.locator."

    @Test func storedOptionsBecomeAStrategy() {
        let simple = ["class": prefix + "SimpleStrategy", "replication_factor": "3"]
        #expect(ReplicationStrategy(options: simple) == .simple(factor: 3))
        let topology = ["class": prefix + "NetworkTopologyStrategy", "b": "2", "a": "3", "c": "0"]
        let factors = [
            DataCenterFactor(dataCenter: "a", factor: 3),
            DataCenterFactor(dataCenter: "b", factor: 2),
        ]
        #expect(ReplicationStrategy(options: topology) == .networkTopology(factors))
        #expect(ReplicationStrategy.networkTopology(factors).factor == 5)
        #expect(ReplicationStrategy.networkTopology(factors).factor(in: "b") == 2)
        #expect(ReplicationStrategy.networkTopology(factors).factor(in: "c") == 0)
        #expect(ReplicationStrategy(options: ["class": prefix + "LocalStrategy"]) == .local)
    }

    @Test func otherOptionsAreRefused() {
        for options in [
            [:], ["class": "SimpleStrategy", "replication_factor": "3"],
            ["class": prefix + "SimpleStrategy"],
            ["class": prefix + "SimpleStrategy", "replication_factor": "3/1"],
            ["class": prefix + "SimpleStrategy", "replication_factor": "-1"],
            ["class": prefix + "SimpleStrategy", "replication_factor": "99999999999999999999"],
            ["class": prefix + "OldNetworkTopologyStrategy", "replication_factor": "3"],
        ] {
            #expect(ReplicationStrategy(options: options) == nil, "\(options)")
        }
    }

    @Test func ringSplitsTheWrapInTwo() {
        let ring = TokenRing([Fixture.record(1, [-100, 50]), Fixture.record(2, [0])])
        #expect(ring.tokens(of: Fixture.id(1)) == [Token(-100), Token(50)])
        #expect(
            ring.primaryRanges(of: Fixture.id(1)) == [
                TokenRange(.min, Token(-100)), TokenRange(Token(1), .max),
            ]
        )
        #expect(ring.primaryRanges(of: Fixture.id(2)) == [TokenRange(Token(-99), Token(0))])
        #expect(ring.owner(of: Token(-99)) == Fixture.id(2))
        #expect(ring.owner(of: Token(0)) == Fixture.id(2))
        #expect(ring.owner(of: Token(51)) == Fixture.id(1))
    }

    @Test func ringsEndsAreTokensToo() {
        let ring = TokenRing([Fixture.record(1, [.max]), Fixture.record(2, [.min])])
        #expect(ring.primaryRanges(of: Fixture.id(1)) == [TokenRange(Token(.min + 1), .max)])
        #expect(ring.primaryRanges(of: Fixture.id(2)) == [TokenRange(.min, .min)])
        #expect(TokenRing([]).owner(of: Token(5)) == nil)
        #expect(TokenRing([Fixture.record(1, [7])]).primaryRanges(of: Fixture.id(1)) == [.all])
    }

    @Test func onlyOwnersAreOnTheRing() {
        for state in NodeState.allCases {
            let ring = TokenRing([Fixture.record(1, [7], Fixture.location(1, 1), state)])
            #expect(ring.isEmpty == ![.normal, .leaving, .moving].contains(state), "\(state)")
        }
    }

    @Test func replicasAreThoseThatCassandraPlaces() {
        // Four nodes in two racks, RF 3: the first met of rack1 and rack2, then one that repeats.
        let nodes = [
            Fixture.record(1, [100], Fixture.location(1, 1)),
            Fixture.record(2, [200], Fixture.location(1, 1)),
            Fixture.record(3, [300], Fixture.location(1, 1)),
            Fixture.record(4, [400], Fixture.location(1, 2)),
        ]
        let two = ReplicationStrategy.networkTopology([
            DataCenterFactor(dataCenter: "dc1", factor: 2)
        ])
        let map = Fixture.map(two, nodes)
        #expect(map.replicas(of: Token(50)).natural == [1, 4].map(Fixture.id))
        #expect(map.replicas(of: Token(350)).natural == [4, 1].map(Fixture.id))
        let three = Fixture.map(Fixture.strategies[2], nodes)
        #expect(three.replicas(of: Token(50)).natural == [1, 2, 4].map(Fixture.id))
        let simple = Fixture.map(.simple(factor: 3), nodes)
        #expect(simple.replicas(of: Token(250)).natural == [3, 4, 1].map(Fixture.id))
        #expect(simple.replicas(of: Token(401)).natural == [1, 2, 3].map(Fixture.id))
    }

    @Test(arguments: 0..<12) func everyTokenHasTheReplicasOfTheSlowWalk(seed: Int) {
        var generator = SplitMix64(seed: UInt64(seed))
        let count = Int.random(in: 1...9, using: &generator)
        let nodes = Fixture.cluster(
            count,
            tokens: Int.random(in: 1...6, using: &generator),
            dataCenters: 1 + seed % 2,
            racks: 1 + seed % 4,
            using: &generator
        )
        for strategy in Fixture.strategies {
            let map = Fixture.map(strategy, nodes)
            for token in Fixture.probes(nodes) {
                let expected = Fixture.natural(strategy, nodes, token)
                #expect(map.replicas(of: token).natural == expected, "\(strategy) \(token)")
            }
        }
    }

    @Test func rangesCoverAllTokensOnce() {
        var generator = SplitMix64(seed: 3)
        let nodes = Fixture.cluster(6, tokens: 8, racks: 3, using: &generator)
        let map = Fixture.map(.simple(factor: 3), nodes)
        #expect(map.ranges.first?.range.first == .min)
        #expect(map.ranges.last?.range.last == .max)
        for (a, b) in zip(map.ranges, map.ranges.dropFirst()) {
            #expect(a.range.last.value + 1 == b.range.first.value)
            #expect(a.replicas != b.replicas)
        }
        for node in nodes {
            let ranges = map.ranges(of: node.id)
            for token in Fixture.probes(nodes) {
                let owns = map.replicas(of: token).natural.contains(node.id)
                #expect(ranges.contains { $0.contains(token) } == owns)
            }
            let primary = map.primaryRanges(of: node.id)
            #expect(primary == TokenRing(nodes).primaryRanges(of: node.id))
        }
    }

    @Test func rangesOfARunAreCutToIt() {
        let nodes = [Fixture.record(1, [100]), Fixture.record(2, [200])]
        let map = Fixture.map(.simple(factor: 1), nodes)
        let parts = map.ranges(in: TokenRange(Token(50), Token(150)))
        #expect(
            parts.map(\.range) == [
                TokenRange(Token(50), Token(100)), TokenRange(Token(101), Token(150)),
            ]
        )
        #expect(parts.map { $0.replicas.natural } == [1, 2].map { [Fixture.id($0)] })
        #expect(map.ranges(in: .all).map(\.range) == map.ranges.map(\.range))
        #expect(map.ranges(in: TokenRange(.max, .max)).count == 1)
    }

    @Test func localStrategyNeedsNoRing() {
        let map = ReplicaMap(.local, nodes: [], local: Fixture.id(7))
        #expect(map.replicas(of: Token(1)).natural == [Fixture.id(7)])
        let empty = ReplicaMap(.simple(factor: 3), nodes: [], local: Fixture.id(7))
        #expect(empty.replicas(of: Token(1)).natural.isEmpty)
        #expect(empty.ranges.map(\.range) == [.all])
    }

    @Test func replacingNodeIsPendingForTheDeadOnesRanges() {
        var nodes = (1...4).map { Fixture.record($0, [Int64($0) * 100]) }
        var replacement = Fixture.record(9, [200], Fixture.location(1, 1), .joining)
        replacement.replaces = Fixture.id(2)
        nodes.append(replacement)
        let map = Fixture.map(.simple(factor: 2), nodes)
        #expect(map.pendingRanges(of: Fixture.id(9)) == map.ranges(of: Fixture.id(2)))
        #expect(map.ranges(of: Fixture.id(9)).isEmpty)
    }

    @Test(arguments: 0..<16) func whoeverWillOwnARangeIsPending(seed: Int) {
        var generator = SplitMix64(seed: UInt64(seed) + 100)
        var nodes = Fixture.cluster(6, tokens: 4, dataCenters: 2, racks: 2, using: &generator)
        nodes[1].state = .leaving
        nodes[2].state = seed % 3 == 0 ? .moving : .normal
        nodes[2].pendingTokens = seed % 3 == 0 ? [Token(Int64(seed)), Token(-77)] : []
        if seed % 3 != 0 {
            nodes.append(Fixture.record(50, [9, 1 << 60], Fixture.location(1, 1), .joining))
            if seed % 3 == 1 { nodes[6].replaces = nodes[0].id }
        }
        #expect(nodes.underWay.count == 2)
        for strategy in Fixture.strategies {
            let now = Fixture.map(strategy, nodes)
            var orders = [nodes.underWay, nodes.underWay.reversed()]
            orders.append([orders[0][0]])
            for order in orders {
                var later = nodes
                for node in order {
                    later = later.completing(node)
                    for token in Fixture.probes(nodes) {
                        let replicas = now.replicas(of: token)
                        let writers = Set(replicas.natural + replicas.pending)
                        let natural = Fixture.natural(strategy, later, token)
                        #expect(writers.isSuperset(of: natural), "\(strategy) \(token)")
                    }
                }
            }
        }
    }

    @Test func sharesAddUpToAHundredAReplica() {
        var generator = SplitMix64(seed: 8)
        let nodes = Fixture.cluster(5, tokens: 4, using: &generator)
        let effective = Ownership(effective: Fixture.map(.simple(factor: 3), nodes))
        #expect(abs(effective.shares.reduce(0) { $0 + $1.percent } - 300) < 1e-9)
        let primary = Ownership(primary: TokenRing(nodes))
        #expect(abs(primary.shares.reduce(0) { $0 + $1.percent } - 100) < 1e-9)
        let all = Ownership(effective: Fixture.map(.simple(factor: 5), nodes))
        for share in all.shares { #expect(abs(share.percent - 100) < 1e-9) }
        let half = Ownership(
            primary: TokenRing([Fixture.record(1, [0]), Fixture.record(2, [.max])])
        )
        #expect(abs(half.percent(of: Fixture.id(2)) - 50) < 1e-9)
        #expect(half.percent(of: Fixture.id(3)) == 0)
    }
}
