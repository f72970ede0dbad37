// SPDX-License-Identifier: Apache-2.0

internal import Environment

extension ShardStore {
    /// Runs `body`, which reads from the shard's tables, and passes on what comes of it. On the
    /// executor, at once if all blocks are in memory.
    ///
    /// When a block has to come from the disk, `body` ends with an error, and is run again from its
    /// start when the block is there: in a turn of its own, with whatever was written meanwhile. So it
    /// must be harmless to run it more than once, or it must note how far it has come. What it returns
    /// goes to `done` in the same turn.
    package func read<R, E: Error>(
        _ body: @escaping @Sendable () throws(E) -> R,
        done: @escaping @Sendable (Result<R, E>) -> Void
    ) {
        attempt(nil, body, done)
    }

    private func attempt<R, E: Error>(
        _ read: ShardBlocks.WaitingRead?,
        _ body: @escaping @Sendable () throws(E) -> R,
        _ done: @escaping @Sendable (Result<R, E>) -> Void
    ) {
        blocks.begin(read)
        let result = Result { () throws(E) in try body() }
        guard blocks.end(), case .failure = result else { return done(result) }
        let read = read ?? ShardBlocks.WaitingRead { [self] in attempt($0, body, done) }
        for run in blocks.enlist(read) { load(run) }
    }

    private func load(_ run: ShardBlocks.BlockRun) {
        backgroundJobs += 1
        environment.reading.execute { [self] in
            let results = run.load()
            executor.execute { [self] in
                blocks.arrive(run, results)
                finishBackgroundJob()
            }
        }
    }
}
