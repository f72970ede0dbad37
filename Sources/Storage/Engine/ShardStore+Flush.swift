// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

extension ShardStore {
    /// Flushes all tables' memtables as they are now; `done` is called on the executor afterwards.
    package func flushAll(done: @escaping @Sendable (StorageError?) -> Void) {
        let gate = Countdown(allTables.count + 1, done: done)
        for table in allTables { flush(table) { gate.finish($0) } }
        gate.finish(nil)
    }

    /// Flushes a table's memtables as they are now; `done` is called on the executor afterwards.
    package func flush(
        _ table: TableStore,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        rotate(table)
        guard !table.flushing.isEmpty else { return done(nil) }
        table.flushWaiters.append((table.flushing.count, done))
        startFlush(table)
    }

    /// Flushes the oldest rotated memtable in the background, unless a flush is running.
    ///
    /// All that it holds is durable in the commit log first: else a power loss could leave a mutation's
    /// part in this table and take the one in another.
    func startFlush(_ table: TableStore) {
        guard !table.isFlushRunning, let memtable = table.flushing.first else { return }
        table.isFlushRunning = true
        backgroundJobs += 1
        let job = FlushJob(memtable: memtable, schema: table.schema, ranges: tokenRanges)
        let task = BackgroundTask(
            id: UUID(random: environment.random.next(), environment.random.next()),
            kind: .flush,
            keyspace: table.schema.keyspace,
            table: table.schema.name,
            shard: index,
            sstables: 0,
            directory: files.folder(table.schema),
            total: memtable.byteCount,
            predictedSize: memtable.byteCount,
            startedAt: environment.clock.monotonicNanoseconds()
        )
        whenLogged(memtable) { [self] error in
            if let error { return finishFlush(table, memtable, .failure(.commitLog(error))) }
            files.tasks.begin(task)
            runInSteps(.flush) { [self] in
                do throws(StorageError) {
                    guard let sstable = try job.step(files, budget: ShardStore.stepSize) else {
                        files.tasks.advance(task.id, to: job.done)
                        return ShardStore.stepSize
                    }
                    executor.execute { [self] in finishFlush(table, memtable, .success(sstable)) }
                } catch {
                    job.abandon()
                    executor.execute { [self] in finishFlush(table, memtable, .failure(error)) }
                }
                files.tasks.end(task.id)
                return nil
            }
        }
    }

    private func finishFlush(
        _ table: TableStore,
        _ memtable: Memtable,
        _ result: Result<LiveSSTable?, StorageError>
    ) {
        defer { finishBackgroundJob() }
        table.isFlushRunning = false
        guard self.table(storageID: table.schema.storageID) === table else {
            // Dropped meanwhile: nobody will read what was written.
            if case .success(let sstable?) = result { files.discard(sstable) }
            return
        }
        switch result {
        case .success(let sstable):
            let bytes = memtable.byteCount
            table.flushFailures = 0
            lastBackgroundError = nil
            table.finishFlush(sstable)
            publishIndexes(table)
            release(bytes: bytes)
            tellFlushWaiters(table)
            startFlush(table)
            startCompaction(table)
        case .failure(let error):
            lastBackgroundError = error
            table.flushFailures += 1
            noteDiskError(error)
            let waiters = table.flushWaiters
            table.flushWaiters.removeAll()
            for waiter in waiters { waiter.done(error) }
            retryFlush(table)
        }
    }

    private func tellFlushWaiters(_ table: TableStore) {
        for index in table.flushWaiters.indices { table.flushWaiters[index].remaining -= 1 }
        let finished = table.flushWaiters.filter { $0.remaining <= 0 }
        table.flushWaiters.removeAll { $0.remaining <= 0 }
        for waiter in finished { waiter.done(nil) }
    }

    /// Tries a failed flush again later: after a second, then two, four … up to a minute.
    private func retryFlush(_ table: TableStore) {
        guard !isClosed else { return }
        let seconds = min(60, 1 << min(table.flushFailures - 1, 6))
        executor.schedule(after: UInt64(seconds) * 1_000_000_000) { [self] in
            if !isClosed { startFlush(table) }
        }
    }

    /// Flushes everything before it returns: for recovery, before the executor runs.
    package func flushNow() throws(StorageError) {
        for table in allTables {
            rotate(table)
            while let memtable = table.flushing.first {
                let bytes = memtable.byteCount
                let job = FlushJob(memtable: memtable, schema: table.schema, ranges: tokenRanges)
                table.finishFlush(try job.run(files))
                release(bytes: bytes)
            }
        }
    }
}

/// Writes one memtable to an SSTable and makes it live, in steps.
final class FlushJob: @unchecked Sendable {  // Owner: the background step that runs.
    private let memtable: Memtable
    private let cursor: MemtableCursor
    private let schema: TableSchema
    private let ranges: [TokenRange]
    private var output: TableFiles.Output?
    /// The bytes of keys and values that were written.
    private(set) var done = 0

    init(memtable: Memtable, schema: TableSchema, ranges: [TokenRange]) {
        self.memtable = memtable
        cursor = MemtableCursor(memtable)
        cursor.seek(atOrAfter: .empty)
        self.schema = schema
        self.ranges = ranges
    }

    /// Writes about `budget` bytes of keys and values. After an error only `abandon` may follow.
    ///
    /// - Returns: nil when there is more; else the new SSTable, which is nil when the memtable holds
    ///   nothing.
    func step(_ files: TableFiles, budget: Int) throws(StorageError) -> LiveSSTable?? {
        if output == nil {
            let settings = CompressionSettings(schema.options.compression, level: 0)
            let dictionary = DictionaryTrainer.train(from: memtable, settings)
            output = try files.makeWriter(
                schema,
                origin: .flush,
                level: 0,
                dictionary: dictionary
            )
        }
        guard let output else { return nil }
        let end = done + budget
        while cursor.isValid {
            guard done < end else { return nil }
            try output.writer.add(key: cursor.key, value: cursor.value)
            done += cursor.key.count + cursor.value.count
            cursor.next()
        }
        self.output = nil
        return .some(try files.publish(output, schema: schema, ranges: ranges, removing: []))
    }

    /// Removes the output that isn't complete.
    func abandon() {
        output?.writer.abandon()
        output = nil
    }

    /// Does all of it.
    func run(_ files: TableFiles) throws(StorageError) -> LiveSSTable? {
        do throws(StorageError) {
            return try step(files, budget: .max / 2) ?? nil
        } catch {
            abandon()
            throw error
        }
    }
}
