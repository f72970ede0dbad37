// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Synchronization

/// A compaction that runs.
final class RunningCompaction: Sendable {
    let table: UUID
    let job: CompactionJob
    private let cancelled = Atomic(false)

    init(table: UUID, job: CompactionJob) {
        self.table = table
        self.job = job
    }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Makes it stop at its next step. Slices that are complete stay.
    func cancel() { cancelled.store(true, ordering: .relaxed) }
}

extension ShardStore {
    // MARK: Choosing

    /// Starts the compactions that a table's strategy asks for, as many as may run.
    func startCompaction(_ table: TableStore) {
        startIndexBuild(table)
        retryDamaged(table)
        guard options.compactsAutomatically, !isClosed else { return }
        let settings = CompactionSettings(table.schema.options)
        let conditions = conditions(table)
        let facts = facts(table)
        measureBacklog(table, settings, conditions, facts)
        // Files are left alone that are about to be merged with all others.
        guard settings.isEnabled, !facts.isEmpty, !isRequested(table) else { return }
        for choice in CompactionStrategy(settings, conditions).choose(facts) {
            // A full disk must have room for what it gets before anything goes.
            let size = facts.filter { choice.inputs.contains($0.number) }.reduce(0) { $0 + $1.size }
            let isTooLarge = disk.isFull && size / choice.sliceCount > disk.free / 2
            if isTooLarge, choice.reason != .expired { continue }
            guard choice.reason == .expired || compactions.count < options.concurrentCompactions
            else {
                tablesToCompact.insert(table.schema.storageID)
                return
            }
            compact(table, choice) { _ in }
        }
    }

    /// Notes how far compaction of a table is behind.
    private func measureBacklog(
        _ table: TableStore,
        _ settings: CompactionSettings,
        _ conditions: CompactionConditions,
        _ facts: [SSTableFacts]
    ) {
        table.backlog = Backlog()
        if settings.isEnabled {
            let levels = Levels(settings, conditions)
            table.backlog.files = Backlog.files(depth: levels.overlapMax(facts))
            if let bound = settings.replacedShareMax, let share = levels.replacedShare(facts) {
                table.backlog.replaced = Backlog.replaced(share, bound: bound)
            }
        }
        measureFiles()
    }

    /// Looks for files that have expired since: those may need no write to be dropped.
    func startMaintenance() {
        guard options.compactsAutomatically else { return }
        executor.schedule(after: options.maintenanceInterval * 1_000_000_000) { [self] in
            guard !isClosed else { return }
            for table in allTables { startCompaction(table) }
            startMaintenance()
        }
    }

    func conditions(_ table: TableStore) -> CompactionConditions {
        let now = environment.clock.secondsSinceEpoch()
        var conditions = CompactionConditions(
            space: tokenSpace,
            now: now,
            graceHorizon: table.schema.options.graceHorizon(now: now),
            // A memtable's bytes are about twice those of its file.
            flushSize: options.memtableSpace / 2
        )
        conditions.memtableMinTimestamp = table.minTimestamp(oldestSegment: oldestLogSegment)
        conditions.replacedShare = table.replacedShare
        return conditions
    }

    /// The table's SSTables as strategies see them.
    func facts(_ table: TableStore) -> [SSTableFacts] {
        table.sstables.compactMap { sstable in
            guard let tokens = sstable.tokens else { return nil }
            let parts = (sstable.ranges ?? tokenRanges).compactMap { $0.intersection(tokens) }
            guard let first = parts.first, let last = parts.last else { return nil }
            // Keys are spread evenly over the tokens between a file's first and last.
            let owned = tokenRanges.compactMap { $0.intersection(tokens) }
            let isOwned = tokenRanges.contains { $0.contains(tokens.first) }
                && tokenRanges.contains { $0.contains(tokens.last) }
            let whole = isOwned ? owned : [tokens]
            let share = ShardStore.width(parts) / ShardStore.width(whole)
            let statistics = sstable.reader.statistics
            var facts = SSTableFacts(
                number: sstable.number,
                size: Int(Double(sstable.reader.count) * share),
                tokens: TokenRange(first.first, last.last)
            )
            facts.minTimestamp = statistics.minTimestamp
            facts.maxTimestamp = statistics.maxTimestamp
            if statistics.permanentCount == 0 { facts.deadAt = statistics.maxLocalTime }
            if statistics.minLocalTime < .max { facts.oldestDeletion = statistics.minLocalTime }
            facts.createdAt = statistics.createdAt / 1_000_000
            facts.isFlushed = statistics.origin == .flush
            facts.blockCount = statistics.dataBlockCount
            facts.deadBlockCount = statistics.deadEntries?.blockCount ?? 0
            // A compaction would fail at a damaged file, again and again.
            facts.isBusy =
                table.busy.contains(sstable.number) || files.quarantine.holds(file: sstable.number)
            return facts
        }
    }

    private static func width(_ ranges: [TokenRange]) -> Double {
        ranges.reduce(0) { $0 + TokenSpace.width($1) }
    }

    // MARK: Running

