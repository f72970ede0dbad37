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

    init(_ bench: BenchNode, _ rows: RowMaker, _ settings: EngineRun.Settings) {
        self.bench = bench
        self.rows = rows
        self.settings = settings
    }

    /// Runs at most `count` operations of a line: point reads, seeks, or rows of a scan.
    func run(_ line: EngineRun.Line, count: Int) async throws -> Outcome {
        var outcome = Outcome()
        var place: [UInt8] = []
        while outcome.operations < count {
            let before = outcome
            let start = place
            let step = try await bench.onShard { [self] (shard) -> (Outcome, [UInt8]?) in
                let table = try self.table(shard)
                var outcome = before
                var next: [UInt8]? = start
                switch line {
                case .readseq: next = try scan(table, from: start, &outcome)
                case .seekrandom: try seek(table, count: count, &outcome)
                default: try get(table, count: count, &outcome)
                }
                return (outcome, next)
            }
            outcome = step.0
            guard let next = step.1 else { break }
            place = next
        }
        return outcome
    }

    private func table(_ shard: Shard) throws -> TableStore {
        guard let table = shard.store.table(storageID: rows.storageID) else {
            throw BenchError("the table isn't there any more")
        }
        return table
    }

    private func get(_ table: TableStore, count: Int, _ outcome: inout Outcome) throws {
        let clock = bench.clock
        // A turn of a thousand: waking this task is no part of what is measured.
        for _ in 0..<min(1024, count - outcome.operations) {
            let isSample = outcome.operations % ReadLoad.sampling == 0
            let start = isSample ? clock.monotonicNanoseconds() : 0
            let (key, partitionLength) = rows.key(of: rows.number(below: settings.keyCount))
            if let row = try table.get(key, partitionLength: partitionLength) {
                try check(row)
                outcome.found += 1
            }
            if isSample { outcome.latencies.add(clock.monotonicNanoseconds() - start) }
            outcome.operations += 1
        }
    }

    private func seek(_ table: TableStore, count: Int, _ outcome: inout Outcome) throws {
        let clock = bench.clock
        for _ in 0..<min(64, count - outcome.operations) {
            let start = clock.monotonicNanoseconds()
            let (key, partitionLength) = rows.key(of: rows.number(below: settings.keyCount))
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
        }
    }

    /// Reads some rows; where the next turn begins, nil at the end.
    private func scan(
        _ table: TableStore,
        from lower: [UInt8],
        _ outcome: inout Outcome
    ) throws -> [UInt8]? {
        let clock = bench.clock
        let start = clock.monotonicNanoseconds()
        let cursor = try table.cursor(lower: lower, upper: [])
        var taken = 0
        while taken < ReadLoad.scanTurn {
            guard try cursor.next() else {
                outcome.operations += taken
                outcome.found += taken
                return nil
            }
            try check(cursor.value)
            taken += 1
        }
        outcome.latencies.add((clock.monotonicNanoseconds() - start) / UInt64(taken))
        outcome.operations += taken
        outcome.found += taken
        // Just behind the last key.
        return cursor.key.array + [0]
    }

    private func check(_ fragment: ByteView) throws {
        let count = try rows.valueCount(of: fragment)
        guard count == RowMaker.valueCount else {
            throw BenchError("a value of \(count) bytes where \(RowMaker.valueCount) were written")
        }
    }
}
