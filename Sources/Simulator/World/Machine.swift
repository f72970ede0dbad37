// SPDX-License-Identifier: Apache-2.0

package import Environment
package import Model

/// A machine of the world: its disk and its clock, which outlive a crash, and the process that runs on it,
/// which doesn't.
package final class Machine {
    package struct Settings: Sendable {
        /// The most bytes that its disk holds.
        package var diskCapacity = Int.max
        /// Planted bugs of the process.
        package var planted: PlantedBugs = []

        package init() {}
    }

    /// A process that runs: what `start` was given made it.
    package protocol Process: AnyObject {}

    package let index: Int
    package let address: NodeAddress
    package let clock: SimulatedClock
    package let disk: SimulatedDisk
    let world: World
    private let settings: Settings
    private var random: SplitMix64
    private var lives = 0

    /// The life of the process that runs; nil while none does.
    package private(set) var life: Life?
    /// The process that runs.
    package private(set) var process: (any Process)?
    private(set) var endpoint: SimulatedEndpoint?
    private var executors: [SimulatedExecutor] = []

    /// Nanoseconds that each job and message takes in addition, at most about twice of it: a machine that
    /// is merely slow.
    package var slowness: UInt64 = 0
    /// Nanoseconds that each wait for the disk takes in addition, at most about twice of it.
    package var diskSlowness: UInt64 = 0
    /// Called after a crash that a file operation brought about (`SimulatedDisk.powerOff`).
    package var onPowerLoss: (() -> Void)?

    init(_ world: World, index: Int, _ settings: Settings) {
        self.world = world
        self.index = index
        self.settings = settings
        address = NodeAddress(ip: [10, 0, UInt8(index >> 8 & 255), UInt8(index & 255)], port: 7000)
        clock = SimulatedClock(world)
        random = world.makeRandom()
        disk = SimulatedDisk(world, machine: index)
        disk.capacity = settings.diskCapacity
        world.network.add(self)
    }

    /// Whether a process runs.
    package var isUp: Bool { life != nil }

    // MARK: Life

    /// What a process is made of.
    package struct Outside {
        package let environment: Environment
        /// A loop for each shard.
        package let shards: [SimulatedExecutor]
        /// The thread of the node's membership.
        package let control: SimulatedExecutor
        package let network: SimulatedEndpoint
        package let life: Life
    }

    /// Starts a process, which `open` makes from its outside within this call.
    ///
    /// - Throws: what `open` throws; then no process runs. `PowerLoss` if the power failed meanwhile;
    ///   `onPowerLoss` has been called then.
    package func start(shardCount: Int, _ open: (Outside) throws -> any Process) throws {
        guard life == nil else { return }
        lives += 1
        let life = Life(number: lives)
        self.life = life
        world.log.note(.start, at: world.now, machine: index, UInt64(shardCount))
        // The loops and the control's thread run jobs in their order; the rest are pools.
        executors = (0..<shardCount + 5).map { number in
            SimulatedExecutor(number <= shardCount ? .serial : .pool, number: number, self, life)
        }
        let network = world.network.endpoint(of: self, life)
        endpoint = network
        let pools = executors[(shardCount + 1)...].map { $0 }
        let environment = Environment(
            fileSystem: disk,
            clock: clock,
            random: SeededRandom(seed: random.next()),
            background: pools[0],
            reading: pools[1],
            flushing: pools[2],
            compacting: pools[3],
            planted: settings.planted
        )
        let outside = Outside(
            environment: environment,
            shards: Array(executors[..<shardCount]),
            control: executors[shardCount],
            network: network,
            life: life
        )
        do {
            process = try open(outside)
        } catch {
            guard disk.isOff else {
                stop()
                throw error
            }
        }
        jobEnded()
        if self.life !== life { throw PowerLoss() }
    }

    /// The power failed while a process was being started.
    package struct PowerLoss: Error {}

    /// The power fails, or the process is killed: its jobs are dropped, and the disk is as `kept` says.
    package func crash(_ kept: SimulatedDisk.Kept) {
        world.log.note(.crash, at: world.now, machine: index, detail: "\(kept)")
        end()
        disk.restart(kept)
    }

    /// The process ends by itself; nothing that it wrote is lost.
    package func stop() {
        end()
        disk.restart(.all)
    }

    /// The process is gone; its files stay as they are until the disk is restarted.
    private func end() {
        life?.isOver = true
        life = nil
        process = nil
        endpoint = nil
        for executor in executors { executor.drop() }
        executors = []
        world.forgetDead()
    }

    /// After each job: if the power failed in it, the machine is off now.
    func jobEnded() {
        guard disk.isOff, life != nil else { return }
        crash(.torn)
        onPowerLoss?()
    }

    // MARK: Delays

    /// How long a job waits for a processor.
    func jobDelay() -> UInt64 {
        var delay = 1000 + random.next(upperBound: 20_000 as UInt64)
        if slowness > 0 { delay += random.next(upperBound: slowness * 2) }
        return delay
    }

    /// How long a job waits for the disk.
    func diskDelay() -> UInt64 {
        var delay = 50_000 + random.next(upperBound: 500_000 as UInt64)
        if random.chance(0.01) { delay += random.next(upperBound: 20_000_000 as UInt64) }
        if diskSlowness > 0 { delay += random.next(upperBound: diskSlowness * 2) }
        return delay + slowness
    }
}
