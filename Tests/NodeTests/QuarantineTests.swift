// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// Damaged SSTables: what can't be read is said, everything else goes on, and nothing comes out wrong.
@Suite struct QuarantineTests {
    private let fileSystem = MemoryFileSystem()
    private let clock = ManualClock()
    private let table = QuarantineTests.table("one", number: 1)
    private let other = QuarantineTests.table("two", number: 2)
    private static let rowCount = 40

    /// A table with blocks of a few rows.
    private static func table(_ name: String, number: UInt64) -> TableSchema {
        let schema = TestTables.table(name, number: number, graceSeconds: 60)
        var options = schema.options
        options.compression = ["enabled": "false", "chunk_length_in_kb": "1"]
        return schema.changing(options: options)
    }

    private func open(_ files: (any FileSystem)? = nil, shardCount: Int = 1) throws -> TestNode {
        try TestNode(files ?? fileSystem, clock: clock, shardCount: shardCount) { options in
            options.store.blockCacheSize = 0
        }
    }

    private func partition(_ number: Int) -> [UInt8] { TestTables.partition("partition \(number)") }

    private func row(_ number: Int) -> [UInt8] { TestTables.row(partition(number), number) }

    private func insert(_ number: Int, into table: TableSchema, at timestamp: Int64 = 10) -> TestMutation {
        var mutation = TestMutation(partition(number))
        mutation.begin(table)
        let bytes = [UInt8](repeating: UInt8(number), count: 200)
        mutation.add(row(number), TestValue.insert(bytes, at: timestamp))
        return mutation
    }

    private func delete(_ number: Int, from table: TableSchema, at timestamp: Int64) -> TestMutation {
        var mutation = TestMutation(partition(number))
        mutation.begin(table)
        let deletion = Deletion(timestamp: timestamp, localTime: clock.secondsSinceEpoch())
        let value = TestValue.partitionDeletion(deletion)
        mutation.add(partition(number) + [Key.partitionDeletion], value)
        return mutation
    }

    /// A node with two tables of the same rows, each in one file.
    private func filled() throws -> TestNode {
        let node = try open()
        try node.change(TestTables.keyspace, .putTable(table), .putTable(other))
        for number in 0..<QuarantineTests.rowCount {
            try node.write(insert(number, into: table))
            try node.write(insert(number, into: other))
        }
        try node.flush()
        return node
    }

    private func path(_ node: TestNode, _ table: TableSchema) throws -> String {
        try #require(node.sstablePaths(table).first)
    }

    /// Reads all rows one by one: each is right, or the error names the file. Gives those that failed.
    private func failures(_ node: TestNode, _ table: TableSchema, _ path: String) throws -> [Int] {
        var failed: [Int] = []
        for number in 0..<QuarantineTests.rowCount {
            do {
                let row = try #require(try node.get(table, row(number)))
                #expect(row.cells.values.map(\.bytes) == [[UInt8](repeating: UInt8(number), count: 200)])
            } catch let error as StorageError {
                guard case .corruption(let corruption) = error else { throw error }
                #expect(corruption.path == path)
                let keys = try #require(corruption.keys)
                #expect(!row(number).lexicographicallyPrecedes(keys.first))
                failed.append(number)
            }
        }
        return failed
    }

    /// A scan gives all rows, or fails and names the file. Whether it failed.
    private func scanFails(_ node: TestNode, _ table: TableSchema, _ path: String) throws -> Bool {
        do {
            #expect(try node.scan(table).count == QuarantineTests.rowCount)
            return false
        } catch let error as StorageError {
            guard case .corruption(let corruption) = error else { throw error }
            #expect(corruption.path == path)
            return true
        }
    }

    // MARK: While the node runs

