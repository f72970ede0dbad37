// SPDX-License-Identifier: Apache-2.0

package import Storage
import Synchronization

/// Why a schema was not changed.
package enum SchemaChangeError<Failure: Error>: Error, Sendable {
    /// The plan refused.
    case refused(Failure)
    /// The change could not be made durable.
    case storage(StorageError)
}

/// Calls `done` once when a number of things have finished, on whichever thread is last.
final class SchemaGate: Sendable {
    private let count: Mutex<Int>
    private let done: @Sendable () -> Void

    init(count: Int, done: @escaping @Sendable () -> Void) {
        self.count = Mutex(count)
        self.done = done
    }

    func finish() {
        let left = count.withLock { count in
            count -= 1
            return count
        }
        if left == 0 { done() }
    }
}

/// The same with the first error.
final class ErrorGate: Sendable {
    private let state: Mutex<(count: Int, error: StorageError?)>
    private let done: @Sendable (StorageError?) -> Void

    init(count: Int, done: @escaping @Sendable (StorageError?) -> Void) {
        self.state = Mutex((count, nil))
        self.done = done
    }

    func finish(_ error: StorageError?) {
        let (left, first) = state.withLock { state in
            state.count -= 1
            if state.error == nil { state.error = error }
            return (state.count, state.error)
        }
        if left == 0 { done(first) }
    }
}
