// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
import Testing

@Suite struct GossiperTests {
    private typealias Cluster = GossipCluster

    /// The rounds are stated in docs/internals/gossip.md.
    @Test(arguments: [(3, 5), (10, 8), (100, 14)])
    func clusterConverges(count: Int, roundsMax: Int) throws {
        for seed in 0..<3 {
            var cluster = Cluster(count, seed: UInt64(seed))
            cluster.loss = 0.1
            let rounds = try cluster.rounds(max: 40) { $0.isConverged }
            #expect(rounds ?? .max <= roundsMax, "\(count) nodes, seed \(seed): \(rounds ?? -1)")
            cluster.nodes[count - 1].set(.load, "new")
            let news = try cluster.rounds(max: 40) { $0.agrees(.load, of: count - 1, "new") }
            #expect(news ?? .max <= roundsMax, "\(count) nodes, news: \(news ?? -1)")
            #expect(cluster.bytesMax <= 65_536)
            print("gossip \(count) \(seed): \(rounds ?? -1) \(news ?? -1) \(cluster.bytesMax)")
        }
    }

    /// 1,000 nodes with THOLOS_SEEDS above 1, which takes minutes in a debug build; else 200.
    @Test func manyNodesConverge() throws {
        let count = SeedCount.factor > 1 ? 1_000 : 200
        var cluster = Cluster(count, seeds: 3)
        cluster.loss = 0.1
        let rounds = try cluster.rounds(max: 120) { $0.isConverged }
        #expect(rounds ?? .max <= 80, "\(rounds ?? -1) rounds")
        #expect(cluster.bytesMax <= 65_536)
        cluster.nodes[count - 1].set(.load, "new")
        let news = try cluster.rounds(max: 40) { $0.agrees(.load, of: count - 1, "new") }
        #expect(news ?? .max <= 30, "\(news ?? -1) rounds")
        print("gossip, \(count) nodes: known in \(rounds ?? -1) rounds, news in \(news ?? -1)")
    }

    @Test func messagesStayWithinTheirLimit() throws {
        var configuration = Gossiper.Configuration(cluster: "test")
        configuration.messageBytesMax = 8_192
        var cluster = Cluster(100, seeds: 3, configuration: configuration)
        for index in 0..<100 {
            cluster.nodes[index].set(.hostID, String(repeating: "x", count: index * 39))
        }
        let converged = try cluster.rounds(max: 120) { $0.isConverged }
        #expect(converged != nil)
        let isComplete = try cluster.rounds(max: 120) { cluster in
            (0..<100).allSatisfy { node in
                let length = node * 39
                return cluster.nodes.allSatisfy {
                    $0.state(of: Cluster.id(node))?[.hostID]?.utf8.count == length
                }
            }
        }
        #expect(isComplete != nil)
        #expect(cluster.bytesMax > 4_096 && cluster.bytesMax <= 8_192, "\(cluster.bytesMax)")
    }

    @Test func steadyClusterSuspectsNobody() throws {
        var cluster = Cluster(30)
        cluster.loss = 0.2
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        for _ in 0..<300 {
            try cluster.runRound()
            #expect(cluster.events.joined().isEmpty)
        }
    }

    @Test func halvesThatThinkEachOtherDeadFindEachOther() throws {
        for seed in 0..<5 {
            var cluster = Cluster(12, seeds: 1, seed: UInt64(seed))
            _ = try cluster.rounds(max: 30) { $0.isConverged }
            for _ in 0..<20 { try cluster.runRound() }
            cluster.group = { $0 % 2 }
            let parted = try cluster.rounds(max: 40) { $0.nodes.allSatisfy { $0.live.count == 6 } }
            #expect((15...36).contains(parted ?? -1), "\(parted ?? -1)")
            // The side without the seed goes on by itself.
            cluster.nodes[1].set(.load, "odd")
            for _ in 0..<10 { try cluster.runRound() }
            cluster.group = { _ in 0 }
            let healed = try cluster.rounds(max: 20) {
                $0.isConverged && $0.agrees(.load, of: 1, "odd")
            }
            #expect(healed ?? .max <= 8, "\(healed ?? -1)")
        }
    }

