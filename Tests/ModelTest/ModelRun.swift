// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Node
import Storage

/// A node and the model beside it, through one history of operations.
///
/// What the model says holds whatever ran in the background, since the order of merging doesn't matter.
/// Only what may have been forgotten is left open: writes at or before a deletion that a compaction may
/// have purged are passed over (`ModelTable.floor`).
final class ModelRun {
    private let options: ModelOptions
    private let clock = ManualClock()
    private var fileSystem = MemoryFileSystem()
    private var node: TestNode
    private var tables: ModelTables
    var models: [ModelTable]
    /// What was there when everything was durable, and what has been written since, in this order on
    /// each shard.
    private var durable: [ModelTable]
    private var issued: [Issued] = []
    private var openCount: UInt64 = 1

    /// What one shard was given to write at once.
    private final class Issued: @unchecked Sendable {  // Owner: the run's thread.
        let shard: Int
        let writes: [ModelWrite]
        let now: Int64
        var isAcknowledged = false
        var error: WriteError?

        init(shard: Int, writes: [ModelWrite], now: Int64) {
            self.shard = shard
            self.writes = writes
            self.now = now
        }
    }

    init(_ options: ModelOptions) throws {
        self.options = options
        tables = ModelTables(options)
        models = (0..<ModelTables.count).map { [tables] in ModelTable(columns: tables.columns($0)) }
        durable = models
        fileSystem.cached = options.memory
        node = try TestNode(
            fileSystem,
            clock: clock,
            shardCount: options.shardCount,
            configure: options.configure
        )
        try node.change(TestTables.keyspace)
        for schema in tables.schemas { try node.change(.putTable(schema)) }
    }

    var now: Int64 { clock.secondsSinceEpoch() }

    private func reopen(shardCount: Int) throws {
        openCount += 1
        node = try TestNode(
            fileSystem,
            clock: clock,
            seed: openCount,
            shardCount: shardCount,
            configure: options.configure
        )
    }

    // MARK: Operations

    func perform(_ operation: ModelOperation) throws {
        switch operation {
        case .write(let writes): write(writes)
        case .step(let count, let salt):
            node.reseed(salt)
            node.run(steps: count)
        case .drain(let salt):
            node.reseed(salt)
            try drain()
        case .get(let table, let row): try get(table, row)
        case .slice(let table, let partition, let a, let b, let isReversed, let limit):
            try slice(table, partition, a, b, isReversed: isReversed, limit: limit)
        case .scan(let table, let limit): try scan(table, limit: limit)
        case .startFlush: node.startFlush()
        case .flush: try flush()
        case .startCompaction: node.startCompaction()
        case .compact(let table):
            try drain()
            try node.compact(tables.schemas[table])
        case .advance(let seconds): try advance(seconds)
        case .truncate(let table):
            try makeDurable()
            tables.truncate(table)
            try node.change(.putTable(tables.schemas[table]))
            models[table] = ModelTable(columns: tables.columns(table))
            durable = models
        case .renewColumn(let table, let column): try renew(column, of: table)
        case .changeGrace(let table, let seconds):
            try makeDurable()
            tables.changeGrace(table, seconds)
            try node.change(.putTable(tables.schemas[table]))
            raiseFloors()
        case .restart(let shardCount):
            try drain()
            try node.close()
            becomeDurable()
            try reopen(shardCount: shardCount)
        case .crash(let shardCount, let unsynced, let atSync):
            try crash(shardCount: shardCount, unsynced, atSync: atSync)
        }
    }

    private func renew(_ column: ModelColumn, of table: Int) throws {
        try makeDurable()
        let time = clock.microsecondsSinceEpoch()
        try node.change(.putTable(tables.dropping(column, of: table, now: time)))
        tables.renew(column, of: table, now: time)
        try node.change(.putTable(tables.schemas[table]))
        models[table].columns = tables.columns(table)
        durable = models
    }

    private func advance(_ seconds: UInt64) throws {
        node.drain()
        node.advance(seconds: seconds)
        try drain()
        // Periodic syncs are less than a second apart, and all that was written waited for one.
        becomeDurable()
        raiseFloors()
    }

    private func raiseFloors() {
        for index in models.indices {
            let grace = Int64(tables.schemas[index].options.gcGraceSeconds)
            models[index].raiseFloors(now - grace)
        }
        durable = models
    }

    // MARK: Writing

    private func write(_ writes: [ModelWrite]) {
        let valid = writes.filter { write in
            let floor = models[write.table].floor(of: ModelTables.partitions[write.partition])
            return write.isPossible(after: floor)
        }
        issue(valid, now: now)
        for write in valid { tables.apply(write, now: now, to: &models[write.table]) }
    }

