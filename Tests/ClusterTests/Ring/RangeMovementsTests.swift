// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model
import Testing

@Suite struct RangeMovementsTests {
    private typealias Fixture = RingFixture

    @Test func joiningNodeFetchesFromWhoLosesTheRange() {
        var nodes = (1...4).map { Fixture.record($0, [Int64($0) * 100]) }
        nodes.append(Fixture.record(5, [150], Fixture.location(1, 1), .joining))
        let movements = RangeMovements(.simple(factor: 2), completing: Fixture.id(5), in: nodes)
        // It becomes the first replica of (100, 150] and the second of (0, 100].
        let streams = movements.fetches(by: Fixture.id(5))
        #expect(streams == movements.streams)
        #expect(
            streams.map(\.range) == [
                TokenRange(.min, Token(100)), TokenRange(Token(101), Token(150)),
                TokenRange(Token(401), .max),
            ]
        )
        #expect(streams.map(\.loser) == [2, 3, 2].map(Fixture.id))
        #expect(streams.map(\.sources.first) == [2, 3, 2].map(Fixture.id))
        #expect(movements.handOvers(by: Fixture.id(3)).map(\.range.last) == [Token(150)])
        #expect(
            movements.released(by: Fixture.id(2)) == [
                TokenRange(.min, Token(100)), TokenRange(Token(401), .max),
            ]
        )
        #expect(movements.released(by: Fixture.id(1)).isEmpty)
    }

    @Test func leavingNodeHandsItsRangesOver() {
        var nodes = (1...4).map { Fixture.record($0, [Int64($0) * 100]) }
        nodes[1].state = .leaving
        let movements = RangeMovements(.simple(factor: 2), completing: Fixture.id(2), in: nodes)
        #expect(movements.streams.allSatisfy { $0.sources.first == Fixture.id(2) })
        #expect(movements.fetches(by: Fixture.id(3)).map(\.range.first) == [.min, Token(401)])
        #expect(movements.fetches(by: Fixture.id(4)).map(\.range.first) == [Token(101)])
        // The node is dead: the others have the rows, though perhaps not all that a quorum took.
        let removal = RangeMovements(
            .simple(factor: 2),
            completing: Fixture.id(2),
            in: nodes,
            unreachable: [Fixture.id(2)]
        )
        #expect(removal.streams.allSatisfy { !$0.isConsistent && $0.sources.count == 1 })
        #expect(removal.fetches(by: Fixture.id(4)).map(\.sources) == [[Fixture.id(3)]])
    }

    @Test func replacementNeverAsksTheDeadNode() {
        var nodes = (1...4).map { Fixture.record($0, [Int64($0) * 100]) }
        var replacement = Fixture.record(9, [200], Fixture.location(1, 1), .joining)
        replacement.replaces = Fixture.id(2)
        nodes.append(replacement)
        let movements = RangeMovements(.simple(factor: 3), completing: Fixture.id(9), in: nodes)
        let map = Fixture.map(.simple(factor: 3), nodes)
        #expect(movements.streams.map(\.range).reduce(0) { $0 + $1.fraction } > 0.7)
        for stream in movements.streams {
            #expect(stream.loser == Fixture.id(2) && !stream.sources.contains(Fixture.id(2)))
            #expect(stream.sources.count == 2 && !stream.isConsistent)
        }
        #expect(movements.released(by: Fixture.id(2)) == map.ranges(of: Fixture.id(2)))
        // With one replica it has nobody to ask.
        let lost = RangeMovements(.simple(factor: 1), completing: Fixture.id(9), in: nodes)
        #expect(lost.streams.map(\.sources) == [[]])
    }

    @Test func nearerSourcesComeFirst() {
        let nodes = [
            Fixture.record(1, [100], Fixture.location(1, 1)),
            Fixture.record(2, [200], Fixture.location(2, 1)),
            Fixture.record(3, [300], Fixture.location(1, 2)),
            Fixture.record(4, [400], Fixture.location(1, 2), .joining),
        ]
        let movements = RangeMovements(.simple(factor: 4), completing: Fixture.id(4), in: nodes)
        #expect(movements.streams.allSatisfy { $0.sources == [3, 1, 2].map(Fixture.id) })
        #expect(movements.streams.allSatisfy { $0.loser == nil && $0.isConsistent })
    }

    @Test func rebuildFetchesFromOneDataCenter() {
        let nodes = (1...6).map {
            Fixture.record($0, [Int64($0) * 100], Fixture.location(1 + $0 % 2, 1))
        }
        let map = Fixture.map(Fixture.strategies[3], nodes)
        let node = nodes[0].id
        let movements = RangeMovements(rebuilding: node, from: "dc1", map: map, nodes: nodes)
        #expect(movements.streams.reduce(0) { $0 + $1.range.fraction } > 0)
        let inside = Set(nodes.filter { $0.location.dataCenter == "dc1" }.map(\.id))
        for stream in movements.streams {
            #expect(stream.target == node && stream.sources.count == 3)
            #expect(inside.isSuperset(of: stream.sources))
        }
    }

    /// Any change between two random states of a cluster, checked on every run of tokens.
    @Test(arguments: 0..<24) func everyRangeHasExactlyItsReplicasAfterwards(seed: Int) {
        var generator = SplitMix64(seed: UInt64(seed) + 1_000)
        var nodes = Fixture.cluster(
            Int.random(in: 2...8, using: &generator),
            tokens: 4,
            dataCenters: 1 + seed % 2,
            racks: 1 + seed % 3,
            using: &generator
        )
        var replaced: NodeID?
        switch seed % 4 {
        case 0: nodes[1].state = .leaving
        case 1:
            nodes[1].state = .moving
            nodes[1].pendingTokens = [Token(-5), Token(1 << 61), nodes[1].tokens[0]].sorted()
        default:
            let tokens = seed % 4 == 2 ? [-9, 8, 1 << 62] : nodes[1].tokens.map(\.value)
            nodes.append(Fixture.record(60, tokens, Fixture.location(1, 2), .joining))
            if seed % 4 == 3 {
                replaced = nodes[1].id
                nodes[nodes.count - 1].replaces = replaced
            }
        }
        let after = nodes.completing(nodes.underWay[0])
        for strategy in Fixture.strategies {
            let movements = RangeMovements(strategy, completing: nodes.underWay[0], in: nodes)
            for token in Fixture.probes(nodes + after) {
                check(movements, token, replaced, nodes, after, strategy)
            }
        }
    }

    private func check(
        _ movements: RangeMovements,
        _ token: Token,
        _ replaced: NodeID?,
        _ before: [NodeRecord],
        _ after: [NodeRecord],
        _ strategy: ReplicationStrategy
    ) {
        let old = Fixture.natural(strategy, before, token)
        let new = Fixture.natural(strategy, after, token)
        var holders = Set(old)
        let streams = movements.streams.filter { $0.range.contains(token) }
        let losers = streams.compactMap(\.loser)
        #expect(Set(losers).count == losers.count, "a node hands over to one other")
        for stream in streams {
            #expect(!old.contains(stream.target), "streams what is already there")
            #expect(Set(old).isSuperset(of: stream.sources), "asks who doesn't have it")
            #expect(stream.loser == replaced || stream.isConsistent)
            #expect(stream.loser.map { !new.contains($0) } ?? true)
            #expect(holders.insert(stream.target).inserted, "streams twice")
        }
        for node in before
        where movements.released(by: node.id).contains(where: { $0.contains(token) }) {
            #expect(holders.remove(node.id) != nil, "releases what it doesn't have")
        }
        #expect(old.isEmpty || holders == Set(new), "\(strategy) \(token)")
    }
}
