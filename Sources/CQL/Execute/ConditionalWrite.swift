// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Environment
internal import Model
internal import Node
internal import Storage

/// What came of writes that read first: a mutation to write, or the rows that stood against it.
struct ConditionalWrite {
    /// Nil when a condition didn't hold.
    let mutation: [UInt8]?
    /// The answer when there were conditions; nil when there were none.
    let answer: RowsResult?

    /// The keys of the rows that `evaluate` may look at.
    static func keys(
        _ writes: [(plan: WritePlan, bindings: Bindings)],
        partition: [UInt8],
        _ processor: QueryProcessor
    ) throws(CQLError) -> [[UInt8]] {
        let builder = WriteBuilder(random: processor.node.environment.random)
        var keys: [[UInt8]] = []
        for (plan, bindings) in writes {
            if !plan.table.statics.isEmpty { keys.append(partition + [Key.staticRow]) }
            guard plan.needsRead, !isOfStaticsOnly(plan) else { continue }
            for ending in try builder.endings(plan, bindings) {
                keys.append(partition + [Key.clustered] + ending)
            }
        }
        return Array(Set(keys)).sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Looks at the rows that the writes ask about, checks all conditions and encodes the writes. All
    /// are of one partition.
    static func evaluate(
        _ writes: [(plan: WritePlan, bindings: Bindings)],
        partition: [UInt8],
        _ rows: RowLookup,
        _ processor: QueryProcessor
    ) throws(CQLError) -> ConditionalWrite {
        let builder = WriteBuilder(random: processor.node.environment.random)
        var isApplied = true
        var refused: [(plan: WritePlan, image: ConditionImage)] = []
        for (plan, bindings) in writes where plan.condition.isConditional {
            try checkMixture(plan, writes)
            for image in try images(plan, bindings, partition, rows, builder) {
                if try !holds(plan.condition, image, bindings) { isApplied = false }
                refused.append((plan, image))
            }
        }
        let hasConditions = writes.contains { $0.plan.condition.isConditional }
        guard isApplied else {
            return ConditionalWrite(
                mutation: nil,
                answer: try ConditionAnswer.refused(refused, partition)
            )
        }
        builder.mutation.removeAll()
        for (plan, bindings) in writes {
            try partition.withView { (view) throws(CQLError) in
                try builder.add(plan, partition: view, bindings) { (ending) throws(CQLError) in
                    try row(plan.table, partition, ending, bindings.now, rows)
                }
            }
        }
        return ConditionalWrite(
            mutation: builder.mutation.bytes.array,
            answer: hasConditions ? ConditionAnswer.applied(writes[0].plan.table) : nil
        )
    }

    /// Writes the mutation, if there is one, and completes the statement. In the turn in which it was
    /// evaluated.
    static func finish(
        _ result: Result<ConditionalWrite, CQLError>,
        on shard: Shard,
        _ completion: @escaping QueryProcessor.Completion
    ) {
        let write: ConditionalWrite
        switch result {
        case .success(let evaluated): write = evaluated
        case .failure(let error): return completion(StatementOutcome(.failure(error)))
        }
        let success: StatementResult = write.answer.map { .rows($0) } ?? .void
        guard let mutation = write.mutation, !mutation.isEmpty else {
            // What stood against it may be a write that isn't durable yet: nobody may hear of it before.
            return shard.store.whenDurable { error in
                let failure = error.map { CQLError(storage: $0) }
                completion(StatementOutcome(failure.map { .failure($0) } ?? .success(success)))
            }
        }
        mutation.withView { view in
            shard.store.write(view, atOnce: true) { error in
                let failure = error.map { CQLError(write: $0) }
                completion(StatementOutcome(failure.map { .failure($0) } ?? .success(success)))
            }
        }
    }

    /// Refuses a batch whose conditions on one row can't hold together.
    private static func checkMixture(
        _ plan: WritePlan,
        _ writes: [(plan: WritePlan, bindings: Bindings)]
    ) throws(CQLError) {
        guard case .notExists = plan.condition, writes.count > 1 else { return }
        let builder = { (plan: WritePlan, bindings: Bindings) throws(CQLError) -> [EndingRange] in
            try plan.restrictions.endings(plan.table, bindings)
        }
        var own: [EndingRange] = []
        for (other, bindings) in writes {
            if case .notExists = other.condition { own += try builder(other, bindings) }
        }
        for (other, bindings) in writes {
            let kind: String
            switch other.condition {
            case .exists: kind = "IF EXISTS"
            case .filters: kind = "IF"
            case .none, .notExists: continue
            }
            for ending in try builder(other, bindings) where own.contains(ending) {
                throw .invalid("Cannot mix \(kind) and IF NOT EXISTS conditions for the same row")
            }
        }
    }

    // MARK: Reading

    /// The row that a condition asks about, with its partition's static row.
    struct ConditionImage {
        let ending: [UInt8]?
        let row: RowImage
        let statics: RowImage
    }

    private static func images(
        _ plan: WritePlan,
        _ bindings: borrowing Bindings,
        _ partition: [UInt8],
        _ rows: RowLookup,
        _ builder: WriteBuilder
    ) throws(CQLError) -> [ConditionImage] {
        let statics = plan.table.statics.isEmpty
            ? try RowImage.none() : try row(plan.table, partition, nil, bindings.now, rows)
        if isOfStaticsOnly(plan) {
            return [ConditionImage(ending: nil, row: try RowImage.none(), statics: statics)]
        }
        var images: [ConditionImage] = []
        for ending in try builder.endings(plan, bindings) {
            images.append(
                ConditionImage(
                    ending: ending,
                    row: try row(plan.table, partition, ending, bindings.now, rows),
                    statics: statics
                )
            )
        }
        return images
    }

    /// Whether a write names a partition and no row of it.
    private static func isOfStaticsOnly(_ plan: WritePlan) -> Bool {
        !plan.table.clustering.isEmpty
            && plan.restrictions.clusteringPrefixCount < plan.table.clustering.count
    }

    /// The image of a row by its key's ending, or of the static row with nil.
    private static func row(
        _ table: TableSchema,
        _ partition: [UInt8],
        _ ending: [UInt8]?,
        _ now: Int64,
        _ rows: RowLookup
    ) throws(CQLError) -> RowImage {
        let key = ending.map { partition + [Key.clustered] + $0 } ?? partition + [Key.staticRow]
        return try rows.row(key, partitionLength: partition.count, of: table, now: now)
    }

    private static func holds(
        _ condition: WritePlan.Condition,
        _ image: ConditionImage,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> Bool {
        let exists = image.ending == nil ? image.statics.exists : image.row.exists
        switch condition {
        case .none: return true
        case .exists: return exists
        case .notExists: return !exists
        case .filters(let filters):
            for filter in filters {
                let source = filter.column.kind == .static ? image.statics : image.row
                let value = source.value(of: filter.column)
                let test = try RowFilter(filter, bindings, allowsNull: true)
                guard try test.passes(value) else { return false }
            }
            return true
        }
    }
}

extension RowImage {
    /// The image of a row that isn't there.
    static func none() throws(CQLError) -> RowImage {
        do throws(MalformedBytes) {
            return try RowImage(nil, now: 0)
        } catch {
            throw CQLError(.server, error.description)
        }
    }
}

/// The rows that a conditional statement answers with.
enum ConditionAnswer {
    private static func appliedColumn(_ table: TableSchema) -> ColumnSpecification {
        ColumnSpecification(
            keyspace: table.keyspace,
            table: table.name,
            name: "[applied]",
            type: .boolean
        )
    }

    static func applied(_ table: TableSchema) -> RowsResult {
        var cells = ByteWriter(capacity: 16)
        cells.appendBigEndian(Int32(1))
        cells.append(1)
        let columns = ResultColumns([appliedColumn(table)])
        return RowsResult(
            metadata: ResultMetadata(columns: columns),
            rowCount: 1,
            cells: cells.array
        )
    }

    /// `[applied]` = false and what the rows hold: for IF NOT EXISTS the whole row, for IF conditions
    /// the columns that were asked about.
    static func refused(
        _ rows: [(plan: WritePlan, image: ConditionalWrite.ConditionImage)],
        _ partition: [UInt8]
    ) throws(CQLError) -> RowsResult {
        let table = rows[0].plan.table
        let shown = columns(rows.map(\.plan), table)
        var specifications = [appliedColumn(table)]
        var cells = ByteWriter(capacity: 256)
        let existing = rows.filter { $0.image.row.exists || $0.image.statics.exists }
        if !existing.isEmpty {
            specifications += shown.map {
                ColumnSpecification(
                    keyspace: table.keyspace,
                    table: table.name,
                    name: $0.name,
                    type: $0.type
                )
            }
        }
        for (_, image) in existing {
            appendFalse(to: &cells)
            for column in shown {
                let value = try value(of: column, image, partition, table)
                cells.appendBigEndian(Int32(value.map { $0.count } ?? -1))
                cells.append(value ?? [])
            }
        }
        if existing.isEmpty { appendFalse(to: &cells) }
        return RowsResult(
            metadata: ResultMetadata(columns: ResultColumns(specifications)),
            rowCount: max(existing.count, 1),
            cells: cells.array
        )
    }

    private static func appendFalse(to cells: inout ByteWriter) {
        cells.appendBigEndian(Int32(1))
        cells.append(0)
    }

    private static func columns(_ plans: [WritePlan], _ table: TableSchema) -> [ColumnSchema] {
        var names: [ColumnSchema] = []
        for plan in plans {
            switch plan.condition {
            case .none: break
            case .notExists, .exists: return table.columns
            case .filters(let filters):
                for filter in filters where !names.contains(where: { $0.id == filter.column.id }) {
                    names.append(filter.column)
                }
            }
        }
        return plans.count > 1 ? table.partitionKey + table.clustering + names : names
    }

    private static func value(
        of column: ColumnSchema,
        _ image: ConditionalWrite.ConditionImage,
        _ partition: [UInt8],
        _ table: TableSchema
    ) throws(CQLError) -> [UInt8]? {
        switch column.kind {
        case .regular: return image.row.value(of: column)
        case .static: return image.statics.value(of: column)
        case .partitionKey, .clustering:
            let key = partition + [Key.clustered] + (image.ending ?? [])
            let decoder = RowDecoder(table: table, slots: [column])
            do throws(MalformedBytes) {
                return try key.withView { (view) throws(MalformedBytes) -> [UInt8]? in
                    try decoder.enterPartition(view.prefix(partition.count))
                    if column.kind == .clustering {
                        guard image.ending != nil else { return nil }
                        try decoder.decodeKey(view, partitionLength: partition.count)
                    }
                    return decoder.values[0]?.array
                }
            } catch {
                throw CQLError(.server, "a key of \(table.name) can't be decoded: \(error)")
            }
        }
    }
}
