// SPDX-License-Identifier: Apache-2.0

/// Everything that the code below `Transport` knows of the outside world: handed in, never reached
/// for, so that a simulator can stand in for all of it.
package struct Environment: Sendable {
    /// The files.
    package let fileSystem: any FileSystem
    /// Wall-clock and monotonic time.
    package let clock: any Clock
    /// Random numbers.
    package let random: any RandomSource
    /// Where log syncs and other short waits for the disk run: jobs may run beside each other, in any
    /// order.
    package let background: any Executor
    /// Where blocks of SSTables are read that a shard's reads wait for: threads that the disk may hold up.
    package let reading: any Executor
    /// Where flushes and compactions run that are behind. Apart from the others, so that a long job never
    /// holds up a sync.
    package let flushing: any Executor
    /// Where flushes and compactions run that yield to everything else: threads of low priority.
    package let compacting: any Executor
    /// Bugs that are there on purpose; none but in the simulator.
    package let planted: PlantedBugs

    package init(
        fileSystem: any FileSystem,
        clock: any Clock,
        random: any RandomSource,
        background: any Executor,
        reading: (any Executor)? = nil,
        flushing: (any Executor)? = nil,
        compacting: (any Executor)? = nil,
        planted: PlantedBugs = []
    ) {
        self.fileSystem = fileSystem
        self.clock = clock
        self.random = random
        self.background = background
        self.reading = reading ?? background
        self.flushing = flushing ?? background
        self.compacting = compacting ?? background
        self.planted = planted
    }
}

/// The time. `Sendable` and cheap to ask.
package protocol Clock: AnyObject, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z: cell timestamps.
    func microsecondsSinceEpoch() -> Int64
    /// Nanoseconds since some fixed moment, never going back: durations.
    func monotonicNanoseconds() -> UInt64
}

extension Clock {
    /// Seconds since 1970-01-01T00:00:00Z: expiry and grace periods.
    package func secondsSinceEpoch() -> Int64 { microsecondsSinceEpoch() / 1_000_000 }
}

/// A source of random numbers, safe to use from several threads.
package protocol RandomSource: AnyObject, Sendable {
    /// 64 random bits.
    func next() -> UInt64
}

/// Runs jobs: a shard's loop (serial, in order) or a pool (`Environment.background`).
///
/// It is a `TaskExecutor`, so that `async` code can be bound to a shard with
/// `Task(executorPreference:)` and stays deterministic under a simulated executor.
package protocol Executor: TaskExecutor {
    /// Runs `job` later, never within this call.
    func execute(_ job: @escaping @Sendable () -> Void)
    /// Runs `job` no sooner than after `nanoseconds`.
    func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void)
    /// Whether the caller runs on this executor.
    var isCurrent: Bool { get }
}
