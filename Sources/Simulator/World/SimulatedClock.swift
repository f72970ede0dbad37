// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// A machine's clock: runs faster or slower than the world's time, is off from it, and may be set.
package final class SimulatedClock: Clock, @unchecked Sendable {  // Owner: the world's thread.
    /// What every clock without an offset shows when the world begins: 2023-11-14.
    package static let epoch: Int64 = 1_700_000_000_000_000

    private unowned let world: World
    /// The world's time since which the rate holds, and what the clock showed then.
    private var anchor: UInt64 = 0
    private var shown: UInt64 = 0
    /// By how many millionths it is fast; negative when it is slow.
    package private(set) var drift: Int64 = 0
    /// Microseconds by which the wall clock is ahead of the monotonic one.
    private var offset: Int64 = SimulatedClock.epoch

    init(_ world: World) { self.world = world }

    package func monotonicNanoseconds() -> UInt64 {
        let passed = Int64(world.now - anchor)
        return shown + UInt64(passed + passed / 1000 * drift / 1000)
    }

    package func microsecondsSinceEpoch() -> Int64 {
        offset + Int64(monotonicNanoseconds() / 1000)
    }

    /// Changes the rate, from now on, to so many millionths above the true one (at most 100,000 either way).
    package func setDrift(_ millionths: Int64) {
        let now = monotonicNanoseconds()
        anchor = world.now
        shown = now
        drift = max(-100_000, min(millionths, 100_000))
    }

    /// Sets the wall clock forward, or back.
    package func jump(microseconds: Int64) { offset += microseconds }

    /// How long the world takes until this clock has gone on by `nanoseconds`.
    func worldNanoseconds(_ nanoseconds: UInt64) -> UInt64 {
        guard drift != 0, nanoseconds < 1 << 60 else { return nanoseconds }
        return UInt64(max(0, Int64(nanoseconds) - Int64(nanoseconds) / 1000 * drift / 1000))
    }
}
