// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Calls back once when a number of things have finished, with the first failure among them; on
/// whichever thread is last.
package final class Countdown<Failure: Sendable>: Sendable {
    private let state: Mutex<(left: Int, failure: Failure?)>
    private let done: @Sendable (Failure?) -> Void

    /// Waits for `count` calls of `finish`, at least one.
    package init(_ count: Int, done: @escaping @Sendable (Failure?) -> Void) {
        state = Mutex((count, nil))
        self.done = done
    }

    /// Notes that one thing has finished, or failed.
    package func finish(_ failure: Failure? = nil) {
        let (left, first) = state.withLock { state in
            state.left -= 1
            if state.failure == nil { state.failure = failure }
            return (state.left, state.failure)
        }
        if left == 0 { done(first) }
    }
}
