// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model
internal import Node
internal import Storage

/// One page of a SELECT on its way.
///
/// It goes through its key ranges in order, each on the shard that owns it. A step takes at most
/// `entriesPerStep` entries, looks at about `workPerStep` deletions, fragments and places of indexes,
/// and then lets others have the shard; the next begins behind the last key. A page ends when it is full, and also when
/// it has cost enough (`QueryLimits.pageWorkMax`), however few rows it has by then.
/// Only one shard works on it at a time. A step that needs a block from the disk ends, and another
/// goes on behind its last key when the block is there (`ShardStore.read`).
/// Where other nodes have the rows, a step gets a stretch of keys from the replicas and reads that.
final class SelectExecution: @unchecked Sendable {  // Handed from one executor to the next.
    private static let entriesPerStep = 4096
    private static let workPerStep = 16_384
    /// What beginning anew in another place costs, in entries.
    private static let entriesPerSeek = 16

    let plan: SelectPlan
    let node: Node
    let selectors: [Selector]
    let aggregatePlans: [Aggregate]
    let filters: [(slot: Int, filter: RowFilter)]
    let conditions: [IndexCondition]
    let indexScan = IndexScan()
    /// What every row of the answer meets, as far as SSTables say it of their parts.
    private let columnBounds: [ColumnBounds]
    let pieces: [Piece]
    /// The endings to check when partitions aren't named; nil when all pass.
    let scanEndings: [EndingRange]?
    let decoder: RowDecoder
    var evaluator: SelectorEvaluator
    let now: Int64
    let pageSize: Int
    let perPartitionLimit: Int
    let seed: UInt64
    let skipMetadata: Bool
    let limits: QueryLimits
    private let completion: QueryProcessor.Completion
    /// What others may ask too; nil when they get no answer of this read.
    private let question: ReadQuestion?
    private let sharedReads: [SharedReads]
    /// Those who get the same answer.
    private var followers: [QueryProcessor.Completion] = []
    /// Where others may join at the moment, until an entry is seen.
    private var openAt: SharedReads?
    private var hasBegun = false
    /// Where the rows come from if not from this node's shards.
    let remote: ReplicaSource?
    /// Rows in place of a shard's: those of a virtual table, or a stretch of keys that replicas gave.
    var virtual: Memtable?
    /// Up to where `virtual` has all rows; nil for the end of the piece.
    var stretchEnd: [UInt8]?

    // Progress.
    var pieceIndex = 0
    var resumeKey: [UInt8]?
    var remaining: Int
    var inPartition = 0
    var partition: [UInt8] = []
    /// Whether the partition's static row still stands for it, no other row having come.
    var staticIsPending = false
    /// Whether a row of the partition has come.
    var partitionHasRow = false
    /// The entries that the running step has taken, and the work that it has done in other pieces.
    private var stepEntries = 0
    private var stepWork = 0
    var cost = ReadCost()

    /// The ending of each row's key and where its cells begin, when partitions are merged.
    var merged: [(ending: [UInt8], start: Int)] = []
    let mergedLimit: Int

    // Output.
    var cells = ByteWriter(capacity: 256)
    var rowCount = 0
    var lastKey = ByteWriter(capacity: 64)
    var lastInPartition = 0
    var aggregates: [AggregateState]
    var firstRow: [[UInt8]?]?
    /// The partition and the values of GROUP BY's columns of the group that is open.
    var groupKey = ByteWriter(capacity: 64)
    var nextGroupKey = ByteWriter(capacity: 64)
    var groupIsOpen = false
    /// Whether the partition has given as many groups as it may.
    var partitionIsFull = false

