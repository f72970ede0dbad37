// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment
package import Model

/// The engine of one shard: its commit log, its tables, their flushes and compactions.
///
/// Used on the shard's executor only, except for the initialiser and the recovery functions, which run
/// before the executor does. A write is in the memtable at once and acknowledged when the commit log
/// says that it is durable; what happens in the background comes back as a job on the executor.
package final class ShardStore: @unchecked Sendable {  // Owner: the shard's executor.
    package let index: Int
    /// The tokens that the shard owns, in order.
    package let tokenRanges: [TokenRange]
    let tokenSpace: TokenSpace
    let environment: Environment
    let executor: any Executor
    let files: TableFiles
    package let options: StoreOptions
    package let blocks: ShardBlocks
    private(set) var log: CommitLog?

    private(set) var tables: [UUID: TableStore] = [:] { didSet { lastTable = nil } }
    /// The table that was asked for last: nearly always the next one too, and found without a hash.
    private var lastTable: (id: UUID, table: TableStore)?
    /// The bytes of all memtables: active ones, and with those being flushed.
    private var activeBytes = 0
    private(set) var unflushedBytes = 0
    /// Writes that are held up, and whether they are being let go or have a timer.
    var heldWrites = WriteQueue()
    var isReleasing = false
    var isReleaseTimed = false
    /// How far background work is behind; `sharedBacklog` is what its threads see of it.
    var backlog = Backlog()
    let sharedBacklog = SharedBacklog()
    let pacing: BackgroundPacing
    var disk = DiskState()
    /// How writes are taken, and what of it the tools were told last.
    var admission: WriteAdmission
    var published: WriteAdmission
    var isClosed = false
    /// Whether no writes are taken any more: the store is closed or drained.
    private(set) var refusesWrites = false
    /// The last failure of a flush or compaction that hasn't been followed by a success.
    package internal(set) var lastBackgroundError: StorageError?
    /// How many flushes, compactions and reads of blocks are running.
    var backgroundJobs = 0
    var idleWaiters: [@Sendable () -> Void] = []
    var compactions: [RunningCompaction] = []
    /// The storage ids of tables whose compactions wait for others to end.
    var tablesToCompact: Set<UUID> = []
    /// Compactions that were asked for and haven't begun, in their order; no table twice.
    var compactionRequests: [CompactionRequest] = []

    /// A store without tables.
    package init(
        index: Int,
        tokenRanges: [TokenRange],
        environment: Environment,
        executor: any Executor,
        files: TableFiles,
        options: StoreOptions
    ) {
        self.index = index
        self.tokenRanges = tokenRanges
        tokenSpace = TokenSpace(tokenRanges)
        self.environment = environment
        self.executor = executor
        self.files = files
        self.options = options
        pacing = BackgroundPacing(compactionThroughput: options.compactionThroughput)
        admission = WriteAdmission(shard: index)
        published = admission
        self.blocks = ShardBlocks(cache: BlockCache(capacity: options.blockCacheSize))
    }

    /// Begins to take writes, once recovery is done.
    package func start(log: CommitLog) {
        self.log = log
        log.onOwedAppended = { [unowned self] position in
            for table in tables.values { table.noteReplay(upTo: position) }
        }
        log.onNoRoom = { [unowned self] in noteDiskError(.file($0)) }
        startMaintenance()
        files.tasks.note(admission)
        if options.diskReserve > 0 { checkDisk() }
        // What a crash or a stop kept from being built.
        executor.execute { [self] in
            for table in allTables {
                publishIndexes(table)
                startIndexBuild(table)
            }
        }
    }

    // MARK: Tables

    /// The data of a table; nil when the shard doesn't know it (any more).
    package func table(storageID: UUID) -> TableStore? {
        if let lastTable, lastTable.id == storageID { return lastTable.table }
        guard let table = tables[storageID] else { return nil }
        lastTable = (storageID, table)
        return table
    }

    /// All tables' data, in the order of their ids: never in one that differs from run to run.
    package var allTables: [TableStore] {
        tables.values.sorted { ShardStore.precedes($0.schema.storageID, $1.schema.storageID) }
    }

    static func precedes(_ a: UUID, _ b: UUID) -> Bool { (a.high, a.low) < (b.high, b.low) }

    /// Adds a table or takes note of its changed schema.
    package func addTable(
        _ schema: TableSchema,
        sstables: [LiveSSTable] = [],
        unreadable: [UnreadableSSTable] = []
    ) {
        if let table = tables[schema.storageID] {
            let isIndexed = table.schema.indexes != schema.indexes
            table.schema = schema
            if isIndexed { indexesChanged(table) }
            return
        }
        let table = TableStore(
            schema: schema,
            sstables: sstables,
            unreadable: unreadable,
            blocks: blocks,
            memtableCapacity: options.memtableCapacity,
            indexLimits: options.indexes
        )
        tables[schema.storageID] = table
        publishIndexes(table)
    }

    /// Forgets a table's data. The manifest and the files are the node's to clean.
    package func removeTable(storageID: UUID) {
        guard let table = tables.removeValue(forKey: storageID) else { return }
        files.indexBuilds.remove(storageID, shard: index)
        activeBytes -= table.active?.byteCount ?? 0
        unflushedBytes -= table.memtableBytes
        cancelCompactions(of: storageID)
        stopRequests(of: storageID)
        for sstable in table.sstables { blocks.removeFile(sstable.number) }
        for waiter in table.flushWaiters { waiter.done(nil) }
        discardLog()
        measureMemory()
        measureFiles()
        releaseWrites()
    }

    // MARK: Writing

    /// Writes a mutation (`MutationWriter`). `completion` is called on the executor when the commit
    /// log has it, as its sync mode says, or when it is refused.
    ///
    /// - Parameter atOnce: whether it is not held up however far background work is behind: a write that
    ///   follows from a read of the same turn. The caller has asked `hasRoom`.
    package func write(
        _ mutation: ByteView,
        atOnce: Bool = false,
        completion: @escaping @Sendable (WriteError?) -> Void
    ) {
        guard mutation.count <= options.mutationSizeMax else {
            return completion(
                .tooLarge(size: mutation.count, limit: options.mutationSizeMax)
            )
        }
        if !hasRoom, let cause = lastBackgroundError,
            tables.values.contains(where: { $0.flushFailures > 0 })
        {
            // A compaction that failed holds up nobody: the flush that runs will make room.
            return completion(.flushFailing(cause))
        }
        if !atOnce, holdUp(mutation, completion) { return }
        admit(mutation, completion: completion)
    }

    /// Takes a write that has waited as long as it had to.
    func admit(_ mutation: ByteView, completion: @escaping @Sendable (WriteError?) -> Void) {
        guard !refusesWrites, let log else { return completion(isClosed ? .closed : .drained) }
        if let unknown = firstUnknownTable(mutation) { return completion(.unknownTable(unknown)) }
        if disk.isFull, !ShardStore.isDeletion(mutation) {
            admission.refusedWrites += 1
            noteAdmission()
            return completion(.diskFull(path: files.root, reserve: options.diskReserve))
        }
        let position: CommitLogPosition
        do throws(CommitLogError) {
            position = try log.append(mutation) { [self] error in
                guard let error else { return completion(nil) }
                noteDiskError(.commitLog(error))
                completion(.commitLog(error))
            }
        } catch {
            return completion(.commitLog(error))
        }
        apply(mutation, at: position)
        if activeBytes > options.memtableSpace { flushLargest() }
        if unflushedBytes > options.memtableSpace { measureMemory() }
        guard options.diskReserve > 0 else { return }
        disk.bytesUnchecked += mutation.count
        if disk.bytesUnchecked > DiskState.checkInterval { checkDisk() }
    }

    /// Calls `body` on the executor, maybe within this call, when all writes that reads can see by now are
    /// durable, or with the reason why that isn't known.
    package func whenDurable(_ body: @escaping @Sendable (StorageError?) -> Void) {
        guard let log else { return body(nil) }
        log.whenDurable { body($0.map { .commitLog($0) }) }
    }

    /// Whether there is memory for a write.
    package var hasRoom: Bool { unflushedBytes <= options.unflushedSpaceMax }

    private func firstUnknownTable(_ mutation: ByteView) -> UUID? {
        var reader = MutationReader(mutation)
        do throws(MalformedBytes) {
            while let group = try reader.nextGroup() {
                if table(storageID: group.storageID) == nil { return group.storageID }
                for _ in 0..<group.count { _ = try reader.nextEntry() }
            }
            return nil
        } catch {
            invariantFailure("a mutation of our own is malformed: \(error)")
        }
    }

    private func apply(_ mutation: ByteView, at position: CommitLogPosition) {
        var reader = MutationReader(mutation)
        do throws(MalformedBytes) {
            while let group = try reader.nextGroup() {
                guard let table = table(storageID: group.storageID) else { continue }
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    let memtable = try apply(key, value, to: table)
                    if memtable.firstPosition == nil { memtable.firstPosition = position }
                    memtable.lastPosition = position
                }
            }
        } catch {
            invariantFailure("a mutation of our own is malformed: \(error)")
        }
    }

    private func apply(
        _ key: ByteView,
        _ value: ByteView,
        to table: TableStore
    ) throws(MalformedBytes) -> Memtable {
        let before = table.active
        let bytesBefore = before?.byteCount ?? 0
        var memtable = table.memtable(forKey: key.count, value: value.count)
        if try !memtable.apply(key: key, value: value) {
            // What it would be merged with takes too much room: it goes into the next one by itself.
            table.rotate()
            memtable = table.memtable(forKey: key.count, value: value.count)
            let fits = try memtable.apply(key: key, value: value)
            invariant(fits, "a mutation's entry doesn't fit in an empty memtable")
        }
        // A full memtable that was rotated away still counts as unflushed, no longer as active.
        let isFresh = memtable !== before
        if isFresh { activeBytes -= bytesBefore }
        let grown = memtable.byteCount - (isFresh ? 0 : bytesBefore)
        activeBytes += grown
        unflushedBytes += grown
        if isFresh, !table.flushing.isEmpty, log != nil { startFlush(table) }
        return memtable
    }

    /// Writes an entry of a replayed commit log, which isn't logged again. An entry of a table that is
    /// gone is passed over.
    ///
    /// - Returns: what is wrong with the entry; nil if nothing is.
    package func recover(storageID: UUID, key: ByteView, value: ByteView) -> MalformedBytes? {
        guard let table = table(storageID: storageID) else { return nil }
        do throws(MalformedBytes) {
            _ = try apply(key, value, to: table)
            return nil
        } catch {
            return error
        }
    }

    /// Flushes everything if memtables have grown beyond their space: between replayed records.
    package func flushIfFull() throws(StorageError) {
        if activeBytes > options.memtableSpace { try flushNow() }
    }

    // MARK: Memory

    /// Rotates the table with the most bytes in its active memtable and starts its flush.
    private func flushLargest() {
        let largest = allTables.max {
            ($0.active?.byteCount ?? 0) < ($1.active?.byteCount ?? 0)
        }
        guard let largest else { return }
        rotate(largest)
        startFlush(largest)
    }

    func rotate(_ table: TableStore) {
        let before = table.active?.byteCount ?? 0
        table.rotate()
        if table.active == nil { activeBytes -= before }
    }

    /// Accounts for a memtable that is no longer needed.
    func release(bytes: Int) {
        unflushedBytes -= bytes
        discardLog()
        measureMemory()
        releaseWrites()
    }

    /// Lets go of the commit-log segments that no memtable needs any more.
    private func discardLog() {
        guard let log else { return }
        let needed = tables.values.compactMap(\.firstNeededSegment).min()
        log.discard(before: needed ?? log.position.segment)
    }

    /// Calls `body` on the executor when the commit log has all of a memtable for sure, or with the
    /// reason why that isn't known. A memtable of replayed records needs no log.
    ///
    /// A log that syncs now and then is not waited for when it has failed for good: what it acknowledged it
    /// may not have, and the memtable is all that there is of it.
    func whenLogged(_ memtable: Memtable, _ body: @escaping @Sendable (CommitLogError?) -> Void) {
        guard let log, memtable.lastPosition != nil else { return body(nil) }
        log.whenDurable { error in
            if case .failed = error, log.options.sync != .group { return body(nil) }
            body(error)
        }
    }

    /// The oldest commit-log segment that a restart would replay.
    var oldestLogSegment: UInt64 { log?.oldestSegment ?? .max }

    // MARK: Closing

    /// Refuses all writes from now on and flushes everything; reads and compactions go on. `done` is
    /// called on the executor afterwards.
    package func drain(done: @escaping @Sendable (StorageError?) -> Void) {
        refusesWrites = true
        releaseWrites()
        flushAll { [self] error in
            // What could not be flushed stays in the log.
            guard error == nil, let log else { return done(error) }
            self.log = nil
            log.close(keepingRecords: false) { done($0.map { .commitLog($0) }) }
        }
    }

    /// Flushes everything, syncs and closes the commit log, then calls `done` on the executor. Writes
    /// are refused from now on. What could not be flushed stays in the commit log.
    package func close(done: @escaping @Sendable (StorageError?) -> Void) {
        isClosed = true
        refusesWrites = true
        cancelCompactions()
        stopRequests()
        releaseWrites()
        flushAll { [self] error in
            whenIdle { [self] in
                guard let log else { return done(error) }
                log.close(keepingRecords: error != nil) { closeError in
                    done(error ?? closeError.map { .commitLog($0) })
                }
            }
        }
    }

    /// Calls `body` on the executor when no flush or compaction is running.
    package func whenIdle(_ body: @escaping @Sendable () -> Void) {
        if backgroundJobs == 0 { body() } else { idleWaiters.append(body) }
    }

    func finishBackgroundJob() {
        backgroundJobs -= 1
        guard backgroundJobs == 0 else { return }
        let waiters = idleWaiters
        idleWaiters.removeAll()
        for waiter in waiters { waiter() }
    }
}
