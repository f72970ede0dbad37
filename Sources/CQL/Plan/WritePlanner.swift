// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Plans INSERT, UPDATE and DELETE.
struct WritePlanner {
    let table: TableSchema
    private(set) var compiler: ExpressionCompiler
    private var regular: [CellChange] = []
    private var statics: [CellChange] = []

    init(table: TableSchema, markerCount: Int) {
        self.table = table
        compiler = ExpressionCompiler(
            keyspace: table.keyspace,
            table: table.name,
            markerCount: markerCount
        )
        compiler.partitionKey = table.partitionKey
    }

    // MARK: INSERT

    mutating func plan(_ insert: InsertStatement) throws(CQLError) -> WritePlan {
        if table.isCounter {
            throw .invalid("INSERT statements are not allowed on counter tables, use UPDATE instead")
        }
        guard case .values(let names, let terms) = insert.source else {
            throw .notYet("INSERT JSON")
        }
        guard names.count == terms.count else {
            throw .invalid("Unmatched column names/values: \(names.count) columns, \(terms.count) values")
        }
        var restrictions = Restrictions()
        var keys: [String: Expression] = [:]
        var seen: Set<String> = []
        for (name, term) in zip(names, terms) {
            let column = try table.resolve(name)
            guard seen.insert(column.name).inserted else {
                throw .invalid("The column names contains duplicates: \(column.name)")
            }
            let value = try compiler.compile(term, as: column.type, for: column.name)
            switch column.kind {
            case .partitionKey, .clustering: keys[column.name] = value
            case .static: statics.append(CellChange(column: column, action: .set(value)))
            case .regular: regular.append(CellChange(column: column, action: .set(value)))
            }
        }
        for column in table.partitionKey {
            guard let value = keys[column.name] else { throw missing(column) }
            restrictions.partition.append(.one([value]))
        }
        let given = table.clustering.filter { keys[$0.name] != nil }
        if let absent = table.clustering.first(where: { keys[$0.name] == nil }),
            !given.isEmpty || statics.isEmpty || !regular.isEmpty
        {
            throw missing(absent)
        }
        for column in given {
            guard let value = keys[column.name] else { continue }
            restrictions.clustering.append(ClusteringChoice(columns: [column], choice: .one([value])))
        }
        let condition: WritePlan.Condition =
            if case .notExists = insert.condition { .notExists } else { .none }
        return try finish(.insert, restrictions, insert.using, condition)
    }

    private func missing(_ column: ColumnSchema) -> CQLError {
        .invalid("Some \(column.kind.keyName) are missing: \(column.name)")
    }

    // MARK: UPDATE

    mutating func plan(_ update: UpdateStatement) throws(CQLError) -> WritePlan {
        for assignment in update.assignments {
            let column = try table.resolve(assignment.column)
            guard column.kind == .regular || column.kind == .static else {
                throw .invalid("PRIMARY KEY part \(column.name) found in SET part")
            }
            let action = try column.type == .counter
                ? increment(assignment.change, column) : action(assignment.change, column)
            try add(CellChange(column: column, action: action))
        }
        let restrictions = try restrict(update.relations)
        try checkRows(restrictions, allowsRange: false, isStaticOnly: regular.isEmpty)
        let condition = try condition(update.condition)
        try checkRow(of: condition, restrictions)
        return try finish(.update, restrictions, update.using, condition)
    }

    private mutating func increment(
        _ change: UpdateStatement.Assignment.Change,
        _ column: ColumnSchema
    ) throws(CQLError) -> CellChange.Action {
        switch change {
        case .add(let term), .prepend(let term):
            return .increment(try compiler.compile(term, as: .counter, for: column.name), isNegative: false)
        case .subtract(let term):
            return .increment(try compiler.compile(term, as: .counter, for: column.name), isNegative: true)
        case .set:
            throw .invalid(
                "Cannot set the value of counter column \(column.name) (counters can only be"
                    + " incremented/decremented, not set)"
            )
        case .setElement, .setField:
            throw .invalid("Invalid operation for counter column \(column.name): it has no elements")
        }
    }

