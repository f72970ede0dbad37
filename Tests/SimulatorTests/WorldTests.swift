// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import Simulator
import Testing

/// What a callback leaves behind. Tests run in one thread.
final class Box<Value>: @unchecked Sendable {  // Owner: the test's thread.
    var value: Value
    init(_ value: Value) { self.value = value }
}

/// A process that does nothing by itself.
private final class Idle: Machine.Process {
    let outside: Machine.Outside
    init(_ outside: Machine.Outside) { self.outside = outside }
}

/// Time, executors, clocks, network and machines of a world.
@Suite struct WorldTests {
    private func start(_ machine: Machine, shards: Int = 1) throws -> Machine.Outside {
        try machine.start(shardCount: shards) { Idle($0) }
        let process = try #require(machine.process as? Idle)
        return process.outside
    }

    // MARK: Time and executors

    @Test func timeJumpsToWhatComesNext() {
        let world = World(seed: 1)
        let seen = Box<[UInt64]>([])
        world.after(SimulatedTime.second) { seen.value.append(world.now) }
        world.after(3_600 * SimulatedTime.second) { seen.value.append(world.now) }
        world.run(for: 3_599 * SimulatedTime.second)
        #expect(seen.value == [SimulatedTime.second])
        #expect(world.now == 3_599 * SimulatedTime.second)
        world.run(for: SimulatedTime.second)
        #expect(seen.value.count == 2)
    }

    @Test func orderAtOneMomentIsTheSeeds() {
        func order(_ seed: UInt64) -> [Int] {
            let world = World(seed: seed)
            let seen = Box<[Int]>([])
            for number in 0..<20 { world.after(5) { seen.value.append(number) } }
            world.run(for: 10)
            return seen.value
        }
        #expect(order(1) == order(1))
        #expect(order(1) != order(2))
        #expect(order(1).sorted() == Array(0..<20))
    }

    @Test func loopRunsJobsInOrderAndPoolInAny() throws {
        let world = World(seed: 3)
        let outside = try start(world.addMachine())
        let loop = Box<[Int]>([])
        let pool = Box<[Int]>([])
        for number in 0..<50 {
            outside.shards[0].execute { loop.value.append(number) }
            outside.environment.background.execute { pool.value.append(number) }
        }
        #expect(loop.value.isEmpty)
        world.run(for: SimulatedTime.second)
        #expect(loop.value == Array(0..<50))
        #expect(pool.value != Array(0..<50))
        #expect(pool.value.sorted() == Array(0..<50))
    }

    @Test func asyncCodeRunsOnTheWorldsThread() throws {
        let world = World(seed: 4)
        let outside = try start(world.addMachine(), shards: 2)
        let seen = Box<[Bool]>([])
        let (first, second) = (outside.shards[0], outside.shards[1])
        Task(executorPreference: first) {
            seen.value.append(first.isCurrent)
            await Task(executorPreference: second) { seen.value.append(second.isCurrent) }.value
            seen.value.append(first.isCurrent)
        }
        world.run(for: SimulatedTime.second)
        #expect(seen.value == [true, true, true])
    }

    // MARK: Crashes

    @Test func crashDropsJobsAndTimersOfItsProcessAlone() throws {
        let world = World(seed: 5)
        let machines = [world.addMachine(), world.addMachine()]
        let outsides = try machines.map { try start($0) }
        let seen = Box<[Int]>([])
        for (index, outside) in outsides.enumerated() {
            outside.shards[0].execute { seen.value.append(index) }
            outside.shards[0].schedule(after: SimulatedTime.second) { seen.value.append(index) }
            outside.environment.background.execute { seen.value.append(index) }
        }
        machines[0].crash(.torn)
        #expect(!machines[0].isUp)
        world.run(for: 2 * SimulatedTime.second)
        #expect(seen.value == [1, 1, 1])
        // What a dead process still holds doesn't come to life with the next one.
        _ = try start(machines[0])
        outsides[0].shards[0].execute { seen.value.append(0) }
        world.run(for: SimulatedTime.second)
        #expect(seen.value == [1, 1, 1])
    }

