// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
@testable import ModelTest
import Node
import Storage
import Testing

/// A scenario of all that touches the disk, with a note of what was acknowledged and when.
///
/// Mutation i writes row i of its partition into the tables "one" and "two": so half a mutation shows.
final class EngineScenario {
    /// Its compactions write many small files.
    static let one = {
        let table = TestTables.table("one", number: 1)
        var options = table.options
        options.compaction = ["class": "UnifiedCompactionStrategy", "min_sstable_size": "64B"]
        return table.changing(options: options)
    }()
    static let two = TestTables.table("two", number: 2)
    static let doomed = TestTables.table("doomed", number: 3)
    static let truncated = TestTables.table("two", number: 2, storage: 4)

    /// What is known for sure, at any moment.
    struct Known {
        var issued: Set<Int> = []
        var acknowledged: Set<Int> = []
        /// Mutations before this were written before "two" was truncated.
        var truncatedBefore = 0
        var isTwoTruncating = false
        var hasTables = false
        var isDoomedCreated = false
        var isDoomedDropping = false
        var isDoomedDropped = false
    }

    let known = Box(Known())
    let clock = ManualClock()

    static func partition(of mutation: Int) -> [UInt8] {
        TestTables.partition("partition \(mutation % 5)")
    }

    static func mutation(_ index: Int, _ tables: [TableSchema]) -> TestMutation {
        let partition = partition(of: index)
        var mutation = TestMutation(partition)
        for table in tables {
            mutation.begin(table)
            mutation.add(
                TestTables.row(partition, index),
                TestValue.insert(Array("value \(index)".utf8), at: Int64(1_000 + index))
            )
        }
        return mutation
    }

    private func write(_ node: TestNode, _ count: Int, _ tables: [TableSchema], together: Int) {
        let known = known
        for _ in 0..<count {
            let index = known.value.issued.count
            known.value.issued.insert(index)
            node.startWrite(EngineScenario.mutation(index, tables)) { error in
                if error == nil { known.value.acknowledged.insert(index) }
            }
            if index % together == together - 1 { node.drain() }
        }
        node.drain()
    }

    /// Runs all of it. Stops at the first error of opening or of a schema change; others are passed
    /// over, as a server would.
    func run(_ fileSystem: any FileSystem, shardCount: Int = 2) throws {
        let node = try TestNode(fileSystem, clock: clock, shardCount: shardCount)
        try node.change(TestTables.keyspace)
        try node.change(.putTable(EngineScenario.one), .putTable(EngineScenario.two))
        known.value.hasTables = true
        try node.change(.putTable(EngineScenario.doomed))
        known.value.isDoomedCreated = true
        let first = [EngineScenario.one, EngineScenario.two]
        write(node, 12, first + [EngineScenario.doomed], together: 3)
        try? node.flush()
        write(node, 6, first, together: 1)
        try? node.flush()
        try? node.compact(EngineScenario.one)
        known.value.isDoomedDropping = true
        try node.change(.dropTable(keyspace: "k", name: "doomed"))
        known.value.isDoomedDropped = true
        write(node, 3, first, together: 3)
        known.value.truncatedBefore = known.value.issued.count
        known.value.isTwoTruncating = true
        try node.change(.putTable(EngineScenario.truncated))
        known.value.isTwoTruncating = false
        write(node, 6, [EngineScenario.one, EngineScenario.truncated], together: 2)
        try? node.flush()
        write(node, 3, [EngineScenario.one, EngineScenario.truncated], together: 1)
        try? node.compact(EngineScenario.truncated)
        try? node.close()
    }
}

/// Opens what is left and compares it with what was known.
enum EngineScenarioCheck {
    static func check(
        _ fileSystem: MemoryFileSystem,
        _ known: EngineScenario.Known,
        _ place: String,
        shardCount: Int = 2
    ) {
        do {
            let node = try TestNode(fileSystem, seed: 77, shardCount: shardCount)
            try check(node, known, place)
            checkFolders(fileSystem, node, place)
            try node.close()
            let second = try TestNode(fileSystem, seed: 78, shardCount: 3)
            try check(second, known, "\(place), opened again")
            #expect(second.node.recovery.replayedRecords == 0, "\(place), opened again")
        } catch {
            Issue.record("\(place): \(error)")
        }
    }

