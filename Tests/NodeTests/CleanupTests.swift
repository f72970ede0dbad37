// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
@testable import Storage
import Testing

/// What a table has of tokens that others own now goes, and nothing else.
@Suite struct CleanupTests {
    private let fileSystem = MemoryFileSystem()
    private let table = TestTables.table("one", number: 1, graceSeconds: 60)
    private static let half = [TokenRange(.min, Token(-1))]

    private func open(_ shardCount: Int = 2) throws -> TestNode {
        let node = try TestNode(fileSystem, shardCount: shardCount)
        if node.node.schema.table(storageID: table.storageID) == nil {
            try node.change(TestTables.keyspace, .putTable(table))
        }
        return node
    }

    private func partition(_ number: Int) -> [UInt8] { TestTables.partition("partition \(number)") }

    private func isKept(_ number: Int) -> Bool {
        partition(number).withView { Key.token(of: $0) } < Token(0)
    }

    private func write(_ node: TestNode, _ numbers: some Sequence<Int>, at timestamp: Int64 = 1) throws {
        for number in numbers {
            var mutation = TestMutation(partition(number))
            mutation.begin(table)
            let value = TestValue.insert([UInt8(number)], at: timestamp)
            mutation.add(TestTables.row(partition(number), number), value)
            try node.write(mutation)
        }
    }

    private func found(_ node: TestNode, of numbers: Range<Int>) throws -> Set<Int> {
        var found: Set<Int> = []
        for number in numbers {
            let row = try node.get(table, TestTables.row(partition(number), number))
            if row != nil { found.insert(number) }
        }
        #expect(try node.scan(table).count == found.count)
        return found
    }

    /// Asks each shard; `kept` is what it says of each.
    private func cleanUp(
        _ node: TestNode,
        keeping kept: @escaping @Sendable () -> [TokenRange]?
    ) throws -> StorageError? {
        let result = Box<StorageError??>(nil)
        node.node.onEachShard({ [table] shard, finish in
            guard let store = shard.store.table(storageID: table.storageID) else { return finish(nil) }
            shard.store.cleanUp(store, keeping: kept, done: finish)
        }, done: { result.value = .some($0) })
        node.drain()
        guard let answer = result.value else { throw NoAnswer(what: "a cleanup") }
        return answer
    }

    @Test func whatOthersOwnGoesFromFilesAndMemtables() throws {
        let node = try open()
        try write(node, 0..<40)
        try node.flush()
        try write(node, 40..<60)
        #expect(try cleanUp(node, keeping: { Self.half }) == nil)
        let kept = Set((0..<60).filter(isKept))
        #expect(kept.count > 10 && kept.count < 50)
        #expect(try found(node, of: 0..<60) == kept)
        // The files have nothing else, so their space is free.
        for shard in node.node.shards {
            let sstables = shard.store.table(storageID: table.storageID)?.sstables ?? []
            #expect(sstables.allSatisfy { $0.reader.statistics.tokens?.last ?? .min < Token(0) })
        }
        try node.close()
        #expect(try found(open(3), of: 0..<60) == kept)
    }

    @Test func filesOfWhichNothingIsLeftAreRemoved() throws {
        let node = try open()
        try write(node, (0..<60).filter { !isKept($0) })
        try node.flush()
        let gone = node.sstablePaths(table)
        #expect(try cleanUp(node, keeping: { Self.half }) == nil)
        #expect(try found(node, of: 0..<60) == [])
        #expect(node.sstablePaths(table) == [])
        for path in gone { #expect(try fileSystem.kind(path) == nil) }
    }

    @Test func whatComesAfterItHasAskedStays() throws {
        let node = try open(1)
        try write(node, 0..<40)
        let asked = Box(0)
        let result = Box<StorageError??>(nil)
        let shard = node.node.shards[0]
        let store = try #require(shard.store.table(storageID: table.storageID))
        shard.executor.execute {
            shard.store.cleanUp(store, keeping: {
                asked.value += 1
                return Self.half
            }, done: { result.value = .some($0) })
        }
        while asked.value == 0 { node.run(steps: 1) }
        // The node gets a range back while it is cleaned of it.
        try write(node, 40..<60, at: 5)
        try node.flush()
        #expect(result.value == .some(nil))
        #expect(asked.value == 1)
        #expect(try found(node, of: 0..<60) == Set((0..<40).filter(isKept)).union(40..<60))
    }

    @Test func aTableThatKeepsEverythingIsLeftAlone() throws {
        let node = try open()
        try write(node, 0..<20)
        try node.flush()
        let files = node.sstablePaths(table)
        #expect(try cleanUp(node, keeping: { nil }) == nil)
        #expect(try cleanUp(node, keeping: { [.all] }) == nil)
        #expect(node.sstablePaths(table) == files)
        #expect(try found(node, of: 0..<20) == Set(0..<20))
    }

    @Test func aFileThatCanNotBeOpenedIsSaidAndNothingIsTaken() throws {
        let first = try open(1)
        try write(first, 0..<20)
        try first.flush()
        let path = try #require(first.sstablePaths(table).first)
        try first.close()
        let faults = FaultInjectingFileSystem(wrapping: fileSystem)
        faults.plan = .matching { operation, name in operation == .open && name == path }
        let node = try TestNode(faults)
        guard case .corruption(let error) = try cleanUp(node, keeping: { Self.half }) else {
            Issue.record("the cleanup went on")
            return
        }
        #expect(error.path == path)
    }
}