    private func write(_ disk: SimulatedDisk, _ text: String, syncs: Bool) throws {
        let file = try disk.create("/file")
        try disk.syncDirectory("/")
        try Array(text.utf8).withView { try file.append($0) }
        if syncs { try file.sync() }
    }

    @Test(arguments: [true, false])
    func crashKeepsWhatWasSynced(isSynced: Bool) throws {
        let world = World(seed: 6)
        let machine = world.addMachine()
        _ = try start(machine)
        try write(machine.disk, "text", syncs: isSynced)
        machine.crash(.none)
        let file = try machine.disk.open("/file")
        #expect(file.size == (isSynced ? 4 : 0))
    }

    @Test func killedProcessLeavesWhatItWrote() throws {
        let world = World(seed: 6)
        let machine = world.addMachine()
        _ = try start(machine)
        try write(machine.disk, "text", syncs: false)
        machine.crash(.all)
        #expect(try machine.disk.open("/file").size == 4)
    }

    @Test func powerFailsWithinTheOperationThatWasChosen() throws {
        let world = World(seed: 7)
        let machine = world.addMachine()
        let outside = try start(machine)
        let told = Box(0)
        let afterwards = Box(false)
        machine.onPowerLoss = { told.value += 1 }
        machine.disk.powerOff(afterOperations: 2)
        let shard = outside.shards[0]
        let disk = outside.environment.fileSystem
        outside.environment.background.execute {
            for name in ["/a", "/b", "/c", "/d"] { try? disk.createDirectory(name) }
            shard.execute { afterwards.value = true }
        }
        world.run(for: SimulatedTime.second)
        #expect(told.value == 1)
        #expect(!machine.isUp)
        #expect(!machine.disk.isOff)
        #expect(!afterwards.value)
        #expect(try machine.disk.kind("/c") == nil)
    }

    @Test func powerLossWhileStartingIsToldApartFromAFailure() {
        struct Refusal: Error {}
        let world = World(seed: 8)
        let machine = world.addMachine()
        #expect(throws: Refusal.self) { try machine.start(shardCount: 1) { _ in throw Refusal() } }
        #expect(!machine.isUp)
        machine.disk.powerOff(afterOperations: 0)
        #expect(throws: Machine.PowerLoss.self) {
            try machine.start(shardCount: 1) { outside in
                try outside.environment.fileSystem.createDirectory("/x")
                return Idle(outside)
            }
        }
        #expect(!machine.isUp)
    }

    // MARK: Disk

    @Test func readsFailAndFlipBitsWhileTheyAreTold() throws {
        let world = World(seed: 9)
        let disk = world.addMachine().disk
        let file = try disk.create("/x.sst")
        try [UInt8](repeating: 0, count: 64).withView { try file.append($0) }
        let reader = try disk.open("/x.sst")
        func read() throws -> [UInt8] {
            var bytes = [UInt8](repeating: 1, count: 64)
            _ = try bytes.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) }
            return bytes
        }
        disk.bitFlipShare = 1
        #expect(try read().filter { $0 != 0 }.map(\.nonzeroBitCount) == [1])
        disk.bitFlipShare = 0
        #expect(try read().allSatisfy { $0 == 0 })
        disk.readErrorShare = 1
        #expect(throws: FileError.self) { try read() }
        disk.readErrorShare = 0
        disk.capacity = 70
        #expect(throws: FileError.self) { try [UInt8](repeating: 0, count: 64).withView { try file.append($0) } }
    }

    // MARK: Clock

    @Test func clockDriftsAndJumps() {
        let world = World(seed: 10)
        let clock = world.addMachine().clock
        clock.setDrift(1000)
        world.run(for: 1000 * SimulatedTime.second)
        #expect(clock.monotonicNanoseconds() == 1001 * SimulatedTime.second)
        clock.setDrift(-1000)
        world.run(for: 1000 * SimulatedTime.second)
        #expect(clock.monotonicNanoseconds() == 2000 * SimulatedTime.second)
        clock.jump(microseconds: -5_000_000)
        #expect(clock.microsecondsSinceEpoch() == SimulatedClock.epoch + 1_995_000_000)
        #expect(clock.monotonicNanoseconds() == 2000 * SimulatedTime.second)
    }

    @Test func timersGoByTheMachinesClock() throws {
        let world = World(seed: 11)
        let machine = world.addMachine()
        let outside = try start(machine)
        machine.clock.setDrift(100_000)
        let fired = Box<UInt64>(0)
        outside.shards[0].schedule(after: 10 * SimulatedTime.second) { fired.value = world.now }
        world.run(for: 20 * SimulatedTime.second)
        #expect(fired.value < 9_100_000_000)
        #expect(fired.value > 8_900_000_000)
    }
}

