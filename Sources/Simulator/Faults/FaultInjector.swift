// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Brings the faults of a schedule about, takes them back in time, and all at the end.
final class FaultInjector {
    private let world: World
    private let operations: ClusterOperations
    private let start: (Machine) -> Void
    private var isOver = false
    /// How often each kind happened; a fault of a node that was down at the time, or gone, didn't.
    private(set) var counts: [FaultKind: Int] = [:]

    /// - Parameter start: starts a machine that is down, and sees to it that it comes up in the end.
    init(_ world: World, _ operations: ClusterOperations, start: @escaping (Machine) -> Void) {
        self.world = world
        self.operations = operations
        self.start = start
    }

    func arm(_ schedule: FaultSchedule) {
        for fault in schedule.faults {
            world.after(UInt64(fault.time) * SimulatedTime.millisecond) { [self] in
                if !isOver { begin(fault) }
            }
        }
    }

    /// Takes everything back: from now on nothing goes wrong.
    func heal() {
        isOver = true
        world.network.weather = SimulatedNetwork.Weather()
        for machine in world.machines {
            machine.slowness = 0
            machine.diskSlowness = 0
            machine.disk.keepPower()
            machine.disk.readErrorShare = 0
            // As at the end of such a fault: the process is started again.
            if machine.disk.writeErrorShare > 0, machine.isUp { machine.crash(.all) }
            machine.disk.writeErrorShare = 0
            machine.disk.bitFlipShare = 0
            machine.disk.capacity = .max
            machine.clock.setDrift(0)
            for other in world.machines {
                while !world.network.isOpen(from: machine.index, to: other.index) {
                    world.network.mend(from: machine.index, to: other.index)
                }
            }
        }
    }

    private func begin(_ fault: Fault) {
        guard fault.node < world.machines.count else { return }
        let machine = world.machines[fault.node]
        if fault.kind.needsProcess, !machine.isUp { return }
        if fault.kind == .oneWay, fault.amount >= world.machines.count { return }
        world.log.note(.fault, at: world.now, machine: fault.node, detail: "\(fault)")
        switch fault.kind {
        case .join, .decommission, .replace, .move, .repair:
            guard operations.begin(fault.kind, machine) else { return }
        case .crash: crash(machine, fault)
        case .partition, .oneWay: cut(fault)
        case .loss, .delay, .duplication: changeWeather(fault)
        case .clockJump: machine.clock.jump(microseconds: Int64(fault.amount) * 1000)
        case .clockDrift:
            machine.clock.setDrift(Int64(fault.amount))
            after(fault) { machine.clock.setDrift(0) }
        case .slowNode:
            machine.slowness = UInt64(fault.amount) * SimulatedTime.millisecond
            after(fault) { machine.slowness = 0 }
        case .slowDisk:
            machine.diskSlowness = UInt64(fault.amount) * SimulatedTime.millisecond
            after(fault) { machine.diskSlowness = 0 }
        case .fullDisk:
            machine.disk.capacity = machine.disk.usedBytes + fault.amount
            after(fault) { machine.disk.capacity = .max }
        case .readErrors:
            machine.disk.readErrorShare = Double(fault.amount) / 1000
            after(fault) { machine.disk.readErrorShare = 0 }
        case .bitFlips:
            machine.disk.bitFlipShare = Double(fault.amount) / 1000
            after(fault) { machine.disk.bitFlipShare = 0 }
        case .writeErrors: failWrites(machine, fault)
        }
        counts[fault.kind, default: 0] += 1
    }

    private func after(_ fault: Fault, _ action: @escaping () -> Void) {
        world.after(UInt64(fault.duration) * SimulatedTime.millisecond) { [self] in
            if !isOver { action() }
        }
    }

    private func crash(_ machine: Machine, _ fault: Fault) {
        let restart = { [self] in
            world.after(UInt64(fault.duration) * SimulatedTime.millisecond) { [self] in start(machine) }
        }
        guard fault.amount > 0 else {
            machine.crash(fault.kept)
            return restart()
        }
        machine.onPowerLoss = restart
        machine.disk.powerOff(afterOperations: fault.amount)
    }

    /// A disk whose writes fail leaves logs that take nothing more: whoever runs the node mends the disk
    /// and starts it again.
    private func failWrites(_ machine: Machine, _ fault: Fault) {
        machine.disk.writeErrorShare = Double(fault.amount) / 1000
        after(fault) { [self] in
            machine.disk.writeErrorShare = 0
            guard machine.isUp else { return }
            machine.crash(.all)
            start(machine)
        }
    }

    private func cut(_ fault: Fault) {
        var ways: [(Int, Int)] = []
        if fault.kind == .oneWay {
            ways = [(fault.node, fault.amount)]
        } else {
            let count = world.machines.count
            let isInside = { (node: Int) in fault.amount >> node & 1 == 1 }
            for from in 0..<count {
                for to in 0..<count where isInside(from) != isInside(to) { ways.append((from, to)) }
            }
        }
        for (from, to) in ways { world.network.cut(from: from, to: to) }
        after(fault) { [self] in
            for (from, to) in ways { world.network.mend(from: from, to: to) }
        }
    }

    private func changeWeather(_ fault: Fault) {
        switch fault.kind {
        case .loss:
            world.network.weather.loss = Double(fault.amount) / 1000
            after(fault) { [self] in world.network.weather.loss = 0 }
        case .duplication:
            world.network.weather.duplication = Double(fault.amount) / 1000
            after(fault) { [self] in world.network.weather.duplication = 0 }
        default:
            world.network.weather.delay = UInt64(fault.amount) * SimulatedTime.millisecond
            after(fault) { [self] in world.network.weather.delay = 0 }
        }
    }
}
