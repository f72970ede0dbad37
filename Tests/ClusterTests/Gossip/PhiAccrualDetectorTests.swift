// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Testing

@Suite struct PhiAccrualDetectorTests {
    private let second: UInt64 = 1_000_000_000
    private let configuration = PhiAccrualDetector.Configuration()

    private func regular(_ count: Int) -> (PhiAccrualDetector, UInt64) {
        var detector = PhiAccrualDetector()
        for beat in 1...UInt64(count) { detector.report(beat * second, configuration) }
        return (detector, UInt64(count) * second)
    }

    @Test func suspicionGrowsWithSilence() {
        let (detector, last) = regular(1_500)
        #expect(detector.phi(last) == 0)
        #expect(abs(detector.phi(last + second) - 0.4343) < 0.001)
        // 18.4 s: the threshold of 8.
        #expect(detector.phi(last + 18 * second) < configuration.threshold)
        #expect(detector.phi(last + 19 * second) > configuration.threshold)
    }

    @Test func firstIntervalIsAssumed() {
        let (detector, last) = regular(1)
        // At a mean of 2 s.
        #expect(abs(detector.phi(last + 2 * second) - 0.4343) < 0.001)
        #expect(PhiAccrualDetector().phi(5 * second) == 0)
    }

    @Test func longAbsenceIsNotTakenForAHabit() {
        var (detector, last) = regular(10)
        last += 600 * second
        detector.report(last, configuration)
        let (other, otherLast) = regular(10)
        #expect(detector.phi(last + second) == other.phi(otherLast + second))
    }

    @Test func windowForgetsOldHabits() {
        var small = configuration
        small.intervalCountMax = 10
        var detector = PhiAccrualDetector()
        var now: UInt64 = 0
        for step in 1...40 {
            now += step <= 20 ? second / 2 : 2 * second
            detector.report(now, small)
        }
        #expect(abs(detector.phi(now + 2 * second) - 0.4343) < 0.001)
    }

    @Test func clockThatGoesBackIsHarmless() {
        var (detector, last) = regular(10)
        detector.report(last - 5 * second, configuration)
        #expect(detector.phi(last - second) == 0)
        #expect(detector.phi(last + second) > 0)
        detector.forgive(last - second)
        detector.forgive(last + 100 * second)
        #expect(detector.phi(last + 100 * second) == 0)
    }
}
