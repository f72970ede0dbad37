// SPDX-License-Identifier: Apache-2.0

internal import Environment
package import Model

/// Work on all SSTables of a table that was asked for and hasn't begun.
struct CompactionRequest {
    enum Kind {
        /// Merge them.
        case merge
        /// Take from them what isn't in these tokens, asked for when it begins; nothing if nil.
        case keep(@Sendable () -> [TokenRange]?)

        var isMerge: Bool { if case .merge = self { true } else { false } }
    }

    /// The table's storage id.
    let table: UUID
    let kind: Kind
    /// Whom to tell when it has ended.
    var waiters: [@Sendable (StorageError?) -> Void]
}

/// Compactions that somebody asks for: everything of a table merged, or rid of what others own now.
///
/// A request waits until none of the table's files is being read by another compaction. Those that
/// the strategy chose are broken off for it, since what they write would be read again at once, and the
/// strategy chooses no new ones until the request has begun. Then it is a compaction as any other: it
/// counts among those that run at once, goes at the pace of the background, and leaves what is flushed
/// meanwhile to the strategy.
extension ShardStore {
    /// Merges all SSTables that a table has when it begins, without what can be purged. Memtables aren't
    /// flushed for it. A request that waits for the same table is joined.
    ///
    /// - Parameter done: is called on the executor at the end, with `.stopped` when the table was dropped or
    ///   the store closed before. Slices that were complete then stay.
    package func compactAll(
        _ table: TableStore,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        request(.merge, of: table, done: done)
    }

    /// Removes what a table has of other tokens than `kept`, memtables included: at once, as far as reads are concerned;
    /// files that have some of both are merged for their space.
    ///
    /// - Parameter kept: is asked when nothing else works on the files. What comes of other tokens after that stays.
    ///   Nil: the table keeps everything.
    package func cleanUp(
        _ table: TableStore,
        keeping kept: @escaping @Sendable () -> [TokenRange]?,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        flush(table) { [self] error in
            if let error { return done(error) }
            // What hides its rows must not go before them.
            if let file = table.unreadable.first { return done(.corruption(file.error)) }
            request(.keep(kept), of: table, done: done)
        }
    }

    private func request(
        _ kind: CompactionRequest.Kind,
        of table: TableStore,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        let id = table.schema.storageID
        guard !isClosed, self.table(storageID: id) === table else { return done(.stopped) }
        let same = compactionRequests.firstIndex { $0.table == id && $0.kind.isMerge }
        if let same, kind.isMerge {
            compactionRequests[same].waiters.append(done)
        } else {
            compactionRequests.append(CompactionRequest(table: id, kind: kind, waiters: [done]))
            for running in compactions where running.table == id {
                if running.job.plan.reason != .request { running.cancel() }
            }
        }
        startRequests()
    }

    /// Whether a compaction of the whole table waits.
    func isRequested(_ table: TableStore) -> Bool {
        !compactionRequests.isEmpty
            && compactionRequests.contains { $0.table == table.schema.storageID }
    }

    /// How many compactions of a table run or wait, for tools.
    package func compactionCount(of table: TableStore) -> Int {
        let id = table.schema.storageID
        return compactions.count { $0.table == id } + compactionRequests.count { $0.table == id }
            + (tablesToCompact.contains(id) ? 1 : 0)
    }

    /// Starts the requests that nothing stands in the way of.
    func startRequests() {
        // A waiter may ask again, so the list is looked at anew each time.
        while let next = compactionRequests.firstIndex(where: { canStart($0) }) {
            begin(compactionRequests.remove(at: next))
        }
    }

    /// Tells those who wait for a compaction of a table, or of any, that there won't be one.
    func stopRequests(of table: UUID? = nil) {
        let stopped = compactionRequests.filter { table == nil || $0.table == table }
        compactionRequests.removeAll { table == nil || $0.table == table }
        for request in stopped { ShardStore.tell(request, .stopped) }
    }

    private func canStart(_ request: CompactionRequest) -> Bool {
        guard let table = table(storageID: request.table) else { return false }
        return table.busy.isEmpty && compactions.count < options.concurrentCompactions
    }

    private func begin(_ request: CompactionRequest) {
        guard let table = table(storageID: request.table) else { return }
        switch request.kind {
        case .merge: merge(table, request)
        case .keep(let kept): keep(kept(), of: table, request)
        }
    }

    private func merge(_ table: TableStore, _ request: CompactionRequest) {
        let inputs = table.sstables.map(\.number).filter { !files.quarantine.holds(file: $0) }
        guard !inputs.isEmpty else { return ShardStore.tell(request, nil) }
        let facts = facts(table)
        let levels = Levels(CompactionSettings(table.schema.options), conditions(table))
        let choice = CompactionChoice(
            reason: .request,
            inputs: inputs,
            sliceCount: levels.sliceCount(for: facts, of: facts)
        )
        // A full disk must have room for what it gets before anything goes.
        let size = facts.reduce(0) { $0 + $1.size }
        if disk.isFull, size / choice.sliceCount > disk.free / 2 {
            let full = FileError(operation: .create, path: files.root, reason: .diskFull)
            return ShardStore.tell(request, .file(full))
        }
        compact(table, choice) { ShardStore.tell(request, $0) }
    }

    private func keep(_ kept: [TokenRange]?, of table: TableStore, _ request: CompactionRequest) {
        let removals = kept.map { table.removals(keeping: $0, of: tokenRanges) } ?? []
        guard !removals.isEmpty else { return ShardStore.tell(request, nil) }
        let numbers = Set(removals.map(\.sstable.number))
        table.busy.formUnion(numbers)
        backgroundJobs += 1
        let schema = table.schema
        environment.background.execute { [self] in
            var failure: StorageError?
            do throws(StorageError) {
                _ = try files.publish(nil, schema: schema, ranges: [], removing: removals)
            } catch {
                failure = error
            }
            executor.execute { [self, failure] in
                table.busy.subtract(numbers)
                if failure == nil {
                    table.replace(removals, with: nil, in: tokenRanges)
                    publishIndexes(table)
                }
                startRequests()
                if failure == nil, table.sstables.contains(where: { numbers.contains($0.number) }) {
                    compactAll(table) { ShardStore.tell(request, $0) }
                } else {
                    ShardStore.tell(request, failure)
                }
                finishBackgroundJob()
            }
        }
    }

    private static func tell(_ request: CompactionRequest, _ error: StorageError?) {
        for waiter in request.waiters { waiter(error) }
    }
}
