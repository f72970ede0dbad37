// SPDX-License-Identifier: Apache-2.0

/// Suspects a node by how long it has been silent, measured by how often it spoke before.
///
/// Hayashibara, Défago, Yared, Katayama: "The φ Accrual Failure Detector", 2004; with intervals taken as
/// exponentially distributed, as Cassandra does: φ = t / (mean · ln 10), so that a node is wrongly
/// suspected at threshold φ with probability 10^-φ. Times are of a monotonic clock, in nanoseconds.
package struct PhiAccrualDetector: Sendable {
    package struct Configuration: Hashable, Sendable {
        /// φ from which on a node counts as down: 18.4 s of silence at a heartbeat a second.
        package var threshold = 8.0
        /// How many intervals are remembered.
        package var intervalCountMax = 1_000
        /// The first interval, which nobody has seen.
        package var initialInterval: UInt64 = 2_000_000_000
        /// Longer intervals aren't remembered: a node that was away isn't a slow one.
        package var intervalMax: UInt64 = 2_000_000_000

        package init() {}
    }

    /// In microseconds; a ring when it is full.
    private var intervals: [UInt32] = []
    private var next = 0
    private var sum: UInt64 = 0
    private var last: UInt64?

    package init() {}

    /// Notes a sign of life.
    package mutating func report(_ now: UInt64, _ configuration: Configuration) {
        let interval = last.map { now > $0 ? now - $0 : 0 } ?? configuration.initialInterval
        last = max(last ?? 0, now)
        guard interval <= configuration.intervalMax else { return }
        let microseconds = UInt32(clamping: interval / 1_000)
        sum += UInt64(microseconds)
        if intervals.count < configuration.intervalCountMax {
            intervals.append(microseconds)
        } else {
            sum -= UInt64(intervals[next])
            intervals[next] = microseconds
            next = (next + 1) % intervals.count
        }
    }

    /// Starts the silence anew: it wasn't the node that was silent, but this process that didn't hear.
    package mutating func forgive(_ now: UInt64) {
        if let last { self.last = max(last, now) }
    }

    /// The suspicion at `now`; 0 if the node has never given a sign of life.
    package func phi(_ now: UInt64) -> Double {
        guard let last, now > last, !intervals.isEmpty else { return 0 }
        let mean = max(Double(sum) / Double(intervals.count), 1) * 1_000
        return Double(now - last) / (mean * 2.302_585_092_994_045_7)
    }
}
