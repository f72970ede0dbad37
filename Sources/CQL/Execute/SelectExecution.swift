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
final class SelectExecution: @unchecked Sendable {  // Handed from one executor to the next.
    private static let entriesPerStep = 4096
    private static let workPerStep = 16_384
    /// What beginning anew in another place costs, in entries.
    private static let entriesPerSeek = 16

    let plan: SelectPlan
    private let node: Node
    private let selectors: [Selector]
    private let aggregatePlans: [Aggregate]
    private let filters: [(slot: Int, filter: RowFilter)]
    private let conditions: [IndexCondition]
    private let indexScan = IndexScan()
    /// What every row of the answer meets, as far as SSTables say it of their parts.
    private let columnBounds: [ColumnBounds]
    private let pieces: [Piece]
    /// The endings to check when partitions aren't named; nil when all pass.
    private let scanEndings: [EndingRange]?
    private let decoder: RowDecoder
    private var evaluator: SelectorEvaluator
    private let now: Int64
    private let pageSize: Int
    private let perPartitionLimit: Int
    private let seed: UInt64
    private let skipMetadata: Bool
    private let limits: QueryLimits
    private let completion: QueryProcessor.Completion
    /// What others may ask too; nil when they get no answer of this read.
    private let question: ReadQuestion?
    private let sharedReads: [SharedReads]
    /// Those who get the same answer.
    private var followers: [QueryProcessor.Completion] = []
    /// Where others may join at the moment, until an entry is seen.
    private var openAt: SharedReads?
    private var hasBegun = false
    /// The rows of a virtual table, in place of a shard's.
    private let virtual: Memtable?

    // Progress.
    private var pieceIndex = 0
    private var resumeKey: [UInt8]?
    private var remaining: Int
    private var inPartition = 0
    private var partition: [UInt8] = []
    /// Whether the partition's static row still stands for it, no other row having come.
    private var staticIsPending = false
    /// Whether a row of the partition has come.
    private var partitionHasRow = false
    /// The entries that the running step has taken, and the work that it has done in other pieces.
    private var stepEntries = 0
    private var stepWork = 0
    private var cost = ReadCost()

    /// The ending of each row's key and where its cells begin, when partitions are merged.
    private var merged: [(ending: [UInt8], start: Int)] = []
    private let mergedLimit: Int

    // Output.
    private var cells = ByteWriter(capacity: 256)
    private var rowCount = 0
    private var lastKey = ByteWriter(capacity: 64)
    private var lastInPartition = 0
    private var aggregates: [AggregateState]
    private var firstRow: [[UInt8]?]?
    /// The partition and the values of GROUP BY's columns of the group that is open.
    private var groupKey = ByteWriter(capacity: 64)
    private var nextGroupKey = ByteWriter(capacity: 64)
    private var groupIsOpen = false
    /// Whether the partition has given as many groups as it may.
    private var partitionIsFull = false

    init(
        _ request: SelectRequest,
        question: ReadQuestion?,
        of processor: QueryProcessor,
        virtual: Memtable?,
        completion: @escaping QueryProcessor.Completion
    ) throws(CQLError) {
        let plan = request.plan
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
        conditions = request.conditions
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
        evaluator = SelectorEvaluator(decoder: decoder, functions: request.functions, now: request.now)
        aggregates = request.aggregates.map { AggregateState($0) }
        remaining = plan.isAggregate || plan.isMerged ? Int.max : request.limit
        mergedLimit = request.limit
        if let state = request.pagingState { resume(state) }
    }

    private func resume(_ state: PagingState) {
        remaining = state.remaining
        inPartition = state.inPartition
        resumeKey = state.lastKey
        partition = state.lastKey.withView { Key.partition(of: $0).array }
        pieceIndex = pieces.firstIndex { $0.holds(state.lastKey) } ?? pieces.count
    }

    // MARK: Steps

