// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Cluster
internal import Environment
internal import Model
internal import Node
internal import Storage

/// The short way of a SELECT that names one row by its whole primary key: one look-up instead of a
/// cursor, and memory that is used again from one read to the next.
///
/// One for each shard and statement; used on the shard's executor only.
final class PointReader: @unchecked Sendable {  // Owner: the shard's executor.
    // Copies of its own: shards that count references to the same objects for each read would wait for
    // each other's cache lines.
    private let columns: ResultColumns
    private let selectors: [Selector]
    /// The slots of the selectors, if each is just a column.
    private let plainSlots: [Int]?
    private let storageID: UUID
    private let tableName: String
    private let decoder: RowDecoder
    /// The columns that a row's value cells are looked at for; nil when elements of collections are.
    private let wanted: [UInt32]?
    /// Whether reads that ask the same may have one answer.
    let isShareable: Bool
    private var cells = ByteWriter(capacity: 256)

    init(_ plan: SelectPlan) {
        columns = ResultColumns(plan.columns.columns.map(\.self))
        selectors = plan.selectors.map(\.self)
        let slots = plan.selectors.compactMap { selector -> Int? in
            if case .column(let slot) = selector { return slot }
            return nil
        }
        plainSlots = slots.count == plan.selectors.count ? slots : nil
        storageID = plan.table.storageID
        tableName = plan.table.name
        decoder = RowDecoder(table: plan.table, slots: plan.slots)
        isShareable = plan.isShareable
        let regular = plan.slots.filter { $0.kind == .regular }
        wanted = regular.contains { $0.type.isMultiCell } ? nil : regular.map(\.id)
    }

    /// Whether a plan is of this kind: no static columns, which would make a second look-up, and
    /// nothing that depends on other rows.
    static func isPossible(_ plan: SelectPlan) -> Bool {
        let restrictions = plan.restrictions
        return plan.table.statics.isEmpty && !plan.isAggregate && !plan.isDistinct
            && plan.limit == nil && plan.perPartitionLimit == nil && restrictions.token.isEmpty
            && restrictions.namesOneRow(of: plan.table) && restrictions.filters.isEmpty
            && !SystemSchema.isVirtual(plan.table)
    }

    /// The row of a whole key, as a result of no or one row; nil if a block has to come from the disk.
    func read(
        _ key: ByteView,
        partitionLength: Int,
        on shard: Shard,
        _ request: PointRequest
    ) throws(CQLError) -> RowsResult? {
        cells.removeAll()
        guard let count = try append(key, partitionLength, shard, request) else { return nil }
        return RowsResult(
            metadata: ResultMetadata(columns: columns, omitsColumns: request.skipMetadata),
            rowCount: count,
            cells: cells.array
        )
    }

    /// The row of a whole key as replicas have answered it.
    func read(
        _ key: ByteView,
        partitionLength: Int,
        of answers: MergedAnswers,
        _ request: PointRequest
    ) throws(CQLError) -> RowsResult {
        cells.removeAll()
        let plain = try answers.onlyRow(key) { (value) throws(CQLError) in
            try value.map { (value) throws(CQLError) in
                try append(value, key, partitionLength, request)
            } ?? 0
        }
        let count: Int
        if let plain {
            count = plain
        } else {
            count = try appendMerged(answers.memtable, key, partitionLength, request)
        }
        return RowsResult(
            metadata: ResultMetadata(columns: columns, omitsColumns: request.skipMetadata),
            rowCount: count,
            cells: cells.array
        )
    }

    private func append(
        _ key: ByteView,
        _ partitionLength: Int,
        _ shard: Shard,
        _ request: PointRequest
    ) throws(CQLError) -> Int? {
        guard let table = shard.store.table(storageID: storageID) else { return 0 }
        let row: ByteView?
        do throws(StorageError) {
            row = try table.get(
                key,
                partitionLength: partitionLength,
                wanted: wanted.map { WantedColumns($0, now: request.now) }
            )
        } catch {
            if error == .wouldBlock { return nil }
            throw CQLError(storage: error)
        }
        guard let row else { return 0 }
        return try append(row, key, partitionLength, request)
    }

    private func appendMerged(
        _ memtable: Memtable,
        _ key: ByteView,
        _ partitionLength: Int,
        _ request: PointRequest
    ) throws(CQLError) -> Int {
        let lower = key.array
        let cursor = MergeCursor(
            sources: [.memtable(MemtableCursor(memtable), memtable)],
            lower: lower,
            upper: lower + [0]
        )
        do throws(StorageError) {
            guard try cursor.next() else { return 0 }
        } catch {
            throw CQLError(storage: error)
        }
        return try append(cursor.value, key, partitionLength, request)
    }

