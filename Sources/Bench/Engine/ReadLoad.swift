// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Node
internal import Storage

/// Reads rows on a shard's executor, some in each of its turns.
final class ReadLoad: @unchecked Sendable {  // Owner: the shard's executor.
    struct Outcome: Sendable {
        var operations = 0
        var found = 0
        var latencies = Latencies()
    }

    /// The latency of each so manieth read is taken.
    private static let sampling = 8
    /// The most rows of a scan in one turn, as `SelectExecution` has it.
    private static let scanTurn = 4096

    private let bench: BenchNode
    private let rows: RowMaker
    private let settings: EngineRun.Settings
    private var outcome = Outcome()
    /// The number of the key that is being read: a read that waits for the disk is run again.
    private var current: Int?
    /// What a SELECT of the value asks for.
    private let wanted: WantedColumns
    /// Where a scan goes on; nil at its end.
    private var place: [UInt8]? = []

    init(_ bench: BenchNode, _ rows: RowMaker, _ settings: EngineRun.Settings) {
        self.bench = bench
        self.rows = rows
        self.settings = settings
        wanted = WantedColumns([rows.column], now: bench.clock.secondsSinceEpoch())
    }

    /// Runs at most `count` operations of a line: point reads, seeks, or rows of a scan.
    func run(_ line: EngineRun.Line, count: Int) async throws -> Outcome {
        outcome = Outcome()
        place = []
        while outcome.operations < count, place != nil {
            try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<Void, any Error>) in
                bench.shard.run { [self] shard in
                    shard.store.read { [self] in
                        try step(line, count, shard)
                    } done: {
                        continuation.resume(with: $0)
                    }
                }
            }
        }
        return outcome
    }

    /// Some operations in one turn; when it ends with an error it is run again and goes on.
    private func step(_ line: EngineRun.Line, _ count: Int, _ shard: Shard) throws {
        guard let table = shard.store.table(storageID: rows.storageID) else {
            throw BenchError("the table isn't there any more")
        }
        let end = min(count, outcome.operations + turnCount(line))
        switch line {
        case .readseq: try scan(table)
        case .seekrandom: while outcome.operations < end { try seek(table) }
        default: while outcome.operations < end { try get(table) }
        }
    }

    /// Enough that waking a task for each turn costs nothing.
    private func turnCount(_ line: EngineRun.Line) -> Int { line == .seekrandom ? 64 : 1024 }

    private func nextNumber() -> Int {
        let number = current ?? rows.number(below: settings.keyCount)
        current = number
        return number
    }

    private func get(_ table: TableStore) throws {
        let clock = bench.clock
        let isSample = outcome.operations % ReadLoad.sampling == 0
        let start = isSample ? clock.monotonicNanoseconds() : 0
        let (key, partitionLength) = rows.key(of: nextNumber())
        if let row = try table.get(key, partitionLength: partitionLength, wanted: wanted) {
            try check(row)
            outcome.found += 1
        }
        if isSample { outcome.latencies.add(clock.monotonicNanoseconds() - start) }
        outcome.operations += 1
        current = nil
    }

    private func seek(_ table: TableStore) throws {
        let clock = bench.clock
        let start = clock.monotonicNanoseconds()
        let (key, partitionLength) = rows.key(of: nextNumber())
        let lower = key.prefix(partitionLength).array
        let cursor = try table.cursor(lower: lower, upper: [])
        var taken = 0
        while taken < settings.scanCount, try cursor.next() {
            try check(cursor.value)
            taken += 1
        }
        outcome.found += taken
        outcome.latencies.add(clock.monotonicNanoseconds() - start)
        outcome.operations += 1
        current = nil
    }

    /// Reads some rows and notes where the next turn begins.
    private func scan(_ table: TableStore) throws {
        guard let lower = place else { return }
        let clock = bench.clock
        let start = clock.monotonicNanoseconds()
        let cursor = try table.cursor(lower: lower, upper: [])
        var taken = 0
        var isAtEnd = false
        while taken < ReadLoad.scanTurn {
            guard try cursor.next() else {
                isAtEnd = true
                break
            }
            try check(cursor.value)
            taken += 1
        }
        // Just behind the last key.
        place = isAtEnd ? nil : cursor.key.array + [0]
        if taken > 0 {
            outcome.latencies.add((clock.monotonicNanoseconds() - start) / UInt64(taken))
        }
        outcome.operations += taken
        outcome.found += taken
    }

    private func check(_ fragment: ByteView) throws {
        let count = try rows.valueCount(of: fragment)
        guard count == RowMaker.valueCount else {
            throw BenchError("a value of \(count) bytes where \(RowMaker.valueCount) were written")
        }
    }
}
