// SPDX-License-Identifier: Apache-2.0

package import Environment
internal import Node
internal import Storage

/// What is simulated.
package struct SimulationOptions: Sendable {
    package var seed: UInt64
    package var nodeCount = 1
    /// Nanoseconds of virtual time in which there is work and faults happen.
    package var duration = SimulatedTime.minute
    package var faults = Set(FaultKind.allCases)
    package var workloads = WorkloadKind.allCases
    package var planted: PlantedBugs = []
    /// What goes wrong; nil for what the seed says.
    package var schedule: FaultSchedule?

    package init(seed: UInt64) { self.seed = seed }

    /// What goes wrong in this run.
    package var plan: FaultSchedule {
        schedule
            ?? FaultSchedule(
                seed: seed,
                kinds: faults,
                nodeCount: nodeCount,
                duration: Int(duration / SimulatedTime.millisecond)
            )
    }
}

/// What came of a simulation.
package struct SimulationResult: Sendable {
    package var seed: UInt64
    /// Of all events; see `EventLog`.
    package var hash: UInt64
    package var eventCount: Int
    /// Nanoseconds.
    package var virtualTime: UInt64
    package var answered = 0
    package var refused = 0
    package var unknown = 0
    package var faults: [FaultKind: Int] = [:]
    package var starts = 0
    package var undecided = 0
    package var violations: [Violation] = []
}