    private func append(
        _ row: ByteView,
        _ key: ByteView,
        _ partitionLength: Int,
        _ request: PointRequest
    ) throws(CQLError) -> Int {
        do throws(MalformedBytes) {
            try decoder.enterPartition(key.prefix(partitionLength))
            let isLive = try decoder.decode(
                key: key,
                partitionLength: partitionLength,
                fragment: row,
                now: request.now
            )
            guard isLive else { return 0 }
        } catch {
            throw CQLError(.server, "a row of \(tableName) can't be decoded: \(error)")
        }
        if let plainSlots {
            for slot in plainSlots { decoder.appendValue(ofSlot: slot, to: &cells) }
            return 1
        }
        let evaluator = SelectorEvaluator(
            decoder: decoder,
            functions: request.functions,
            now: request.now
        )
        for selector in selectors { try evaluator.append(selector, to: &cells) }
        return 1
    }
}

/// What a point read takes of its request.
struct PointRequest: Sendable {
    let skipMetadata: Bool
    /// Seconds since 1970.
    let now: Int64
    let functions: FunctionContext
}

extension QueryProcessor {
    /// Reads the row that a statement with point readers names.
    func readPoint(
        _ plan: SelectPlan,
        _ statement: PreparedStatement,
        _ readers: [PointReader],
        _ parameters: QueryParameters,
        _ origin: StatementOrigin,
        _ remote: ReplicaSource?,
        _ completion: @escaping Completion
    ) throws(CQLError) {
        let builder = builder(origin.shard)
        let request = try bind(statement, parameters, scratch: builder) { (bindings) throws(CQLError) in
            try builder.makeKey(plan, bindings)
            return PointRequest(
                skipMetadata: parameters.skipMetadata,
                now: bindings.now,
                functions: bindings.functions
            )
        }
        let key = builder.keyView
        let partitionLength = builder.partitionCount
        let shard = node.shard(of: Key.token(of: key))
        let reader = readers[shard.index]
        if let remote, !remote.isHere(Key.token(of: key)) {
            return readPoint(key.array, partitionLength, plan, reader, request, remote, shard, completion)
        }
        let isCurrent = shard.executor.isCurrent
        if isCurrent {
            let rows = try reader.read(
                key,
                partitionLength: partitionLength,
                on: shard,
                request
            )
            if let rows { return completion(StatementOutcome(.success(.rows(rows)))) }
        }
        let owned = key.array
        let read = { @Sendable () throws(CQLError) -> RowsResult in
            let rows = try owned.withView { (view) throws(CQLError) in
                try reader.read(view, partitionLength: partitionLength, on: shard, request)
            }
            guard let rows else { throw CQLError(storage: .wouldBlock) }
            return rows
        }
        // On the shard, for a read that has to wait.
        let wait = { @Sendable [self] in
            let shared = sharedReads[shard.index]
            let question = !reader.isShareable ? nil : ReadQuestion(
                statement: statement.id,
                epoch: statement.epoch,
                skipMetadata: request.skipMetadata,
                now: request.now,
                keys: [owned]
            )
            if let question {
                if shared.join(question, completion) { return }
                shared.open(question)
            }
            shard.store.read(read) { result in
                let outcome = StatementOutcome(result.map { .rows($0) })
                let followers = question.map { shared.close($0) } ?? []
                completion(outcome)
                for follower in followers { follower(outcome) }
            }
        }
        if isCurrent { return wait() }
        shard.executor.execute {
            do throws(CQLError) {
                let rows = try owned.withView { (view) throws(CQLError) in
                    try reader.read(view, partitionLength: partitionLength, on: shard, request)
                }
                guard let rows else { return wait() }
                completion(StatementOutcome(.success(.rows(rows))))
            } catch {
                completion(StatementOutcome(.failure(error)))
            }
        }
    }

    /// Asks the replicas for the row.
    private func readPoint(
        _ key: [UInt8],
        _ partitionLength: Int,
        _ plan: SelectPlan,
        _ reader: PointReader,
        _ request: PointRequest,
        _ source: ReplicaSource,
        _ shard: Shard,
        _ completion: @escaping Completion
    ) {
        let read = ReadRequest(
            storageID: plan.table.storageID,
            bounds: KeyBounds(lower: key, upper: key + [0]),
            rowsMax: 1,
            now: request.now,
            timeout: source.coordinator.options.readTimeout / 1000
        )
        shard.run { shard in
            source.coordinator.read(
                read,
                of: plan.table,
                token: key.withView { Key.token(of: $0) },
                in: source.keyspace,
                source.level,
                owner: shard
            ) { result in
                do throws(CQLError) {
                    let answers: MergedAnswers
                    switch result {
                    case .success(let merged): answers = merged
                    case .failure(let refusal):
                        throw CQLError(refusal, source.level, source.coordinator)
                    }
                    let rows = try key.withView { (view) throws(CQLError) in
                        try reader.read(view, partitionLength: partitionLength, of: answers, request)
                    }
                    completion(StatementOutcome(.success(.rows(rows))))
                } catch {
                    completion(StatementOutcome(.failure(error)))
                }
            }
        }
    }
}
