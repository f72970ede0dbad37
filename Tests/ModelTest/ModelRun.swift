// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Node
import Storage

/// What the tables are and hold.
struct ModelState {
    var tables: ModelTables
    var models: [ModelTable]

    mutating func apply(_ write: ModelWrite, now: Int64) {
        tables.apply(write, now: now, to: &models[write.table])
    }
}

/// What one shard was given to write at once.
final class ModelIssue: @unchecked Sendable {  // Owner: the run's thread.
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

/// What a crash leaves, and what may be in it.
struct ModelMoment {
    let files: MemoryFileSystem
    /// What was durable for certain: one state, or while the schema changes also the next ones.
    let states: [ModelState]
    /// What was issued since, in this order on each shard, and whether it was acknowledged.
    let issued: [ModelIssue]
    let acknowledged: [Bool]
    let shardMap: ShardMap
    let microseconds: Int64
}

/// A node and the model beside it, through one history of operations.
///
/// What the model says holds whatever ran in the background, since the order of merging doesn't matter.
/// Only what may have been forgotten is left open: writes at or before a deletion that a compaction may
/// have purged are passed over (`ModelTable.floor`).
final class ModelRun: @unchecked Sendable {  // Owner: the thread that made it.
    let options: ModelOptions
    private let clock: ManualClock
    private var memory: MemoryFileSystem
    /// What is between the node and `memory`, if its operations are to fail or to be watched.
    let faults: FaultInjectingFileSystem?
    private var openNode: TestNode?
    var state: ModelState
    /// What the state may be as well, since a change of the schema is under way or has failed.
    private var nextStates: [ModelState] = []
    /// The models when everything was durable, and what has been written since, in this order on each
    /// shard.
    private var durable: [ModelTable]
    private var issued: [ModelIssue] = []
    private var openCount: UInt64 = 1
    private var shardMap = ShardMap(count: 1, ignoredBits: 0)

    /// A run that begins with empty tables.
    init(_ options: ModelOptions) throws {
        self.options = options
        clock = ManualClock()
        memory = MemoryFileSystem()
        memory.cached = options.memory
        faults = nil
        let tables = ModelTables(options)
        let models = (0..<ModelTables.count).map { ModelTable(columns: tables.columns($0)) }
        state = ModelState(tables: tables, models: models)
        durable = models
        try open(shardCount: options.shardCount)
        try node.change(TestTables.keyspace)
        for schema in tables.schemas { try node.change(.putTable(schema)) }
    }

    /// A run that goes on from where another is, as after the end of its process. Nothing is opened yet.
    /// With `areFaulty` its operations on files can be made to fail.
    init(_ other: ModelRun, areFaulty: Bool = false) {
        options = other.options
        clock = ManualClock(microsecondsSinceEpoch: other.clock.microsecondsSinceEpoch())
        memory = other.memory.crashClone(keepUnsynced: .all)
        memory.cached = options.memory
        faults = areFaulty ? FaultInjectingFileSystem(wrapping: memory) : nil
        state = other.state
        durable = other.state.models
        openCount = other.openCount
        shardMap = other.shardMap
    }

    /// A run that goes on after a crash. Throws when what is there may not be there.
    init(_ options: ModelOptions, after moment: ModelMoment, shardCount: Int) throws {
        self.options = options
        clock = ManualClock(microsecondsSinceEpoch: moment.microseconds)
        memory = moment.files
        faults = nil
        state = moment.states[0]
        durable = state.models
        openCount = 77
        try recover(moment, shardCount: shardCount)
    }

    var node: TestNode {
        guard let openNode else { invariantFailure("the run's node is not open") }
        return openNode
    }

    var now: Int64 { clock.secondsSinceEpoch() }

    /// The models of what the tables hold.
    var models: [ModelTable] { state.models }

    func open(shardCount: Int) throws {
        openCount += 1
        openNode = nil
        let files: any FileSystem = if let faults { faults } else { memory }
        openNode = try TestNode(
            files,
            clock: clock,
            seed: openCount,
            shardCount: shardCount,
            configure: options.configure
        )
        shardMap = node.node.shardMap
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
            try node.compact(state.tables.schemas[table])
        case .advance(let seconds): try advance(seconds)
        case .truncate(let table): try change([{ $0.truncate(table) }])
        case .recreate(let table): try change([{ $0.drop(table) }, { $0.create(table) }])
        case .renewColumn(let table, let column):
            let time = clock.microsecondsSinceEpoch()
            try change([
                { $0.drop(column, of: table, now: time) }, { $0.add(column, to: table) },
            ])
        case .changeGrace(let table, let seconds):
            try change([{ $0.changeGrace(table, seconds) }])
            raiseFloors()
        case .restart(let shardCount):
            try drain()
            let closing = node
            openNode = nil
            try closing.close()
            becomeDurable()
            try open(shardCount: shardCount)
        case .crash(let shardCount, let unsynced, let atSync):
            try crash(shardCount: shardCount, unsynced, atSync: atSync)
        }
    }

