// SPDX-License-Identifier: Apache-2.0

internal import Storage
import Synchronization

/// Counts down to the last of several writes and keeps the first error.
final class Guarded: Sendable {
    private let state: Mutex<(left: Int, error: WriteError?)>

    init(_ count: Int) { state = Mutex((count, nil)) }

    /// Notes one write's end.
    ///
    /// - Returns: the outcome of all (an error or none) when it was the last; nil before that.
    func finish(_ error: WriteError?) -> WriteError?? {
        state.withLock { state in
            state.left -= 1
            if state.error == nil { state.error = error }
            return state.left == 0 ? .some(state.error) : nil
        }
    }
}

/// Adds up what several shards report and tells the sum when all have.
final class CountGate: Sendable {
    private let state: Mutex<(left: Int, sum: Int)>
    private let done: @Sendable (Int) -> Void

    init(count: Int, _ done: @escaping @Sendable (Int) -> Void) {
        state = Mutex((count, 0))
        self.done = done
    }

    func finish(_ number: Int) {
        let sum = state.withLock { state -> Int? in
            state.left -= 1
            state.sum += number
            return state.left == 0 ? state.sum : nil
        }
        if let sum { done(sum) }
    }
}
