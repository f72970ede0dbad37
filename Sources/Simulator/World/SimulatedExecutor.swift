// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// An executor of a simulated process: a shard's loop, which runs jobs in their order, or a pool, which runs
/// them beside each other and so in any order.
///
/// A job takes no time while it runs; what it costs is the wait before it: some microseconds of a
/// processor for a loop, the disk's latency for a pool. When its process has died it runs nothing any more
/// and takes nothing.
package final class SimulatedExecutor: Executor, @unchecked Sendable {  // Owner: the world's thread.
    package enum Kind: Sendable {
        /// A loop: one job after the other.
        case serial
        /// Threads that wait for the disk.
        case pool
    }

    package let kind: Kind
    /// Tells the executors of a machine apart, in the log of events.
    package let number: Int
    private let world: World
    private let machine: Machine
    private let life: Life
    private var jobs: [(@Sendable () -> Void)?] = []
    private var head = 0
    private var isAwake = false

    init(_ kind: Kind, number: Int, _ machine: Machine, _ life: Life) {
        self.kind = kind
        self.number = number
        self.machine = machine
        self.life = life
        world = machine.world
    }

    package func execute(_ job: @escaping @Sendable () -> Void) {
        guard !life.isOver else { return }
        switch kind {
        case .serial:
            jobs.append(job)
            wake()
        case .pool:
            world.after(machine.diskDelay(), life: life) { [self] in run(job) }
        }
    }

    package func schedule(after nanoseconds: UInt64, _ job: @escaping @Sendable () -> Void) {
        guard !life.isOver else { return }
        let delay = machine.clock.worldNanoseconds(nanoseconds)
        world.after(delay, life: life) { [self] in execute(job) }
    }

    package var isCurrent: Bool { world.current === self }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Drops everything: the process has died.
    func drop() {
        jobs.removeAll()
        head = 0
    }

    private func wake() {
        guard !isAwake else { return }
        isAwake = true
        world.after(machine.jobDelay(), life: life) { [self] in
            isAwake = false
            guard head < jobs.count, let job = jobs[head] else { return }
            jobs[head] = nil
            head += 1
            if head == jobs.count {
                jobs.removeAll(keepingCapacity: true)
                head = 0
            }
            run(job)
            if !life.isOver, head < jobs.count { wake() }
        }
    }

    private func run(_ job: @Sendable () -> Void) {
        world.log.note(.job, at: world.now, machine: machine.index, UInt64(number))
        let outer = world.current
        world.current = self
        job()
        world.current = outer
        machine.jobEnded()
    }
}
