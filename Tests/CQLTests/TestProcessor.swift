// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import CQLProtocol
import Environment
import Model
import Node
import Storage

/// A query processor over a node in memory, whose executors run in the test's thread.
final class TestProcessor {
    private let processor: QueryProcessor
    private let node: Node
    private let isOnDisk: Bool
    private let reads: DiskReads
    private let executors: [ManualExecutor]
    private let clock: ManualClock
    private var keyspace: String?
    /// How many batches the batch log had; nil when the replay gave no answer.
    let replayedBatches: Int?

    /// What a callback leaves behind. Tests run in one thread.
    private final class Box: @unchecked Sendable {  // Owner: the test's thread.
        var outcome: StatementOutcome?
        var replayed: Result<Int, CQLError>?
    }

    /// Counts the reads that may wait for a disk, and those of them that hold up a shard.
    private final class DiskReads: @unchecked Sendable {  // Owner: the test's thread.
        var count = 0
        var onShards = 0
    }

    /// How many reads there were that may wait for a disk.
    var diskReads: Int { reads.count }
    /// How many of them were on a shard's executor.
    var diskReadsOnShards: Int { reads.onShards }

    /// Opens a node on `files`, and finishes the batches that a crash left there.
    ///
    /// With `isOnDisk`, each statement is followed by a flush, nothing of a file is in memory, and there
    /// is no cache of `cacheSize`: every block that a read needs comes from the disk.
    convenience init(
        shardCount: Int = 2,
        files: MemoryFileSystem = MemoryFileSystem(),
        isOnDisk: Bool = false,
        cacheSize: Int = 0,
        limits: QueryLimits = QueryLimits(),
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws {
        try self.init(
            fileSystem: files,
            shardCount: shardCount,
            disk: isOnDisk ? files : nil,
            cacheSize: cacheSize,
            limits: limits,
            configure: configure
        )
    }

    /// Opens a node on any file system; with `disk`, which is under it, as `isOnDisk` says.
    init(
        fileSystem: any FileSystem,
        shardCount: Int = 2,
        disk: MemoryFileSystem? = nil,
        cacheSize: Int = 0,
        limits: QueryLimits = QueryLimits(),
        configure: (inout NodeOptions) -> Void = { _ in }
    ) throws {
        let isOnDisk = disk != nil
        self.isOnDisk = isOnDisk
        let reads = DiskReads()
        self.reads = reads
        let clock = ManualClock()
        self.clock = clock
        let background = ManualExecutor(clock: clock)
        let shards = (0..<shardCount).map { _ in ManualExecutor(clock: clock) }
        executors = shards + [background]
        var options = NodeOptions(dataDirectory: "/node", shardCount: shardCount)
        if let disk {
            disk.cached = .nothing
            disk.onRead = { _ in
                reads.count += 1
                if shards.contains(where: { $0.isCurrent }) { reads.onShards += 1 }
            }
            options.store.blockCacheSize = cacheSize
        }
        configure(&options)
        node = try Node.open(
            environment: Environment(
                fileSystem: fileSystem,
                clock: clock,
                random: SeededRandom(seed: 1),
                background: background
            ),
            options: options,
            executors: shards,
            systemSchema: QueryProcessor.systemSchema
        )
        processor = QueryProcessor(
            node: node,
            system: SystemContext(hostID: node.hostID),
            limits: limits
        )
        let box = Box()
        BatchReplayer(node, notice: { _ in }).replayAll { box.replayed = $0 }
        Environment.runUntilIdle(executors)
        replayedBatches = try box.replayed?.get()
    }

    /// Lets time pass.
    func advance(seconds: UInt64) {
        clock.advance(nanoseconds: seconds * 1_000_000_000)
        Environment.runUntilIdle(executors)
    }

    /// Executes a statement, all pages of it, and says what came of it: a line a row with `|` between
    /// columns, `--` between pages, `error:` and its message, or nothing.
    func execute(_ text: String, pageSize: Int32? = nil, pagesMax: Int = 1000) -> String {
        var parameters = QueryParameters(pageSize: pageSize)
        var output = ""
        // Rows never come without end.
        for _ in 0..<pagesMax {
            let (answer, next) = executeOnce(text, parameters)
            output += answer
            guard let next else { return output }
            output += "--\n"
            parameters.pagingState = next
        }
        return output + "error: too many pages\n"
    }

    /// Executes statements beside each other.
    func executeTogether(_ texts: [String]) -> [String] {
        let boxes = texts.map { _ in Box() }
        let origin = StatementOrigin(keyspace: keyspace)
        for (text, box) in zip(texts, boxes) {
            processor.query(text, QueryParameters(), origin) { box.outcome = $0 }
        }
        Environment.runUntilIdle(executors)
        return boxes.map { answer($0).answer }
    }

    /// Executes a prepared statement on the first shard's executor several times, and says the least that
    /// `measure` grows by within the calls, besides what comes of the statement later.
    func leastGrowth(
        _ text: String,
        _ values: BoundValues,
        rounds: Int,
        of measure: @escaping @Sendable () -> Int
    ) throws -> Int {
        let shard = node.shards[0]
        let origin = StatementOrigin(keyspace: keyspace, shard: shard)
        let id = try processor.prepare(text, origin).get().id
        let box = Box()
        var least = Int.max
        for _ in 0..<rounds {
            let growth = Growth()
            shard.executor.execute { [processor] in
                let parameters = QueryParameters(values: values)
                let before = measure()
                processor.execute(id, resultMetadataID: nil, parameters, origin) { box.outcome = $0 }
                growth.count = measure() - before
            }
            Environment.runUntilIdle(executors)
            _ = try box.outcome?.result.get()
            least = min(least, growth.count)
        }
        return least
    }

    private final class Growth: @unchecked Sendable {  // Owner: the test's thread.
        var count = 0
    }

    /// What the last statement, or page of one, cost, and its warnings.
    private(set) var lastCost = ReadCost()
    private(set) var lastWarnings: [String] = []

    /// How many reads have had the answer of another.
    var joinedReadCount: Int { processor.joinedReadCount }

    /// Writes everything to SSTables.
    func flush() {
        node.onEachShard({ shard, finish in shard.store.flushAll(done: finish) }, done: { _ in })
        Environment.runUntilIdle(executors)
    }

    /// How many reads went by indexes, and how many of them gathered the places of a wide range.
    var indexedReads: (all: Int, gathered: Int) {
        let tables = node.shards.flatMap { $0.store.allTables }
        return (
            tables.reduce(0) { $0 + $1.indexedReadCount },
            tables.reduce(0) { $0 + $1.gatheredReadCount }
        )
    }

    /// Merges all SSTables of each table into one.
    func compact() {
        node.onEachShard({ shard, finish in
            for table in shard.store.allTables { shard.store.compactAll(table) { _ in } }
            finish(nil)
        }, done: { _ in })
        Environment.runUntilIdle(executors)
    }

    private func executeOnce(
        _ text: String,
        _ parameters: QueryParameters
    ) -> (answer: String, next: [UInt8]?) {
        let box = Box()
        let origin = StatementOrigin(keyspace: keyspace)
        processor.query(text, parameters, origin) { box.outcome = $0 }
        Environment.runUntilIdle(executors)
        if isOnDisk { flush() }
        return answer(box)
    }

    private func answer(_ box: Box) -> (answer: String, next: [UInt8]?) {
        guard let outcome = box.outcome else { return ("error: no answer\n", nil) }
        lastCost = outcome.cost
        lastWarnings = outcome.warnings
        switch outcome.result {
        case .failure(let error): return ("error: \(error.message)\n", nil)
        case .success(.rows(let rows)): return (lines(rows), rows.metadata.pagingState)
        case .success(.setKeyspace(let name)):
            keyspace = name
            return ("", nil)
        case .success: return ("", nil)
        }
    }

    private func lines(_ rows: RowsResult) -> String {
        let columns = rows.metadata.columns.columns
        return rows.arrays.map { row in
            zip(row, columns).map { value, column in
                value.map { bytes in bytes.withView { column.type.literal($0) } } ?? "null"
            }
            .joined(separator: "|") + "\n"
        }
        .joined()
    }
}
