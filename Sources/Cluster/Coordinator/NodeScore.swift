// SPDX-License-Identifier: Apache-2.0

/// When a node that fails is asked last for a while (a circuit breaker), though it is said to be alive.
package struct BreakerRule: Hashable, Sendable {
    /// So many failures in a row open the breaker.
    package var failuresMax = 5
    /// How long it stays open, in nanoseconds; then the next request shows whether it closes.
    package var openTime: UInt64 = 2_000_000_000

    package init() {}
}

/// What has been seen of a node that requests are sent to: how fast it answers, what it has to do, whether it fails.
package struct NodeScore: Sendable {
    /// The mean of the last answers' times, later ones counting more; 0 before the first.
    private var nanoseconds: UInt64 = 0
    /// When something was last seen of how fast it is.
    private var seenAt: UInt64 = 0
    /// How many requests wait for its answer.
    package private(set) var inFlight = 0
    private var failuresInARow = 0
    private var openUntil: UInt64 = 0

    package init() {}

    /// What one request more would wait for, roughly: smaller is better.
    ///
    /// What was seen counts half as much with each second: who was slow once, and so isn't asked, is tried again.
    package func cost(at now: UInt64) -> UInt64 {
        let seconds = now > seenAt ? min((now - seenAt) >> 30, 63) : 0
        return ((nanoseconds >> seconds) + 50_000) * UInt64(inFlight + 1)
    }

    /// Whether it fails so often that others are asked before it.
    package func isOpen(at now: UInt64) -> Bool { openUntil > now }

    /// It was asked.
    package mutating func asked() { inFlight += 1 }

    /// It has answered after so many nanoseconds.
    package mutating func answered(after nanoseconds: UInt64, at now: UInt64) {
        seenAt = now
        let old = self.nanoseconds
        self.nanoseconds = old == 0 ? nanoseconds : old - old / 8 + nanoseconds / 8
        failuresInARow = 0
        openUntil = 0
        end()
    }

    /// It said that it couldn't, or nothing in time.
    package mutating func failed(at now: UInt64, _ rule: BreakerRule) {
        failuresInARow += 1
        if failuresInARow >= rule.failuresMax { openUntil = now &+ rule.openTime }
        end()
    }

    /// Its answer isn't waited for any more.
    ///
    /// - Parameter nanoseconds: since it was asked: it is at least that slow.
    package mutating func abandoned(after nanoseconds: UInt64, at now: UInt64) {
        if nanoseconds > self.nanoseconds {
            seenAt = now
            self.nanoseconds += (nanoseconds - self.nanoseconds) / 8
        }
        end()
    }

    private mutating func end() { inFlight = max(inFlight - 1, 0) }
}
