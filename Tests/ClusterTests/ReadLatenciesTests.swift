// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model
import Testing

/// When another replica is asked, and which one first.
@Suite struct ReadLatenciesTests {
    @Test func aPercentileIsAtMostAnEighthTooHigh() throws {
        var latencies = ReadLatencies()
        for microseconds in 1...1000 as ClosedRange<UInt64> { latencies.note(microseconds * 1000) }
        for percent in [1.0, 10, 50, 90, 99, 99.9] {
            let found = Double(try #require(latencies.percentile(percent))) / 1000
            let exact = percent * 10
            #expect(found >= exact && found <= exact * 1.125 + 2, "\(percent) %: \(found)")
        }
    }

    @Test func timesOfAllSizesAreCounted() throws {
        for time in [0, 1, 999, 7_000, 8_000, 1_000_000, 60_000_000_000, .max] as [UInt64] {
            var latencies = ReadLatencies()
            for _ in 0..<200 { latencies.note(time) }
            let found = try #require(latencies.percentile(99))
            #expect(found > min(time, 100_000_000_000))
        }
    }

    @Test func fewReadsSayNothingAndOldOnesCountLess() throws {
        var latencies = ReadLatencies()
        for _ in 0..<99 { latencies.note(1_000_000) }
        #expect(latencies.percentile(99) == nil)
        for _ in 0..<10_000 { latencies.note(1_000_000) }
        #expect(try #require(latencies.percentile(99)) < 1_200_000)
        // Everything has become slower: that is known before as many have been seen again.
        for _ in 0..<5_000 { latencies.note(50_000_000) }
        #expect(try #require(latencies.percentile(50)) > 50_000_000)
    }

    @Test func rulesAreThoseOfTheTableOption() {
        var latencies = ReadLatencies()
        for _ in 0..<1000 { latencies.note(10_000_000) }
        let delay = { (text: String, latencies: ReadLatencies) in
            SpeculationRule(text).delay(latencies, unknown: 7)
        }
        #expect(delay("NEVER", latencies) == nil)
        #expect(delay("ALWAYS", latencies) == 0)
        #expect(delay("20ms", latencies) == 20_000_000)
        #expect(delay("99p", ReadLatencies()) == 7)
        let percentile = latencies.percentile(99)
        #expect(delay("99p", latencies) == percentile)
        #expect(delay("MIN(99p,20ms)", latencies) == percentile)
        #expect(delay("MAX(99p,20ms)", latencies) == 20_000_000)
        #expect(SpeculationRule("nonsense") == SpeculationRule("99p"))
        #expect(SpeculationRule("99.5p") == .after(.percentile(99.5)))
    }
}

@Suite struct ReplicaScoresTests {
    private let ids = (1...3).map { NodeID(UUID(high: 0, low: $0)) }
    private var replicas: [Replica] { ids.map { Replica($0, dataCenter: "dc1", isAlive: true) } }

    /// How often each comes first.
    private func firsts(_ scores: ReplicaScores, of replicas: [Replica], at now: UInt64) -> [NodeID: Int] {
        var random = SplitMix64(seed: 3)
        var counts: [NodeID: Int] = [:]
        for _ in 0..<3000 {
            var ordered = replicas
            scores.order(&ordered, in: ordered.indices, at: now, using: &random)
            #expect(Set(ordered) == Set(replicas) && ordered.count == replicas.count)
            counts[ordered[0].id, default: 0] += 1
        }
        return counts
    }

    @Test func thoseOfWhichNothingIsKnownGetAboutTheSame() {
        let counts = firsts(ReplicaScores(), of: replicas, at: 0)
        for id in ids { #expect(abs((counts[id] ?? 0) - 1000) < 150) }
    }

    @Test func theSlowestOfThreeIsNeverFirst() {
        var scores = ReplicaScores()
        for (id, time) in zip(ids, [1, 1, 30] as [UInt64]) {
            for _ in 0..<20 {
                scores.asked(id)
                scores.answered(id, after: time * 1_000_000, at: 0)
            }
        }
        let counts = firsts(scores, of: replicas, at: 0)
        #expect(counts[ids[2]] == nil)
        #expect(counts.count == 2)
        // It isn't left out for good: what was seen of it long ago counts less than what is seen of the others.
        for id in ids.prefix(2) {
            scores.asked(id)
            scores.answered(id, after: 1_000_000, at: 20_000_000_000)
        }
        #expect((firsts(scores, of: replicas, at: 20_000_000_000)[ids[2]] ?? 0) > 500)
    }

    @Test func whoHasMuchToDoIsPassedOver() {
        var scores = ReplicaScores()
        for id in ids {
            scores.asked(id)
            scores.answered(id, after: 1_000_000, at: 0)
        }
        for _ in 0..<10 { scores.asked(ids[0]) }
        #expect(firsts(scores, of: replicas, at: 0)[ids[0]] == nil)
        // What isn't waited for any more counts as slow, and no longer as work.
        for _ in 0..<10 { scores.abandoned(ids[0], after: 500_000_000, at: 0) }
        #expect(firsts(scores, of: replicas, at: 0)[ids[0]] == nil)
    }

    @Test func aReplicaThatFailsInARowIsAskedLastForAWhile() {
        var scores = ReplicaScores()
        for count in 1...5 {
            scores.asked(ids[0])
            scores.failed(ids[0], at: 100)
            #expect(scores.isOpen(ids[0], at: 200) == (count == 5))
        }
        #expect(firsts(scores, of: Array(replicas.prefix(2)), at: 200) == [ids[1]: 3000])
        #expect(!scores.isOpen(ids[0], at: 3_000_000_000))
        // One failure more opens it again, one answer closes it.
        scores.asked(ids[0])
        scores.failed(ids[0], at: 3_000_000_000)
        #expect(scores.isOpen(ids[0], at: 3_000_000_001))
        scores.asked(ids[0])
        scores.answered(ids[0], after: 1_000, at: 3_000_000_001)
        #expect(!scores.isOpen(ids[0], at: 3_000_000_001))
    }
}