    init(
        _ request: SelectRequest,
        question: ReadQuestion?,
        of processor: QueryProcessor,
        virtual: Memtable?,
        remote: ReplicaSource? = nil,
        completion: @escaping QueryProcessor.Completion
    ) throws(CQLError) {
        let plan = request.plan
        self.remote = remote
        self.plan = plan
        self.question = question
        node = processor.node
        limits = processor.limits
        sharedReads = processor.sharedReads
        self.virtual = virtual
        self.completion = completion
        selectors = request.selectors
        aggregatePlans = request.aggregates
        filters = request.filters
        // Replicas give all rows: they are filtered here.
        conditions = remote == nil ? request.conditions : []
        columnBounds = request.filters.compactMap(\.filter.bounds)
        pieces = request.pieces
        scanEndings = request.scanEndings
        now = request.now
        seed = request.seed
        skipMetadata = request.skipMetadata
        pageSize = plan.isAggregate ? Int.max : request.pageSize
        perPartitionLimit = plan.isDistinct ? 1 : request.perPartitionLimit
        decoder = RowDecoder(
            table: plan.table,
            slots: plan.slots,
            keepsElementTimes: plan.needsTimes
        )
        evaluator = SelectorEvaluator(
            decoder: decoder,
            functions: request.functions,
            now: request.now
        )
        aggregates = request.aggregates.map { AggregateState($0) }
        remaining = plan.isAggregate || plan.isMerged ? Int.max : request.limit
        mergedLimit = request.limit
        if let state = request.pagingState { resume(state) }
    }

    private func resume(_ state: PagingState) {
        remaining = state.remaining
        inPartition = state.inPartition
        resumeKey = state.lastKey
        partition = Self.partition(of: state.lastKey) ?? []
        pieceIndex = pieces.firstIndex { $0.holds(state.lastKey) } ?? pieces.count
    }

    // MARK: Steps

    /// Starts or goes on: on the caller's thread if it is the right shard's.
    func start() {
        guard pieceIndex < pieces.count, remaining > 0 else { return finish(hasMore: false) }
        if let remote { return fetch(from: remote) }
        guard virtual == nil else { return step(nil) }
        node.shards[pieces[pieceIndex].shard].run { [self] shard in step(shard) }
    }

    private func step(_ shard: Shard?) {
        guard let shard else {
            return follow(Result { () throws(CQLError) in try readPieces(nil) }, nil)
        }
        stepEntries = 0
        stepWork = 0
        let shared = sharedReads[shard.index]
        if !hasBegun, let question, !shared.isEmpty, shared.join(question, completion) { return }
        shard.store.read { [self] () throws(CQLError) in
            do throws(CQLError) {
                return try readPieces(shard)
            } catch {
                if !hasBegun, openAt == nil, let question {
                    shared.open(question)
                    openAt = shared
                }
                throw error
            }
        } done: { [self] in
            begin()
            follow($0, shard)
        }
    }

    /// Notes that something is seen: from now on nobody may join, since they may have written since.
    private func begin() {
        hasBegun = true
        guard let question, let shared = openAt else { return }
        openAt = nil
        followers = shared.close(question)
    }

    func complete(_ outcome: StatementOutcome) {
        completion(outcome)
        for follower in followers { follower(outcome) }
    }

    /// What is to be done after a step.
    enum Next {
        case finish(hasMore: Bool)
        /// Let others have the shard.
        case yield
        /// The next piece is another shard's.
        case otherShard
        /// The replicas have to be asked for more.
        case fetch
    }

    func readPieces(_ shard: Shard?) throws(CQLError) -> Next {
        while pieceIndex < pieces.count {
            if let shard, pieces[pieceIndex].shard != shard.index { return .otherShard }
            switch try read(pieces[pieceIndex], shard) {
            case .pageFull: return .finish(hasMore: true)
            case .limitReached: return .finish(hasMore: false)
            case .workDone: return .finish(hasMore: true)
            case .yield:
                if shard != nil { return .yield }
                (stepEntries, stepWork) = (0, 0)
                if isBehindStretch { return .fetch }
            case .reseek:
                stepEntries += Self.entriesPerSeek
                if isBehindStretch { return .fetch }
            case .pieceDone:
                stepEntries += Self.entriesPerSeek
                pieceIndex += 1
                resumeKey = nil
                if remote != nil, pieceIndex < pieces.count { return .fetch }
            }
            if shard != nil, stepEntries >= Self.entriesPerStep || stepWork >= Self.workPerStep {
                return .yield
            }
        }
        return .finish(hasMore: false)
    }

    func follow(_ result: Result<Next, CQLError>, _ shard: Shard?) {
        switch result {
        case .failure(let error): complete(StatementOutcome(.failure(error)))
        case .success(.finish(let hasMore)): finish(hasMore: hasMore)
        case .success(.otherShard), .success(.fetch): start()
        case .success(.yield): shard?.executor.execute { [self] in step(shard) }
        }
    }

    enum Outcome { case pageFull, limitReached, pieceDone, reseek, yield, workDone }

