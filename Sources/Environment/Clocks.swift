// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// The system's clocks.
package final class SystemClock: Clock {
    package init() {}

    package func microsecondsSinceEpoch() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    package func monotonicNanoseconds() -> UInt64 { SystemClock.monotonicNow() }

    /// The monotonic clock that `Lock.wait(until:)` goes by.
    static func monotonicNow() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A clock that stands still until it is moved: for tests and the simulator.
package final class ManualClock: Clock, @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var wall: Int64
    private var monotonic: UInt64 = 0
    private var remainder: UInt64 = 0

    /// A clock that shows `microsecondsSinceEpoch`; its monotonic time starts at 0.
    package init(microsecondsSinceEpoch: Int64 = 1_700_000_000_000_000) {
        wall = microsecondsSinceEpoch
    }

    package func microsecondsSinceEpoch() -> Int64 { lock.withLock { wall } }

    package func monotonicNanoseconds() -> UInt64 { lock.withLock { monotonic } }

    /// Moves both times forward.
    package func advance(nanoseconds: UInt64) {
        lock.withLock {
            monotonic += nanoseconds
            remainder += nanoseconds
            wall += Int64(remainder / 1000)
            remainder %= 1000
        }
    }

    /// Sets the wall clock alone, backwards too, as an operator or NTP may.
    package func set(microsecondsSinceEpoch: Int64) {
        lock.withLock { wall = microsecondsSinceEpoch }
    }
}
