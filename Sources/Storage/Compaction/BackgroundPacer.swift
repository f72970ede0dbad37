// SPDX-License-Identifier: Apache-2.0

/// Says how the next step of background work is run: at which priority, and after what pause.
///
/// Background work yields to foreground work by the priority of the threads that it runs on: at low
/// priority it takes what the foreground leaves, which is everything when that is idle. As the backlog
/// grows, more and more of the steps run at normal priority, until all do. A cap of bytes a second holds
/// whatever the backlog is. A machine without a clock: the time is handed in.
package struct BackgroundPacer: Sendable {
    /// Where a step runs.
    package enum Priority: Sendable, Equatable {
        case low
        case normal
    }

    /// What is said of a step.
    package struct Step: Sendable, Equatable {
        package let priority: Priority
        /// Nanoseconds to wait before it.
        package let pause: UInt64

        package init(priority: Priority, pause: UInt64) {
            self.priority = priority
            self.pause = pause
        }
    }

    /// Bytes a second; 0 for no cap.
    private let bytesPerSecond: Int
    /// The part of a normal step that has come together.
    private var credit = 0.0
    /// When the cap lets the next bytes through, in nanoseconds.
    private var freeAt: UInt64 = 0

    /// So much may be done at once after a rest, in nanoseconds of the cap.
    private static let burst: UInt64 = 100_000_000

    package init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// What holds for the step after one that did `bytes`.
    ///
    /// - Parameters:
    ///   - backlog: from 0 (nothing waits) to 1, where writes have begun to be held up.
    ///   - now: nanoseconds of the monotonic clock.
    package mutating func next(after bytes: Int, backlog: Double, now: UInt64) -> Step {
        credit += min(1, max(0, backlog))
        var priority = Priority.low
        if credit >= 1 {
            credit -= 1
            priority = .normal
        }
        guard bytesPerSecond > 0 else { return Step(priority: priority, pause: 0) }
        let start = max(freeAt, now > BackgroundPacer.burst ? now - BackgroundPacer.burst : 0)
        freeAt = start &+ UInt64(Double(max(0, bytes)) / Double(bytesPerSecond) * 1e9)
        return Step(priority: priority, pause: freeAt > now ? freeAt - now : 0)
    }
}
