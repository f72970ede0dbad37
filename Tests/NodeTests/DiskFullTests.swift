// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// A disk without room: writes are refused, reads and deletions go on, and so do writes when there is room.
@Suite struct DiskFullTests {
    private let table = TestTables.table("one", number: 1)
    private let fileSystem = MemoryFileSystem()
    private let clock = ManualClock()

    private func insert(_ number: Int) -> TestMutation {
        let partition = TestTables.partition("partition \(number)")
        var mutation = TestMutation(partition)
        mutation.begin(table)
        let value = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 200)
        mutation.add(TestTables.row(partition, number), TestValue.insert(value, at: 10))
        return mutation
    }

    private func delete(_ number: Int) -> TestMutation {
        let partition = TestTables.partition("partition \(number)")
        var mutation = TestMutation(partition)
        mutation.begin(table)
        let deletion = Deletion(timestamp: 20, localTime: clock.secondsSinceEpoch())
        mutation.add(partition + [Key.partitionDeletion], TestValue.partitionDeletion(deletion))
        return mutation
    }

    private func open(reserve: Int) throws -> TestNode {
        let node = try TestNode(fileSystem, clock: clock) { options in
            options.store.diskReserve = reserve
            options.store.memtableSpace = 8 << 10
            options.store.unflushedSpaceMax = 64 << 10
        }
        if node.node.schema.tables.isEmpty {
            try node.change(TestTables.keyspace, .putTable(table))
        }
        return node
    }

    /// Writes rows until one is refused; returns the numbers of those that were acknowledged.
    private func fill(_ node: TestNode) throws -> Set<Int> {
        var acknowledged: Set<Int> = []
        for number in 0..<2_000 {
            do {
                try node.write(insert(number))
                acknowledged.insert(number)
            } catch let error as WriteError {
                guard acknowledged.count > 20 else { throw error }
                #expect(error.description.contains("full") || error.description.contains("space"))
                return acknowledged
            }
            // What is asked of the disk is asked in the background, every so many bytes.
            if number % 10 == 0 { node.node.shards[0].store.lookAtDisk() }
            node.drain()
        }
        Issue.record("the disk never was full")
        return acknowledged
    }

    private func check(_ node: TestNode, has acknowledged: Set<Int>, without deleted: Set<Int>) throws {
        for number in acknowledged {
            let key = TestTables.row(TestTables.partition("partition \(number)"), number)
            let row = try node.get(table, key)
            #expect((row != nil) == !deleted.contains(number), "row \(number)")
        }
    }

    @Test func belowTheReserveOnlyDeletionsAreTaken() throws {
        let node = try open(reserve: 100 << 10)
        fileSystem.capacity = fileSystem.usedBytes + 200 << 10
        let acknowledged = try fill(node)
        #expect(node.node.tasks.admissions[0].isDiskFull)
        #expect(node.node.tasks.admissions[0].reason == "the disk is full")
        #expect(throws: WriteError.self) { try node.write(insert(5_000)) }
        try check(node, has: acknowledged, without: [])
        let deleted = Set(acknowledged.sorted().prefix(10))
        for number in deleted { try node.write(delete(number)) }
        try check(node, has: acknowledged, without: deleted)
        // Nothing is taken before there is room, then all is, without a restart.
        node.advance(seconds: 5)
        #expect(throws: WriteError.self) { try node.write(insert(5_000)) }
        fileSystem.capacity = .max
        node.advance(seconds: 2)
        try node.write(insert(5_001))
        #expect(!node.node.tasks.admissions[0].isDiskFull)
        #expect(node.node.tasks.admissions[0].refusedWrites > 0)
        let crashed = fileSystem.crashClone(keepUnsynced: .none)
        for files in [fileSystem, crashed] {
            if files === fileSystem { try node.close() }
            let again = try TestNode(files, clock: clock)
            try check(again, has: acknowledged.union([5_001]), without: deleted)
            try again.close()
        }
    }

    @Test func withoutAReserveTheDiskItselfSaysSo() throws {
        for extra in [0, 1_000, 5_000, 20_000] {
            let test = DiskFullTests()
            let node = try test.open(reserve: 0)
            test.fileSystem.capacity = test.fileSystem.usedBytes + 100 << 10 + extra
            let acknowledged = try test.fill(node)
            node.advance(seconds: 3)
            try test.check(node, has: acknowledged, without: [])
            test.fileSystem.capacity = .max
            for _ in 0..<5 { node.advance(seconds: 60) }
            try node.write(test.insert(5_001))
            try node.flush()
            let crashed = test.fileSystem.crashClone(keepUnsynced: .none)
            let again = try TestNode(crashed, clock: test.clock)
            try test.check(again, has: acknowledged.union([5_001]), without: [])
            try node.close()
            let third = try TestNode(test.fileSystem, clock: test.clock)
            try test.check(third, has: acknowledged.union([5_001]), without: [])
        }
    }

    /// The manifest can't take an edit, and takes it when there is room.
    @Test func theManifestGoesOnAfterAFullDisk() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem, reason: .diskFull)
        let node = try TestNode(faults, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table))
        for number in 0..<20 { try node.write(insert(number)) }
        faults.plan = .matching { operation, path in
            operation == .append && path.contains("MANIFEST")
        }
        #expect(throws: StorageError.self) { try node.flush() }
        let crashed = fileSystem.crashClone(keepUnsynced: .seeded(3))
        faults.plan = .none
        for _ in 0..<3 { node.advance(seconds: 60) }
        try node.write(insert(20))
        try node.flush()
        try check(node, has: Set(0...20), without: [])
        let after = fileSystem.crashClone(keepUnsynced: .none)
        try check(try TestNode(crashed, clock: clock), has: Set(0..<20), without: [])
        try check(try TestNode(after, clock: clock), has: Set(0...20), without: [])
        try node.close()
        let again = try TestNode(fileSystem, clock: clock)
        try check(again, has: Set(0...20), without: [])
        #expect(again.node.recovery.replayedRecords == 0)
    }

    // MARK: The commit log and the schema

    private let second = TestTables.table("two", number: 2)

    /// A row in both tables, in one mutation.
    private func insertInBoth(_ number: Int) -> TestMutation {
        let partition = TestTables.partition("partition \(number)")
        var mutation = TestMutation(partition)
        for schema in [table, second] {
            mutation.begin(schema)
            mutation.add(TestTables.row(partition, number), TestValue.insert([1], at: 10))
        }
        return mutation
    }

    /// Both tables have the same rows in each of the file systems; gives how many at most.
    private func checkWhole(_ crashes: [MemoryFileSystem]) throws -> Int {
        var most = 0
        for crash in crashes {
            let node = try TestNode(crash, clock: clock)
            let rows = try node.scan(table)
            #expect(try Set(rows.keys) == Set(node.scan(second).keys))
            most = max(most, rows.count)
        }
        return most
    }

    /// What a flush makes durable, the commit log has, though it may have acknowledged it before.
    @Test(arguments: [FileError.Operation.append, .sync])
    func aFlushWaitsForALogWithoutRoom(operation: FileError.Operation) throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem, reason: .diskFull)
        let node = try TestNode(faults, clock: clock) { options in
            options.commitLog.sync = .periodic(milliseconds: 10)
        }
        try node.change(TestTables.keyspace, .putTable(table), .putTable(second))
        faults.plan = .matching { $0 == operation && $1.contains("commitlog") }
        try node.write(insertInBoth(1))
        let crashes = Box<[MemoryFileSystem]>([])
        fileSystem.onSync = { crashes.value.append($0.crashClone(keepUnsynced: .none)) }
        #expect(throws: StorageError.self) { try node.flush() }
        faults.plan = .none
        for _ in 0..<4 { node.advance(seconds: 1) }
        // The log has the write by itself, and the flush follows.
        try node.write(insertInBoth(2))
        try node.flush()
        fileSystem.onSync = nil
        crashes.value.append(fileSystem.crashClone(keepUnsynced: .none))
        #expect(try checkWhole(crashes.value) == 2)
        try node.close()
    }

    /// What the log said no to may be found after the end of the process; then it stays, or goes, whole.
    @Test func aWriteThatFoundNoRoomIsNoHalfAfterASecondCrash() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem, reason: .diskFull)
        let node = try TestNode(faults, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table), .putTable(second))
        try node.write(insertInBoth(1))
        faults.plan = .matching { operation, path in operation == .sync && path.contains("commitlog") }
        #expect(throws: WriteError.self) { try node.write(insertInBoth(2)) }
        // The process ends, the system doesn't: what was written can be read.
        fileSystem.releaseLocks()
        let crashes = Box<[MemoryFileSystem]>([])
        fileSystem.onSync = { crashes.value.append($0.crashClone(keepUnsynced: .none)) }
        let again = try TestNode(fileSystem, clock: clock)
        fileSystem.onSync = nil
        #expect(try again.scan(table).count == 2)
        #expect(try checkWhole(crashes.value) == 2)
    }

    /// A schema change without room is refused, and the next is taken when there is some.
    @Test func theSchemaGoesOnAfterAFullDisk() throws {
        for operation in [FileError.Operation.append, .sync] {
            let files = MemoryFileSystem()
            let faults = FaultInjectingFileSystem(wrapping: files, reason: .diskFull)
            let node = try TestNode(faults, clock: clock)
            try node.change(TestTables.keyspace, .putTable(table))
            faults.plan = .matching { $0 == operation && $1.contains("metadata") }
            for _ in 0..<3 {
                #expect(throws: (any Error).self) { try node.change(.putTable(second)) }
                node.advance(seconds: 2)
            }
            #expect(node.node.schema.tables.count == 1)
            faults.plan = .none
            node.advance(seconds: 1)
            // What was refused hasn't happened, and never will.
            let before = try TestNode(files.crashClone(keepUnsynced: .none), clock: clock)
            #expect(before.node.schema.tables.map(\.name) == ["one"])
            let third = TestTables.table("three", number: 3)
            try node.change(.putTable(third))
            for mode in [MemoryFileSystem.Unsynced.none, .all] {
                let after = try TestNode(files.crashClone(keepUnsynced: mode), clock: clock)
                #expect(Set(after.node.schema.tables.map(\.name)) == ["one", "three"])
            }
            try node.close()
        }
    }

    /// A truncation that failed must not take writes with it that came after it, at the next start.
    @Test func aRefusedTruncationIsNotFoundByARestart() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem, reason: .diskFull)
        let node = try TestNode(faults, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table))
        faults.plan = .matching { operation, path in operation == .sync && path.contains("metadata") }
        let truncated = TestTables.table("one", number: 1, storage: 9)
        #expect(throws: (any Error).self) { try node.change(.putTable(truncated)) }
        faults.plan = .none
        node.advance(seconds: 1)
        try node.write(insert(1))
        for mode in [MemoryFileSystem.Unsynced.none, .all] {
            let again = try TestNode(fileSystem.crashClone(keepUnsynced: mode), clock: clock)
            try check(again, has: [1], without: [])
        }
    }

    // MARK: Holding up

    @Test func writesAreHeldUpBeforeMemoryIsFullAndGoOnByThemselves() throws {
        let node = try TestNode(fileSystem, clock: clock) { options in
            options.store.memtableSpace = 4 << 10
            options.store.unflushedSpaceMax = 40 << 10
        }
        try node.change(TestTables.keyspace, .putTable(table))
        let acknowledged = Box(0)
        var held: [Int] = []
        let notices = Box<[String]>([])
        node.node.tasks.onNotice { notices.value.append($0) }
        // The shard runs, the background doesn't.
        for number in 0..<200 {
            node.startWrite(insert(number)) { error in
                #expect(error == nil)
                acknowledged.value += 1
            }
            node.settleShards()
            held.append(node.node.tasks.admissions[0].delayedWrites)
        }
        let first = try #require(held.firstIndex { $0 > 0 })
        #expect(first > 20)
        #expect(held.last == 200 - first)
        #expect(node.node.tasks.admissions[0].reason == "memtables wait to be flushed")
        #expect(notices.value.count == 1)
        node.drain()
        for _ in 0..<300 { node.advance(seconds: 1) }
        #expect(acknowledged.value == 200)
        #expect(node.node.tasks.admissions[0].delay == 0)
        #expect(notices.value.last?.contains("at once again") == true)
        try check(node, has: Set(0..<200), without: [])
    }

    @Test func whatRunsIsListed() throws {
        let node = try TestNode(fileSystem, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table))
        for number in 0..<50 { try node.write(insert(number)) }
        node.startFlush()
        node.settleShards()
        #expect(node.node.tasks.all.map(\.kind) == [.flush])
        node.drain()
        #expect(node.node.tasks.all.isEmpty)
        node.startCompaction()
        node.settleShards()
        #expect(node.node.tasks.all.map(\.kind) == [.compaction])
        #expect(node.node.tasks.all[0].sstables == 1)
        node.drain()
        #expect(node.node.tasks.all.isEmpty)
    }
}