    @Test func crashedNodeIsFoundOutAndComesBackWithANewGeneration() throws {
        var cluster = Cluster(5)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        for _ in 0..<20 { try cluster.runRound() }
        cluster.stopped = [3]
        let found = try cluster.rounds(max: 40) { $0.isConverged }
        #expect((16...30).contains(found ?? -1), "\(found ?? -1)")
        cluster.stopped = []
        cluster.nodes[3] = Cluster.gossiper(3, seeds: 2, generation: 200)
        cluster.nodes[3].set(.load, "after")
        var seen: Set<Int> = []
        let back = try cluster.rounds(max: 20) { cluster in
            for index in cluster.nodes.indices
            where cluster.events[index].contains(.restarted(Cluster.id(3))) {
                #expect(cluster.events[index].contains(.alive(Cluster.id(3))))
                seen.insert(index)
            }
            return cluster.isConverged && cluster.agrees(.load, of: 3, "after")
        }
        #expect(back ?? .max <= 6 && seen == [0, 1, 2, 4])
    }

    @Test func nodeWhoseClockWasSetBackOutlivesItsLastLife() throws {
        for generation in [100, 7] as [UInt64] {
            var cluster = Cluster(4)
            _ = try cluster.rounds(max: 20) { $0.isConverged }
            cluster.nodes[2] = Cluster.gossiper(2, seeds: 2, generation: generation)
            cluster.nodes[2].set(.load, "again")
            var raised: [UInt64] = []
            let rounds = try cluster.rounds(max: 20) { cluster in
                for case .generationRaised(let number) in cluster.events[2] { raised.append(number) }
                return cluster.isConverged && cluster.agrees(.load, of: 2, "again")
            }
            #expect(rounds ?? .max <= 8)
            #expect(raised == [101])
        }
    }

    @Test func cleanStopIsHeardAtOnceAndIsNotTakenBack() throws {
        var cluster = Cluster(5)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        var queue = cluster.nodes[4].shutdown().map { (from: 4, envelope: $0) }
        // One of the others doesn't hear of it but by gossip.
        queue.removeAll { $0.envelope.destination == Cluster.address(1) }
        #expect(queue.count == 3)
        try cluster.deliver(&queue)
        cluster.stopped = [4]
        let id = Cluster.id(4)
        #expect(cluster.events[0].suffix(2) == [.shutdown(id), .down(id)])
        #expect([0, 2, 3].allSatisfy { !cluster.nodes[$0].isAlive(id) })
        let converged = try cluster.rounds(max: 5) { $0.isConverged }
        #expect(converged != nil)
        for _ in 0..<5 {
            try cluster.runRound()
            #expect(cluster.isConverged)
        }
        #expect(cluster.nodes[4].shutdown().isEmpty)
        cluster.stopped = []
        cluster.nodes[4] = Cluster.gossiper(4, seeds: 2, generation: 101)
        let back = try cluster.rounds(max: 6) { $0.isConverged }
        #expect(back != nil)
    }

    @Test func nodeThatLeftStaysAway() throws {
        var cluster = Cluster(5)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        // Node 1 doesn't know yet, and node 4 itself runs on.
        for index in [0, 2, 3] { cluster.nodes[index].quarantine(Cluster.id(4)) }
        var refusals = 0
        for _ in 0..<20 {
            try cluster.runRound()
            for index in [0, 2, 3] {
                #expect(cluster.nodes[index].state(of: Cluster.id(4)) == nil)
                refusals += cluster.events[index].filter {
                    $0 == .refused(from: Cluster.address(4), reason: .left(Cluster.id(4)))
                }.count
            }
        }
        #expect(refusals > 0)
        cluster.stopped = [4]
        cluster.nodes[1].quarantine(Cluster.id(4))
        for _ in 0..<30 { try cluster.runRound() }
        #expect(cluster.nodes[..<4].allSatisfy { $0.states.count == 4 && $0.live.count == 4 })
    }

