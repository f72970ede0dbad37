// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment

/// The commit log of one shard: makes writes durable before they are acknowledged, at one sync for
/// all that wait at the same time.
///
///     append -> filling batch -> (background) write, sync -> completions
///                   ^                                             |
///                   '----- next batch fills meanwhile <-----------'
///
/// Used on the shard's executor only, and it calls completions there, in the order of the appends.
/// Memory: two buffers that grow with the writes that wait and shrink when the log comes to rest.
/// The file format is specified in docs/formats/commitlog.md.
package final class CommitLog: @unchecked Sendable {  // Owner: the shard's executor.
    package let directory: String
    package let options: CommitLogOptions
    private let environment: Environment
    private let executor: any Executor
    private let files: CommitLogFiles
    private let prepared: CommitLogSpare
    /// Whether writers are told before the sync.
    private let acknowledgesEarly: Bool
    /// The segment for which space has been set aside, or is being.
    private var spareSegment: UInt64 = 0

    private var filling = CommitLogBatch()
    private var spare: CommitLogBatch? = CommitLogBatch()
    /// Whether a background job has the files.
    private var isWriting = false
    /// Whether a job that looks for work is queued on the executor.
    private var isWakeQueued = false
    private var failure: CommitLogError?
    /// The payloads of records that found no room. Those who wrote them were told, or had been told before
    /// that they are kept; memtables have them in any case. So the log gets them before anything else, lest
    /// a power loss take them, or a part of a mutation.
    private var owed = LogPayloads()
    private var isOwedTimed = false
    /// Periodic mode: the payloads that were written since the last sync. After a failed one they are owed.
    private var unsynced = LogPayloads()
    /// Called when what was owed is appended again, with where it ends at most: memtables that have it need
    /// that segment too.
    package var onOwedAppended: ((CommitLogPosition) -> Void)?
    /// Called when the disk had no room, whether or not somebody waits who is told.
    package var onNoRoom: ((FileError) -> Void)?
    /// Whether `close` was called, and what to call when nothing is left to write.
    private var isClosed = false
    private var closeDone: (@Sendable (CommitLogError?) -> Void)?
    private var keepsRecords = true

    /// Where the next record goes; nil in front of the first segment.
    private var segment: RecordLogFormat.Header?
    private var nextSegment: UInt64
    private var offset = 0
    /// An offset of the current segment before which all is durable once the filling batch is
    /// written: only batches that were synced come before it.
    private var durable = 0
    /// Segments before the current one, oldest first, those included that are still being written.
    private var olderSegments: [UInt64] = []
    private var discarding: [UInt64] = []
    /// Segments that are being removed, and those that could not be.
    private var removing: [UInt64] = []

    /// Periodic mode: whether something was written since the last sync, whether it is time for the
    /// next, and who is told at the next turn of the executor.
    private var needsSync = false
    private var isSyncDue = false
    private var isTimerSet = false
    private var early: [CommitLogBatch.Completion] = []

    /// In periodic mode, so many bytes that wait for the disk make writers wait too, and so many that were
    /// written since the last sync make for the next one.
    private static let earlyBytesMax = 8 << 20

    /// A log that appends to new segments in `directory`, which is made if need be. Segments that are
    /// there already stay; see `replay` and `remove`.
    package init(
        directory: String,
        environment: Environment,
        executor: any Executor,
        options: CommitLogOptions
    ) throws(FileError) {
        invariant(
            options.segmentSize >= 4096 && options.segmentSize <= 1 << 30,
            "a commit-log segment is between 4 KiB and 1 GiB"
        )
        self.directory = directory
        self.environment = environment
        self.executor = executor
        self.options = options
        acknowledgesEarly =
            options.sync != .group || environment.planted.contains(.acknowledgeBeforeSync)
        let fileSystem = environment.fileSystem
        try fileSystem.createDirectoryDurably(directory)
        let last = try CommitLog.segments(fileSystem, directory: directory).last
        nextSegment = (last ?? 0) + 1
        prepared = try CommitLogSpare(
            fileSystem: fileSystem,
            directory: directory,
            size: options.segmentSize
        )
        files = CommitLogFiles(fileSystem: fileSystem, directory: directory, spare: prepared)
    }

    // MARK: What it holds

    /// Where the next record will stand, or later. Its segment is the lowest that a later `append`
    /// can use.
    package var position: CommitLogPosition {
        CommitLogPosition(segment: segment?.segment ?? nextSegment, offset: offset)
    }

    /// How many segments the log has on disk, without those of earlier runs.
    package var segmentCount: Int { olderSegments.count + (segment == nil ? 0 : 1) }

    /// The memory of the buffers that are not being written, in bytes.
    package var bufferBytes: Int { filling.bytes.capacity + (spare?.bytes.capacity ?? 0) }

    /// The oldest segment of this run that a restart would replay.
    package var oldestSegment: UInt64 {
        removing.first ?? discarding.first ?? olderSegments.first ?? position.segment
    }

    /// The largest payload, in bytes.
    package var payloadMax: Int { options.segmentSize / 2 }

    /// Why the log takes no more records; nil while it works.
    package var failed: CommitLogError? { failure }

    // MARK: Appending

    /// Appends a record; `payload` is copied and not empty. `completion` is called later on the
    /// executor, never within this call: in group mode when the record is durable, in periodic mode
    /// at once (and later if the disk does not keep up), or with the reason why its fate is unknown.
    ///
    /// - Throws: the reason why it is refused; then nothing is written and `completion` not called.
    @discardableResult
    package func append(
        _ payload: ByteView,
        completion: @escaping @Sendable (CommitLogError?) -> Void
    ) throws(CommitLogError) -> CommitLogPosition {
        invariant(!payload.isEmpty, "an empty commit-log record")
        if let failure { throw failure }
        if isClosed { throw .closed }
        guard payload.count <= payloadMax else {
            throw .tooLarge(size: payload.count, limit: payloadMax)
        }
        appendOwed()
        let position = appendPayload(payload)
        if acknowledgesEarly, filling.bytes.count < CommitLog.earlyBytesMax {
            early.append(completion)
        } else {
            filling.completions.append(completion)
        }
        wake()
        return position
    }

    /// Calls `completion` on the executor, maybe within this call, when all that was appended before is
    /// durable, in periodic mode too, or with the reason why that isn't known.
    package func whenDurable(_ completion: @escaping @Sendable (CommitLogError?) -> Void) {
        let isAtRest = filling.isEmpty && !isWriting && !needsSync && owed.isEmpty
        if failure != nil || isAtRest { return completion(failure) }
        appendOwed()
        filling.completions.append(completion)
        isSyncDue = true
        wake()
    }

    private func appendPayload(_ payload: ByteView) -> CommitLogPosition {
        let size = RecordLogFormat.recordOverhead + payload.count
        if segment == nil || offset + size > options.segmentSize { roll() }
        let position = position
        appendRecord(payload)
        return position
    }

    private func appendRecord(_ payload: ByteView) {
        guard let segment else { return }
        RecordLogFormat.appendRecord(
            payload,
            salt: segment.salt,
            offset: offset,
            durable: durable,
            to: &filling.bytes
        )
        offset += RecordLogFormat.recordOverhead + payload.count
    }

    /// Ends the current segment with a seal and begins the next one in the filling batch.
    private func roll() {
        if let segment {
            appendRecord(.empty)
            olderSegments.append(segment.segment)
        }
        let header = RecordLogFormat.Header(
            kind: .commitLog,
            segment: nextSegment,
            salt: environment.random.next(),
            startsRun: segment == nil
        )
        filling.cuts.append(CommitLogBatch.Cut(offset: filling.bytes.count, header: header))
        segment = header
        nextSegment += 1
        offset = RecordLogFormat.headerSize
        durable = offset
    }

    // MARK: Writing

    /// Looks for work at the executor's next turn, so that the writes of one turn share a batch.
    private func wake() {
        guard !isWakeQueued else { return }
        isWakeQueued = true
        executor.execute { [self] in
            isWakeQueued = false
            let acknowledged = early
            early.removeAll(keepingCapacity: acknowledged.count <= 1024)
            dispatch()
            for completion in acknowledged { completion(failure) }
        }
    }

    /// Starts the next background job if there is work and none is running.
    private func dispatch() {
        guard !isWriting else { return }
        let isDue =
            !filling.isEmpty || !filling.completions.isEmpty || isSyncDue && needsSync
            || !discarding.isEmpty
        guard failure == nil, isDue else { return rest() }
        guard let next = spare else { invariantFailure("both batches are in use") }
        let batch = filling
        filling = next
        spare = nil
        isWriting = true
        prepareSpare()
        let sync = options.sync == .group || isSyncDue || isClosed
        if !batch.isEmpty || sync {
            needsSync = !sync
            if sync {
                isSyncDue = false
                durable = offset
            }
        }
        if needsSync { setTimer() }
        let removals = discarding
        discarding = []
        removing += removals
        environment.background.execute { [self] in
            let result = Result { () throws(FileError) in try files.write(batch, sync: sync) }
            // A segment that can't be removed costs space and a longer replay, nothing else.
            let isRemoved = (try? files.remove(removals)) != nil
            var goesOn = true
            if case .failure(let error) = result {
                goesOn = files.leaveSegment(after: error)
            }
            executor.execute { [self, goesOn] in
                if isRemoved { removing.removeAll { removals.contains($0) } }
                finish(batch, result, goesOn: goesOn)
            }
        }
    }

    /// Sets space aside for the next segment when the current one is half full.
    private func prepareSpare() {
        guard offset > options.segmentSize / 2, spareSegment < nextSegment else { return }
        spareSegment = nextSegment
        environment.background.execute { [prepared, nextSegment] in prepared.prepare(nextSegment) }
    }

    private func finish(
        _ batch: CommitLogBatch,
        _ result: Result<Void, FileError>,
        goesOn: Bool
    ) {
        isWriting = false
        if case .failure(let cause) = result, goesOn { return leaveSegment(batch, cause) }
        var error: CommitLogError?
        if case .failure(let cause) = result { error = .failed(cause) }
        if needsSync { unsynced.append(batch) } else { unsynced.removeAll() }
        if unsynced.count > CommitLog.earlyBytesMax { isSyncDue = true }
        let completions = batch.completions
        batch.removeAll()
        spare = batch
        if let error { failure = error } else { dispatch() }
        for completion in completions { completion(error) }
        if error != nil { failFilling() }
    }

    /// After the disk was full: tells those whose records may be lost, and has the next record begin a
    /// segment of a new run, since the end of this one is unknown.
    private func leaveSegment(_ batch: CommitLogBatch, _ cause: FileError) {
        let completions = batch.completions + filling.completions
        owed.append(unsynced)
        owed.append(batch)
        owed.append(filling)
        unsynced.removeAll()
        batch.removeAll()
        spare = batch
        filling.removeAll()
        if let segment { olderSegments.append(segment.segment) }
        segment = nil
        offset = 0
        durable = 0
        needsSync = false
        setOwedTimer()
        dispatch()
        onNoRoom?(cause)
        for completion in completions { completion(.noRoom(cause)) }
    }

    /// Tries again in a second, if nobody does before.
    private func setOwedTimer() {
        guard !owed.isEmpty, !isOwedTimed, !isClosed else { return }
        isOwedTimed = true
        executor.schedule(after: 1_000_000_000) { [self] in
            isOwedTimed = false
            guard failure == nil, !isClosed, !owed.isEmpty else { return }
            appendOwed()
            wake()
        }
    }

    /// Appends again what found no room.
    private func appendOwed() {
        guard !owed.isEmpty else { return }
        var payloads = LogPayloads()
        swap(&payloads, &owed)
        payloads.forEach { _ = appendPayload($0) }
        onOwedAppended?(position)
    }

    /// After a failure nothing more is written, since what is on disk is not known.
    private func failFilling() {
        let waiting = filling.completions
        filling.removeAll()
        for completion in waiting { completion(failure) }
        rest()
    }

    private func setTimer() {
        guard case .periodic(let milliseconds) = options.sync, !isTimerSet else { return }
        isTimerSet = true
        executor.schedule(after: UInt64(max(milliseconds, 1)) * 1_000_000) { [self] in
            isTimerSet = false
            isSyncDue = needsSync
            dispatch()
        }
    }

    /// Nothing is left to do: gives memory back, and closes if that was asked for.
    private func rest() {
        filling.shrink()
        spare?.shrink()
        guard let done = closeDone else { return }
        closeDone = nil
        finishClosing(done)
    }

    // MARK: Segments

    /// Removes, in the background, the segments of this run before `segment`: all their records are
    /// in SSTables. The current segment stays.
    package func discard(before segment: UInt64) {
        let count = olderSegments.prefix { $0 < segment }.count
        guard count > 0, !isClosed else { return }
        discarding.append(contentsOf: olderSegments.prefix(count))
        olderSegments.removeFirst(count)
        wake()
    }

    // MARK: Closing

    /// Writes and syncs what is left and closes the log; `done` is called on the executor after all
    /// completions. With `keepingRecords` false every record is in SSTables, and the segments of this
    /// run are removed, so that the next start has nothing to replay.
    package func close(
        keepingRecords: Bool = true,
        done: @escaping @Sendable (CommitLogError?) -> Void
    ) {
        invariant(!isClosed, "a commit log is closed once")
        if keepingRecords, failure == nil { appendOwed() }
        isClosed = true
        closeDone = done
        keepsRecords = keepingRecords
        isSyncDue = true
        wake()
    }

    /// Everything is durable, or the log has failed. Writes the seal that says so, removes what need
    /// not be kept, and closes the file. What fails here does no harm: damage to the last batch
    /// would look like a power loss, and segments that stay are replayed once more.
    private func finishClosing(_ done: @escaping @Sendable (CommitLogError?) -> Void) {
        let seal = CommitLogBatch()
        var removals: [UInt64] = []
        if failure == nil {
            if !keepsRecords {
                removals = olderSegments + [segment?.segment].compactMap(\.self)
            } else if let segment {
                RecordLogFormat.appendRecord(
                    .empty,
                    salt: segment.salt,
                    offset: offset,
                    durable: offset,
                    to: &seal.bytes
                )
            }
        }
        environment.background.execute { [self, removals] in
            try? files.write(seal, sync: true)
            files.close()
            try? files.remove(removals)
            executor.execute { [self] in done(failure) }
        }
    }
}
