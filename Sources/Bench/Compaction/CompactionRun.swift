// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model
internal import Node
internal import Storage

/// One table under one strategy, in one thread and in memory; see `CompactionBench`.
final class CompactionRun {
    private let files = MemoryFileSystem()
    private let shard: ManualExecutor
    private let background: ManualExecutor
    private let node: Node
    private let table: TableSchema
    private let rows: RowMaker
    private let keyCount: Int
    private var timestamp: Int64 = 1_700_000_000_000_000
    private var failure: (any Error)?

    /// The numbers of the SSTables that were counted, and their bytes.
    private var seen: Set<UInt64> = []
    private var written = 0
    private var flushed = 0
    /// Bytes of the SSTables on the disk: at rest, and what was most since.
    private var atRest = 0
    private var most = 0

    /// What is measured, in bytes; `isMeasuring` after the first overwrite of everything.
    private var isMeasuring = false
    private var sum = 0
    private var samples = 0
    private var restMax = 0
    private var peak = 0
    private var growthMax = 0
    private var filesMax = 0
    private var merged = 0

    init(
        scaling: String?,
        keyCount: Int,
        memtableSpace: Int,
        minSize: Int,
        seed: UInt64
    ) throws {
        let clock = ManualClock()
        shard = ManualExecutor(clock: clock)
        background = ManualExecutor(clock: clock)
        self.keyCount = keyCount
        var options = NodeOptions(dataDirectory: "/bench", shardCount: 1)
        options.store.memtableSpace = memtableSpace
        options.store.unflushedSpaceMax = 64 * memtableSpace
        node = try Node.open(
            environment: Environment(
                fileSystem: files,
                clock: clock,
                random: SeededRandom(seed: seed),
                background: background
            ),
            options: options,
            executors: [shard]
        )
        var tableOptions = TableOptions()
        tableOptions.compaction["min_sstable_size"] = "\(minSize)B"
        tableOptions.compaction["scaling_parameters"] = scaling
        tableOptions.compression["class"] = "SnappyCompressor"
        table = TableSchema(
            id: UUID(random: seed, 1),
            keyspace: BenchNode.keyspace,
            name: "rows",
            columns: [
                ColumnSchema(id: 0, name: "key", type: .blob, kind: .partitionKey),
                ColumnSchema(id: 1, name: "value", type: .blob, kind: .regular),
            ],
            nextColumnID: 2,
            options: tableOptions
        )
        rows = RowMaker(table, seed: seed)
        let edits: [SchemaEdit] = [
            .putKeyspace(
                name: BenchNode.keyspace,
                replication: ["class": "org.apache.cassandra.locator.SimpleStrategy"],
                durableWrites: true
            ), .putTable(table),
        ]
        node.changeSchema({ (_: Schema) throws(Never) in edits }, done: { _ in })
        Environment.runUntilIdle([shard, background])
    }

    /// Writes all keys, then `overwrites` times as many at random.
    func work(overwrites: Int) throws {
        for number in 0..<keyCount { try write(number) }
        for round in 0..<overwrites {
            isMeasuring = round > 0
            for _ in 0..<keyCount { try write(rows.number(below: keyCount)) }
        }
        isMeasuring = false
        let store = node.shards[0].store
        shard.execute { store.flushAll { _ in } }
        try settle()
        if let table = store.table(storageID: table.storageID) {
            shard.execute { store.compactAll(table) { _ in } }
        }
        try settle()
        merged = onDisk()
    }

    /// The result as a line under the heading of `CompactionBench`.
    func row(_ name: String) -> String {
        func ratio(_ bytes: Int) -> String {
            BenchOutput.text(Double(bytes) / Double(max(merged, 1)))
        }
        let columns: [(String, Int)] = [
            (BenchOutput.text(Double(written) / Double(max(flushed, 1))), 7),
            (ratio(sum / max(samples, 1)), 7), (ratio(restMax), 9), (ratio(peak), 7),
            (BenchOutput.text(100 * Double(growthMax) / Double(max(merged, 1)), digits: 1), 8),
            (String(filesMax), 7), (BenchOutput.text(Double(merged) / 0x1p20, digits: 1), 12),
        ]
        let head = name + String(repeating: " ", count: max(0, 12 - name.utf8.count))
        return columns.reduce(head) { $0 + BenchOutput.padded($1.0, $1.1) }
    }

    // MARK: Steps

    private func write(_ number: Int) throws {
        timestamp += 1
        let store = node.shards[0].store
        let outcome = CompactionRun.Outcome()
        store.write(rows.mutation(of: number, timestamp: timestamp)) { outcome.error = $0 }
        // The log and a flush that has begun have their turn every some rows.
        if timestamp % 64 == 0 { try settle() }
        if let error = outcome.error { throw error }
    }

    /// What a write's completion says. Everything runs in one thread.
    private final class Outcome: @unchecked Sendable {  // Owner: the thread of the run.
        var error: WriteError?
    }

    /// Runs everything that can run, and looks at the disk after each step.
    private func settle() throws {
        var hasCompacted = false
        while true {
            if shard.runOne() {
                count()
                continue
            }
            let isBusy = !node.tasks.all.isEmpty
            guard background.runOne() else { break }
            if isBusy {
                hasCompacted = true
                most = max(most, onDisk())
            }
        }
        let store = node.shards[0].store
        if let error = store.lastBackgroundError { throw error }
        guard hasCompacted else { return }
        let bytes = onDisk()
        if isMeasuring {
            samples += 1
            sum += bytes
            restMax = max(restMax, bytes)
            peak = max(peak, most)
            growthMax = max(growthMax, most - atRest)
            filesMax = max(filesMax, store.table(storageID: table.storageID)?.sstables.count ?? 0)
        }
        atRest = bytes
        most = bytes
    }

    /// Counts the SSTables that have become live.
    private func count() {
        let store = node.shards[0].store
        guard let table = store.table(storageID: table.storageID) else { return }
        for sstable in table.sstables where seen.insert(sstable.number).inserted {
            written += sstable.reader.count
            if sstable.reader.statistics.origin == .flush { flushed += sstable.reader.count }
        }
    }

    /// The bytes of all files of the table, those included that aren't complete.
    private func onDisk() -> Int {
        let folder = "/bench/data/\(BenchNode.keyspace)"
        let tables = (try? files.list(folder)) ?? []
        return tables.reduce(0) { sum, name in
            let path = "\(folder)/\(name)"
            let names = (try? files.list(path)) ?? []
            return names.reduce(sum) { sum, name in
                guard case .file(let size)? = try? files.kind("\(path)/\(name)") else { return sum }
                return sum + size
            }
        }
    }
}
