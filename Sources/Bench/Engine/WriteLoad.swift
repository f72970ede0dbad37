// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Node
internal import Storage

/// Writes rows on a shard's executor, some in each of its turns, and waits for all acknowledgements.
final class WriteLoad: @unchecked Sendable {  // Owner: the shard's executor.
    /// How many writes may wait for their acknowledgement, as with clients that wait for theirs.
    private static let windowCount = 1024
    /// The latency of each so manieth write is taken.
    private static let sampling = 8

    private let bench: BenchNode
    private let rows: RowMaker
    private let count: Int
    private let keyCount: Int
    private let isSequential: Bool
    private var started = 0
    private var acknowledged = 0
    private var isTurnQueued = false
    private var failure: WriteError?
    private var latencies = Latencies()
    private var timestamp: Int64
    private var done: ((Result<Latencies, WriteError>) -> Void)?
    private var acknowledge: @Sendable (WriteError?) -> Void = { _ in }

    /// `count` writes of keys below `keyCount`.
    init(_ bench: BenchNode, _ rows: RowMaker, count: Int, keyCount: Int, isSequential: Bool) {
        self.bench = bench
        self.rows = rows
        self.count = count
        self.keyCount = keyCount
        self.isSequential = isSequential
        timestamp = bench.clock.microsecondsSinceEpoch()
    }

    func run() async throws -> Latencies {
        let result: Result<Latencies, WriteError> = await withCheckedContinuation { continuation in
            bench.shard.run { [self] shard in
                done = { continuation.resume(returning: $0) }
                // One closure for all: what a request costs above the engine isn't measured here.
                acknowledge = { [self] error in finish(error, since: nil) }
                turn(shard)
            }
        }
        // It refers to this object.
        acknowledge = { _ in }
        return try result.get()
    }

    private func turn(_ shard: Shard) {
        isTurnQueued = false
        guard failure == nil else { return }
        let end = min(count, started + EngineRun.turnCount)
        while started < end, started - acknowledged < WriteLoad.windowCount {
            let number = isSequential ? started : rows.number(below: keyCount)
            timestamp += 1
            let isSample = started % WriteLoad.sampling == 0
            started += 1
            if isSample {
                let now = bench.clock.monotonicNanoseconds()
                let mutation = rows.mutation(of: number, timestamp: timestamp)
                shard.store.write(mutation) { [self] error in finish(error, since: now) }
            } else {
                let mutation = rows.mutation(of: number, timestamp: timestamp)
                shard.store.write(mutation, completion: acknowledge)
            }
        }
        queueTurn()
    }

    private func queueTurn() {
        guard !isTurnQueued, started < count else { return }
        guard started - acknowledged <= WriteLoad.windowCount / 2 else { return }
        isTurnQueued = true
        let shard = bench.shard
        shard.executor.execute { [self] in turn(shard) }
    }

    private func finish(_ error: WriteError?, since start: UInt64?) {
        acknowledged += 1
        if let start { latencies.add(bench.clock.monotonicNanoseconds() - start) }
        if let error, failure == nil {
            failure = error
            done?(.failure(error))
            done = nil
        }
        if acknowledged == count {
            done?(.success(latencies))
            done = nil
        } else {
            queueTurn()
        }
    }
}
