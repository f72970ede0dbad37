// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model
import Testing

@Suite struct TokenAllocatorTests {
    private typealias Fixture = RingFixture

    /// Clusters that grow from 1 to `count` nodes.
    private func grow(
        to count: Int,
        tokens: Int = 16,
        racks: Int = 1,
        factor: Int = 3,
        seed: UInt64,
        each: ([NodeRecord]) -> Void
    ) {
        var generator = SplitMix64(seed: seed)
        var nodes: [NodeRecord] = []
        for number in 0..<count {
            let location = Fixture.location(1, 1 + number % racks)
            let chosen = TokenAllocator.allocate(
                tokens,
                for: location,
                factor: factor,
                among: nodes,
                using: &generator
            )
            #expect(chosen.count == tokens && chosen == chosen.sorted())
            nodes.append(Fixture.record(number, chosen.map(\.value), location))
            each(nodes)
        }
    }

    /// The largest share over the mean, of nodes that share something.
    private func imbalance(_ nodes: [NodeRecord], _ ownership: Ownership) -> Double {
        let shares = nodes.map { ownership.percent(of: $0.id) }
        return (shares.max() ?? 0) / (shares.reduce(0, +) / Double(shares.count))
    }

    private func topology(_ factor: Int) -> ReplicationStrategy {
        .networkTopology([DataCenterFactor(dataCenter: "dc1", factor: factor)])
    }

    /// What is reached is in docs/internals/ring.md.
    @Test(arguments: [1, 3]) func ownershipIsEvenInOneRack(factor: Int) {
        for seed in 0..<4 {
            grow(to: 10, factor: factor, seed: UInt64(seed)) { nodes in
                let map = Fixture.map(topology(factor), nodes)
                let effective = imbalance(nodes, Ownership(effective: map))
                #expect(effective < 1.05, "\(nodes.count) nodes: \(effective)")
                if nodes.count == 5 {
                    let primary = imbalance(nodes, Ownership(primary: TokenRing(nodes)))
                    #expect(primary < 1.05, "own ranges: \(primary)")
                }
            }
        }
    }

    /// With as many racks as replicas, the nodes of a rack share all rows: they are compared.
    @Test func ownershipIsEvenWithinEachOfThreeRacks() {
        for seed in 0..<4 {
            grow(to: 10, racks: 3, seed: UInt64(seed)) { nodes in
                let ownership = Ownership(effective: Fixture.map(topology(3), nodes))
                for rack in Set(nodes.map(\.location.rack)).sorted() {
                    let inside = nodes.filter { $0.location.rack == rack }
                    let even = imbalance(inside, ownership)
                    #expect(even < 1.05, "\(nodes.count) nodes, \(rack): \(even)")
                }
            }
        }
    }

    @Test func sameRandomNumbersGiveTheSameTokens() {
        var runs: [[NodeRecord]] = []
        for seed in [5, 5, 6] as [UInt64] {
            grow(to: 4, tokens: 8, seed: seed) { if $0.count == 4 { runs.append($0) } }
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0] != runs[2])
    }

    @Test func tokensThatSomebodyHasAreNeverChosen() {
        // Generators that always answer the same, so that each proposal is the same place.
        for constant in [0, .max, 1 << 63] as [UInt64] {
            var generator = Constant(value: constant)
            var nodes: [NodeRecord] = []
            for number in 0..<6 {
                let location = Fixture.location(1 + number % 2, 1)
                let chosen = TokenAllocator.allocate(
                    4,
                    for: location,
                    factor: 1,
                    among: nodes,
                    using: &generator
                )
                let state: NodeState = number % 3 == 0 ? .joining : .normal
                nodes.append(Fixture.record(number, chosen.map(\.value), location, state))
            }
            let all = nodes.flatMap(\.tokens)
            #expect(Set(all).count == 24)
            #expect(!all.contains(.min))
        }
    }

    @Test func aThousandNodesTakeAnother() {
        var generator = SplitMix64(seed: 1)
        let nodes = Fixture.cluster(1_000, tokens: 4, racks: 3, using: &generator)
        let chosen = TokenAllocator.allocate(
            16,
            for: Fixture.location(1, 1),
            factor: 3,
            among: nodes,
            using: &generator
        )
        #expect(Set(chosen).count == 16)
    }

    private struct Constant: RandomNumberGenerator {
        let value: UInt64
        // Steps by one, since a source that never changes would keep the library's own loops.
        var count: UInt64 = 0
        mutating func next() -> UInt64 {
            count += 1
            return value &+ count / 64
        }
    }
}
