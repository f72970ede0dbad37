// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model
internal import Storage

/// Runs the lines of `tholos bench engine`.
struct EngineRun {
    /// What can be measured, in the order in which it is by default.
    enum Line: String, CaseIterable, Sendable {
        case fillseq, fillrandom, overwrite, readrandom, readcold, readseq, seekrandom
    }

    struct Settings: Sendable {
        let folder: String
        var keyCount = 10_000_000
        var readCount = 2_000_000
        var seekCount = 200_000
        var seed: UInt64 = 1
        var blockKilobytes = 4
        /// The rows that follow a seek.
        var scanCount = 100

        init(folder: String) { self.folder = folder }

        /// The bytes of keys and values of the rows that random writes leave: 1 - 1/e of the keys.
        var dataBytes: Int {
            Int(Double(keyCount * (RowMaker.keyCount + RowMaker.valueCount)) * 0.632)
        }
    }

    /// How many operations run in one turn of the shard's executor.
    static let turnCount = 64
    private static let series = "series"
    private static let rows = "rows"

    private let settings: Settings

    init(_ settings: Settings) { self.settings = settings }

    func measure(_ line: Line) async throws -> LineResult {
        switch line {
        case .fillseq: try await fill(line, table: EngineRun.series, isFresh: true)
        case .fillrandom: try await fill(line, table: EngineRun.rows, isFresh: true)
        case .overwrite: try await fill(line, table: EngineRun.rows, isFresh: false)
        case .readrandom, .readcold, .readseq, .seekrandom: try await read(line)
        }
    }

    private func open(cache: Int) throws -> BenchNode {
        var store = StoreOptions()
        store.memtableSpace = 64 << 20
        store.unflushedSpaceMax = 256 << 20
        store.blockCacheSize = cache
        return try BenchNode(
            folder: settings.folder,
            store: store,
            commitLog: CommitLogOptions(sync: .periodic(milliseconds: 10_000))
        )
    }

    private func closing(
        _ bench: BenchNode,
        _ body: () async throws -> LineResult
    ) async throws -> LineResult {
        let result: LineResult
        do {
            result = try await body()
        } catch {
            // The first error says what went wrong.
            try? await bench.close()
            throw error
        }
        try await bench.close()
        return result
    }

    // MARK: Writing

    private func fill(_ line: Line, table name: String, isFresh: Bool) async throws -> LineResult {
        let bench = try open(cache: 64 << 20)
        return try await closing(bench) {
            let table: TableSchema
            if isFresh {
                table = try await bench.makeTable(name, columns: columns(name), options: options())
            } else {
                table = try existing(name, in: bench)
            }
            let rows = RowMaker(table, seed: settings.seed ^ (isFresh ? 0 : 0x5555))
            let load = WriteLoad(
                bench,
                rows,
                count: settings.keyCount,
                keyCount: settings.keyCount,
                isSequential: line == .fillseq
            )
            let watch = Stopwatch(clock: bench.clock)
            let latencies = try await load.run()
            let seconds = watch.seconds
            try await bench.settle()
            var result = LineResult(
                name: line.rawValue,
                operations: settings.keyCount,
                seconds: seconds,
                cpuSeconds: watch.cpuSeconds
            )
            result.settleSeconds = watch.seconds - seconds
            result.bytesWritten = watch.bytesWritten
            result.latencies = latencies
            return result
        }
    }

    private func columns(_ name: String) -> [ColumnSchema] {
        guard name == EngineRun.series else {
            return [
                ColumnSchema(id: 0, name: "key", type: .blob, kind: .partitionKey),
                ColumnSchema(id: 1, name: "value", type: .blob, kind: .regular),
            ]
        }
        return [
            ColumnSchema(id: 0, name: "series", type: .blob, kind: .partitionKey),
            ColumnSchema(id: 1, name: "value", type: .blob, kind: .regular),
            ColumnSchema(id: 2, name: "key", type: .blob, kind: .clustering),
        ]
    }

    private func options() -> TableOptions {
        var options = TableOptions()
        options.compression["class"] = "org.apache.cassandra.io.compress.SnappyCompressor"
        options.compression["chunk_length_in_kb"] = String(settings.blockKilobytes)
        return options
    }

    private func existing(_ name: String, in bench: BenchNode) throws -> TableSchema {
        if let table = bench.table(name) { return table }
        throw BenchError("the folder \(settings.folder) has no data yet; run the line fillrandom first")
    }

    // MARK: Reading

    private func read(_ line: Line) async throws -> LineResult {
        let isCold = line == .readcold
        let bench = try open(cache: isCold ? settings.dataBytes / 10 : settings.dataBytes * 2)
        return try await closing(bench) {
            let rows = RowMaker(
                try existing(EngineRun.rows, in: bench),
                seed: settings.seed ^ 0xAAAA
            )
            let load = ReadLoad(bench, rows, settings)
            // A scan fills the cache; db_bench is given the same.
            if !isCold { _ = try await load.run(.readseq, count: .max) }
            let count =
                switch line {
                case .readseq: Int.max
                case .seekrandom: settings.seekCount
                default: settings.readCount
                }
            if isCold { _ = try await load.run(line, count: count / 10) }
            let watch = Stopwatch(clock: bench.clock)
            let outcome = try await load.run(line, count: count)
            var result = LineResult(
                name: line.rawValue,
                operations: outcome.operations,
                seconds: watch.seconds,
                cpuSeconds: watch.cpuSeconds
            )
            result.bytesWritten = watch.bytesWritten
            result.latencies = outcome.latencies
            result.found = outcome.found
            return result
        }
    }
}

/// Why a benchmark can't run.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
