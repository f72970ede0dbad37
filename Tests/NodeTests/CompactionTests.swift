// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// Compactions in slices: what is live, what is on disk, and what may happen meanwhile.
@Suite struct CompactionTests {
    private let fileSystem = MemoryFileSystem()
    private let clock = ManualClock()
    private let table: TableSchema

    init() {
        let table = TestTables.table("one", number: 1, graceSeconds: 60)
        var options = table.options
        options.compaction = ["class": "UnifiedCompactionStrategy", "min_sstable_size": "64B"]
        self.table = table.changing(options: options)
    }

    private func open(
        shardCount: Int = 1,
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws -> TestNode {
        try TestNode(fileSystem, clock: clock, shardCount: shardCount, configure: configure)
    }

    private func insert(_ number: Int, _ value: [UInt8], at timestamp: Int64) -> TestMutation {
        let partition = TestTables.partition("partition \(number)")
        var mutation = TestMutation(partition)
        mutation.begin(table)
        mutation.add(TestTables.row(partition, number), TestValue.insert(value, at: timestamp))
        return mutation
    }

    /// Two files of 200 partitions, the newer one hiding the older.
    private func openWithTwoFiles() throws -> TestNode {
        let node = try open()
        try node.change(TestTables.keyspace, .putTable(table))
        for round in 1...2 {
            for number in 0..<200 {
                try node.write(insert(number, [UInt8(round), 0, 0, 0], at: Int64(round)))
            }
            try node.flush()
        }
        return node
    }

    private func check(_ node: TestNode, _ place: String) throws {
        let rows = try node.scan(table)
        #expect(rows.count == 200, "\(place)")
        let values = rows.values.flatMap { $0.cells.values.map { $0.bytes[0] } }
        #expect(values.allSatisfy { $0 == 2 }, "\(place)")
    }

    private var files: [String] {
        let folder = "\(TestNode.root)/data/k"
        let tables = (try? fileSystem.list(folder)) ?? []
        return tables.flatMap { (try? fileSystem.list("\(folder)/\($0)")) ?? [] }
    }

    private func startCompaction(_ node: TestNode) throws {
        let shard = node.node.shards[0]
        let store = try #require(shard.store.table(storageID: table.storageID))
        shard.executor.execute { shard.store.compactAll(store) { _ in } }
    }

    @Test func eachSliceIsLiveAtOnceAndReadersSeeNoDifference() throws {
        let node = try openWithTwoFiles()
        try startCompaction(node)
        var counts: Set<Int> = []
        while node.readyCount > 0 {
            node.run(steps: 1)
            counts.insert(node.sstablePaths(table).count)
            try check(node, "with \(node.sstablePaths(table).count) files")
        }
        // Two inputs, then with each slice one more, then the slices alone.
        #expect(counts.count > 10)
        let live = node.sstablePaths(table)
        #expect(live.count == 16)
        #expect(files.count == 16)
        try node.close()
        try check(try open(), "opened again")
    }

    @Test func theRoomThatACompactionTakesIsThatOfASlice() throws {
        let node = try openWithTwoFiles()
        // The largest level is in slices now, and is merged with a small file.
        try node.compact(table)
        for number in 0..<10 { try node.write(insert(number, [2, 0, 0, 0], at: 2)) }
        try node.flush()
        let before = fileSystem.usedBytes
        var most = before
        try startCompaction(node)
        while node.readyCount > 0 {
            node.run(steps: 1)
            most = max(most, fileSystem.usedBytes)
        }
        #expect(most - before < before / 8)
        try check(node, "afterwards")
    }

    @Test func closingStopsACompaction() throws {
        let node = try openWithTwoFiles()
        try startCompaction(node)
        node.run(steps: 8)
        try node.close()
        #expect(files.contains { $0.hasSuffix(".tmp") } == false)
        let again = try open()
        #expect(again.node.recovery.removedFiles == [])
        try check(again, "after \(again.sstablePaths(table).count) files")
        try again.compact(table)
        try check(again, "compacted")
    }

    @Test func droppingATableStopsItsCompaction() throws {
        for steps in stride(from: 1, through: 40, by: 3) {
            let test = CompactionTests()
            let node = try test.openWithTwoFiles()
            try test.startCompaction(node)
            node.run(steps: steps)
            try node.change(.dropTable(keyspace: "k", name: "one"))
            #expect(test.files == [], "after \(steps) steps")
            try node.close()
            let again = try test.open()
            #expect(again.node.recovery.removedFiles == [], "after \(steps) steps")
            #expect(again.node.recovery.sstableCount == 0, "after \(steps) steps")
        }
    }

    @Test func truncatingATableStopsItsCompaction() throws {
        let node = try openWithTwoFiles()
        try startCompaction(node)
        node.run(steps: 12)
        let truncated = TestTables.table("one", number: 1, storage: 9)
        try node.change(.putTable(truncated))
        #expect(try node.scan(truncated).isEmpty)
        #expect(files == [])
        try node.close()
        #expect(try open().scan(truncated).isEmpty)
    }

    @Test func aFailureKeepsTheSlicesThatAreComplete() throws {
        _ = try openWithTwoFiles().close()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        let node = try TestNode(faults, clock: clock)
        try startCompaction(node)
        node.run(steps: 12)
        let count = node.sstablePaths(table).count
        faults.plan = .matching { operation, path in operation == .append && path.hasSuffix(".tmp") }
        node.drain()
        faults.plan = .none
        try check(node, "after a failure")
        #expect(node.sstablePaths(table).count >= count)
        try node.compact(table)
        try check(node, "tried again")
        #expect(node.sstablePaths(table).count == files.count)
    }

    /// A compaction of the lower levels goes on while the largest one is merged.
    @Test func compactionsRunBesideEachOther() throws {
        let node = try openWithTwoFiles()
        let shard = node.node.shards[0]
        let store = try #require(shard.store.table(storageID: table.storageID))
        try startCompaction(node)
        node.run(steps: 6)
        for round in 0..<4 {
            for number in 0..<200 {
                node.startWrite(insert(number, [2, 0, 0, 0], at: Int64(3 + round))) { _ in }
            }
            node.settleShards()
            shard.executor.execute { shard.store.flush(store) { _ in } }
            node.run(steps: 20)
            try check(node, "round \(round)")
        }
        node.drain()
        try check(node, "at the end")
        try node.compact(table)
        try check(node, "all of it")
    }

    // MARK: Expiry

    @Test func whatHasExpiredIsDroppedUnread() throws {
        var schema = table
        var options = table.options
        options.compaction["class"] = "TimeWindowCompactionStrategy"
        options.compaction["min_sstable_size"] = nil
        options.gcGraceSeconds = 60
        schema = table.changing(options: options)
        var node = try open()
        try node.change(TestTables.keyspace, .putTable(schema))
        let now = clock.secondsSinceEpoch()
        for number in 0..<20 {
            let partition = TestTables.partition("partition \(number)")
            var mutation = TestMutation(partition)
            mutation.begin(schema)
            mutation.add(
                TestTables.row(partition, number),
                TestValue.row(liveness: Liveness(timestamp: 10, ttl: 100, expiry: now + 100))
            )
            try node.write(mutation)
        }
        try node.close()
        node = try open { $0.store.compactsAutomatically = true }
        #expect(files.count == 1)
        for _ in 0..<5 { node.advance(seconds: 60) }
        #expect(files == [])
        #expect(try node.scan(schema).isEmpty)
    }

    @Test(arguments: ["timeout", "immediate", "disabled"])
    func tombstoneGCSaysWhenDeletionsGo(mode: String) throws {
        var options = table.options
        options.tombstoneGC = ["mode": mode]
        let schema = table.changing(options: options)
        var node = try open()
        try node.change(TestTables.keyspace, .putTable(schema))
        let partition = TestTables.partition("partition 1")
        var mutation = TestMutation(partition)
        mutation.begin(schema)
        let deletion = Deletion(timestamp: 20, localTime: clock.secondsSinceEpoch())
        mutation.add(partition + [Key.partitionDeletion], TestValue.partitionDeletion(deletion))
        try node.write(mutation)
        // As long as the commit log has it, a deletion stays.
        try node.close()
        node = try open()
        node.advance(seconds: 1)
        try node.compact(schema)
        #expect(node.sstablePaths(schema).isEmpty == (mode == "immediate"))
        node.advance(seconds: 100)
        try node.compact(schema)
        #expect(node.sstablePaths(schema).isEmpty == (mode != "disabled"))
    }
}