    /// Changes the tables step by step.
    private func change(_ steps: [(inout ModelTables) -> Void]) throws {
        try makeDurable()
        guard issued.isEmpty else { throw NoAnswer(what: "a write before a change of the schema") }
        var next = state
        for step in steps {
            step(&next.tables)
            for table in 0..<ModelTables.count {
                let isEmptied = !next.tables.hasSameData(as: state.tables, table)
                if isEmptied { next.models[table] = ModelTable(columns: []) }
                next.models[table].columns = next.tables.columns(table)
            }
            nextStates.append(next)
        }
        for next in nextStates {
            try node.change(next.tables.edits(from: state.tables))
            state = next
            becomeDurable()
            nextStates.removeFirst()
        }
    }

    private func advance(_ seconds: UInt64) throws {
        node.drain()
        node.advance(seconds: seconds)
        try drain()
        // Periodic syncs are less than a second apart, and all that was written waited for one.
        if options.isPeriodic, faults == nil { becomeDurable() }
        raiseFloors()
    }

    /// Performs operations, some of which may fail, until one leaves the node or its tables in doubt.
    /// Throws only what is not as the model says.
    func attempt(_ operations: [ModelOperation]) throws {
        for operation in operations where openNode != nil {
            do {
                try perform(operation)
            } catch let mismatch as ModelMismatch {
                // What was refused since the log has failed isn't there, and what was lost may be.
                if !hasFailedWrites { throw mismatch }
            } catch {
                guard openNode != nil, nextStates.isEmpty else { return }
            }
        }
    }

    /// Whether the node is open and what it holds is known.
    var isCertain: Bool {
        guard let openNode, openNode.node.recovery.unreadableFiles.isEmpty else { return false }
        return nextStates.isEmpty && !hasFailedWrites
    }

    private func raiseFloors() {
        for index in state.models.indices {
            let grace = Int64(state.tables.schemas[index].options.gcGraceSeconds)
            state.models[index].raiseFloors(now - grace)
            durable[index].raiseFloors(now - grace)
        }
    }

    // MARK: Writing

    private func write(_ writes: [ModelWrite]) {
        let valid = writes.filter { write in
            let floor = models[write.table].floor(of: ModelTables.partitions[write.partition])
            return write.isPossible(after: floor)
        }
        for issue in send(valid, now: now) {
            if faults != nil {
                // What is refused for sure isn't there; whoever waits isn't refused yet.
                node.settleShards()
                if let error = issue.error, !error.leavesFateOpen {
                    issued.removeAll { $0 === issue }
                    continue
                }
            }
            for write in issue.writes { state.apply(write, now: now) }
        }
    }

    private func send(_ writes: [ModelWrite], now: Int64) -> [ModelIssue] {
        var shards: [Int] = []
        for write in writes where !shards.contains(shard(write)) { shards.append(shard(write)) }
        return shards.map { shard in
            let own = writes.filter { self.shard($0) == shard }
            var mutation = TestMutation(ModelTables.partitions[own[0].partition])
            for table in 0..<ModelTables.count where own.contains(where: { $0.table == table }) {
                mutation.begin(state.tables.schemas[table])
                for write in own where write.table == table {
                    state.tables.add(write, now: now, to: &mutation)
                }
            }
            let issue = ModelIssue(shard: shard, writes: own, now: now)
            issued.append(issue)
            node.startWrite(mutation) { error in
                issue.isAcknowledged = error == nil
                issue.error = error
            }
            return issue
        }
    }

    private func shard(_ write: ModelWrite) -> Int {
        let token = ModelTables.partitions[write.partition].withView { Key.token(of: $0) }
        return shardMap.shard(of: token)
    }

    /// Whether the fate of something that was written isn't known.
    var hasFailedWrites: Bool { issued.contains { $0.error != nil } }

    private func drain() throws {
        node.drain()
        for issue in issued where faults == nil {
            if let error = issue.error {
                throw ModelMismatch(description: "a write was refused: \(error)")
            }
            guard issue.isAcknowledged else {
                throw ModelMismatch(description: "a write was not answered")
            }
        }
        if !options.isPeriodic, issued.allSatisfy(\.isAcknowledged) { becomeDurable() }
    }

