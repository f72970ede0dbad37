// SPDX-License-Identifier: Apache-2.0

/// One thread that runs jobs in their order: a shard's loop where there is no network.
///
/// `stop()` runs what is queued, drops timers, and joins; jobs that come after it are dropped. Must be
/// called before the last reference goes.
package final class ThreadExecutor: Executor {
    private let workers: WorkerThreads

    /// Starts the thread. The system shows the first 15 bytes of `name`.
    package init(name: String) { workers = WorkerThreads(count: 1, name: name) }

    package func execute(_ job: @escaping @Sendable () -> Void) { workers.execute(job) }

    package func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        workers.schedule(after: nanoseconds, job)
    }

    package var isCurrent: Bool { workers.isCurrent }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        workers.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs what is queued and waits for the thread to end. Not from the thread itself.
    package func stop() { workers.stop() }
}

/// A fixed number of threads that run jobs beside each other: `Environment.background`.
///
/// `stop()` runs what is queued, drops timers, and joins; jobs that come after it are dropped. Must be
/// called before the last reference goes.
package final class ThreadPoolExecutor: Executor {
    private let workers: WorkerThreads

    /// Starts the threads, at low priority if they yield to all others.
    package init(threads: Int, name: String = "background", yields: Bool = false) {
        workers = WorkerThreads(count: threads, name: name, yields: yields)
    }

    package func execute(_ job: @escaping @Sendable () -> Void) { workers.execute(job) }

    package func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        workers.schedule(after: nanoseconds, job)
    }

    package var isCurrent: Bool { workers.isCurrent }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        workers.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs what is queued and waits for the threads to end. Not from one of them.
    package func stop() { workers.stop() }
}