    private mutating func action(
        _ change: UpdateStatement.Assignment.Change,
        _ column: ColumnSchema
    ) throws(CQLError) -> CellChange.Action {
        let name = column.name
        switch change {
        case .set(let term):
            return .set(try compiler.compile(term, as: column.type, for: name))
        case .add(let term):
            try requireCells(column, "+")
            return .add(try compiler.compile(term, as: column.type, for: name))
        case .prepend(let term):
            try requireCells(column, "+")
            guard case .list = column.type else {
                return .add(try compiler.compile(term, as: column.type, for: name))
            }
            return .prepend(try compiler.compile(term, as: column.type, for: name))
        case .subtract(let term):
            try requireCells(column, "-")
            var type = column.type
            if case .map(let key, _, _) = type { type = .set(key, frozen: false) }
            return .remove(try compiler.compile(term, as: type, for: name))
        case .setElement(let key, let value):
            try requireCells(column, "[]")
            switch column.type {
            case .map(let keyType, let valueType, _):
                return .setElement(
                    key: try compiler.compile(key, as: keyType, for: "key(\(name))"),
                    value: try compiler.compile(value, as: valueType, for: "value(\(name))")
                )
            case .list(let element, _):
                return .setElement(
                    key: try compiler.compile(key, as: .int, for: "idx(\(name))"),
                    value: try compiler.compile(value, as: element, for: "value(\(name))")
                )
            default: throw .invalid("Invalid element access syntax for non-map/list column \(name)")
            }
        case .setField: throw .notYet("setting a field of a user-defined type")
        }
    }

    private func requireCells(_ column: ColumnSchema, _ sign: String) throws(CQLError) {
        guard column.type.isMultiCell else {
            let what = column.type.isCollection ? "frozen collection" : "non-collection"
            throw .invalid(
                "Invalid operation (\(sign)) for \(what) column \(column.name) of type \(column.type)"
            )
        }
    }

    // MARK: DELETE

    mutating func plan(_ delete: DeleteStatement) throws(CQLError) -> WritePlan {
        if let ttl = delete.using.timeToLive {
            throw .invalid("\(ttl.position) TTL cannot be used in a DELETE")
        }
        for target in delete.targets {
            switch target {
            case .column(let name):
                let column = try table.resolve(name)
                guard column.kind == .regular || column.kind == .static else {
                    throw .invalid(
                        "Invalid identifier \(column.name) for deletion (should not be a PRIMARY KEY part)"
                    )
                }
                try add(CellChange(column: column, action: .delete))
            case .element(let name, let key):
                let column = try table.resolve(name)
                try requireCells(column, "[]")
                let type: CQLType =
                    switch column.type {
                    case .map(let key, _, _): key
                    case .set(let element, _): element
                    default: .int
                    }
                let key = try compiler.compile(key, as: type, for: "key(\(column.name))")
                try add(CellChange(column: column, action: .deleteElement(key: key)))
            case .field: throw .notYet("deleting a field of a user-defined type")
            }
        }
        let restrictions = try restrict(delete.relations)
        let isStaticOnly = regular.isEmpty && !statics.isEmpty
        try checkRows(
            restrictions,
            allowsRange: delete.targets.isEmpty,
            isStaticOnly: isStaticOnly
        )
        let condition = try condition(delete.condition)
        if condition.isConditional, delete.targets.isEmpty,
            restrictions.clusteringPrefixCount < table.clustering.count
        {
            throw .invalid(
                "DELETE statements must restrict all PRIMARY KEY columns with equality relations"
                    + " in order to delete non static columns"
            )
        }
        try checkRow(of: condition, restrictions)
        return try finish(.delete, restrictions, delete.using, condition)
    }

    // MARK: Common parts

    private mutating func add(_ change: CellChange) throws(CQLError) {
        let same = (regular + statics).contains { other in
            guard other.column.id == change.column.id else { return false }
            if case .setElement = other.action, case .setElement = change.action { return false }
            if case .deleteElement = other.action, case .deleteElement = change.action {
                return false
            }
            return true
        }
        if same {
            throw .invalid("Multiple incompatible setting of column \(change.column.name)")
        }
        if change.column.kind == .static { statics.append(change) } else { regular.append(change) }
    }