    @Test func aDamagedBlockIsReportedOnceAndTheOthersAreRead() throws {
        let node = try filled()
        let path = try path(node, table)
        let reported = Box<[Quarantine.Damage]>([])
        node.node.quarantine.onDamage { reported.value.append($0) }
        try fileSystem.flipBit(path, offset: 3_000, bit: 2)
        let failed = try failures(node, table, path)
        #expect(!failed.isEmpty)
        #expect(failed.count < 10)
        #expect(try scanFails(node, table, path))
        #expect(try failures(node, table, path) == failed)
        let damages = node.node.quarantine.damages
        #expect(damages.count == 1)
        #expect(reported.value == damages)
        let damage = try #require(damages.first)
        #expect(damage.table.keyspace == "k")
        #expect(damage.table.name == "one")
        #expect(damage.error.offset <= 3_000)
        #expect(damage.error.offset + damage.error.length > 3_000)
        #expect(damage.error.keys != nil)
        #expect(try failures(node, other, path) == [])
        // Writes and reads of what comes go on.
        try node.write(insert(failed[0], into: table, at: 30))
        try node.flush()
    }

    @Test func aDiskThatDoesNotGiveABlockIsAsDamage() throws {
        let first = try filled()
        let path = try path(first, table)
        try first.close()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        faults.reason = .system(code: 5, text: "Input/output error")
        let node = try open(faults)
        faults.plan = .matching { operation, name in operation == .read && name == path }
        #expect(try failures(node, table, path).count == QuarantineTests.rowCount)
        #expect(try failures(node, other, path) == [])
        #expect(node.node.quarantine.damages.first?.error.found.contains("Input/output error") == true)
        faults.plan = .none
        #expect(try failures(node, table, path) == [])
    }

    /// Whatever byte is damaged, while the node runs or before it starts: no answer is wrong, and the other
    /// table isn't touched.
    @Test func noDamageMakesAnAnswerWrong() throws {
        let running = try filled()
        let path = try path(running, table)
        let count = try fileSystem.contents(path).count
        let step = Effort.isThorough ? 7 : 211
        var failing = 0
        for offset in Array(stride(from: 0, to: count, by: step)) + Array(count - 64..<count) {
            let bit = offset % 8
            try fileSystem.flipBit(path, offset: offset, bit: bit)
            let isRunningDamaged = try !failures(running, table, path).isEmpty
            let files = fileSystem.crashClone(keepUnsynced: .all)
            let started = try TestNode(files, clock: clock, shardCount: 1 + offset % 2)
            let failed = try failures(started, table, path)
            #expect(try scanFails(started, table, path) == !failed.isEmpty, "offset \(offset)")
            if isRunningDamaged { #expect(!failed.isEmpty, "offset \(offset)") }
            #expect(try failures(started, other, path) == [], "offset \(offset)")
            if !failed.isEmpty {
                failing += 1
                #expect(!started.node.quarantine.damages.isEmpty, "offset \(offset)")
            }
            try fileSystem.flipBit(path, offset: offset, bit: bit)
        }
        #expect(failing > 20)
        #expect(try failures(running, table, path) == [])
    }

    // MARK: At the start

    @Test func aFileThatCanNotBeOpenedStopsNeitherTheNodeNorOtherTables() throws {
        let first = try filled()
        let path = try path(first, table)
        try first.close()
        let size = try fileSystem.contents(path).count
        try fileSystem.flipBit(path, offset: size - 10, bit: 0)
        for shardCount in [1, 2, 1] {
            let node = try open(shardCount: shardCount)
            #expect(node.node.recovery.unreadableFiles.count == 1)
            #expect(node.node.quarantine.damages.count == 1)
            #expect(try failures(node, table, path).count == QuarantineTests.rowCount)
            #expect(try scanFails(node, table, path))
            #expect(try failures(node, other, path) == [])
            try node.write(insert(1, into: table, at: 20))
            try node.flush()
            try node.compact(table)
            try node.close()
        }
        try fileSystem.flipBit(path, offset: size - 10, bit: 0)
        let node = try open()
        #expect(node.node.recovery.unreadableFiles == [])
        #expect(try failures(node, table, path) == [])
    }

    @Test func aMissingFileAndAnUnreadableOneAreAsDamage() throws {
        let first = try filled()
        let path = try path(first, table)
        try first.close()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        faults.plan = .matching { operation, name in operation == .open && name == path }
        let node = try open(faults)
        #expect(try failures(node, table, path).count == QuarantineTests.rowCount)
        #expect(try failures(node, other, path) == [])
        try node.write(insert(1, into: table, at: 20))
        try node.flush()
        node.advance(seconds: 2)
        // Rows that a file may have fail, whatever else has them.
        #expect(try failures(node, table, path).count == QuarantineTests.rowCount)
        faults.plan = .none
        node.advance(seconds: 60)
        #expect(try failures(node, table, path) == [])
        #expect(node.node.quarantine.damages.isEmpty)
        #expect(node.sstablePaths(table).contains(path))
        try node.close()
        try fileSystem.remove(path)
        let again = try open()
        #expect(try failures(again, table, path).count == QuarantineTests.rowCount)
        #expect(try failures(again, other, path) == [])
    }

    @Test func aDamagedFilterIsDoneWithout() throws {
        let first = try filled()
        let path = try path(first, table)
        let store = try #require(first.node.shards[0].store.table(storageID: table.storageID))
        let filter = try #require(store.sstables.first?.reader.filterOffset)
        try first.close()
        try fileSystem.flipBit(path, offset: filter, bit: 1)
        let node = try open()
        #expect(try failures(node, table, path) == [])
        #expect(try scanFails(node, table, path) == false)
        #expect(node.node.quarantine.damages.map(\.error.offset) == [filter])
        #expect(node.node.recovery.unreadableFiles == [])
    }

    // MARK: Compaction

    /// The old rows' file, and others with deletions of some of them.
    private func withDeletions() throws -> (node: TestNode, old: String) {
        let node = try filled()
        let old = try path(node, table)
        for number in 0..<10 { try node.write(delete(number, from: table, at: 20)) }
        try node.flush()
        for number in 30..<35 { try node.write(insert(number, into: table, at: 30)) }
        try node.flush()
        node.advance(seconds: 1_000)
        return (node, old)
    }

    private func numbers(_ node: TestNode) throws -> [Int] {
        try node.scan(table).values.flatMap { $0.cells.values.map { Int($0.bytes[0]) } }.sorted()
    }

    @Test func compactionsLeaveADamagedFileAloneAndKeepWhatHidesItsRows() throws {
        let (node, old) = try withDeletions()
        try fileSystem.flipBit(old, offset: 3_000, bit: 0)
        // It is found by the first compaction.
        #expect(throws: StorageError.self) { try node.compact(table) }
        #expect(node.node.quarantine.damages.count == 1)
        #expect(node.sstablePaths(table).count == 3)
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 2)
        #expect(node.sstablePaths(table).contains(old))
        #expect(node.node.quarantine.damages.count == 1)
        try node.close()
        try fileSystem.flipBit(old, offset: 3_000, bit: 0)
        let mended = try open()
        #expect(try numbers(mended) == Array(10..<40))
        try mended.compact(table)
        #expect(mended.sstablePaths(table).count == 1)
        #expect(try numbers(mended) == Array(10..<40))
    }

