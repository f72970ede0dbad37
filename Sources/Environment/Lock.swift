// SPDX-License-Identifier: Apache-2.0

internal import Bytes

#if canImport(Glibc)
import Glibc
#endif

/// A mutex with one condition: the only lock of the project.
///
/// Held for short, bounded work and never while calling foreign code.
package final class Lock: @unchecked Sendable {  // The mutex itself is what makes it safe.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let made = pthread_mutex_init(mutex, nil) == 0 && pthread_cond_init(condition, &attributes) == 0
        pthread_condattr_destroy(&attributes)
        invariant(made, "the system refused a mutex")
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Waits until nobody else holds the lock and takes it.
    package func lock() {
        let status = pthread_mutex_lock(mutex)
        invariant(status == 0, "a mutex could not be locked")
    }

    /// Gives the lock back.
    package func unlock() {
        let status = pthread_mutex_unlock(mutex)
        invariant(status == 0, "a mutex could not be unlocked")
    }

    /// Calls `body` with the lock held.
    package func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }

    /// Gives the lock back, waits for a signal, and takes it again. May return without a signal.
    package func wait() { pthread_cond_wait(condition, mutex) }

    /// As `wait`, but at most until `deadline` in nanoseconds of the monotonic clock.
    package func wait(until deadline: UInt64) {
        let seconds = Int(clamping: deadline / 1_000_000_000)
        var time = timespec(tv_sec: seconds, tv_nsec: Int(deadline % 1_000_000_000))
        pthread_cond_timedwait(condition, mutex, &time)
    }

    /// Wakes one waiter.
    package func signal() { pthread_cond_signal(condition) }

    /// Wakes all waiters.
    package func broadcast() { pthread_cond_broadcast(condition) }
}
