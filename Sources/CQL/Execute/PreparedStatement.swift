// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Bytes
internal import Model

/// What a statement does, with names looked up in one state of the schema.
enum StatementPlan: Sendable {
    case select(SelectPlan)
    case write(WritePlan)
    case batch(BatchPlan)
    /// Everything that isn't planned ahead: DDL, USE, DESCRIBE.
    case other(Statement)
}

/// The writes of a BATCH text.
struct BatchPlan: Sendable {
    let kind: BatchRequest.Kind
    let timestamp: Expression?
    let writes: [WritePlan]
}

/// A statement that is parsed and planned: prepared by a client, or on its way once.
package final class PreparedStatement: Sendable {
    let id: StatementID
    let text: String
    /// The keyspace for unqualified names when it was prepared.
    let keyspace: String?
    /// The state of the schema that it was planned with.
    let epoch: UInt64
    let statement: Statement
    let plan: StatementPlan
    let bind: BindMetadata
    /// The names of `:name` markers by index; nil for `?`.
    let markerNames: [String?]
    let result: ResultColumns
    /// The short way of a read of one row, for each shard; empty for other statements.
    let pointReaders: [PointReader]

    init(
        text: String,
        keyspace: String?,
        epoch: UInt64,
        parsed: ParsedStatement,
        planned: Planner.Output,
        shardCount: Int
    ) {
        self.text = text
        self.keyspace = keyspace
        self.epoch = epoch
        statement = parsed.statement
        plan = planned.plan
        bind = planned.bind
        markerNames = parsed.markers.map(\.name)
        result = planned.result
        if case .select(let plan) = planned.plan, PointReader.isPossible(plan) {
            pointReaders = (0..<shardCount).map { _ in PointReader(plan) }
        } else {
            pointReaders = []
        }
        id = PreparedStatement.id(text, keyspace, planned.tableID)
    }

    /// The id follows the table's, not its name: a table that was dropped and made again under its
    /// name has other statements.
    private static func id(_ text: String, _ keyspace: String?, _ table: UUID?) -> StatementID {
        var writer = ByteWriter(capacity: text.utf8.count + 64)
        writer.append(utf8: keyspace ?? "")
        writer.append(0)
        writer.append(table?.bytes ?? [])
        writer.append(utf8: text)
        return StatementID(Checksum.xxh3Wide(writer.view))
    }
}

/// Plans any statement.
enum Planner {
    struct Output {
        var plan: StatementPlan
        var bind = BindMetadata(columns: .none)
        var result = ResultColumns.none
        var tableID: UUID?
    }

    static func plan(
        _ parsed: ParsedStatement,
        _ schema: Schema,
        keyspace: String?
    ) throws(CQLError) -> Output {
        let count = parsed.markers.count
        switch parsed.statement {
        case .select(let select):
            let table = try schema.resolve(select.table, keyspace)
            var planner = SelectPlanner(table: table, markerCount: count)
            let plan = try planner.plan(select)
            return Output(
                plan: .select(plan),
                bind: try bind(planner.compiler, table),
                result: plan.columns,
                tableID: table.id
            )
        case .insert(let insert): return try output(.insert(insert), schema, keyspace, count)
        case .update(let update): return try output(.update(update), schema, keyspace, count)
        case .delete(let delete): return try output(.delete(delete), schema, keyspace, count)
        case .batch(let batch): return try plan(batch, schema, keyspace, count)
        default:
            guard count == 0 else {
                throw .invalid("\(parsed.statement.title) takes no bind markers")
            }
            return Output(plan: .other(parsed.statement))
        }
    }

    private static func output(
        _ write: BatchStatement.Member,
        _ schema: Schema,
        _ keyspace: String?,
        _ count: Int
    ) throws(CQLError) -> Output {
        let (plan, compiler) = try plan(write, schema, keyspace, count)
        return Output(
            plan: .write(plan),
            bind: try bind(compiler, plan.table),
            tableID: plan.table.id
        )
    }

    /// Plans a write, alone or in a batch.
    private static func plan(
        _ write: BatchStatement.Member,
        _ schema: Schema,
        _ keyspace: String?,
        _ count: Int
    ) throws(CQLError) -> (WritePlan, ExpressionCompiler) {
        let name: QualifiedName =
            switch write {
            case .insert(let insert): insert.table
            case .update(let update): update.table
            case .delete(let delete): delete.table
            }
        var planner = WritePlanner(table: try schema.writable(name, keyspace), markerCount: count)
        let plan: WritePlan
        switch write {
        case .insert(let insert): plan = try planner.plan(insert)
        case .update(let update): plan = try planner.plan(update)
        case .delete(let delete): plan = try planner.plan(delete)
        }
        return (plan, planner.compiler)
    }

