// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model

/// Building indexes: an SSTable that lacks the postings of one of its table's indexes is rewritten.
///
/// That is a compaction of one file, and so it becomes live, and is lost in a crash, as any other. One
/// file a time and table; what is left to do is seen from the files, so that nothing has to be kept
/// for the next start.
extension ShardStore {
    /// Begins to build what a changed schema asks for: the memtable goes to a file if it lacks postings.
    func indexesChanged(_ table: TableStore) {
        let wanted = table.schema.indexes.map(\.id)
        if let active = table.active, !active.isEmpty,
            !wanted.allSatisfy({ active.postings?.covered.contains($0) ?? false })
        {
            rotate(table)
            if log != nil { startFlush(table) }
        }
        publishIndexes(table)
        startIndexBuild(table)
    }

    /// Starts to rewrite the newest SSTable that lacks postings, unless one of the table is being
    /// rewritten for that.
    ///
    /// - Parameter triesDamaged: also a file that was found damaged: what stood in the way may have been the
    ///   disk's mood. Only asked now and then.
    func startIndexBuild(_ table: TableStore, triesDamaged: Bool = false) {
        let id = table.schema.storageID
        let wanted = table.schema.indexes.map(\.id)
        guard !wanted.isEmpty, log != nil, !isClosed, self.table(storageID: id) === table,
            !isRequested(table),
            !compactions.contains(where: { $0.table == id && $0.job.plan.reason == .index })
        else { return }
        let lacking = table.sstables.first { sstable in
            !table.busy.contains(sstable.number)
                && (triesDamaged || !self.files.quarantine.holds(file: sstable.number))
                && !wanted.allSatisfy { sstable.reader.indexes?.entry($0) != nil }
        }
        guard let lacking else { return }
        let files = facts(table)
        let levels = Levels(CompactionSettings(table.schema.options), conditions(table))
        let choice = CompactionChoice(
            reason: .index,
            inputs: [lacking.number],
            sliceCount: levels.sliceCount(
                for: files.filter { $0.number == lacking.number },
                of: files
            )
        )
        compact(table, choice) { [self] error in
            // Broken off for a compaction of the whole table, which writes the postings too.
            guard let error, error != .stopped else {
                table.buildFailures = 0
                return startIndexBuild(table)
            }
            table.buildFailures += 1
            let seconds = min(60, 1 << min(table.buildFailures - 1, 6))
            executor.schedule(after: UInt64(seconds) * 1_000_000_000) { [self] in
                startIndexBuild(table, triesDamaged: true)
            }
        }
    }
}
