// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// Compactions of a whole table that somebody asks for.
@Suite struct RequestedCompactionTests {
    private let fileSystem = MemoryFileSystem()
    private let clock = ManualClock()
    private let table: TableSchema
    private let other: TableSchema

    init() {
        (table, other) = (Self.table("one", 1), Self.table("two", 2))
    }

    private static func table(_ name: String, _ number: UInt64) -> TableSchema {
        let table = TestTables.table(name, number: number, graceSeconds: 60)
        var options = table.options
        options.compaction = ["class": "UnifiedCompactionStrategy", "min_sstable_size": "64B"]
        return table.changing(options: options)
    }

    /// A node whose tables have some files of the same 50 partitions each.
    private func open(
        files: Int = 3,
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws -> TestNode {
        let node = try TestNode(fileSystem, clock: clock, configure: configure)
        if node.node.schema.table(storageID: table.storageID) == nil {
            try node.change(TestTables.keyspace, .putTable(table), .putTable(other))
        }
        for round in 0..<files {
            for table in [table, other] { try write(node, table, round) }
            try node.flush()
        }
        return node
    }

    private func write(_ node: TestNode, _ table: TableSchema, _ round: Int) throws {
        for number in 0..<50 {
            let partition = TestTables.partition("partition \(number)")
            var mutation = TestMutation(partition)
            mutation.begin(table)
            let value = TestValue.insert([UInt8(round), 1, 2, 3], at: Int64(round + 1))
            mutation.add(TestTables.row(partition, number), value)
            try node.write(mutation)
        }
    }

    private func store(_ node: TestNode, _ table: TableSchema) throws -> TableStore {
        try #require(node.node.shards[0].store.table(storageID: table.storageID))
    }

    /// Asks and doesn't wait; what comes of it goes to the box.
    private func request(_ node: TestNode, _ table: TableSchema) throws -> Box<StorageError??> {
        let (store, shard, result) = (try store(node, table), node.node.shards[0], Box<StorageError??>(nil))
        shard.executor.execute { shard.store.compactAll(store) { result.value = .some($0) } }
        return result
    }

    /// Lets a shard and its background work go on until `isReached`.
    private func run(_ node: TestNode, until isReached: () -> Bool) throws {
        while !isReached() {
            guard node.readyCount > 0 else { throw NoAnswer(what: "a step to get there") }
            node.run(steps: 1)
        }
    }

    @Test func takesTheFilesOfACompactionThatTheStrategyChose() throws {
        let node = try open(files: 3) { $0.store.compactsAutomatically = true }
        try write(node, table, 3)
        node.startFlush()
        try run(node) { node.node.tasks.all.contains { $0.kind == .compaction && $0.table == "one" } }
        let result = try request(node, table)
        node.drain()
        #expect(result.value == .some(nil))
        let files = try store(node, table).sstables
        let newest = try #require(files.map(\.number).min())
        // All that is there was written by one compaction: slices that don't overlap.
        let spans = files.compactMap(\.reader.statistics.tokens).sorted { $0.first < $1.first }
        #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.last < $1.first })
        #expect(newest > 4)
        #expect(try node.scan(table).count == 50)
        #expect(node.node.tasks.all.isEmpty)
    }

    @Test func whoAsksWhileOneWaitsIsToldOfTheSame() throws {
        let node = try open { $0.store.concurrentCompactions = 1 }
        let first = try request(node, other)
        let results = [try request(node, table), try request(node, table)]
        node.settleShards()
        #expect(try node.node.shards[0].store.compactionCount(of: store(node, table)) == 1)
        node.drain()
        #expect(first.value == .some(nil))
        #expect(results.allSatisfy { $0.value == .some(nil) })
    }

    @Test func whoAsksWhileOneRunsGetsAnother() throws {
        let node = try open()
        let first = try request(node, table)
        try run(node) { !node.node.tasks.all.isEmpty }
        try write(node, table, 7)
        try node.flush()
        let second = try request(node, table)
        node.drain()
        #expect(first.value == .some(nil) && second.value == .some(nil))
        let files = try store(node, table).sstables
        let spans = files.compactMap(\.reader.statistics.tokens).sorted { $0.first < $1.first }
        #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.last < $1.first })
    }

    @Test func requestsCountAmongTheCompactionsThatRunAtOnce() throws {
        let node = try open { $0.store.concurrentCompactions = 1 }
        let results = [try request(node, table), try request(node, other)]
        var most = 0
        while node.readyCount > 0 {
            node.run(steps: 1)
            most = max(most, node.node.tasks.all.count)
        }
        #expect(most == 1)
        #expect(results.allSatisfy { $0.value == .some(nil) })
        #expect(try node.scan(other).count == 50)
    }

    @Test func goesAtThePaceOfCompactionThroughput() throws {
        let node = try open { $0.store.compactionThroughput = 100 }
        let result = try request(node, table)
        node.drain()
        #expect(result.value == nil)
        node.advance(seconds: 1)
        #expect(result.value == nil)
        for _ in 0..<1000 where result.value == nil { node.advance(seconds: 10) }
        #expect(result.value == .some(nil))
    }

    @Test func closingStopsThoseThatRunAndThoseThatWait() throws {
        let node = try open { $0.store.concurrentCompactions = 1 }
        let results = [try request(node, table), try request(node, other)]
        try run(node) { !node.node.tasks.all.isEmpty }
        try node.close()
        #expect(results.allSatisfy { $0.value == .some(.stopped) })
        let again = try open(files: 0)
        #expect(try again.scan(table).count == 50 && again.scan(other).count == 50)
    }

    @Test func droppingATableStopsItsRequest() throws {
        let node = try open { $0.store.concurrentCompactions = 1 }
        let results = [try request(node, other), try request(node, table)]
        node.settleShards()
        try node.change(.dropTable(keyspace: table.keyspace, name: table.name))
        #expect(results[1].value == .some(.stopped))
        #expect(results[0].value == .some(nil))
        #expect(node.node.tasks.all.isEmpty)
    }

    @Test func aTableWithoutFilesIsDoneAtOnce() throws {
        let node = try open(files: 0)
        let result = try request(node, table)
        node.drain()
        #expect(result.value == .some(nil))
    }

    @Test func aFullDiskRefusesWhatItHasNoRoomFor() throws {
        try open().close()
        fileSystem.capacity = fileSystem.usedBytes + 20_000
        let node = try open(files: 0) { $0.store.diskReserve = 1 << 30 }
        node.drain()
        let size = try store(node, table).sstables.reduce(0) { $0 + $1.reader.count }
        fileSystem.capacity = fileSystem.usedBytes + size / 64
        node.node.shards[0].store.lookAtDisk()
        node.advance(seconds: 2)
        let result = try request(node, table)
        node.drain()
        guard case .some(.some(.file(let error))) = result.value else {
            Issue.record("\(String(describing: result.value))")
            return
        }
        #expect(error.reason == .diskFull)
        #expect(try node.scan(table).count == 50)
    }
}
