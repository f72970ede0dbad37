// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// Snapshots, and what a crash or a fault in the middle leaves of them; draining.
@Suite struct SnapshotTests {
    private let memory = MemoryFileSystem()
    private let clock = ManualClock()
    private let table = TestTables.table("one", number: 1, graceSeconds: 60)
    private let second = TestTables.table("two", number: 2, graceSeconds: 60)

    private func open(_ fileSystem: any FileSystem) throws -> TestNode {
        try TestNode(fileSystem, clock: clock, shardCount: 2)
    }

    private func write(_ node: TestNode, _ numbers: Range<Int>, _ value: UInt8 = 1) throws {
        for table in [table, second] {
            for number in numbers {
                let partition = TestTables.partition("partition \(number)")
                var mutation = TestMutation(partition)
                mutation.begin(table)
                let cell = TestValue.insert([value, 0, 0, 0], at: Int64(value))
                mutation.add(TestTables.row(partition, number), cell)
                try node.write(mutation)
            }
        }
    }

    /// A node with 20 rows in files and 20 in memtables.
    private func openWithRows(_ fileSystem: any FileSystem) throws -> TestNode {
        let node = try open(fileSystem)
        try node.change(TestTables.keyspace, .putTable(table), .putTable(second))
        try write(node, 0..<20)
        try node.flush()
        try write(node, 20..<40)
        return node
    }

    private var tables: [Snapshots.Table] {
        [table, second].map { Snapshots.Table(schema: $0, statements: "CREATE TABLE \($0.name);\n") }
    }

    private func start(_ node: TestNode, _ name: String) -> Box<AdministrationError??> {
        let result = Box<AdministrationError??>(nil)
        node.node.takeSnapshot(name, of: tables) { result.value = .some($0) }
        return result
    }

    private func take(_ node: TestNode, _ name: String) throws {
        let result = start(node, name)
        node.drain()
        guard let answer = result.value else { throw NoAnswer(what: "a snapshot") }
        if let error = answer { throw error }
    }

    /// How many rows a snapshot's files hold.
    private func rows(_ facts: SnapshotFacts, _ fileSystem: any FileSystem) throws -> Int {
        var count = 0
        for name in try fileSystem.list(facts.folder) where name.hasSuffix(".sst") {
            let reader = try SSTableReader.open(
                fileSystem: fileSystem,
                path: "\(facts.folder)/\(name)",
                fileNumber: 1
            )
            count += reader.statistics.rowCount
        }
        return count
    }

    @Test func hasWhatWasWrittenAndKeepsItWhateverHappensToTheTable() throws {
        let node = try openWithRows(memory)
        try take(node, "before")
        try write(node, 0..<40, 2)
        try node.flush()
        try node.compact(table)
        try node.change(.dropTable(keyspace: second.keyspace, name: second.name))
        node.drain()
        try node.close()
        let again = try open(memory)
        #expect(again.node.recovery.removedFiles == [])
        let all = try again.node.snapshots.list()
        #expect(all.map(\.name) == ["before", "before"])
        #expect(all.map(\.table) == ["one", "two"])
        #expect(all.allSatisfy { $0.createdAt == 1_700_000_000_000_000 })
        for facts in all {
            #expect(try rows(facts, memory) == 40)
            // Nothing else has these files any more.
            #expect(facts.ownSize == facts.size && facts.size > 0)
            let statements = try memory.contents("\(facts.folder)/schema.cql")
            #expect(String(decoding: statements, as: UTF8.self) == "CREATE TABLE \(facts.table);\n")
        }
        #expect(try again.scan(table).count == 40)
    }

    @Test func takesNoRoomWhileTheFilesAreLive() throws {
        let node = try openWithRows(memory)
        try node.flush()
        let before = memory.usedBytes
        try take(node, "a")
        for facts in try node.node.snapshots.list() {
            #expect(facts.ownSize < 1000)
            #expect(facts.size > facts.ownSize)
        }
        #expect(memory.usedBytes < before + 2000)
    }

    @Test func itsManifestSaysWhichTokensEachFileIsLiveFor() throws {
        let node = try openWithRows(memory)
        try take(node, "a")
        let facts = try #require(try node.node.snapshots.list().first)
        let text = String(decoding: try memory.contents("\(facts.folder)/manifest.txt"), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines[0] == "tholos snapshot 1")
        #expect(lines[1] == "created 1700000000000000")
        #expect(lines[2] == "storage \(table.storageID)")
        let names = try memory.list(facts.folder).filter { $0.hasSuffix(".sst") }
        #expect(lines.dropFirst(3).map { $0.split(separator: " ")[1] } == names.map { Substring($0) })
        #expect(lines[3].hasSuffix("..-1") || lines[3].contains(" 0.."))
    }

    @Test func aNameIsTakenOnceAndFreeAgainWhenCleared() throws {
        let node = try openWithRows(memory)
        try take(node, "a")
        #expect(throws: AdministrationError.self) { try take(node, "a") }
        #expect(try node.node.snapshots.list().count == 2)
        try take(node, "b")
        #expect(try node.node.snapshots.clear("a", keyspaces: ["elsewhere"]).isEmpty)
        #expect(try node.node.snapshots.clear("a", keyspaces: nil).count == 2)
        #expect(try node.node.snapshots.list().map(\.name) == ["b", "b"])
        try take(node, "a")
        #expect(try node.node.snapshots.clear(nil, keyspaces: ["k"]).count == 4)
        #expect(try node.node.snapshots.list().isEmpty)
        #expect(try node.scan(table).count == 40)
    }