    private func flush() throws {
        try drain()
        try node.flush()
        if !hasFailedWrites { becomeDurable() }
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
            state.tables.schemas[table],
            KeyBounds(lower: lower, upper: upper),
            in: node.shard(prefix),
            isReversed: isReversed,
            limit: limit,
            columns: state.tables.columns(table)
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
                    state.tables.schemas[table],
                    KeyBounds(range),
                    in: shard,
                    limit: limit,
                    columns: state.tables.columns(table)
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

    func checkAll() throws {
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
        let found = try node.get(state.tables.schemas[table], key, columns: state.tables.columns(table))
        let expected = models[table].visible(key, in: partition, now: now)
        guard found == expected else {
            throw ModelMismatch.row("get from table \(table)", key, found: found, expected: expected)
        }
        let plain = state.tables.plainColumns(table)
        for wanted in [[], Array(plain.prefix(1)), plain] {
            let part = try node.get(
                state.tables.schemas[table],
                key,
                columns: state.tables.columns(table),
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

    /// What a power loss would leave now.
    func moment(_ unsynced: MemoryFileSystem.Unsynced) -> ModelMoment {
        ModelMoment(
            files: memory.crashClone(keepUnsynced: unsynced),
            states: [ModelState(tables: state.tables, models: durable)] + nextStates,
            issued: issued,
            acknowledged: issued.map(\.isAcknowledged),
            shardMap: shardMap,
            microseconds: clock.microsecondsSinceEpoch()
        )
    }

    private func crash(
        shardCount: Int,
        _ unsynced: MemoryFileSystem.Unsynced,
        atSync: Int
    ) throws {
        let captured = Box<ModelMoment?>(nil)
        let syncs = Box(0)
        memory.onSync = { [self] _ in
            if syncs.value == atSync { captured.value = moment(unsynced) }
            syncs.value += 1
        }
        node.startFlush()
        node.startCompaction()
        node.drain()
        memory.onSync = nil
        let last = captured.value ?? moment(unsynced)
        memory = last.files
        try recover(last, shardCount: shardCount)
    }

    /// Opens what a crash left, compares it with what may be there, and sends again what was not durable
    /// for certain, as a client would.
    private func recover(_ moment: ModelMoment, shardCount: Int) throws {
        memory.cached = options.memory
        try open(shardCount: shardCount)
        try checkFolders()
        guard let state = moment.states.first(where: { $0.tables.match(node.node.schema) }) else {
            throw ModelMismatch(description: "after a crash the tables are not as they were")
        }
        self.state = state
        nextStates = []
        let found = try (0..<ModelTables.count).map { try rows($0, limit: 1_000) }
        for shard in 0..<moment.shardMap.count {
            let own = moment.issued.indices.filter { moment.issued[$0].shard == shard }
            let acknowledged = own.lastIndex { moment.acknowledged[$0] }.map { $0 + 1 } ?? 0
            try checkSurvivors(
                own.map { moment.issued[$0] },
                least: options.isPeriodic ? 0 : acknowledged,
                found,
                ModelTables.partitions.filter { partition in
                    let token = partition.withView { Key.token(of: $0) }
                    return moment.shardMap.shard(of: token) == shard
                }
            )
        }
        durable = state.models
        issued = []
        for issue in moment.issued {
            _ = send(issue.writes, now: issue.now)
            for write in issue.writes { self.state.apply(write, now: issue.now) }
        }
        try makeDurable()
    }

    /// Nothing but what counts is in the folders of a node that was just opened.
    private func checkFolders() throws {
        let root = TestNode.root
        var live: Set<String> = []
        for table in node.node.schema.tables { live.formUnion(node.sstablePaths(table)) }
        let unknown = files("\(root)/data").filter {
            ($0.hasSuffix(".sst") || $0.hasSuffix(".tmp")) && !live.contains($0)
        }
        let others =
            files("\(root)/manifest").filter { !$0.hasSuffix("/CURRENT") }.dropFirst()
            + files("\(root)/metadata").dropFirst() + files("\(root)/commitlog")
        guard unknown.isEmpty, others.isEmpty else {
            throw ModelMismatch(description: "files that nobody knows: \(unknown + others)")
        }
    }

    private func files(_ folder: String) -> [String] {
        ((try? memory.list(folder)) ?? []).flatMap { name in
            let path = "\(folder)/\(name)"
            guard case .directory? = try? memory.kind(path) else { return [path] }
            return files(path)
        }
    }

    /// Whether the partitions of a shard hold what was durable and a first part of what was issued
    /// since, of at least so many mutations.
    private func checkSurvivors(
        _ own: [ModelIssue],
        least: Int,
        _ found: [[(key: [UInt8], row: VisibleRow)]],
        _ partitions: [[UInt8]]
    ) throws {
        var candidate = state
        var mismatches: [String] = []
        for count in 0...own.count {
            if count > 0 {
                let issue = own[count - 1]
                for write in issue.writes { candidate.apply(write, now: issue.now) }
            }
            guard count >= least else { continue }
            do {
                for table in 0..<ModelTables.count {
                    try ModelMismatch.compare(
                        "table \(table) with \(count) of \(own.count) mutations",
                        found: found[table].filter { row in
                            partitions.contains { row.key.starts(with: $0) }
                        },
                        expected: expected(candidate.models[table], partitions)
                    )
                }
                return
            } catch {
                mismatches.append("\(error)")
            }
        }
        throw ModelMismatch(
            description: "after a crash no first part of what was written is there, of which \(least) "
                + "were acknowledged:\n    " + mismatches.joined(separator: "\n    ")
        )
    }
}

extension WriteError {
    /// Whether what was to be written may be there all the same.
    fileprivate var leavesFateOpen: Bool {
        if case .commitLog = self { return true }
        return false
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