    private func issue(_ writes: [ModelWrite], now: Int64) {
        var shards: [Int] = []
        for write in writes where !shards.contains(shard(write)) { shards.append(shard(write)) }
        for shard in shards {
            let own = writes.filter { self.shard($0) == shard }
            var mutation = TestMutation(ModelTables.partitions[own[0].partition])
            for table in 0..<ModelTables.count where own.contains(where: { $0.table == table }) {
                mutation.begin(tables.schemas[table])
                for write in own where write.table == table {
                    tables.add(write, now: now, to: &mutation)
                }
            }
            let issue = Issued(shard: shard, writes: own, now: now)
            issued.append(issue)
            node.startWrite(mutation) { error in
                issue.isAcknowledged = error == nil
                issue.error = error
            }
        }
    }

    private func shard(_ write: ModelWrite) -> Int {
        let token = ModelTables.partitions[write.partition].withView { Key.token(of: $0) }
        return node.node.shardMap.shard(of: token)
    }

    private func drain() throws {
        node.drain()
        for issue in issued {
            if let error = issue.error {
                throw ModelMismatch(description: "a write was refused: \(error)")
            }
            guard issue.isAcknowledged else {
                throw ModelMismatch(description: "a write was not answered")
            }
        }
        if !options.isPeriodic { becomeDurable() }
    }

    private func flush() throws {
        try drain()
        try node.flush()
        becomeDurable()
    }

    private func makeDurable() throws {
        if options.isPeriodic { try flush() } else { try drain() }
    }

    private func becomeDurable() {
        durable = models
        issued = []
    }

    // MARK: Reading

    private func get(_ table: Int, _ row: ModelRow) throws {
        node.settleShards()
        let partition = ModelTables.partitions[row.partition]
        let key = row.key(partition)
        try get(table, key, in: partition)
    }

    private func slice(
        _ table: Int,
        _ partition: Int,
        _ a: ModelBound,
        _ b: ModelBound,
        isReversed: Bool,
        limit: Int
    ) throws {
        node.settleShards()
        let prefix = ModelTables.partitions[partition]
        var (lower, upper) = (a.key(prefix), b.key(prefix))
        if upper.lexicographicallyPrecedes(lower) { swap(&lower, &upper) }
        if lower == upper { (lower, upper) = (prefix, prefix + [Key.clustered + 1]) }
        let found = try node.pages(
            tables.schemas[table],
            KeyBounds(lower: lower, upper: upper),
            in: node.shard(prefix),
            isReversed: isReversed,
            limit: limit,
            columns: tables.columns(table)
        )
        let expected = models[table].visible(prefix, lower: lower, upper: upper, now: now)
        try ModelMismatch.compare(
            "slice of table \(table), reversed \(isReversed), pages of \(limit)",
            found: found,
            expected: isReversed ? expected.reversed() : expected
        )
    }