/// What befalls messages.
@Suite struct NetworkTests {
    private struct Pair {
        let world: World
        let received = Box<[UInt8]>([])
        let outsides: [Machine.Outside]

        init(seed: UInt64) throws {
            world = World(seed: seed)
            let machines = [world.addMachine(), world.addMachine()]
            outsides = try machines.map { machine in
                try machine.start(shardCount: 1) { Idle($0) }
                return try #require(machine.process as? Idle).outside
            }
            outsides[1].network.receive { [received] _, message in received.value += message }
        }

        func send(_ count: Int) {
            for number in 0..<count {
                outsides[0].network.send([UInt8(number)], to: world.machines[1].address)
            }
        }
    }

    @Test func messagesArriveOnceAndMayOvertakeEachOther() throws {
        let pair = try Pair(seed: 1)
        pair.send(100)
        #expect(pair.received.value.isEmpty)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.sorted() == (0..<100).map { UInt8($0) })
        #expect(pair.received.value != (0..<100).map { UInt8($0) })
    }

    @Test func messagesAreLostAndDoubled() throws {
        let pair = try Pair(seed: 2)
        pair.world.network.weather.loss = 0.5
        pair.send(100)
        pair.world.run(for: SimulatedTime.second)
        #expect((30...70).contains(pair.received.value.count))
        pair.received.value = []
        pair.world.network.weather.loss = 0
        pair.world.network.weather.duplication = 0.5
        pair.send(100)
        pair.world.run(for: SimulatedTime.second)
        #expect((130...170).contains(pair.received.value.count))
    }

    @Test func cutWayStopsWhatIsUnderWayAndOneDirectionAlone() throws {
        let pair = try Pair(seed: 3)
        let back = Box(0)
        pair.outsides[0].network.receive { _, _ in back.value += 1 }
        pair.send(10)
        pair.world.network.cut(from: 0, to: 1)
        pair.world.network.cut(from: 0, to: 1)
        pair.outsides[1].network.send([1], to: pair.world.machines[0].address)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.isEmpty)
        #expect(back.value == 1)
        // Two faults cut it: it is open when both are over.
        pair.world.network.mend(from: 0, to: 1)
        pair.send(10)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.isEmpty)
        pair.world.network.mend(from: 0, to: 1)
        pair.send(10)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.count == 10)
    }

    @Test func machineThatIsOffGetsAndSendsNothing() throws {
        let pair = try Pair(seed: 4)
        pair.send(10)
        pair.world.machines[1].crash(.torn)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.isEmpty)
        pair.world.machines[0].crash(.torn)
        pair.send(10)
        #expect(pair.world.network.sentCount == 10)
    }

    @Test func slowMachineIsSlow() throws {
        let pair = try Pair(seed: 5)
        pair.world.machines[1].slowness = 50 * SimulatedTime.millisecond
        pair.send(1)
        pair.world.run(for: 40 * SimulatedTime.millisecond)
        #expect(pair.received.value.isEmpty)
        pair.world.run(for: SimulatedTime.second)
        #expect(pair.received.value.count == 1)
    }
}
