// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Node
import Storage

/// What a callback leaves behind. Tests run in one thread.
final class Box<Value>: @unchecked Sendable {  // Owner: the test's thread.
    var value: Value
    init(_ value: Value) { self.value = value }
}

/// Something that a callback should have said by now was not said.
struct NoAnswer: Error {
    let what: String
}

/// A node on executors that run in the test's thread, in an order that a seed decides.
final class TestNode {
    let node: Node
    let clock: ManualClock
    private let shardExecutors: [ManualExecutor]
    private let background: ManualExecutor
    /// Reads blocks that aren't in memory.
    private let reading: ManualExecutor
    private var order: SplitMix64

    static let root = "/node/data"

    init(
        _ fileSystem: any FileSystem,
        clock: ManualClock = ManualClock(),
        seed: UInt64 = 1,
        shardCount: Int = 1,
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws {
        self.clock = clock
        order = SplitMix64(seed: seed)
        background = ManualExecutor(clock: clock, shuffledBy: seed)
        reading = ManualExecutor(clock: clock, shuffledBy: seed)
        shardExecutors = (0..<shardCount).map { _ in ManualExecutor(clock: clock) }
        var options = NodeOptions(dataDirectory: TestNode.root, shardCount: shardCount)
        options.store.compactsAutomatically = false
        options.store.blockCacheSize = 1 << 20
        options.commitLog.segmentSize = 4096
        configure(&options)
        node = try Node.open(
            environment: Environment(
                fileSystem: fileSystem,
                clock: clock,
                random: SeededRandom(seed: seed),
                background: background,
                reading: reading
            ),
            options: options,
            executors: shardExecutors
        )
    }

    // MARK: Running

    /// Makes the order of what runs from now on depend on `seed` alone.
    func reseed(_ seed: UInt64) { order = SplitMix64(seed: seed) }

    /// Runs up to `count` jobs, each of an executor that the seed picks.
    func run(steps count: Int) {
        let all = shardExecutors + [background, reading]
        for _ in 0..<count {
            let ready = all.filter { $0.readyCount > 0 }
            guard let next = ready.randomElement(using: &order) else { return }
            next.runOne()
        }
    }

    /// How many jobs could run now.
    var readyCount: Int { (shardExecutors + [background]).reduce(0) { $0 + $1.readyCount } }

    /// Runs everything that can run without time passing.
    func drain() { run(steps: .max) }

    /// Lets time pass for timers.
    func advance(seconds: UInt64) {
        clock.advance(nanoseconds: seconds * 1_000_000_000)
        drain()
    }

    func advance(milliseconds: UInt64) {
        clock.advance(nanoseconds: milliseconds * 1_000_000)
        drain()
    }

    // MARK: Working

    /// Starts a write on the shard that its first key belongs to.
    func startWrite(
        _ mutation: TestMutation,
        completion: @escaping @Sendable (WriteError?) -> Void
    ) {
        let token = mutation.partition.withView { Key.token(of: $0) }
        let shard = node.shard(of: token)
        let bytes = mutation.bytes
        shard.executor.execute {
            bytes.withView { shard.store.write($0, completion: completion) }
        }
    }

    /// Writes and waits.
    func write(_ mutation: TestMutation) throws {
        let result = Box<WriteError??>(nil)
        startWrite(mutation) { result.value = .some($0) }
        drain()
        guard let answer = result.value else { throw NoAnswer(what: "a write") }
        if let error = answer { throw error }
    }

    func change(_ edits: SchemaEdit...) throws { try change(edits) }

    func change(_ edits: [SchemaEdit]) throws {
        let result = Box<Result<Schema, SchemaChangeError<Never>>?>(nil)
        node.changeSchema({ _ in edits }, done: { result.value = $0 })
        drain()
        guard let answer = result.value else { throw NoAnswer(what: "a schema change") }
        _ = try answer.get()
    }

    private func onEachShard(
        _ what: String,
        _ body: @escaping @Sendable (Shard, @escaping @Sendable (StorageError?) -> Void) -> Void
    ) throws {
        let result = Box<StorageError??>(nil)
        node.onEachShard(body) { result.value = .some($0) }
        drain()
        guard let answer = result.value else { throw NoAnswer(what: what) }
        if let error = answer { throw error }
    }

    func flush() throws {
        try onEachShard("a flush") { shard, finish in shard.store.flushAll(done: finish) }
    }

    func compact(_ table: TableSchema) throws {
        try onEachShard("a compaction") { shard, finish in
            guard let store = shard.store.table(storageID: table.storageID) else {
                return finish(nil)
            }
            shard.store.compactAll(store, done: finish)
        }
    }

    func close() throws {
        let result = Box<StorageError??>(nil)
        node.close { result.value = .some($0) }
        drain()
        guard let answer = result.value else { throw NoAnswer(what: "closing") }
        if let error = answer { throw error }
    }

    /// Starts a flush of everything and doesn't wait.
    func startFlush() {
        node.onEachShard({ shard, finish in shard.store.flushAll(done: finish) }, done: { _ in })
    }

    /// Starts the compaction of every table and doesn't wait.
    func startCompaction() {
        node.onEachShard({ shard, finish in
            for table in shard.store.allTables { shard.store.compactAll(table) { _ in } }
            finish(nil)
        }, done: { _ in })
    }

    /// Runs what the shards have to do and leaves the background work where it is.
    func settleShards() { Environment.runUntilIdle(shardExecutors) }

    // MARK: Reading

    /// The shard that owns a partition.
    func shard(_ partition: [UInt8]) -> Shard {
        node.shard(of: partition.withView { Key.token(of: $0) })
    }

    /// The table's data in the shard that owns a partition.
    func store(_ table: TableSchema, _ partition: [UInt8]) -> TableStore? {
        shard(partition).store.table(storageID: table.storageID)
    }

    /// What a read on a shard gives; the blocks that it waits for are read meanwhile.
    private func read<R>(
        on shard: Shard,
        _ body: @escaping @Sendable () throws(any Error) -> R
    ) throws -> R {
        let result = Box<Result<R, any Error>?>(nil)
        shard.store.read(body) { result.value = $0 }
        while result.value == nil, reading.runOne() { settleShards() }
        guard let answer = result.value else { throw NoAnswer(what: "a read") }
        return try answer.get()
    }

    /// All rows of a table as a reader sees them, by key, from one scan a shard and token range.
    func scan(_ table: TableSchema) throws -> [[UInt8]: VisibleRow] {
        var rows: [[UInt8]: VisibleRow] = [:]
        for shard in node.shards {
            guard let store = shard.store.table(storageID: table.storageID) else { continue }
            for range in shard.store.tokenRanges {
                let bounds = KeyBounds(range)
                let now = clock.secondsSinceEpoch()
                let found = try read(on: shard) { () throws(any Error) in
                    let cursor = try store.cursor(lower: bounds.lower, upper: bounds.upper)
                    return try TestNode.rows(cursor, isReversed: false, now: now)
                }
                for (key, row) in found { rows[key] = row }
            }
        }
        return rows
    }

    /// The rows between two keys of one partition, in the order in which they come.
    func slice(
        _ table: TableSchema,
        _ partition: [UInt8],
        lower: [UInt8],
        upper: [UInt8],
        isReversed: Bool
    ) throws -> [(key: [UInt8], row: VisibleRow)] {
        guard let store = store(table, partition) else { return [] }
        let now = clock.secondsSinceEpoch()
        return try read(on: shard(partition)) { () throws(any Error) in
            let cursor = try store.cursor(lower: lower, upper: upper, isReversed: isReversed)
            return try TestNode.rows(cursor, isReversed: isReversed, now: now)
        }
    }

    /// The rows of a shard between two keys, from a new cursor for each `limit` of them, as a client
    /// that pages sees them.
    func pages(
        _ table: TableSchema,
        _ bounds: KeyBounds,
        in shard: Shard,
        isReversed: Bool = false,
        limit: Int,
        columns: Set<UInt32>
    ) throws -> [(key: [UInt8], row: VisibleRow)] {
        guard let store = shard.store.table(storageID: table.storageID) else { return [] }
        var rows: [(key: [UInt8], row: VisibleRow)] = []
        var bounds = bounds
        let now = clock.secondsSinceEpoch()
        while true {
            let page = try read(on: shard) { [bounds] () throws(any Error) in
                let (lower, upper) = (bounds.lower, bounds.upper)
                let cursor = try store.cursor(lower: lower, upper: upper, isReversed: isReversed)
                return try TestNode.rows(
                    cursor,
                    isReversed: isReversed,
                    now: now,
                    limit: limit,
                    columns: columns
                )
            }
            rows += page
            guard page.count == limit, let last = page.last else { return rows }
            bounds =
                isReversed
                ? KeyBounds(lower: bounds.lower, upper: last.key)
                : KeyBounds(lower: last.key + [0], upper: bounds.upper)
        }
    }

    private static func rows(
        _ cursor: MergeCursor,
        isReversed: Bool,
        now: Int64,
        limit: Int = .max,
        columns: Set<UInt32>? = nil
    ) throws -> [(key: [UInt8], row: VisibleRow)] {
        var rows: [(key: [UInt8], row: VisibleRow)] = []
        var last: [UInt8]?
        while rows.count < limit, try cursor.next() {
            let key = cursor.key.array
            if let last {
                let ascends = last.lexicographicallyPrecedes(key)
                guard last != key, ascends != isReversed else { throw NoAnswer(what: "key order") }
            }
            last = key
            let row = try VisibleRow(cursor.value, now: now, columns: columns)
            if !row.isEmpty { rows.append((key, row)) }
        }
        return rows
    }

    /// One row by its key; nil when nothing of it is visible. With `wanted`, no more than these columns,
    /// and whether the row is there, has to be up to date.
    func get(
        _ table: TableSchema,
        _ key: [UInt8],
        columns: Set<UInt32>? = nil,
        wanted: [UInt32]? = nil
    ) throws -> VisibleRow? {
        let length = key.withView { Key.partitionLength(of: $0) }
        guard let store = store(table, key) else { return nil }
        let now = clock.secondsSinceEpoch()
        return try read(on: shard(key)) {
            () throws(any Error) in
            try key.withView { view in
                let value = try store.get(
                    view,
                    partitionLength: length,
                    wanted: wanted.map { WantedColumns($0, now: now) }
                )
                guard let value else { return nil }
                let row = try VisibleRow(value, now: now, columns: columns)
                return row.isEmpty ? nil : row
            }
        }
    }

    /// The SSTables of a table in all shards, each once.
    func sstablePaths(_ table: TableSchema) -> Set<String> {
        var paths: Set<String> = []
        for shard in node.shards {
            let store = shard.store.table(storageID: table.storageID)
            for sstable in store?.sstables ?? [] { paths.insert(sstable.reader.path) }
        }
        return paths
    }
}

/// What a reader sees of a row at one moment.
struct VisibleRow: Equatable {
    /// Names a cell within a row.
    struct CellName: Hashable {
        var column: UInt32
        var path: [UInt8]
    }

    struct Value: Equatable {
        var timestamp: Int64
        var ttl: UInt32
        var expiry: Int64
        var bytes: [UInt8]
    }

    var liveness: Liveness?
    var cells: [CellName: Value] = [:]

    var isEmpty: Bool { liveness == nil && cells.isEmpty }

    /// The cells of some columns.
    func values(of columns: [UInt32]) -> [CellName: Value] {
        cells.filter { columns.contains($0.key.column) }
    }

    init() {}

    /// What a reader of `columns`, by id, or of all, sees of a fragment.
    init(_ fragment: ByteView, now: Int64, columns: Set<UInt32>? = nil) throws {
        var reader = try RowFragment(fragment)
        if let found = reader.liveness, found.isLive(at: now) { liveness = found }
        while let cell = try reader.nextCell() {
            guard cell.isLive(at: now), columns?.contains(cell.column) ?? true else { continue }
            cells[CellName(column: cell.column, path: cell.path.array)] = Value(
                timestamp: cell.timestamp,
                ttl: cell.ttl,
                expiry: cell.localTime,
                bytes: cell.value.array
            )
        }
    }
}