    /// Starts or goes on: on the caller's thread if it is the right shard's.
    func start() {
        guard pieceIndex < pieces.count, remaining > 0 else { return finish(hasMore: false) }
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

    private func complete(_ outcome: StatementOutcome) {
        completion(outcome)
        for follower in followers { follower(outcome) }
    }

    /// What is to be done after a step.
    private enum Next {
        case finish(hasMore: Bool)
        /// Let others have the shard.
        case yield
        /// The next piece is another shard's.
        case otherShard
    }

    private func readPieces(_ shard: Shard?) throws(CQLError) -> Next {
        while pieceIndex < pieces.count {
            if let shard, pieces[pieceIndex].shard != shard.index { return .otherShard }
            switch try read(pieces[pieceIndex], shard) {
            case .pageFull: return .finish(hasMore: true)
            case .limitReached: return .finish(hasMore: false)
            case .workDone: return .finish(hasMore: true)
            case .yield:
                if shard != nil { return .yield }
                (stepEntries, stepWork) = (0, 0)
            case .reseek: stepEntries += Self.entriesPerSeek
            case .pieceDone:
                stepEntries += Self.entriesPerSeek
                pieceIndex += 1
                resumeKey = nil
            }
            if shard != nil, stepEntries >= Self.entriesPerStep || stepWork >= Self.workPerStep {
                return .yield
            }
        }
        return .finish(hasMore: false)
    }

    private func follow(_ result: Result<Next, CQLError>, _ shard: Shard?) {
        switch result {
        case .failure(let error): complete(StatementOutcome(.failure(error)))
        case .success(.finish(let hasMore)): finish(hasMore: hasMore)
        case .success(.otherShard): start()
        case .success(.yield): shard?.executor.execute { [self] in step(shard) }
        }
    }

    private enum Outcome { case pageFull, limitReached, pieceDone, reseek, yield, workDone }

    private func read(_ piece: Piece, _ shard: Shard?) throws(CQLError) -> Outcome {
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
        if let horizon = cursor.horizon { return try suspend(behind: horizon) ?? .yield }
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

    // MARK: Partitions

    /// Makes the partition current in whose middle, or before whose rows, a piece goes on. Its static
    /// row is looked up when the cursor won't come by it.
    private func reenter(_ piece: Piece, _ shard: Shard?) throws(CQLError) {
        let inside = resumeKey.map { key in key.withView { Key.partition(of: $0).array } }
        guard let current = piece.partition ?? inside else { return }
        if current != partition {
            partition = current
            inPartition = 0
            partitionHasRow = false
        }
        try current.withView { (view) throws(CQLError) in
            try malformed { () throws(MalformedBytes) in try decoder.enterPartition(view) }
        }
        staticIsPending = false
        let passesStatic = resumeKey == nil && piece.bounds.lower == current + [Key.staticRow]
            && !plan.isReversed
        guard !plan.table.statics.isEmpty, !passesStatic else { return }
        try enterStatic(current + [Key.staticRow], shard)
        staticIsPending = decoder.hasLiveStatic && inPartition == 0 && !partitionHasRow
            && !plan.restrictions.restrictsClustering
    }

    private func enterStatic(_ key: [UInt8], _ shard: Shard?) throws(CQLError) {
        guard let table = shard?.store.table(storageID: plan.table.storageID) else { return }
        try key.withView { (view) throws(CQLError) in
            let fragment = try storage { () throws(StorageError) in
                try table.get(view, partitionLength: view.count - 1)
            }
            guard let fragment else { return }
            try malformed { () throws(MalformedBytes) in
                try decoder.enterStatic(fragment, now: now)
            }
        }
    }

    /// Gives out the row of a partition that has only static columns, if that is still to be done.
    private func leavePartition() throws(CQLError) -> Outcome? {
        guard staticIsPending else { return nil }
        staticIsPending = false
        decoder.decodeStaticOnly()
        guard try passesFilters() else { return nil }
        let key = partition + [Key.staticRow]
        return try key.withView { (view) throws(CQLError) in try emit(view) }
    }

    // MARK: Entries

    /// Takes an entry; an outcome ends the reading for now.
    private func take(_ cursor: RowCursor) throws(CQLError) -> Outcome? {
        let key = cursor.key
        let isSame = !partition.isEmpty && cursor.partitionLength == partition.count
            && partition.withView { key.hasPrefix($0) }
        if !isSame {
            if let outcome = try leavePartition() {
                // The entry is not taken yet: the next page begins with it.
                return outcome
            }
            partition = key.prefix(cursor.partitionLength).array
            inPartition = 0
            partitionHasRow = false
            try malformed { () throws(MalformedBytes) in
                try decoder.enterPartition(key.prefix(cursor.partitionLength))
            }
        }
        if cursor.isStaticRow {
            try malformed { () throws(MalformedBytes) in
                try decoder.enterStatic(cursor.value, now: now)
            }
            staticIsPending = decoder.hasLiveStatic && !plan.restrictions.restrictsClustering
            return nil
        }
        let isLive = try malformed { () throws(MalformedBytes) in
            try decoder.decode(
                key: key,
                partitionLength: cursor.partitionLength,
                fragment: cursor.value,
                now: now
            )
        }
        guard isLive else {
            // Expired, or nothing but deleted cells.
            cost.tombstones += 1
            return nil
        }
        staticIsPending = false
        partitionHasRow = true
        guard isWithinEndings(key, cursor.partitionLength), try passesFilters() else { return nil }
        // A page may end with the last row that its partition may give.
        if !plan.isGrouped, inPartition >= perPartitionLimit { return skipPartition() }
        if let outcome = try emit(key) { return outcome }
        guard plan.isGrouped ? partitionIsFull : inPartition >= perPartitionLimit else {
            return nil
        }
        partitionIsFull = false
        return skipPartition()
    }

    /// Goes on behind the current partition.
    private func skipPartition() -> Outcome {
        if plan.isReversed || pieces[pieceIndex].partition != nil { return .pieceDone }
        // On to the next partition: its keys are above all of this one's. The byte is above every kind
        // and below 0xFF, with which the partition's terminator would read as an escaped zero.
        resumeKey = partition + [Key.clustered + 1]
        return .reseek
    }

    /// A scan over all partitions that restricts clustering columns checks each row's ending.
    private func isWithinEndings(_ key: ByteView, _ partitionLength: Int) -> Bool {
        guard let endings = scanEndings else { return true }
        let ending = key.dropFirst(partitionLength + 1)
        return endings.contains { range in
            range.lower.withView { ending.compare($0) >= 0 }
                && range.upper.withView { ending.compare($0) < 0 }
        }
    }

    private func passesFilters() throws(CQLError) -> Bool {
        for (slot, filter) in filters where try !filter.passes(decoder.values[slot]) {
            return false
        }
        return true
    }

    /// Gives out the decoder's row.
    private func emit(_ key: ByteView) throws(CQLError) -> Outcome? {
        if plan.isAggregate {
            try aggregate()
            inPartition += 1
            return nil
        }
        if plan.isGrouped { return try emitGrouped(key) }
        // A row beyond a full page only shows that there is one.
        if rowCount == pageSize, !plan.isMerged { return .pageFull }
        if plan.isMerged {
            merged.append((key.dropFirst(partition.count + 1).array, cells.count))
        }
        for selector in selectors { try evaluator.append(selector, to: &cells) }
        rowCount += 1
        inPartition += 1
        remaining -= 1
        lastKey.removeAll()
        lastKey.append(key)
        lastInPartition = inPartition
        return remaining == 0 ? .limitReached : nil
    }

    // MARK: Groups

    /// Adds the decoder's row to its group, after giving out the group before if it is another.
    private func emitGrouped(_ key: ByteView) throws(CQLError) -> Outcome? {
        nextGroupKey.removeAll()
        nextGroupKey.append(partition)
        for slot in plan.groupSlots {
            guard let value = decoder.values[slot] else {
                nextGroupKey.appendBigEndian(Int32(-1))
                continue
            }
            nextGroupKey.appendBigEndian(Int32(truncatingIfNeeded: value.count))
            nextGroupKey.append(value)
        }
        if groupIsOpen, !groupKey.view.equals(nextGroupKey.view) {
            if let outcome = try closeGroup() { return outcome }
        }
        if !groupIsOpen {
            if inPartition >= perPartitionLimit {
                partitionIsFull = true
                return nil
            }
            if rowCount == pageSize { return .pageFull }
            groupIsOpen = true
            inPartition += 1
            swap(&groupKey, &nextGroupKey)
            aggregates = aggregatePlans.map { AggregateState($0) }
            firstRow = nil
        }
        lastKey.removeAll()
        lastKey.append(key)
        lastInPartition = inPartition
        try aggregate()
        // Of a partition, DISTINCT takes one row.
        partitionIsFull = plan.isDistinct
        return nil
    }

    private func closeGroup() throws(CQLError) -> Outcome? {
        groupIsOpen = false
        try writeAggregates()
        remaining -= 1
        return remaining == 0 ? .limitReached : nil
    }

    private func aggregate() throws(CQLError) {
        for index in aggregates.indices {
            guard let argument = aggregatePlans[index].argument else {
                aggregates[index].addRow()
                continue
            }
            if case .column(let slot) = argument {
                aggregates[index].add(decoder.values[slot])
            } else if let value = try evaluator.evaluate(argument) {
                value.withView { aggregates[index].add($0) }
            }
        }
        guard firstRow == nil else { return }
        evaluator.aggregates = Array(repeating: nil, count: aggregates.count)
        var row: [[UInt8]?] = []
        for selector in selectors { row.append(try evaluator.evaluate(selector)) }
        firstRow = row
    }

    // MARK: Result

    private func finish(hasMore: Bool) {
        do throws(CQLError) {
            if plan.isAggregate { try writeAggregates() }
            if groupIsOpen { _ = try closeGroup() }
        } catch {
            return complete(StatementOutcome(.failure(error)))
        }
        // As in Cassandra, a page of an index that is full may be followed by an empty one: clients go on
        // until a page isn't full.
        let isFull = !conditions.isEmpty && !plan.isAggregate && !plan.isMerged
            && rowCount == pageSize && remaining > 0
        var state: [UInt8]?
        if hasMore || isFull {
            state = PagingState(
                lastKey: lastKey.array,
                remaining: remaining,
                inPartition: lastInPartition
            ).encode(seed: seed)
        }
        let metadata = ResultMetadata(
            columns: plan.columns,
            omitsColumns: skipMetadata,
            pagingState: state
        )
        let bytes = plan.isMerged ? mergedCells() : cells.array
        let rows = RowsResult(metadata: metadata, rowCount: rowCount, cells: bytes)
        cost.postings = indexScan.walkedCount
        var outcome = StatementOutcome(.success(.rows(rows)), warnings: cost.warnings(rowCount, plan.table, limits))
        outcome.cost = cost
        complete(outcome)
    }


    /// The cells with the rows of all partitions in the clustering order, as many as the limit allows.
    private func mergedCells() -> [UInt8] {
        let order = merged.indices.sorted { a, b in
            if merged[a].ending == merged[b].ending { return a < b }
            return merged[a].ending.lexicographicallyPrecedes(merged[b].ending) != plan.isReversed
        }
        var sorted = ByteWriter(capacity: cells.count)
        rowCount = min(order.count, mergedLimit)
        for index in order.prefix(rowCount) {
            let end = index + 1 < merged.count ? merged[index + 1].start : cells.count
            sorted.append(cells.view[merged[index].start..<end])
        }
        return sorted.array
    }

    /// The row of an aggregation or of a group; other selectors beside aggregates show the first row's values.
    private func writeAggregates() throws(CQLError) {
        var results: [[UInt8]?] = []
        for state in aggregates { results.append(try state.result()) }
        evaluator.aggregates = results
        for (index, selector) in selectors.enumerated() {
            if selector.isOverAggregates {
                try evaluator.append(selector, to: &cells)
            } else if let value = firstRow?[index] {
                cells.appendBigEndian(Int32(truncatingIfNeeded: value.count))
                cells.append(value)
            } else {
                cells.appendBigEndian(Int32(-1))
            }
        }
        rowCount += 1
    }
}
