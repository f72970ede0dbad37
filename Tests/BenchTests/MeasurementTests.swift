// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Bench
import Client

@Suite struct MeasurementTests {
    @Test func percentilesAreWithinAnEighth() {
        var latencies = Latencies()
        for value in 1...10_000 { latencies.add(UInt64(value) * 100) }
        #expect(abs(latencies.percentile(0.5) / 500_000 - 1) < 0.125)
        #expect(abs(latencies.percentile(0.99) / 990_000 - 1) < 0.125)
        #expect(Latencies().percentile(0.5) == 0)
    }

    @Test func numbersKeepTheirZeros() {
        #expect(BenchOutput.text(1.005, digits: 3) == "1.005")
        #expect(BenchOutput.text(-0.0624, digits: 2) == "-0.06")
        #expect(BenchOutput.text(12, digits: 0) == "12")
        #expect(BenchOutput.text(-0.001, digits: 2) == "0.00")
    }
}

@Suite struct RoutingModelTests {
    private func measure(_ name: String, _ strategy: RoutingStrategy) throws -> RoutingModel {
        let place = try #require(RoutingCase.all.first { $0.name == name })
        let model = RoutingModel(place, strategy, hedging: false, seed: 5)
        model.run(seconds: 2)
        return model
    }

    @Test func theSameSeedGivesTheSameFigures() throws {
        let (first, second) = (try measure("even", .random), try measure("even", .random))
        #expect(first.latencies.count == second.latencies.count && first.latencies.count > 10_000)
        #expect(first.latencies.percentile(0.999) == second.latencies.percentile(0.999))
    }

    @Test func twoChoicesAvoidASlowReplicaThatTurnsAndCountsDoNot() throws {
        let times = try [RoutingStrategy.powerOfTwoChoices, .leastInFlight, .roundRobin].map {
            try measure("slow", $0).latencies.percentile(0.99)
        }
        #expect(times[0] * 3 < times[1])
        #expect(times[1] * 3 < times[2])
    }

    @Test func requestsAreServedWhileANodeIsGone() throws {
        let model = try measure("returns", .powerOfTwoChoices)
        #expect(model.failedCount == 0)
    }
}