    private mutating func restrict(_ relations: [Relation]) throws(CQLError) -> Restrictions {
        var planner = RestrictionPlanner(table: table, compiler: compiler)
        let restrictions = try planner.plan(relations)
        compiler = planner.compiler
        if let filter = restrictions.filters.first {
            switch filter.column.kind {
            case .regular, .static:
                throw .invalid("Non PRIMARY KEY columns found in where clause: \(filter.column.name)")
            case .partitionKey:
                throw missingPartitionKey(restrictions)
            case .clustering:
                throw .invalid(
                    restrictions.blocking(filter.column, table)
                        ?? "PRIMARY KEY column \"\(filter.column.name)\" cannot be restricted so in"
                        + " a write"
                )
            }
        }
        if !restrictions.token.isEmpty {
            throw .invalid("The token function cannot be used in WHERE clauses of a write")
        }
        guard restrictions.namesPartitions else { throw missingPartitionKey(restrictions) }
        return restrictions
    }

    private func missingPartitionKey(_ restrictions: Restrictions) -> CQLError {
        let restricted = Set(restrictions.filters.map(\.column.name))
        let absent = table.partitionKey.map(\.name).filter { !restricted.contains($0) }
        return .invalid(
            "Some partition key parts are missing: " + absent.joined(separator: ", ")
        )
    }

    /// Whether the restrictions name what the changes are for.
    private func checkRows(
        _ restrictions: Restrictions,
        allowsRange: Bool,
        isStaticOnly: Bool
    ) throws(CQLError) {
        if isStaticOnly {
            guard !restrictions.restrictsClustering || !table.clustering.isEmpty else { return }
            if restrictions.restrictsClustering, !statics.isEmpty {
                throw .invalid(
                    "Invalid restrictions on clustering columns since the statement modifies only"
                        + " static columns"
                )
            }
            if !statics.isEmpty { return }
        }
        if allowsRange { return }
        guard restrictions.slices.isEmpty else {
            throw .invalid(
                "Slice restrictions are not supported on the clustering columns in UPDATE or for"
                    + " columns of a DELETE"
            )
        }
        let count = restrictions.clusteringPrefixCount
        guard count == table.clustering.count else {
            throw .invalid("Some clustering keys are missing: " +
                table.clustering.dropFirst(count).map(\.name).joined(separator: ", "))
        }
    }

    /// Conditions on a row's columns need the row's whole key.
    private func checkRow(
        of condition: WritePlan.Condition,
        _ restrictions: Restrictions
    ) throws(CQLError) {
        guard case .filters(let filters) = condition,
            filters.contains(where: { $0.column.kind == .regular })
        else { return }
        let count = restrictions.clusteringPrefixCount
        guard count == table.clustering.count else {
            throw .invalid("Some clustering keys are missing: "
                + table.clustering.dropFirst(count).map(\.name).joined(separator: ", "))
        }
    }

    private mutating func condition(
        _ condition: WriteCondition
    ) throws(CQLError) -> WritePlan.Condition {
        switch condition {
        case .none: return .none
        case .notExists: return .notExists
        case .exists: return .exists
        case .relations(let relations):
            var planner = ConditionPlanner(table: table, compiler: compiler)
            let filters = try planner.plan(relations)
            compiler = planner.compiler
            return .filters(filters)
        }
    }

    private func checkCounter(_ using: UsingClause, _ condition: WritePlan.Condition) throws(CQLError) {
        if using.timestamp != nil { throw .invalid("Cannot provide custom timestamp for counter updates") }
        if using.timeToLive != nil { throw .invalid("Cannot provide custom TTL for counter updates") }
        if condition.isConditional { throw .invalid("Conditional updates are not supported on counter tables") }
    }