    @Test func namesThatWouldLeaveTheFolderAreNone() {
        for name in ["", ".", "..", "a/b", ".a", "a.tmp", "ä", "a b", String(repeating: "a", count: 129)] {
            #expect(!Snapshots.isName(name), "\(name)")
        }
        for name in ["a", "2026-11-26_before.upgrade", String(repeating: "a", count: 128)] {
            #expect(Snapshots.isName(name), "\(name)")
        }
    }

    @Test func filesThatACompactionReplacesMeanwhileStayUntilTheyAreLinked() throws {
        let faults = FaultInjectingFileSystem(wrapping: memory)
        let node = try openWithRows(faults)
        try node.flush()
        let nested = Box(false)
        nonisolated(unsafe) let runner = node
        faults.onOperation = { operation, _ in
            guard operation == .link, !nested.value else { return }
            nested.value = true
            runner.startCompaction()
            runner.drain()
        }
        try take(node, "a")
        faults.onOperation = nil
        #expect(nested.value)
        for facts in try node.node.snapshots.list() { #expect(try rows(facts, memory) == 40) }
        // They are gone from the table's own folder.
        let folder = "\(TestNode.root)/data/k"
        var files: Set<String> = []
        for name in try memory.list(folder) {
            for file in try memory.list("\(folder)/\(name)") where file.hasSuffix(".sst") {
                files.insert("\(folder)/\(name)/\(file)")
            }
        }
        #expect(files == node.sstablePaths(table).union(node.sstablePaths(second)))
    }

    /// Makes, makes again and clears, with a look before each operation on files.
    private func work(_ node: TestNode) {
        try? take(node, "a")
        try? write(node, 0..<5, 3)
        try? take(node, "b")
        _ = try? node.node.snapshots.clear("a", keyspaces: nil)
    }

    /// What must hold of files that a crash or faults left.
    private func check(_ left: MemoryFileSystem, _ place: String) throws {
        let node = try open(left)
        #expect(try node.scan(table).count == 40, "\(place)")
        for facts in try node.node.snapshots.list() {
            #expect(["a", "b"].contains(facts.name), "\(place)")
            #expect(try rows(facts, left) >= 40, "\(place): \(facts.name) of \(facts.table)")
            #expect(facts.createdAt != nil, "\(place)")
        }
        let folder = "\(TestNode.root)/data/k"
        for name in try left.list(folder) {
            let snapshots = (try? left.list("\(folder)/\(name)/snapshots")) ?? []
            #expect(snapshots.allSatisfy { !$0.hasSuffix(".tmp") }, "\(place)")
        }
        try take(node, "c")
        #expect(try node.node.snapshots.list().filter { $0.name == "c" }.count == 2, "\(place)")
        try node.close()
    }

    @Test func aCrashLeavesAWholeSnapshotOrNone() throws {
        let faults = FaultInjectingFileSystem(wrapping: memory)
        let node = try openWithRows(faults)
        let moments = Box<[(String, MemoryFileSystem)]>([])
        faults.onOperation = { [memory] operation, path in
            let modes: [MemoryFileSystem.Unsynced] = [
                .none, .all, .seeded(UInt64(moments.value.count)),
            ]
            let mode = modes[moments.value.count % 3]
            let place = "before \(operation.rawValue) \(path), \(mode) kept"
            moments.value.append((place, memory.crashClone(keepUnsynced: mode)))
        }
        work(node)
        faults.onOperation = nil
        #expect(moments.value.count > 60)
        for (place, moment) in moments.value { try check(moment, place) }
    }

    @Test(arguments: [false, true]) func aFaultLeavesAWholeSnapshotOrNone(persists: Bool) throws {
        var n = 1
        while true {
            let memory = MemoryFileSystem()
            let faults = FaultInjectingFileSystem(wrapping: memory)
            let node = try openWithRows(faults)
            let before = faults.operations
            faults.plan = persists ? .persistent(before + n) : .transient(before + n)
            work(node)
            let hasFired = faults.fired
            faults.plan = .none
            guard hasFired else { break }
            node.advance(seconds: 61)
            #expect(try node.scan(table).count == 40)
            try? node.close()
            try check(memory.crashClone(keepUnsynced: .all), "operation \(n) failed")
            n += 1
        }
        #expect(n > 60)
    }

    // MARK: Draining

    @Test func aDrainedNodeRefusesWritesAnswersReadsAndHasNothingToReplay() throws {
        let node = try openWithRows(memory)
        let result = Box<StorageError??>(nil)
        node.node.drain { result.value = .some($0) }
        node.drain()
        #expect(result.value == .some(nil))
        #expect {
            try write(node, 50..<51)
        } throws: { error in
            if case .drained = error as? WriteError { true } else { false }
        }
        #expect(try node.scan(table).count == 40)
        // As if it was killed.
        let again = try open(memory.crashClone(keepUnsynced: .none))
        #expect(again.node.recovery.replayedRecords == 0)
        #expect(try again.scan(table).count == 40)
    }

    @Test func whatATableComesToCountsEachFileOnce() throws {
        let node = try openWithRows(memory)
        try write(node, 100..<101)
        let sizes = Box<[UUID: TableMeasures]>([:])
        node.node.measureTables { sizes.value = $0 }
        node.drain()
        let measures = try #require(sizes.value[table.storageID])
        // One of each shard.
        #expect(measures.files.count == 2)
        #expect(measures.sum(\.partitionCount) == 20)
        #expect(measures.size == measures.files.values.reduce(0) { $0 + $1.size })
        #expect(measures.memtableBytes > 0)
        #expect(measures.compactions == 0)
    }
}
