// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Bench

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