    private func rows(_ table: Int, limit: Int) throws -> [(key: [UInt8], row: VisibleRow)] {
        var rows: [(key: [UInt8], row: VisibleRow)] = []
        for shard in node.node.shards {
            for range in shard.store.tokenRanges {
                rows += try node.pages(
                    tables.schemas[table],
                    KeyBounds(range),
                    in: shard,
                    limit: limit,
                    columns: tables.columns(table)
                )
            }
        }
        return rows.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    private func expected(
        _ model: ModelTable,
        _ partitions: [[UInt8]] = ModelTables.partitions
    ) -> [(key: [UInt8], row: VisibleRow)] {
        partitions.sorted { $0.lexicographicallyPrecedes($1) }.flatMap { model.visible($0, now: now) }
    }

    private func scan(_ table: Int, limit: Int) throws {
        node.settleShards()
        let found = try rows(table, limit: limit)
        try ModelMismatch.compare(
            "scan of table \(table), pages of \(limit)",
            found: found,
            expected: expected(models[table])
        )
    }

    /// Compares everything, before and after all that can be purged is.
    func finish() throws {
        try drain()
        try checkAll()
        for table in 0..<ModelTables.count { try perform(.compact(table: table)) }
        try checkAll()
        try perform(.advance(seconds: 2_000_000))
        try flush()
        for table in 0..<ModelTables.count { try perform(.compact(table: table)) }
        try checkAll()
    }

    private func checkAll() throws {
        for table in 0..<ModelTables.count {
            try scan(table, limit: 1_000)
            for index in ModelTables.partitions.indices {
                let bound = ModelBound(end: Key.endBefore)
                try slice(table, index, bound, bound, isReversed: true, limit: 1_000)
                for key in models[table].partitions[ModelTables.partitions[index]]?.keys ?? [] {
                    try get(table, key, in: ModelTables.partitions[index])
                }
            }
        }
    }

    private func get(_ table: Int, _ key: [UInt8], in partition: [UInt8]) throws {
        let found = try node.get(tables.schemas[table], key, columns: tables.columns(table))
        let expected = models[table].visible(key, in: partition, now: now)
        guard found == expected else {
            throw ModelMismatch.row("get from table \(table)", key, found: found, expected: expected)
        }
        let plain = tables.plainColumns(table)
        for wanted in [[], Array(plain.prefix(1)), plain] {
            let part = try node.get(
                tables.schemas[table],
                key,
                columns: tables.columns(table),
                wanted: wanted
            )
            // `nil` where the row isn't there, which has to be known too.
            let isSame = part?.values(of: wanted) == expected?.values(of: wanted)
            guard !isSame else { continue }
            throw ModelMismatch.row(
                "get of columns \(wanted) from table \(table)",
                key,
                found: part,
                expected: expected
            )
        }
    }

    // MARK: Crashes

    private func crash(
        shardCount: Int,
        _ unsynced: MemoryFileSystem.Unsynced,
        atSync: Int
    ) throws {
        let captured = Box<(files: MemoryFileSystem, acknowledged: [Bool])?>(nil)
        let syncs = Box(0)
        let issued = issued
        fileSystem.onSync = { files in
            if syncs.value == atSync {
                captured.value = (
                    files.crashClone(keepUnsynced: unsynced), issued.map(\.isAcknowledged)
                )
            }
            syncs.value += 1
        }
        node.startFlush()
        node.startCompaction()
        node.drain()
        fileSystem.onSync = nil
        let moment =
            captured.value
            ?? (fileSystem.crashClone(keepUnsynced: unsynced), issued.map(\.isAcknowledged))
        let shardMap = node.node.shardMap
        fileSystem = moment.files
        fileSystem.cached = options.memory
        try reopen(shardCount: shardCount)
        let found = try (0..<ModelTables.count).map { try rows($0, limit: 1_000) }
        for shard in 0..<shardMap.count {
            let own = issued.indices.filter { issued[$0].shard == shard }
            let acknowledged = own.lastIndex { moment.acknowledged[$0] }.map { $0 + 1 } ?? 0
            try checkSurvivors(
                own.map { issued[$0] },
                least: options.isPeriodic ? 0 : acknowledged,
                found,
                ModelTables.partitions.filter { partition in
                    shardMap.shard(of: partition.withView { Key.token(of: $0) }) == shard
                }
            )
        }
        // What was not acknowledged is sent again, as a client would.
        self.issued = []
        for issue in issued { self.issue(issue.writes, now: issue.now) }
        try makeDurable()
    }

    /// Whether the partitions of a shard hold what was durable and a first part of what was issued
    /// since, of at least so many mutations.
    private func checkSurvivors(
        _ own: [Issued],
        least: Int,
        _ found: [[(key: [UInt8], row: VisibleRow)]],
        _ partitions: [[UInt8]]
    ) throws {
        var candidates = durable
        var mismatches: [String] = []
        for count in 0...own.count {
            if count > 0 {
                for write in own[count - 1].writes {
                    tables.apply(write, now: own[count - 1].now, to: &candidates[write.table])
                }
            }
            guard count >= least else { continue }
            do {
                for table in 0..<ModelTables.count {
                    try ModelMismatch.compare(
                        "table \(table) with \(count) of \(own.count) mutations",
                        found: found[table].filter { row in
                            partitions.contains { row.key.starts(with: $0) }
                        },
                        expected: expected(candidates[table], partitions)
                    )
                }
                return
            } catch {
                mismatches.append("\(error)")
            }
        }
        throw ModelMismatch(
            description: "after a crash no first part of what was written is there, \(least) were acknowledged:\n    "
                + mismatches.joined(separator: "\n    ")
        )
    }
}

extension ModelWrite {
    /// Whether all of it is written after `floor`, and a range isn't empty.
    func isPossible(after floor: Int64) -> Bool {
        switch change {
        case .deletePartition(let timestamp): return timestamp > floor
        case .deleteRange(let start, let end, let timestamp):
            return timestamp > floor && start.key([]).lexicographicallyPrecedes(end.key([]))
        case .row(_, let fragment):
            let timestamps =
                [fragment.liveness?.timestamp, fragment.deletedAt].compactMap(\.self)
                + fragment.cells.map(\.timestamp)
            return timestamps.allSatisfy { $0 > floor }
        }
    }
}

extension ModelMismatch {
    static func row(
        _ place: String,
        _ key: [UInt8],
        found: VisibleRow?,
        expected: VisibleRow?
    ) -> ModelMismatch {
        let text = { (row: VisibleRow?) in row.map { "\($0)" } ?? "nothing" }
        return ModelMismatch(
            description: "\(place): key \(key): found \(text(found)), expected \(text(expected))"
        )
    }

    static func compare(
        _ place: String,
        found: [(key: [UInt8], row: VisibleRow)],
        expected: [(key: [UInt8], row: VisibleRow)]
    ) throws {
        for (left, right) in zip(found, expected) where left != right {
            let key = left.key == right.key ? left.key : min(left.key, right.key)
            throw row(
                place,
                key,
                found: left.key == key ? left.row : nil,
                expected: right.key == key ? right.row : nil
            )
        }
        guard found.count != expected.count else { return }
        let place = "\(place): \(found.count) rows, expected \(expected.count)"
        if found.count > expected.count {
            let extra = found[expected.count]
            throw row(place, extra.key, found: extra.row, expected: nil)
        }
        let missing = expected[found.count]
        throw row(place, missing.key, found: nil, expected: missing.row)
    }

    private static func min(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        a.lexicographicallyPrecedes(b) ? a : b
    }
}
