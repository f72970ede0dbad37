// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Node
import Storage
import Testing

/// Random work on a node, compared with a model after each round. `tools/model-test` runs more seeds.
@Suite struct EngineModelTests {
    @Test(arguments: Effort.modelSeeds) func nodeAgreesWithTheModel(seed: UInt64) throws {
        var run = try EngineModelRun(seed: seed)
        for round in 0..<30 { try run.round(round) }
    }
}

/// One random run.
private struct EngineModelRun {
    let seed: UInt64
    let clock = ManualClock()
    var fileSystem = MemoryFileSystem()
    var node: TestNode
    var writes: RandomWrites
    var tables: [(schema: TableSchema, model: Int)]
    var models = [ModelTable(), ModelTable()]
    var opened: UInt64 = 0

    init(seed: UInt64) throws {
        self.seed = seed
        let timestamps: RandomWrites.Timestamps = seed % 2 == 0 ? .wild : .tame
        let grace: Int32 = timestamps == .wild ? 864_000 : 60
        writes = RandomWrites(seed: seed, timestamps: timestamps)
        tables = [
            (TestTables.table("one", number: 1, graceSeconds: grace), 0),
            (TestTables.table("two", number: 2, graceSeconds: grace), 1),
        ]
        let residencies: [MemoryFileSystem.Residency] = [.whole, .nothing, .seeded(seed), .nothing]
        fileSystem.cached = residencies[Int(seed / 2 % 4)]
        node = try EngineModelRun.open(fileSystem, clock, seed, shardCount: 2, seed: seed)
        try node.change(TestTables.keyspace)
        for table in tables { try node.change(.putTable(table.schema)) }
    }

    private static func open(
        _ fileSystem: MemoryFileSystem,
        _ clock: ManualClock,
        _ runSeed: UInt64,
        shardCount: Int,
        seed: UInt64
    ) throws -> TestNode {
        try TestNode(fileSystem, clock: clock, seed: seed, shardCount: shardCount) { options in
            options.ignoredTokenBits = runSeed % 5 == 0 ? 2 : 0
            // With nothing in memory and no cache, each block that a read needs ends it once.
            options.store.blockCacheSize = runSeed % 2 == 0 ? 0 : 1 << 20
            options.store.memtableSpace = runSeed % 3 == 0 ? 6_000 : 64 << 20
            options.store.compactsAutomatically = runSeed % 3 != 1
        }
    }

    mutating func round(_ round: Int) throws {
        for _ in 0..<writes.pick(12) {
            let now = clock.secondsSinceEpoch()
            let mutation = writes.mutation(tables, &models, now: now)
            if mutation.groups.allSatisfy({ $0.entries.isEmpty }) { continue }
            let seed = seed
            node.startWrite(mutation) { error in
                #expect(error == nil, "seed \(seed), round \(round)")
            }
            node.run(steps: writes.pick(6))
            if writes.pick(15) == 0 { node.startFlush() }
            if writes.pick(25) == 0 { node.startCompaction() }
        }
        if writes.pick(3) == 0 {
            node.drain()
        } else {
            node.settleShards()
        }
        try check("seed \(seed), round \(round)")
        let action = try act()
        try check("seed \(seed), round \(round), after \(action)")
    }

    /// Does one of the greater things, or nothing.
    private mutating func act() throws -> String {
        switch writes.pick(12) {
        case 0, 1, 2:
            node.drain()
            try node.flush()
            return "a flush"
        case 3, 4:
            node.drain()
            try node.flush()
            try node.compact(tables[writes.pick(tables.count)].schema)
            return "a compaction"
        case 5, 6:
            let seconds = UInt64(writes.pick(80))
            node.advance(seconds: seconds)
            return "\(seconds) s"
        case 7:
            node.drain()
            try node.close()
            return "a restart" + (try reopen())
        case 8:
            node.drain()
            let modes: [MemoryFileSystem.Unsynced] = [.none, .all, .seeded(UInt64(writes.pick(999)))]
            let mode = modes[writes.pick(modes.count)]
            fileSystem = fileSystem.crashClone(keepUnsynced: mode)
            return "a crash (\(mode))" + (try reopen())
        default: return "nothing"
        }
    }

    private mutating func reopen() throws -> String {
        let shardCount = 1 + writes.pick(3)
        opened += 1
        node = try EngineModelRun.open(
            fileSystem,
            clock,
            seed,
            shardCount: shardCount,
            seed: seed &* 1_000 &+ opened
        )
        return " with \(shardCount) shards"
    }

    // MARK: Checking

    private mutating func check(_ place: String) throws {
        for (schema, model) in tables {
            let expected = models[model].visible(now: clock.secondsSinceEpoch())
            let place = "\(place), table \(schema.name)"
            let found = try node.scan(schema)
            #expect(found == expected, "scan: \(place)")
            for key in writes.keys {
                let row = try node.get(schema, key)
                #expect(row == expected[key], "get: \(place)")
            }
            for partition in writes.partitions { try checkSlices(schema, partition, expected, place) }
        }
    }

    private mutating func checkSlices(
        _ schema: TableSchema,
        _ partition: [UInt8],
        _ expected: [[UInt8]: VisibleRow],
        _ place: String
    ) throws {
        let bounds = partition.withView { KeyBounds(partition: $0) }
        let first = bound(partition)
        let second = bound(partition)
        let isInOrder = first.lexicographicallyPrecedes(second)
        let slices = [
            (bounds.lower, bounds.upper),
            isInOrder ? (first, second) : (second, first),
        ]
        for (lower, upper) in slices where lower != upper {
            let keys = expected.keys.filter {
                !$0.lexicographicallyPrecedes(lower) && $0.lexicographicallyPrecedes(upper)
            }.sorted { $0.lexicographicallyPrecedes($1) }
            for isReversed in [false, true] {
                let rows = try node.slice(
                    schema,
                    partition,
                    lower: lower,
                    upper: upper,
                    isReversed: isReversed
                )
                let wanted = isReversed ? keys.reversed() : keys
                #expect(rows.map(\.key) == wanted, "slice, reversed \(isReversed): \(place)")
                for (key, row) in rows {
                    #expect(row == expected[key], "slice, reversed \(isReversed): \(place)")
                }
            }
        }
    }

    private mutating func bound(_ partition: [UInt8]) -> [UInt8] {
        let ends = [Key.endBefore, Key.endRow, Key.endAfter]
        return TestTables.row(partition, writes.pick(10), end: ends[writes.pick(3)])
    }
}
