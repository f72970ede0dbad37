// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

extension ShardStore {
    /// Starts the compaction that the table's size tiers ask for, if any and if none is running.
    func startCompaction(_ table: TableStore) {
        guard options.compactsAutomatically, !isClosed, !table.isCompactionRunning else { return }
        let settings = table.schema.options.compaction
        guard settings["enabled"] != "false" else { return }
        let tiers = SizeTiers(
            thresholdMin: settings["min_threshold"].flatMap { Int($0) } ?? 4,
            thresholdMax: settings["max_threshold"].flatMap { Int($0) } ?? 32
        )
        let chosen = Set(
            tiers.choose(table.sstables.map { SizeTiers.File(number: $0.number, size: $0.reader.count) })
        )
        guard !chosen.isEmpty else { return }
        compact(table, table.sstables.filter { chosen.contains($0.number) }) { _ in }
    }

    /// Merges all SSTables that a table has now into one; `done` is called on the executor afterwards.
    /// Does nothing when a compaction of the table is running.
    package func compactAll(
        _ table: TableStore,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        guard !table.isCompactionRunning, !table.sstables.isEmpty else { return done(nil) }
        compact(table, table.sstables, done: done)
    }

    private func compact(
        _ table: TableStore,
        _ inputs: [LiveSSTable],
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        table.isCompactionRunning = true
        backgroundJobs += 1
        let numbers = Set(inputs.map(\.number))
        let job = CompactionJob(
            inputs: inputs,
            others: table.sstables.filter { !numbers.contains($0.number) },
            memtableMinTimestamp: table.minTimestamp(oldestSegment: oldestLogSegment),
            schema: table.schema,
            ranges: tokenRanges,
            now: environment.clock.secondsSinceEpoch()
        )
        environment.compacting.execute { [self] in
            let result = Result { () throws(StorageError) in try job.run(files) }
            executor.execute { [self] in
                finishCompaction(table, numbers, result)
                switch result {
                case .success: done(nil)
                case .failure(let error): done(error)
                }
            }
        }
    }

    private func finishCompaction(
        _ table: TableStore,
        _ inputs: Set<UInt64>,
        _ result: Result<LiveSSTable?, StorageError>
    ) {
        defer { finishBackgroundJob() }
        table.isCompactionRunning = false
        switch result {
        case .success(let output):
            guard self.table(storageID: table.schema.storageID) === table else {
                if let output { files.discard(output) }
                return
            }
            table.finishCompaction(of: inputs, into: output)
            startCompaction(table)
        case .failure(let error):
            // The inputs stay live; the next flush of the table tries again.
            lastBackgroundError = error
        }
    }
}