/// One run: a cluster, the work of its clients, what goes wrong, and whether all is as it must be.
package final class Simulation {
    /// How an engine of this run is set up: small, so that a minute brings flushes and compactions, and
    /// drawn, so that runs differ.
    private struct Knobs {
        var memtableSpace: Int
        var blockCacheSize: Int
        var segmentSize: Int
        var compactionThroughput: Int
        var maintenanceInterval: UInt64
        var concurrentCompactions: Int
        var manifestRewriteSize: Int
        var pause: Int

        init(_ random: inout SplitMix64) {
            memtableSpace = [8 << 10, 32 << 10, 128 << 10][random.pick(0...2)]
            blockCacheSize = [0, 64 << 10, 1 << 20][random.pick(0...2)]
            // What repairs a read's page has to fit into half of it.
            segmentSize = [16 << 10, 64 << 10, 256 << 10][random.pick(0...2)]
            compactionThroughput = [0, 0, 20_000][random.pick(0...2)]
            maintenanceInterval = [1, 5, 60][random.pick(0...2)]
            concurrentCompactions = random.pick(1...2)
            manifestRewriteSize = [200, 4000, 4 << 20][random.pick(0...2)]
            pause = [50, 200, 400][random.pick(0...2)]
        }

        func options(shardCount: Int) -> NodeOptions {
            var options = NodeOptions(dataDirectory: "/data", shardCount: shardCount)
            options.store.memtableSpace = memtableSpace
            options.store.unflushedSpaceMax = memtableSpace * 4
            options.store.blockCacheSize = blockCacheSize
            options.store.compactionThroughput = compactionThroughput
            options.store.maintenanceInterval = maintenanceInterval
            options.store.concurrentCompactions = concurrentCompactions
            options.commitLog.segmentSize = segmentSize
            options.manifestRewriteSize = manifestRewriteSize
            return options
        }
    }

    private let options: SimulationOptions
    private let world: World
    private let client: SimulatedClient
    private let context: WorkloadContext
    private let workloads: [any Workload]
    private let knobs: Knobs
    private var random: SplitMix64
    private var shardCounts: [Int] = []
    private var isHealed = false
    private var isOver = false
    private var starts = 0
    private var violations: [Violation] = []
    private let operations: ClusterOperations
    private lazy var injector = FaultInjector(world, operations) { [unowned self] in start($0) }

    private init(_ options: SimulationOptions, trace: ((String) -> Void)?) {
        self.options = options
        world = World(seed: options.seed, trace: trace)
        random = world.makeRandom()
        client = SimulatedClient(world)
        operations = ClusterOperations(world, nodeCount: options.nodeCount)
        context = WorkloadContext(world, client, operations, nodeCount: options.nodeCount)
        knobs = Knobs(&random)
        workloads = options.workloads.map { [context] in $0.make(context) }
        for _ in 0..<options.nodeCount { _ = addMachine() }
        operations.add = { [unowned self] in start(addMachine()) }
    }

    private func addMachine() -> Machine {
        var settings = Machine.Settings()
        settings.planted = options.planted
        let machine = world.addMachine(settings)
        shardCounts.append(random.pick(1...3))
        machine.onPowerLoss = { [unowned self] in startLater(machine) }
        return machine
    }

    /// Runs a simulation from its beginning to its end.
    ///
    /// - Parameter trace: gets every event as a line.
    package static func run(
        _ options: SimulationOptions,
        trace: ((String) -> Void)? = nil
    ) -> SimulationResult {
        let simulation = Simulation(options, trace: trace)
        simulation.run()
        return simulation.result
    }

    private var result: SimulationResult {
        var result = SimulationResult(
            seed: options.seed,
            hash: world.log.hash,
            eventCount: world.log.count,
            virtualTime: world.now
        )
        result.answered = client.answered
        result.refused = client.refused
        result.unknown = client.unknown
        result.faults = injector.counts
        result.starts = starts
        result.undecided = workloads.reduce(0) { $0 + $1.undecided }
        result.violations = violations + workloads.flatMap(\.violations)
        return result
    }

    // MARK: Course

    private func run() {
        for machine in world.machines { start(machine) }
        guard comeUp("at the beginning"), prepare() else { return }
        injector.arm(options.plan)
        for workload in workloads {
            for session in 0..<workload.sessionCount { proceed(workload, session) }
        }
        world.run(for: options.duration)
        isOver = true
        heal()
        guard comeUp("after all faults"), settle() else { return }
        // What clients wait for comes to its end, and hints are delivered.
        world.run(for: client.timeout + SimulatedTime.second)
        if options.nodeCount > 1 { world.run(for: 25 * SimulatedTime.second) }
        for machine in operations.members { cycle(machine) }
        guard comeUp("after the last stop") else { return }
        // Nodes that have just come up hear what they have missed.
        if options.nodeCount > 1 { world.run(for: 10 * SimulatedTime.second) }
        finish()
        guard options.nodeCount > 1, violations.isEmpty else { return }
        for fault in operations.ownershipFaults { violate(fault, of: "ownership") }
        repairTwice()
    }

    /// Waits until nobody joins or leaves any more.
    private func settle() -> Bool {
        let limit = 5 * SimulatedTime.minute
        if world.run(for: limit, until: { [operations] in operations.hasSettled }) { return true }
        violate("nodes still join or leave 5 minutes after all faults: \(operations.summary)")
        return false
    }

    /// After a repair of everything a second one finds nothing.
    private func repairTwice() {
        for round in 1...2 {
            for machine in operations.members {
                var outcome: (bytes: Int, failure: String?)?
                operations.repair(machine) { outcome = ($0, $1) }
                _ = world.run(for: 5 * SimulatedTime.minute, until: { outcome != nil })
                guard let outcome else {
                    return violate("node \(machine.index) isn't repaired within 5 minutes", of: "repair")
                }
                if let failure = outcome.failure {
                    violate("the repair of node \(machine.index) failed: \(failure)", of: "repair")
                } else if round == 2, outcome.bytes > 0 {
                    violate("after a repair, replicas lacked \(outcome.bytes) bytes", of: "repair")
                }
            }
        }
    }

    /// Makes the tables.
    private func prepare() -> Bool {
        let keyspace =
            "CREATE KEYSPACE IF NOT EXISTS simulation WITH replication ="
            + " {'class': 'SimpleStrategy', 'replication_factor': \(min(3, options.nodeCount))}"
        let statements = [keyspace] + workloads.flatMap(\.preparation)
        var isDone = false
        inSequence(statements.count) { [context] index, next in
            context.insist(ClientRequest(statements[index])) { _ in next() }
        } done: {
            isDone = true
        }
        if world.run(for: 5 * SimulatedTime.minute, until: { isDone }) { return true }
        violate("the tables could not be made within 5 minutes without any fault")
        return false
    }

    /// Lets a session do one thing after the other, with pauses.
    private func proceed(_ workload: any Workload, _ session: Int) {
        let pause = UInt64(random.pick(0...knobs.pause * 2)) * SimulatedTime.millisecond
        world.after(pause) { [self] in
            guard !isOver else { return }
            workload.step(session) { [self] in proceed(workload, session) }
        }
    }

    private func heal() {
        isHealed = true
        injector.heal()
        for machine in operations.members where !machine.isUp { start(machine) }
    }

    /// Waits until every node takes requests.
    private func comeUp(_ when: String) -> Bool {
        let isUp = { [operations] in
            operations.retire()
            return operations.members.allSatisfy {
                ($0.process as? any ClientService)?.isReady == true
            }
        }
        if world.run(for: 2 * SimulatedTime.minute, until: isUp) { return true }
        let down = operations.members.filter { ($0.process as? any ClientService)?.isReady != true }
        violate("nodes \(down.map(\.index)) aren't up within 2 minutes \(when)")
        return false
    }

    /// Stops a node, in good order or not, and starts it again: what is read in the end comes from its disk.
    private func cycle(_ machine: Machine) {
        if random.pick(0...1) == 0, let process = machine.process as? DatabaseProcess {
            var isClosed = false
            let box = UncheckedBox({ isClosed = true })
            process.close { box.value() }
            if !world.run(for: SimulatedTime.minute, until: { isClosed }) {
                violate("node \(machine.index) did not close within a minute")
            }
            machine.stop()
        } else {
            machine.crash(.torn)
        }
        start(machine)
    }

    private func finish() {
        var left = workloads.count
        for workload in workloads { workload.finish { left -= 1 } }
        if world.run(for: 10 * SimulatedTime.minute, until: { left == 0 }) { return }
        violate("reads at the end had no answer within 10 minutes without any fault")
    }

    private func violate(_ sentence: String, of workload: String = "node") {
        violations.append(Violation(workload: workload, sentence: sentence))
    }

    // MARK: Nodes

    private func start(_ machine: Machine) {
        guard !machine.isUp, !operations.gone.contains(machine.index) else { return }
        let index = machine.index
        // The number of shards may change from start to start.
        if starts > 0, random.pick(0...9) == 0 { shardCounts[index] = random.pick(1...3) }
        starts += 1
        let note = UncheckedBox<(String) -> Void> { [world] sentence in
            world.log.note(.notice, at: world.now, machine: index, detail: sentence)
        }
        do {
            try machine.start(shardCount: shardCounts[index]) { [self] outside in
                try DatabaseProcess(
                    outside,
                    options: knobs.options(shardCount: shardCounts[index]),
                    seeds: operations.seeds(for: machine),
                    replaces: operations.replaced[index],
                    note: { note.value($0) }
                )
            }
        } catch is Machine.PowerLoss {
            // `onPowerLoss` sees to it.
        } catch {
            notStarted(machine, "\(error)")
        }
    }

    private func notStarted(_ machine: Machine, _ why: String) {
        world.log.note(.fault, at: world.now, machine: machine.index, detail: "not started: \(why)")
        let disk = machine.disk
        let isToBlame =
            isHealed || disk.readErrorShare == 0 && disk.writeErrorShare == 0
            && disk.capacity == .max && disk.bitFlipShare == 0
        guard isToBlame else { return startLater(machine) }
        violate("node \(machine.index) doesn't start with a sound disk: \(why)")
    }

    private func startLater(_ machine: Machine) {
        world.after(SimulatedTime.second) { [self] in start(machine) }
    }
}