    func read(_ piece: Piece, _ shard: Shard?) throws(CQLError) -> Outcome {
        let seen = shard?.store.blocks.seen ?? ReadCost()
        let made = try storage { () throws(StorageError) in try makeCursor(piece, shard) }
        guard let cursor = made else { return .yield }
        let workMax = max(min(Self.workPerStep, limits.pageWorkMax) - stepWork, 1)
        cursor.limitWork(workMax)
        defer { note(cursor.cost, shard, seen) }
        if resumeKey != nil || piece.partition != nil { try reenter(piece, shard) }
        while true {
            let hasEntry: Bool
            do throws(StorageError) {
                hasEntry = try cursor.next()
            } catch {
                if error == .wouldBlock, let key = cursor.resumeKey {
                    if let outcome = try suspend(behind: key) { return outcome }
                    shard?.store.blocks.release()
                }
                throw CQLError(storage: error)
            }
            guard hasEntry else {
                guard cursor.isPaused, let key = cursor.resumeKey else { break }
                return try suspend(behind: key) ?? pause(behind: key, cursor)
            }
            if !hasBegun { begin() }
            stepEntries += 1
            if let outcome = try take(cursor) { return outcome }
            if stepEntries >= Self.entriesPerStep || cursor.cost.work >= workMax {
                let key = cursor.key.array
                resumeKey = key
                return pause(behind: key, cursor)
            }
        }
        begin()
        if let horizon = cursor.horizon ?? stretchEnd { return try suspend(behind: horizon) ?? .yield }
        return try leavePartition() ?? .pieceDone
    }

    /// Notes that the next step goes on behind a key, up to which nothing is left to be given out; an
    /// outcome ends the reading instead.
    private func suspend(behind key: [UInt8]) throws(CQLError) -> Outcome? {
        begin()
        let isSame = key.withView { key in partition.withView { key.hasPrefix($0) } }
        if !isSame, let outcome = try leavePartition() { return outcome }
        resumeKey = key
        return nil
    }

    /// After a step: goes on later, or ends the page if it has cost enough.
    private func pause(behind key: [UInt8], _ cursor: RowCursor) -> Outcome {
        let isPaged = pageSize != Int.max && !plan.isGrouped && !plan.isMerged
        guard isPaged, cost.work + cursor.cost.work >= limits.pageWorkMax else { return .yield }
        let isSame = key.withView { key in partition.withView { key.hasPrefix($0) } }
        lastKey.removeAll()
        lastKey.append(key)
        lastInPartition = isSame ? inPartition : 0
        return .workDone
    }

    /// Adds what a cursor has cost, and the blocks that have been looked at since `seen`.
    private func note(_ cursorCost: ReadCost, _ shard: Shard?, _ seen: ReadCost) {
        cost.add(cursorCost)
        stepWork += cursorCost.work
        guard let now = shard?.store.blocks.seen else { return }
        cost.blocks += now.blocks - seen.blocks
        cost.bytes += now.bytes - seen.bytes
    }

    /// The cursor over what is left of a piece; nil when indexes need another step before.
    private func makeCursor(_ piece: Piece, _ shard: Shard?) throws(StorageError) -> RowCursor? {
        var lower = piece.bounds.lower
        var upper = piece.bounds.upper
        if let resumeKey {
            if plan.isReversed { upper = resumeKey } else { lower = resumeKey + [0] }
        }
        if let virtual {
            if let stretchEnd {
                if plan.isReversed { lower = stretchEnd } else { upper = stretchEnd + [0] }
            }
            return .all(
                MergeCursor(
                    sources: [.memtable(MemtableCursor(virtual), virtual)],
                    lower: lower,
                    upper: upper,
                    isReversed: plan.isReversed
                )
            )
        }
        guard let table = shard?.store.table(storageID: plan.table.storageID) else {
            return .all(MergeCursor(sources: [], lower: lower, upper: upper))
        }
        if !conditions.isEmpty {
            let access = try table.indexedRows(
                conditions,
                lower: lower,
                upper: upper,
                wantsStatics: plan.needsStatics,
                rowsWanted: min(pageSize - rowCount, remaining),
                scan: indexScan
            )
            switch access {
            case .rows(let cursor): return .indexed(cursor)
            case .pending: return nil
            case .none: break
            }
        }
        return .all(
            try table.cursor(
                lower: lower,
                upper: upper,
                isReversed: plan.isReversed,
                conditions: columnBounds
            )
        )
    }
}
