// SPDX-License-Identifier: Apache-2.0

/// An executor that runs nothing until it is told to, in the caller's thread and under virtual time:
/// for tests and the simulator.
///
/// Without a seed it is serial and in order, as a shard's loop is. With a seed it takes the jobs that
/// are ready in an order that the seed decides, as a pool's threads might.
package final class ManualExecutor: Executor, @unchecked Sendable {  // State: `lock`.
    /// The time that timers go by. Several executors may share it.
    package let clock: ManualClock
    private let lock = Lock()
    private var queue = JobQueue()
    private var shuffle: SplitMix64?

    package init(clock: ManualClock = ManualClock(), shuffledBy seed: UInt64? = nil) {
        self.clock = clock
        self.shuffle = seed.map { SplitMix64(seed: $0) }
    }

    package func execute(_ job: @escaping @Sendable () -> Void) {
        lock.withLock { queue.append(job) }
    }

    package func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        let (deadline, overflow) = clock.monotonicNanoseconds().addingReportingOverflow(nanoseconds)
        lock.withLock { queue.append(deadline: overflow ? .max : deadline, job) }
    }

    package var isCurrent: Bool { CurrentExecutor.isCurrent(self) }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// How many jobs can run now; timers that are due count.
    package var readyCount: Int {
        let now = clock.monotonicNanoseconds()
        return lock.withLock {
            queue.promoteTimers(now: now)
            return queue.readyCount
        }
    }

    /// When the next timer is due, in the clock's monotonic nanoseconds; nil without timers.
    package var nextDeadline: UInt64? { lock.withLock { queue.nextDeadline } }

    /// Runs one job that is ready.
    ///
    /// - Returns: false when there was none.
    @discardableResult
    package func runOne() -> Bool {
        let now = clock.monotonicNanoseconds()
        let job = lock.withLock {
            queue.promoteTimers(now: now)
            guard queue.readyCount > 0 else { return nil as JobQueue.Job? }
            guard shuffle != nil else { return queue.popFirst() }
            let index = shuffle?.next(upperBound: UInt64(queue.readyCount)) ?? 0
            return queue.pop(at: Int(index))
        }
        guard let job else { return false }
        CurrentExecutor.with(self) { job() }
        return true
    }

    /// Runs jobs, and those that they add, until none is ready. Time stands still meanwhile.
    ///
    /// - Returns: how many ran.
    @discardableResult
    package func runUntilIdle() -> Int {
        var count = 0
        while runOne() { count += 1 }
        return count
    }

    /// Moves the clock forward, stopping at each timer on the way to run what it makes ready.
    package func advance(nanoseconds: UInt64) {
        let end = clock.monotonicNanoseconds() + nanoseconds
        runUntilIdle()
        while let deadline = nextDeadline, deadline <= end {
            let now = clock.monotonicNanoseconds()
            if deadline > now { clock.advance(nanoseconds: deadline - now) }
            runUntilIdle()
        }
        let now = clock.monotonicNanoseconds()
        if end > now { clock.advance(nanoseconds: end - now) }
    }
}

extension Environment {
    /// Runs the jobs of all `executors`, and those that they add to each other, until none is ready.
    package static func runUntilIdle(_ executors: [ManualExecutor]) {
        while executors.contains(where: { $0.runOne() }) {}
    }
}
