// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Synchronization

/// What background threads see of a shard's backlog: `Backlog.share`.
final class SharedBacklog: Sendable {
    private let bits = Atomic<UInt64>(0)

    var share: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ share: Double) { bits.store(share.bitPattern, ordering: .relaxed) }
}

/// The pacers of a shard's background work. Steps of several jobs ask them from several threads.
final class BackgroundPacing: Sendable {
    private let flushes = Mutex(BackgroundPacer(bytesPerSecond: 0))
    private let compactions: Mutex<BackgroundPacer>

    init(compactionThroughput: Int) {
        compactions = Mutex(BackgroundPacer(bytesPerSecond: compactionThroughput))
    }

    fileprivate func next(
        _ kind: BackgroundTask.Kind,
        after bytes: Int,
        backlog: Double,
        now: UInt64
    ) -> BackgroundPacer.Step {
        kind == .flush
            ? flushes.withLock { $0.next(after: bytes, backlog: backlog, now: now) }
            : compactions.withLock { $0.next(after: bytes, backlog: backlog, now: now) }
    }
}

extension ShardStore {
    /// Bytes of keys and values that background work handles in one go: some milliseconds.
    static let stepSize = 256 << 10

    /// Runs `body` in the background again and again, as the pacer says, until it returns nil; else it
    /// returns how many bytes it has handled.
    func runInSteps(
        _ kind: BackgroundTask.Kind,
        after bytes: Int = 0,
        _ body: @escaping @Sendable () -> Int?
    ) {
        let step = pacing.next(
            kind,
            after: bytes,
            backlog: sharedBacklog.share,
            now: environment.clock.monotonicNanoseconds()
        )
        let pool = step.priority == .low ? environment.compacting : environment.flushing
        let job: @Sendable () -> Void = { [self] in
            if let bytes = body() { runInSteps(kind, after: bytes, body) }
        }
        if step.pause == 0 { pool.execute(job) } else { pool.schedule(after: step.pause, job) }
    }
}