    @Test func otherClusterIsRefused() throws {
        var cluster = Cluster(3)
        cluster.nodes[2] = Cluster.gossiper(
            2,
            seeds: 2,
            configuration: .init(cluster: "staging")
        )
        var refusals: [GossipEvent] = []
        for _ in 0..<10 {
            try cluster.runRound()
            refusals += cluster.events[0] + cluster.events[1]
        }
        let refusal = GossipEvent.refused(from: Cluster.address(2), reason: .cluster("staging"))
        #expect(refusals.contains(refusal))
        #expect(cluster.nodes.map(\.states.count) == [2, 2, 1])
    }

    @Test func pauseOfTheProcessConvictsNobody() throws {
        var cluster = Cluster(6)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        for _ in 0..<10 { try cluster.runRound() }
        // The whole machine sleeps for an hour: every node finds all others silent.
        cluster.now += 3_600 * Cluster.second
        for _ in 0..<5 {
            try cluster.runRound()
            #expect(cluster.isConverged)
        }
        // One node alone stands still for 15 seconds, which nobody takes for a death.
        cluster.stopped = [2]
        for _ in 0..<15 {
            try cluster.runRound()
            #expect(cluster.events.joined().isEmpty)
        }
        cluster.stopped = []
        for _ in 0..<5 {
            try cluster.runRound()
            #expect(cluster.isConverged)
        }
        // Who dies while everybody sleeps is found out afterwards.
        cluster.stopped = [5]
        cluster.now += 3_600 * Cluster.second
        let found = try cluster.rounds(max: 40) { $0.isConverged }
        #expect((10...30).contains(found ?? -1))
    }

    @Test func ticksThatComeTooOftenBeginNoRound() {
        var cluster = Cluster(2)
        var rounds = 0
        for step in 0..<100 as Range<UInt64> {
            let now = cluster.now + step * Cluster.second / 10
            let output = cluster.nodes[1].tick(now, using: &cluster.generator)
            rounds += output.messages.isEmpty ? 0 : 1
        }
        #expect((10...12).contains(rounds))
    }

    @Test func whoIsHeardOfByOthersOnlyIsDownUntilItMoves() throws {
        var cluster = Cluster(4, seeds: 1)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        cluster.stopped = [2]
        _ = try cluster.rounds(max: 40) { $0.isConverged }
        cluster.nodes[3] = Cluster.gossiper(3, seeds: 1, generation: 300)
        for _ in 0..<30 {
            try cluster.runRound()
            #expect(!cluster.nodes[3].isAlive(Cluster.id(2)))
        }
        #expect(cluster.nodes[3].state(of: Cluster.id(2)) != nil)
        #expect(cluster.isConverged)
    }

    /// A difference that arrives late, after the copy that it builds on is gone, must not be taken for
    /// the whole.
    @Test func differenceWithoutItsBaseIsNotTaken() throws {
        var cluster = Cluster(3)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        let known = cluster.nodes[0].own.version
        cluster.nodes[0].set(.load, "5")
        let late = GossipMessage(
            cluster: "test",
            sender: Cluster.id(0),
            generation: 100,
            heartbeat: known + 1,
            body: .ack2(deltas: [cluster.nodes[0].own.delta(since: known)])
        )
        cluster.nodes[1] = Cluster.gossiper(1, seeds: 1, generation: 101)
        let output = cluster.nodes[1].receive(
            late,
            from: Cluster.address(0),
            now: cluster.now,
            using: &cluster.generator
        )
        #expect(output.events.isEmpty && cluster.nodes[1].states.count == 1)
        _ = try cluster.rounds(max: 20) { $0.isConverged }
        #expect(cluster.nodes[1].state(of: Cluster.id(0))?.values.count == 8)
    }
}