    private static func check(
        _ node: TestNode,
        _ known: EngineScenario.Known,
        _ place: String
    ) throws {
        let schema = node.node.schema
        guard let one = schema.table("k", "one"), let two = schema.table("k", "two") else {
            #expect(!known.hasTables, "\(place): the tables are gone")
            return
        }
        let rowsOfOne = try rows(node, one)
        let rowsOfTwo = try rows(node, two)
        let missing = known.acknowledged.subtracting(rowsOfOne)
        #expect(missing.isEmpty, "\(place): acknowledged writes are gone")
        #expect(rowsOfOne.isSubset(of: known.issued), "\(place): rows that nobody wrote")
        let isTruncated = two.storageID == EngineScenario.truncated.storageID
        if known.truncatedBefore > 0, !known.isTwoTruncating { #expect(isTruncated, "\(place)") }
        let expected = isTruncated ? rowsOfOne.filter { $0 >= known.truncatedBefore } : rowsOfOne
        #expect(rowsOfTwo == expected, "\(place): half a mutation, or truncated rows")
        try checkDoomed(node, known, rowsOfOne, place)
    }

    private static func checkDoomed(
        _ node: TestNode,
        _ known: EngineScenario.Known,
        _ rowsOfOne: Set<Int>,
        _ place: String
    ) throws {
        guard let doomed = node.node.schema.table("k", "doomed") else {
            let mayBeGone = !known.isDoomedCreated || known.isDoomedDropping
            #expect(mayBeGone, "\(place): a table is gone that was not dropped")
            return
        }
        #expect(!known.isDoomedDropped, "\(place): a dropped table is back")
        let rows = try rows(node, doomed)
        #expect(rows == rowsOfOne.filter { $0 < 12 }, "\(place): half a mutation")
    }

    /// The numbers of the mutations whose rows are there, each with its right value.
    private static func rows(_ node: TestNode, _ table: TableSchema) throws -> Set<Int> {
        var found: Set<Int> = []
        for (key, row) in try node.scan(table) {
            let index = Int(key.suffix(5).prefix(4).reduce(0) { $0 << 8 | Int($1) }) - 0x8000_0000
            let name = VisibleRow.CellName(column: 3, path: [])
            #expect(row.cells[name]?.bytes == Array("value \(index)".utf8))
            found.insert(index)
        }
        return found
    }

    /// Nothing but what counts is in the folders.
    private static func checkFolders(
        _ fileSystem: MemoryFileSystem,
        _ node: TestNode,
        _ place: String
    ) {
        let root = TestNode.root
        var live: Set<String> = []
        for table in node.node.schema.tables { live.formUnion(node.sstablePaths(table)) }
        #expect(files(fileSystem, "\(root)/data") == live, "\(place): SSTables that nobody knows")
        #expect(files(fileSystem, "\(root)/manifest").count == 2, "\(place): leftovers")
        #expect(files(fileSystem, "\(root)/metadata").count == 1, "\(place): leftovers")
        #expect(files(fileSystem, "\(root)/commitlog").isEmpty, "\(place): old segments")
    }

    private static func files(_ fileSystem: MemoryFileSystem, _ folder: String) -> Set<String> {
        var found: Set<String> = []
        for name in (try? fileSystem.list(folder)) ?? [] {
            let path = "\(folder)/\(name)"
            if case .directory? = try? fileSystem.kind(path) {
                let below = files(fileSystem, path)
                #expect(!below.isEmpty || !folder.contains("/data/data"), "\(path) is empty")
                found.formUnion(below)
            } else {
                found.insert(path)
            }
        }
        return found
    }
}

@Suite struct CrashTests {
    /// What a power loss left, and what was known then.
    private struct Moment {
        let place: String
        let files: MemoryFileSystem
        let known: EngineScenario.Known
    }

    /// A clone at every sync, in each of the three ways when there is time for all.
    private func moments(_ run: (EngineScenario, MemoryFileSystem) throws -> Void) throws -> [Moment] {
        let scenario = EngineScenario()
        let fileSystem = MemoryFileSystem()
        let moments = Box<[Moment]>([])
        let syncs = Box(0)
        let known = scenario.known
        let isThorough = Effort.isThorough
        fileSystem.onSync = { files in
            let count = syncs.value
            syncs.value += 1
            let modes: [MemoryFileSystem.Unsynced] = [.none, .seeded(UInt64(count)), .all]
            for (index, mode) in modes.enumerated() where isThorough || count % 3 == index {
                moments.value.append(
                    Moment(
                        place: "sync \(count), \(mode) of the rest kept",
                        files: files.crashClone(keepUnsynced: mode),
                        known: known.value
                    )
                )
            }
        }
        try run(scenario, fileSystem)
        fileSystem.onSync = nil
        #expect(syncs.value > 50)
        return moments.value
    }

    @Test func everySyncPointRecovers() throws {
        for moment in try moments({ scenario, files in try scenario.run(files) }) {
            EngineScenarioCheck.check(moment.files, moment.known, moment.place)
        }
    }

    /// A crash while a node recovers from a crash, with another number of shards.
    @Test func everySyncPointOfARecoveryRecovers() throws {
        let scenario = EngineScenario()
        let before = MemoryFileSystem()
        let middle = Box<MemoryFileSystem?>(nil)
        let known = Box(EngineScenario.Known())
        let scenarioKnown = scenario.known
        before.onSync = { files in
            // With writes in the commit log, a dropped table and a compaction behind it.
            guard scenarioKnown.value.issued.count == 21 else { return }
            if scenarioKnown.value.isTwoTruncating { return }
            middle.value = files.crashClone(keepUnsynced: .all)
            known.value = scenarioKnown.value
        }
        try scenario.run(before)
        let crashed = try #require(middle.value)
        let moments = Box<[Moment]>([])
        crashed.onSync = { files in
            let count = moments.value.count
            let modes: [MemoryFileSystem.Unsynced] = [.none, .seeded(UInt64(count)), .all]
            moments.value.append(
                Moment(
                    place: "sync \(count) of the recovery",
                    files: files.crashClone(keepUnsynced: modes[count % 3]),
                    known: known.value
                )
            )
        }
        _ = try TestNode(crashed, shardCount: 3)
        crashed.onSync = nil
        #expect(moments.value.count > 10)
        for moment in moments.value {
            EngineScenarioCheck.check(moment.files, moment.known, moment.place, shardCount: 1)
        }
    }
}
