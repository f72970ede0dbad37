// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// Tables and files over restarts, with other numbers of shards, and when they are dropped.
@Suite struct LifecycleTests {
    private let table = TestTables.table("one", number: 1, graceSeconds: 60)
    private let fileSystem = MemoryFileSystem()
    private let clock = ManualClock()

    private func open(
        shardCount: Int = 1,
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws -> TestNode {
        try TestNode(fileSystem, clock: clock, shardCount: shardCount, configure: configure)
    }

    private func openWithTable(shardCount: Int = 1) throws -> TestNode {
        let node = try open(shardCount: shardCount)
        try node.change(TestTables.keyspace, .putTable(table))
        return node
    }

    private func partition(_ number: Int) -> [UInt8] { TestTables.partition("partition \(number)") }

    private func insert(_ number: Int, into table: TableSchema, at timestamp: Int64 = 10) -> TestMutation {
        var mutation = TestMutation(partition(number))
        mutation.begin(table)
        let key = TestTables.row(partition(number), number)
        mutation.add(key, TestValue.insert([UInt8(number)], at: timestamp))
        return mutation
    }

    private func delete(_ number: Int, at timestamp: Int64 = 20) -> TestMutation {
        var mutation = TestMutation(partition(number))
        mutation.begin(table)
        let deletion = Deletion(timestamp: timestamp, localTime: clock.secondsSinceEpoch())
        let key = partition(number) + [Key.partitionDeletion]
        mutation.add(key, TestValue.partitionDeletion(deletion))
        return mutation
    }

    private func numbers(_ node: TestNode, _ table: TableSchema) throws -> [Int] {
        try node.scan(table).values.flatMap { $0.cells.values.map { Int($0.bytes[0]) } }.sorted()
    }

    // MARK: Restarts

    @Test func afterACleanCloseNothingIsReplayed() throws {
        let node = try openWithTable(shardCount: 2)
        for number in 0..<10 { try node.write(insert(number, into: table)) }
        try node.close()
        let again = try open(shardCount: 2)
        #expect(again.node.recovery.replayedRecords == 0)
        #expect(again.node.recovery.removedFiles.isEmpty)
        #expect(try numbers(again, table) == Array(0..<10))
        #expect(again.node.hostID == node.node.hostID)
    }

    @Test func aFolderIsOpenedOnce() throws {
        let node = try openWithTable()
        #expect(throws: NodeError.self) { try open() }
        try node.close()
        _ = try open()
    }

    @Test func truncatedRowsStayGone() throws {
        let node = try openWithTable()
        for number in 0..<5 { try node.write(insert(number, into: table)) }
        try node.flush()
        for number in 5..<8 { try node.write(insert(number, into: table)) }
        let truncated = TestTables.table("one", number: 1, storage: 9)
        try node.change(.putTable(truncated))
        #expect(try numbers(node, truncated) == [])
        #expect(throws: WriteError.self) { try node.write(insert(8, into: table)) }
        try node.write(insert(9, into: truncated))
        // The commit log still has what was written before.
        let crashed = try TestNode(fileSystem.crashClone(keepUnsynced: .none))
        #expect(try numbers(crashed, truncated) == [9])
        try node.close()
        #expect(try numbers(try open(), truncated) == [9])
        #expect(try fileSystem.list("\(TestNode.root)/data/k").count == 1)
    }

    @Test func aTableThatIsMadeAgainIsEmpty() throws {
        let node = try openWithTable()
        try node.write(insert(1, into: table))
        try node.flush()
        try node.write(insert(2, into: table))
        try node.change(.dropTable(keyspace: "k", name: "one"))
        let again = TestTables.table("one", number: 2)
        try node.change(.putTable(again))
        #expect(try numbers(node, again) == [])
        try node.close()
        #expect(try numbers(try open(), again) == [])
    }

    @Test func aDroppedKeyspaceLeavesNothing() throws {
        let node = try openWithTable()
        try node.write(insert(1, into: table))
        try node.flush()
        try node.write(insert(2, into: table))
        try node.change(.dropKeyspace(name: "k"))
        try node.close()
        let again = try open()
        #expect(again.node.schema.tables.isEmpty)
        #expect(try fileSystem.list("\(TestNode.root)/data") == [])
    }

    // MARK: Shards

    @Test func rowsStayWithAnyNumberOfShards() throws {
        var node = try openWithTable()
        var count = 0
        for shardCount in [1, 2, 3, 2, 1, 5, 1] {
            try node.close()
            node = try open(shardCount: shardCount)
            #expect(try numbers(node, table) == Array(0..<count))
            for _ in 0..<10 {
                try node.write(insert(count, into: table))
                count += 1
            }
            try node.flush()
            #expect(try numbers(node, table) == Array(0..<count))
            try node.compact(table)
            #expect(try numbers(node, table) == Array(0..<count))
            #expect(node.sstablePaths(table).count <= shardCount)
        }
    }

    @Test func aSharedFileGoesWhenAllShardsHaveCompactedIt() throws {
        var node = try openWithTable()
        for number in 0..<20 { try node.write(insert(number, into: table)) }
        try node.flush()
        try node.close()
        node = try open(shardCount: 2)
        let shared = try #require(node.sstablePaths(table).first)
        #expect(node.node.shards.allSatisfy { shard in
            shard.store.table(storageID: table.storageID)?.sstables.first?.reader.path == shared
        })
        try compact(node, shard: 0)
        #expect(try fileSystem.kind(shared) != nil)
        #expect(try numbers(node, table) == Array(0..<20))
        try compact(node, shard: 1)
        #expect(try fileSystem.kind(shared) == nil)
        #expect(try numbers(node, table) == Array(0..<20))
    }

    /// A shard that has purged a deletion must not see again, through the part of a file that only
    /// other shards still needed, what it had hidden.
    @Test func whatAShardPurgedStaysGoneWithFewerShards() throws {
        var node = try openWithTable()
        for number in 0..<20 { try node.write(insert(number, into: table)) }
        try node.flush()
        for number in 0..<10 { try node.write(delete(number)) }
        try node.close()
        clock.advance(nanoseconds: 100_000_000_000)
        node = try open(shardCount: 2)
        try compact(node, shard: 0)
        try node.close()
        for shardCount in [1, 3, 1] {
            node = try open(shardCount: shardCount)
            #expect(try numbers(node, table) == Array(10..<20))
            for number in 0..<20 {
                let row = try node.get(table, TestTables.row(partition(number), number))
                #expect((row != nil) == (number >= 10))
            }
            try node.close()
        }
        node = try open(shardCount: 1)
        try node.compact(table)
        #expect(try numbers(node, table) == Array(10..<20))
        #expect(node.sstablePaths(table).count == 1)
    }

    private func compact(_ node: TestNode, shard index: Int) throws {
        let shard = node.node.shards[index]
        let store = try #require(shard.store.table(storageID: table.storageID))
        let result = Box<StorageError??>(nil)
        shard.executor.execute { shard.store.compactAll(store) { result.value = .some($0) } }
        node.drain()
        #expect(result.value == .some(nil))
    }

    // MARK: Purging

    @Test func deletionsGoAfterTheGracePeriodAndNotBefore() throws {
        let first = try openWithTable()
        try first.write(insert(1, into: table))
        try first.write(delete(1))
        try first.close()
        let node = try open()
        node.advance(seconds: 60)
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 1)
        node.advance(seconds: 1)
        try node.compact(table)
        #expect(node.sstablePaths(table).isEmpty)
    }

    @Test func deletionsStayWhileAMemtableHasSomethingOlder() throws {
        let node = try openWithTable()
        try node.write(delete(1, at: 20))
        try node.flush()
        node.advance(seconds: 100)
        try node.write(insert(2, into: table, at: 20))
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 1)
        try node.flush()
        try node.compact(table)
        #expect(try numbers(node, table) == [2])
    }

    @Test func deletionsStayWhileAnotherSSTableHasSomethingOlder() throws {
        let old = try openWithTable()
        var large = TestMutation(partition(1))
        large.begin(table)
        for number in 0..<50 {
            let key = TestTables.row(partition(1), number)
            large.add(key, TestValue.insert([UInt8(number)], at: 10))
        }
        try old.write(large)
        try old.flush()
        for _ in 0..<4 {
            try old.write(delete(1, at: 20))
            try old.flush()
        }
        try old.close()
        clock.advance(nanoseconds: 100_000_000_000)
        let node = try open { $0.store.compactsAutomatically = true }
        var options = table.options
        options.compaction = [
            "class": "SizeTieredCompactionStrategy", "min_threshold": "4", "max_threshold": "4",
        ]
        try node.change(.putTable(table.changing(options: options)))
        // Of the five files of the partition, the four smallest are merged: not the one that has the rows.
        try node.write(insert(7, into: table, at: 30))
        try node.flush()
        #expect(node.sstablePaths(table).count == 3)
        #expect(try numbers(node, table) == [7])
        try node.compact(table)
        #expect(node.sstablePaths(table).count == 1)
        #expect(try numbers(node, table) == [7])
    }

    /// A deletion is purged with the older write that came after it; the commit log still has the
    /// write, since another table needs its segment, and no longer the deletion.
    @Test func whatWasPurgedIsNotReplayed() throws {
        let node = try openWithTable()
        let other = TestTables.table("two", number: 2)
        try node.change(.putTable(other))
        try node.write(delete(1, at: 20))
        try node.flush()
        // Segments are small: this one ends the segment that has the deletion.
        var filler = TestMutation(partition(2))
        filler.begin(other)
        let key = TestTables.row(partition(2), 2)
        filler.add(key, TestValue.insert(Array(repeating: 7, count: 1_900), at: 10))
        for _ in 0..<4 { try node.write(filler) }
        try node.flush()
        try node.write(filler)
        try node.write(insert(1, into: table, at: 10))
        let shard = node.node.shards[0]
        let store = try #require(shard.store.table(storageID: table.storageID))
        shard.executor.execute { shard.store.flush(store) { _ in } }
        node.drain()
        node.advance(seconds: 100)
        try node.compact(table)
        let crashed = try TestNode(fileSystem.crashClone(keepUnsynced: .all), clock: clock)
        #expect(try numbers(crashed, table) == [])
    }

    // MARK: Flushes and the commit log

    /// A flush of one table must not make durable what the commit log may yet lose of another.
    @Test func aFlushMakesNoHalfMutationDurable() throws {
        let other = TestTables.table("two", number: 2)
        for seed in 0..<10 as Range<UInt64> {
            let fileSystem = MemoryFileSystem()
            let node = try TestNode(fileSystem, clock: clock, seed: seed)
            try node.change(TestTables.keyspace, .putTable(table), .putTable(other))
            var mutation = TestMutation(partition(1))
            for schema in [table, other] {
                mutation.begin(schema)
                let key = TestTables.row(partition(1), 1)
                mutation.add(key, TestValue.insert([1], at: 10))
            }
            let crashes = Box<[MemoryFileSystem]>([])
            fileSystem.onSync = { crashes.value.append($0.crashClone(keepUnsynced: .none)) }
            node.startWrite(mutation) { error in #expect(error == nil) }
            let shard = node.node.shards[0]
            let store = try #require(shard.store.table(storageID: table.storageID))
            shard.executor.execute { shard.store.flush(store) { error in #expect(error == nil) } }
            node.drain()
            fileSystem.onSync = nil
            #expect(crashes.value.count > 4)
            for crash in crashes.value {
                let again = try TestNode(crash, clock: clock)
                #expect(try numbers(again, table) == numbers(again, other), "seed \(seed)")
            }
        }
    }

    // MARK: Backpressure

    /// A node whose memtables are full with the first write, and whose flushes fail.
    private func openFull(
        _ faults: FaultInjectingFileSystem,
        _ first: TestMutation,
        _ tables: [TableSchema]
    ) throws -> TestNode {
        let node = try TestNode(faults, clock: clock) { options in
            options.store.memtableSpace = 0
            options.store.unflushedSpaceMax = 1
        }
        try node.change(TestTables.keyspace)
        for table in tables { try node.change(.putTable(table)) }
        faults.plan = .matching { operation, path in operation == .create && path.hasSuffix(".tmp") }
        node.startWrite(first) { error in #expect(error == nil) }
        node.settleShards()
        return node
    }

    @Test func writesWaitForAFlushAndGoOnWhenTheDiskWorksAgain() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try openFull(faults, insert(1, into: table), [table])
        let isDone = Box(false)
        node.startWrite(insert(2, into: table)) { error in isDone.value = error == nil }
        node.settleShards()
        node.drain()
        #expect(!isDone.value)
        #expect(node.node.shards[0].store.lastBackgroundError != nil)
        // Once a flush has failed, nobody else is made to wait.
        do {
            try node.write(insert(3, into: table))
            Issue.record("a write was taken that there is no memory for")
        } catch WriteError.flushFailing {
            // As it should be.
        }
        faults.plan = .none
        node.advance(seconds: 60)
        #expect(isDone.value)
        try node.write(insert(4, into: table))
        #expect(try numbers(node, table) == [1, 2, 4])
    }

    @Test func writesThatWaitGoOnWhenTheTableThatFilledTheMemoryIsDropped() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let doomed = TestTables.table("doomed", number: 5)
        let node = try openFull(faults, insert(1, into: doomed), [table, doomed])
        let isDone = Box(false)
        node.startWrite(insert(2, into: table)) { error in isDone.value = error == nil }
        node.settleShards()
        node.drain()
        #expect(!isDone.value)
        try node.change(.dropTable(keyspace: "k", name: "doomed"))
        #expect(isDone.value)
        faults.plan = .none
        try node.close()
        #expect(try numbers(try open(), table) == [2])
    }

    @Test func closingAnswersWritesThatWait() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try openFull(faults, insert(1, into: table), [table])
        let answer = Box<WriteError??>(nil)
        node.startWrite(insert(2, into: table)) { answer.value = .some($0) }
        node.settleShards()
        node.drain()
        #expect(throws: StorageError.self) { try node.close() }
        guard case .some(.some(.closed)) = answer.value else {
            Issue.record("the write that waited was not refused")
            return
        }
        faults.plan = .none
        #expect(try numbers(try open(), table) == [1])
    }

    /// Only flushes that fail make full memtables refuse writes.
    @Test func aCompactionThatFailedRefusesNoWrites() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try TestNode(faults, clock: clock) { options in
            options.store.memtableSpace = 0
            options.store.unflushedSpaceMax = 1
        }
        try node.change(TestTables.keyspace, .putTable(table))
        try node.write(insert(1, into: table))
        faults.plan = .matching { operation, path in operation == .create && path.hasSuffix(".tmp") }
        #expect(throws: StorageError.self) { try node.compact(table) }
        faults.plan = .none
        let isDone = Box(false)
        node.startWrite(insert(2, into: table)) { error in #expect(error == nil) }
        node.settleShards()
        node.startWrite(insert(3, into: table)) { error in isDone.value = error == nil }
        node.drain()
        #expect(isDone.value)
        #expect(try numbers(node, table) == [1, 2, 3])
    }

    // MARK: Faults

    private func sstables() -> [String] {
        let folder = "\(TestNode.root)/data/k"
        let tables = (try? fileSystem.list(folder)) ?? []
        return tables.flatMap { (try? fileSystem.list("\(folder)/\($0)")) ?? [] }
    }

    @Test func aFlushThatFailsAgainAndAgainLeavesNoFiles() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try TestNode(faults, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table))
        try node.write(insert(1, into: table))
        faults.plan = .matching { operation, path in operation == .open && path.hasSuffix(".sst") }
        #expect(throws: StorageError.self) { try node.flush() }
        for _ in 0..<8 { node.advance(seconds: 60) }
        #expect(faults.faults > 5)
        #expect(sstables() == [])
        faults.plan = .none
        node.advance(seconds: 60)
        #expect(sstables().count == 1)
    }

    @Test func afterTheManifestFailedNoMoreFilesAreWritten() throws {
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try TestNode(faults, clock: clock)
        try node.change(TestTables.keyspace, .putTable(table))
        try node.write(insert(1, into: table))
        faults.plan = .matching { operation, path in
            operation == .sync && path.contains("MANIFEST")
        }
        #expect(throws: StorageError.self) { try node.flush() }
        for _ in 0..<8 { node.advance(seconds: 60) }
        // The first may have become live: what the disk has of the edit is not known.
        #expect(sstables().count == 1)
        #expect(try numbers(node, table) == [1])
        #expect(throws: StorageError.self) { try node.close() }
        #expect(try numbers(try open(), table) == [1])
    }

    @Test func commitLogSegmentsGoInTheirOrderWhateverACrashKeeps() throws {
        let segments: [UInt64] = [1, 2, 3, 4, 5, 6]
        for segment in segments {
            try fileSystem.setContents(CommitLog.path(directory: "/log", segment: segment), [1])
        }
        let left = Box<[[UInt64]]>([])
        fileSystem.onSync = { files in
            for seed in 0..<20 {
                let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                left.value.append((try? CommitLog.segments(clone, directory: "/log")) ?? [])
            }
        }
        try CommitLog.remove(segments, fileSystem: fileSystem, directory: "/log")
        #expect(left.value.allSatisfy { $0 == segments.suffix($0.count) })
        #expect(try CommitLog.segments(fileSystem, directory: "/log").isEmpty)
    }
}