    private static func plan(
        _ batch: BatchStatement,
        _ schema: Schema,
        _ keyspace: String?,
        _ count: Int
    ) throws(CQLError) -> Output {
        var markers = [ColumnSpecification?](repeating: nil, count: count)
        var writes: [WritePlan] = []
        for member in batch.members {
            let (write, compiler) = try plan(member, schema, keyspace, count)
            if batch.using.timestamp != nil, write.timestamp != nil {
                throw .invalid(
                    "Timestamp must be set either on BATCH or individual statements"
                )
            }
            for (index, marker) in compiler.markers.enumerated() where marker != nil {
                markers[index] = marker
            }
            writes.append(write)
        }
        let kind: BatchRequest.Kind =
            switch batch.kind {
            case .logged: .logged
            case .unlogged: .unlogged
            case .counter: .counter
            }
        try BatchPlan.checkCounters(kind, writes.map(\.table), hasTimestamp: batch.using.timestamp != nil)
        var compiler = ExpressionCompiler(keyspace: "", table: "", markerCount: count)
        var timestamp: Expression?
        if let term = batch.using.timestamp {
            timestamp = try compiler.compile(term, as: .bigint, for: "[timestamp]")
        }
        if let term = batch.using.timeToLive {
            throw .invalid("\(term.position) Global TTL on the BATCH statement is not supported.")
        }
        for (index, marker) in compiler.markers.enumerated() where marker != nil {
            markers[index] = marker
        }
        let plan = BatchPlan(
            kind: kind,
            timestamp: timestamp,
            writes: writes
        )
        let table = writes.first?.table
        return Output(
            plan: .batch(plan),
            bind: BindMetadata(columns: ResultColumns(try complete(markers))),
            tableID: table?.id
        )
    }

    private static func complete(
        _ markers: [ColumnSpecification?]
    ) throws(CQLError) -> [ColumnSpecification] {
        let known = markers.compactMap(\.self)
        guard known.count == markers.count else {
            throw .invalid("the type of a bind marker can't be told where it stands")
        }
        return known
    }

    /// What the markers stand for, and which of them give the partition key.
    private static func bind(
        _ compiler: ExpressionCompiler,
        _ table: TableSchema
    ) throws(CQLError) -> BindMetadata {
        let columns = try complete(compiler.markers)
        var indices: [UInt16] = []
        for column in table.partitionKey {
            let index = columns.indices.first {
                compiler.receivers[$0] == column.name && columns[$0].type == column.type
            }
            guard let index else { return BindMetadata(columns: ResultColumns(columns)) }
            indices.append(UInt16(truncatingIfNeeded: index))
        }
        return BindMetadata(columns: ResultColumns(columns), partitionKeyIndices: indices)
    }
}

extension Schema {
    /// The table that a statement names.
    func resolve(_ name: QualifiedName, _ current: String?) throws(CQLError) -> TableSchema {
        guard let keyspace = name.keyspace?.name ?? current else {
            throw .invalid(
                "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename"
            )
        }
        guard let definition = keyspaces[keyspace] else {
            throw .invalid("\(name.position) Keyspace '\(keyspace)' does not exist (keyspace \(keyspace) does not exist)")
        }
        guard let table = definition.tables[name.name.name] else {
            throw .invalid("\(name.position) unconfigured table \(name.name.name): table"
                + " '\(keyspace).\(name.name.name)' does not exist")
        }
        return table
    }

    /// The same for a write, which system tables don't take.
    func writable(_ name: QualifiedName, _ current: String?) throws(CQLError) -> TableSchema {
        let table = try resolve(name, current)
        guard !SchemaText.systemKeyspaces.contains(table.keyspace) else {
            throw CQLError(
                .unauthorized,
                "system table \(table.keyspace).\(table.name) can't be written to"
            )
        }
        return table
    }
}

extension TableSchema {
    /// The column that a statement names.
    func resolve(_ name: Identifier) throws(CQLError) -> ColumnSchema {
        guard let column = self.column(name.name) else {
            throw .invalid("\(name.position) Undefined column name \(name.name) in table"
                + " \(keyspace).\(self.name)")
        }
        return column
    }
}