    private mutating func finish(
        _ kind: WritePlan.Kind,
        _ restrictions: Restrictions,
        _ using: UsingClause,
        _ condition: WritePlan.Condition
    ) throws(CQLError) -> WritePlan {
        if table.isCounter { try checkCounter(using, condition) }
        var timestamp: Expression?
        if let term = using.timestamp {
            if condition.isConditional {
                throw .invalid("Cannot provide custom timestamp for conditional updates")
            }
            timestamp = try compiler.compile(term, as: .bigint, for: "[timestamp]")
        }
        var timeToLive: Expression?
        if let term = using.timeToLive {
            timeToLive = try compiler.compile(term, as: .int, for: "[ttl]")
        }
        if condition.isConditional, restrictions.partition.contains(where: \.isMany) {
            throw .invalid(
                "IN on the partition key is not supported with conditional updates"
            )
        }
        let order = { (a: CellChange, b: CellChange) in a.column.id < b.column.id }
        return WritePlan(
            table: table,
            kind: kind,
            restrictions: restrictions,
            regular: regular.sorted(by: order),
            statics: statics.sorted(by: order),
            timestamp: timestamp,
            timeToLive: timeToLive,
            condition: condition
        )
    }
}

extension ValueChoice {
    var isMany: Bool {
        if case .one = self { return false }
        return true
    }
}

extension ColumnKind {
    /// How messages name the columns of a kind of key.
    var keyName: String { self == .clustering ? "clustering keys" : "partition key parts" }
}

/// Plans the conditions of IF.
struct ConditionPlanner {
    let table: TableSchema
    var compiler: ExpressionCompiler

    init(table: TableSchema, compiler: ExpressionCompiler) {
        self.table = table
        self.compiler = compiler
    }

    mutating func plan(_ relations: [Relation]) throws(CQLError) -> [Filter] {
        var filters: [Filter] = []
        for relation in relations { filters.append(try plan(relation)) }
        return filters
    }

    private mutating func plan(_ relation: Relation) throws(CQLError) -> Filter {
        switch relation.subject {
        case .column(let name):
            let column = try conditional(name)
            return Filter(column: column, test: try test(relation, column, column.type))
        case .element(let name, let key):
            let column = try conditional(name)
            guard case .term(let term) = relation.operand,
                relation.operator == .equal || relation.operator.comparison != nil
            else {
                throw .notYet("the condition \(relation.operator.rawValue) on an element")
            }
            let types: (CQLType, CQLType)
            switch column.type {
            case .map(let key, let value, _): types = (key, value)
            case .list(let element, _): types = (.int, element)
            default:
                throw .invalid("Invalid element access syntax for non-collection column \(column.name)")
            }
            return Filter(
                column: column,
                test: .element(
                    key: try compiler.compile(key, as: types.0, for: "key(\(column.name))"),
                    relation.operator.comparison,
                    try compiler.compile(term, as: types.1, for: "value(\(column.name))")
                )
            )
        default: throw .notYet("this form of condition")
        }
    }

    private func conditional(_ name: Identifier) throws(CQLError) -> ColumnSchema {
        let column = try table.resolve(name)
        guard column.kind == .regular || column.kind == .static else {
            throw .invalid("PRIMARY KEY column '\(column.name)' cannot have IF conditions")
        }
        return column
    }

    private mutating func test(
        _ relation: Relation,
        _ column: ColumnSchema,
        _ type: CQLType
    ) throws(CQLError) -> Filter.Test {
        switch (relation.operator, relation.operand) {
        case (.equal, .term(let term)):
            return .equal(try compiler.compile(term, as: type, for: column.name))
        case (.notEqual, .term(let term)):
            return .notEqual(try compiler.compile(term, as: type, for: column.name))
        case (.in, .list(let terms)):
            var values: [Expression] = []
            for term in terms {
                values.append(try compiler.compile(term, as: type, for: column.name))
            }
            return .in(values)
        case (.in, .term(let term)):
            let list = CQLType.list(type.frozen, frozen: true)
            return .inList(try compiler.compile(term, as: list, for: "in(\(column.name))"))
        case (.contains, .term(let term)):
            let element = try column.type.containedType(relation.position, column.name)
            return .contains(try compiler.compile(term, as: element, for: "value(\(column.name))"))
        case (.containsKey, .term(let term)):
            guard case .map(let key, _, _) = column.type else {
                throw .invalid("Cannot use CONTAINS KEY on non-map column \(column.name)")
            }
            return .containsKey(try compiler.compile(term, as: key, for: "key(\(column.name))"))
        case (_, .term(let term)):
            guard let comparison = relation.operator.comparison else { break }
            return .compare(comparison, try compiler.compile(term, as: type, for: column.name))
        default: break
        }
        throw .notYet("the condition \(relation.operator.rawValue)")
    }
}