    func compact(
        _ table: TableStore,
        _ choice: CompactionChoice,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        let numbers = Set(choice.inputs)
        let inputs = table.sstables.filter { numbers.contains($0.number) }
        table.busy.formUnion(numbers)
        backgroundJobs += 1
        let now = environment.clock.secondsSinceEpoch()
        let plan = CompactionPlan(
            reason: choice.reason,
            inputs: inputs,
            others: table.sstables.filter { !numbers.contains($0.number) },
            memtableMinTimestamp: table.minTimestamp(oldestSegment: oldestLogSegment),
            schema: table.schema,
            owned: tokenRanges,
            slices: tokenSpace.slices(choice.sliceCount),
            now: now
        )
        let compaction = RunningCompaction(
            table: table.schema.storageID,
            job: CompactionJob(plan, planted: environment.planted)
        )
        compactions.append(compaction)
        let facts = facts(table).filter { numbers.contains($0.number) }
        let size = facts.reduce(0) { $0 + $1.size }
        let task = BackgroundTask(
            id: UUID(random: environment.random.next(), environment.random.next()),
            kind: choice.reason.kind,
            keyspace: table.schema.keyspace,
            table: table.schema.name,
            shard: index,
            sstables: inputs.count,
            directory: files.folder(table.schema),
            total: size,
            predictedSize: choice.reason == .expired ? 0 : size,
            startedAt: environment.clock.monotonicNanoseconds()
        )
        files.tasks.begin(task)
        let outcome = CompactionOutcome(choice: choice, inputSize: size, done: done)
        let first = facts.map(\.tokens.first).min() ?? .min
        let last = facts.map(\.tokens.last).max() ?? .max
        runInSteps(task.kind) { [self] in
            let ended = step(compaction, table, outcome)
            if ended {
                files.tasks.end(task.id)
                return nil
            }
            if let token = compaction.job.lastToken, token >= first {
                // Partitions are spread evenly over the tokens.
                let share = tokenSpace.share(of: TokenRange(first, token))
                let whole = tokenSpace.share(of: TokenRange(first, last))
                files.tasks.advance(task.id, to: Int(min(1, share / whole) * Double(size)))
            }
            return compaction.job.stepBytes
        }
    }

    /// Runs one step in the background; whether it was the last one.
    private func step(
        _ compaction: RunningCompaction,
        _ table: TableStore,
        _ outcome: CompactionOutcome
    ) -> Bool {
        if compaction.isCancelled {
            compaction.job.abandon()
            executor.execute { [self] in finishCompaction(compaction, table, outcome, nil) }
            return true
        }
        do throws(StorageError) {
            switch try compaction.job.step(files, budget: ShardStore.stepSize) {
            case .more: return false
            case .published(let output):
                executor.execute { [self] in adopt(output, table, outcome) }
                return false
            case .finished:
                executor.execute { [self] in finishCompaction(compaction, table, outcome, nil) }
            }
        } catch {
            compaction.job.abandon()
            executor.execute { [self] in finishCompaction(compaction, table, outcome, error) }
        }
        return true
    }

    /// Takes note that a slice of a compaction is live.
    private func adopt(
        _ output: CompactionOutput,
        _ table: TableStore,
        _ outcome: CompactionOutcome
    ) {
        outcome.outputSize += output.sstable?.reader.count ?? 0
        guard self.table(storageID: table.schema.storageID) === table else {
            // Dropped meanwhile, so what became live is nobody's.
            if output.sstable != nil {
                let schema = table.schema
                environment.background.execute { [files] in files.removeAll(of: schema) }
            }
            return
        }
        table.replace(output.removals, with: output.sstable, in: tokenRanges)
        publishIndexes(table)
    }

    private func finishCompaction(
        _ compaction: RunningCompaction,
        _ table: TableStore,
        _ outcome: CompactionOutcome,
        _ error: StorageError?
    ) {
        compactions.removeAll { $0 === compaction }
        table.busy.subtract(outcome.choice.inputs)
        startRequests()
        if let error {
            // What was not merged stays live; the next flush of the table tries again.
            lastBackgroundError = error
            noteDiskError(error)
            let hasMetDamage = outcome.choice.inputs.contains { files.quarantine.holds(file: $0) }
            // The damaged file is left out until it can be read again.
            if hasMetDamage, self.table(storageID: table.schema.storageID) === table {
                startCompaction(table)
            }
        } else if !compaction.isCancelled {
            table.damageRetries = 0
            if let share = outcome.replacedShare { table.replacedShare = share }
            if self.table(storageID: table.schema.storageID) === table { startCompaction(table) }
        }
        startWaitingCompactions()
        outcome.done(error ?? (compaction.isCancelled ? .stopped : nil))
        finishBackgroundJob()
    }

    /// Starts what had to wait for another compaction to end.
    private func startWaitingCompactions() {
        let waiting = tablesToCompact.sorted { ShardStore.precedes($0, $1) }
        tablesToCompact = []
        for id in waiting { table(storageID: id).map(startCompaction) }
    }

    /// Makes the compactions of a table, or of all, stop at their next step.
    func cancelCompactions(of table: UUID? = nil) {
        for compaction in compactions where table == nil || compaction.table == table {
            compaction.cancel()
        }
    }
}

/// What is to be known when a compaction ends.
final class CompactionOutcome: @unchecked Sendable {  // Owner: the shard's executor.
    let choice: CompactionChoice
    let inputSize: Int
    let done: @Sendable (StorageError?) -> Void
    /// The bytes of the files that were written.
    var outputSize = 0

    init(
        choice: CompactionChoice,
        inputSize: Int,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        self.choice = choice
        self.inputSize = inputSize
        self.done = done
    }

    /// What part of what was merged into the largest level replaced something there.
    var replacedShare: Double? {
        guard choice.reason == .replaced, choice.upperSize > 0 else { return nil }
        let gone = Double(inputSize - outputSize) / Double(choice.upperSize)
        return min(1, max(0, gone))
    }
}

extension CompactionChoice.Reason {
    /// What tools call it.
    var kind: BackgroundTask.Kind {
        switch self {
        case .expired: .expiry
        case .tombstones: .tombstoneCompaction
        case .index: .indexBuild
        case .level, .replaced, .window, .request: .compaction
        }
    }
}