    /// A file that the disk didn't give for a while is merged as soon as it does.
    @Test func compactionsTakeAFileThatCanBeReadAgain() throws {
        let (first, old) = try withDeletions()
        try first.close()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try open(faults)
        faults.plan = .matching { operation, name in operation == .read && name == old }
        #expect(throws: StorageError.self) { try node.compact(table) }
        #expect(node.node.quarantine.damages.count == 1)
        // It is looked at, now and then, with more and more time between.
        for _ in 0..<20 { node.advance(seconds: 60) }
        #expect(node.node.quarantine.damages.count == 1)
        try node.compact(table)
        #expect(node.sstablePaths(table).contains(old))
        let faultsBefore = faults.faults
        for _ in 0..<60 { node.advance(seconds: 1) }
        #expect(faults.faults == faultsBefore + 1, "once a minute")
        faults.plan = .none
        node.advance(seconds: 61)
        #expect(node.node.quarantine.damages == [])
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 1)
        #expect(!node.sstablePaths(table).contains(old))
        #expect(try numbers(node) == Array(10..<40))
    }

    @Test func compactionsKeepWhatHidesRowsOfAFileThatCanNotBeOpened() throws {
        let (first, old) = try withDeletions()
        try first.close()
        let size = try fileSystem.contents(old).count
        try fileSystem.flipBit(old, offset: size - 10, bit: 0)
        let node = try open()
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 1)
        try node.close()
        try fileSystem.flipBit(old, offset: size - 10, bit: 0)
        #expect(try numbers(try open()) == Array(10..<40))
    }
}
