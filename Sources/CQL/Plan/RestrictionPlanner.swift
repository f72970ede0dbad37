// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Sorts the relations of a WHERE by what they restrict.
struct RestrictionPlanner {
    let table: TableSchema
    var compiler: ExpressionCompiler
    private var equals: [String: ValueChoice] = [:]
    private var bounds: [String: [(Comparison, Expression)]] = [:]
    private var multiColumn: ClusteringChoice?
    private var multiSlices: [ClusteringSlice] = []
    private var restrictions = Restrictions()

    init(table: TableSchema, compiler: ExpressionCompiler) {
        self.table = table
        self.compiler = compiler
    }

    /// The restrictions that `relations` ask for.
    mutating func plan(_ relations: [Relation]) throws(CQLError) -> Restrictions {
        for relation in relations { try add(relation) }
        planPartition()
        try planClustering()
        return restrictions
    }

    // MARK: Relations

    private mutating func add(_ relation: Relation) throws(CQLError) {
        switch relation.subject {
        case .column(let name): try add(relation, try table.resolve(name))
        case .element(let name, let key): try addElement(relation, try table.resolve(name), key)
        case .columns(let names): try addMultiColumn(relation, names)
        case .token(let names): try addToken(relation, names)
        case .field: throw .notYet("a restriction on a field of a user-defined type")
        case .index: throw .notYet("expr() on an index")
        }
    }

    private mutating func add(_ relation: Relation, _ column: ColumnSchema) throws(CQLError) {
        let position = relation.position
        try checkType(relation, column)
        switch (relation.operator, relation.operand) {
        case (.equal, .term(let term)):
            let value = try compiler.compile(term, as: column.type, for: column.name)
            try addChoice(.one([value]), column, relation)
        case (.in, .list(let terms)):
            var values: [[Expression]] = []
            for term in terms {
                values.append([try compiler.compile(term, as: column.type, for: column.name)])
            }
            try addChoice(.many(values), column, relation)
        case (.in, .term(let term)):
            let type = CQLType.list(column.type.frozen, frozen: true)
            let list = try compiler.compile(term, as: type, for: "in(\(column.name))")
            try addChoice(.list(list), column, relation)
        case (.less, .term(let term)), (.lessOrEqual, .term(let term)),
            (.greater, .term(let term)), (.greaterOrEqual, .term(let term)):
            guard let comparison = relation.operator.comparison else { return }
            let value = try compiler.compile(term, as: column.type, for: column.name)
            try addBound(comparison, value, column, relation)
        case (.between, .range(let low, let high)):
            let lower = try compiler.compile(low, as: column.type, for: column.name)
            let upper = try compiler.compile(high, as: column.type, for: column.name)
            try addBound(.greaterOrEqual, lower, column, relation)
            try addBound(.lessOrEqual, upper, column, relation)
        case (.contains, .term(let term)):
            let type = try column.type.containedType(position, column.name)
            addFilter(column, .contains(try compiler.compile(term, as: type, for: "value(\(column.name))")))
        case (.containsKey, .term(let term)):
            guard case .map(let key, _, _) = column.type else {
                throw .invalid("\(position) Cannot use CONTAINS KEY on non-map column \(column.name)")
            }
            addFilter(column, .containsKey(try compiler.compile(term, as: key, for: "key(\(column.name))")))
        case (.notEqual, .term(let term)):
            _ = try compiler.compile(term, as: column.type, for: column.name)
            throw .invalid("Unsupported \"!=\" relation: \(column.name) != …")
        case (.notIn, .list(let terms)):
            var values: [Expression] = []
            for term in terms {
                values.append(try compiler.compile(term, as: column.type, for: column.name))
            }
            addFilter(column, .notIn(values))
        case (.like, .term(let term)):
            let isIndexed = table.indexes.contains {
                $0.column == column.id && $0.part == .whole && $0.isAttached
            }
            guard isIndexed, column.type == .text || column.type == .ascii else {
                throw .invalid(
                    "LIKE restriction is only supported on properly indexed columns."
                        + " \(column.name) LIKE is not valid."
                )
            }
            addFilter(
                column,
                .like(try compiler.compile(term, as: column.type, for: column.name))
            )
        case (.isNotNull, _):
            throw .invalid("Unsupported restriction: \(column.name) IS NOT NULL")
        default: throw .notYet("the relation \(relation.operator.rawValue) on \(column.name)")
        }
    }

    private func checkType(_ relation: Relation, _ column: ColumnSchema) throws(CQLError) {
        switch relation.operator {
        case .contains, .containsKey: return
        default: break
        }
        if column.type.isMultiCell, column.type != .counter {
            throw .invalid(
                "Collection column '\(column.name)' (\(column.type)) cannot be restricted by a"
                    + " '\(relation.operator.rawValue)' relation"
            )
        }
        if column.type == .duration, relation.operator.comparison != nil {
            throw .invalid("Slice restrictions are not supported on duration columns")
        }
    }

    private mutating func addChoice(
        _ choice: ValueChoice,
        _ column: ColumnSchema,
        _ relation: Relation
    ) throws(CQLError) {
        guard column.kind == .partitionKey || column.kind == .clustering else {
            switch choice {
            case .one(let values): addFilter(column, .equal(values[0]))
            case .many(let values): addFilter(column, .in(values.map { $0[0] }))
            case .list(let list): addFilter(column, .inList(list))
            }
            return
        }
        guard equals[column.name] == nil, bounds[column.name] == nil else {
            throw .invalid(
                "\(relation.position) \(column.name) cannot be restricted by more than one relation"
                    + " if it includes an Equal"
            )
        }
        equals[column.name] = choice
    }

    private mutating func addBound(
        _ comparison: Comparison,
        _ value: Expression,
        _ column: ColumnSchema,
        _ relation: Relation
    ) throws(CQLError) {
        switch column.kind {
        case .regular, .static: addFilter(column, .compare(comparison, value))
        case .partitionKey:
            // Partition keys are ordered by token: a slice of their values is a filter.
            addFilter(column, .compare(comparison, value))
        case .clustering:
            guard equals[column.name] == nil else {
                throw .invalid(
                    "\(relation.position) \(column.name) cannot be restricted by more than one"
                        + " relation if it includes an Equal"
                )
            }
            let sameSide = (bounds[column.name] ?? []).contains { $0.0.isLower == comparison.isLower }
            if sameSide {
                throw .invalid(
                    "More than one restriction was found for the \(comparison.isLower ? "start" : "end")"
                        + " bound on \(column.name)"
                )
            }
            bounds[column.name, default: []].append((comparison, value))
        }
    }

    private mutating func addFilter(_ column: ColumnSchema, _ test: Filter.Test) {
        restrictions.filters.append(Filter(column: column, test: test))
    }

    private mutating func addElement(
        _ relation: Relation,
        _ column: ColumnSchema,
        _ key: Term
    ) throws(CQLError) {
        guard case .map(let keyType, let valueType, _) = column.type else {
            throw .invalid("\(relation.position) column \(column.name) cannot be used as a map")
        }
        guard case .term(let term) = relation.operand,
            relation.operator == .equal || relation.operator.comparison != nil
        else { throw .notYet("the relation \(relation.operator.rawValue) on a map entry") }
        let key = try compiler.compile(key, as: keyType, for: "key(\(column.name))")
        let value = try compiler.compile(term, as: valueType, for: "value(\(column.name))")
        addFilter(column, .element(key: key, relation.operator.comparison, value))
    }

    private mutating func addMultiColumn(
        _ relation: Relation,
        _ names: [Identifier]
    ) throws(CQLError) {
        var columns: [ColumnSchema] = []
        for name in names {
            let column = try table.resolve(name)
            guard column.kind == .clustering else {
                throw .invalid(
                    "Multi-column relations can only be applied to clustering columns but was"
                        + " applied to: \(column.name)"
                )
            }
            guard column.position == (columns.last?.position ?? column.position - 1) + 1 else {
                throw .invalid(
                    "Clustering columns must appear in the PRIMARY KEY order in multi-column"
                        + " relations: \(column.name)"
                )
            }
            columns.append(column)
        }
        let tupleType = CQLType.tuple(columns.map(\.type))
        let name = "(" + names.map(\.name).joined(separator: ",") + ")"
        switch (relation.operator, relation.operand) {
        case (.equal, .term(let term)):
            let values = try tuple(term, columns, name, tupleType)
            try addMultiChoice(ClusteringChoice(columns: columns, choice: .one(values)), relation)
        case (.in, .list(let terms)):
            var values: [[Expression]] = []
            for term in terms { values.append(try tuple(term, columns, name, tupleType)) }
            try addMultiChoice(ClusteringChoice(columns: columns, choice: .many(values)), relation)
        case (.in, .term(let term)):
            let type = CQLType.list(tupleType, frozen: true)
            let list = try compiler.compile(term, as: type, for: "in(\(name))")
            try addMultiChoice(ClusteringChoice(columns: columns, choice: .list(list)), relation)
        case (_, .term(let term)):
            guard let comparison = relation.operator.comparison else {
                throw .notYet("the relation \(relation.operator.rawValue) on several columns")
            }
            let values = try tuple(term, columns, name, tupleType)
            multiSlices.append(
                ClusteringSlice(columns: columns, comparison: comparison, values: values)
            )
        default: throw .notYet("the relation \(relation.operator.rawValue) on several columns")
        }
    }

    private mutating func addMultiChoice(
        _ choice: ClusteringChoice,
        _ relation: Relation
    ) throws(CQLError) {
        guard multiColumn == nil else {
            throw .invalid("\(relation.position) several multi-column equalities are not supported")
        }
        multiColumn = choice
    }

    private mutating func tuple(
        _ term: Term,
        _ columns: [ColumnSchema],
        _ name: String,
        _ type: CQLType
    ) throws(CQLError) -> [Expression] {
        guard case .tuple(let terms) = term.form else {
            let tuple = try compiler.compile(term, as: type, for: name)
            return columns.indices.map { .field(tuple, $0) }
        }
        guard terms.count == columns.count else {
            throw .invalid(
                "\(term.position) Expected \(columns.count) elements in value tuple, but got"
                    + " \(terms.count) (for \(name))"
            )
        }
        var values: [Expression] = []
        for (term, column) in zip(terms, columns) {
            values.append(try compiler.compile(term, as: column.type, for: column.name))
        }
        return values
    }

    private mutating func addToken(
        _ relation: Relation,
        _ names: [Identifier]
    ) throws(CQLError) {
        guard names.map(\.name) == table.partitionKey.map(\.name) else {
            for name in names { _ = try table.resolve(name) }
            let given = Set(names.map(\.name))
            let key = table.partitionKey.map(\.name)
            if given.count < names.count {
                throw .invalid("The token() function contains duplicate partition key components")
            }
            if given == Set(key) {
                throw .invalid("The token function arguments must be in the partition key order: "
                    + key.joined(separator: ", "))
            }
            throw .invalid(
                "The token() function must be applied to all partition key components or none of"
                    + " them, in their order: "
                    + table.partitionKey.map(\.name).joined(separator: ", ")
            )
        }
        if relation.operator == .notEqual {
            throw .invalid("Unsupported \"!=\" relation: token(…) != …")
        }
        guard case .term(let term) = relation.operand,
            relation.operator == .equal || relation.operator.comparison != nil
        else { throw .invalid("\(relation.operator.rawValue) cannot be used with the token function") }
        let value = try compiler.compile(term, as: .bigint, for: "partition key token")
        restrictions.token.append(
            TokenBound(comparison: relation.operator.comparison, value: value)
        )
    }

    // MARK: Keys

    private mutating func planPartition() {
        let choices = table.partitionKey.map { equals[$0.name] }
        if choices.allSatisfy({ $0 != nil }) {
            restrictions.partition = choices.compactMap(\.self)
            return
        }
        for column in table.partitionKey {
            if let choice = equals[column.name] { addFilters(of: choice, column) }
        }
    }

    /// A choice that can't name rows is checked on each.
    private mutating func addFilters(of choice: ValueChoice, _ column: ColumnSchema) {
        switch choice {
        case .one(let values): addFilter(column, .equal(values[0]))
        case .many(let values): addFilter(column, .in(values.map { $0[0] }))
        case .list(let list): addFilter(column, .inList(list))
        }
    }

    /// The same for a choice of several columns at one of them.
    private mutating func addFilters(
        of multi: ClusteringChoice,
        _ column: ColumnSchema
    ) throws(CQLError) {
        guard let index = multi.columns.firstIndex(where: { $0.id == column.id }) else { return }
        switch multi.choice {
        case .one(let values): addFilter(column, .equal(values[index]))
        case .many(let values) where multi.columns.count == 1:
            addFilter(column, .in(values.map { $0[0] }))
        default: throw .notYet("a multi-column IN that skips preceding clustering columns")
        }
    }

    private mutating func planClustering() throws(CQLError) {
        var isPrefix = true
        for column in table.clustering {
            if let multi = multiColumn, multi.columns.contains(where: { $0.id == column.id }) {
                if !isPrefix, equals[column.name] == nil, bounds[column.name] == nil {
                    try addFilters(of: multi, column)
                    continue
                }
                guard isPrefix, equals[column.name] == nil, bounds[column.name] == nil else {
                    throw .invalid(
                        "Clustering column \"\(column.name)\" cannot be restricted by both a"
                            + " multi-column relation and another"
                    )
                }
                if multi.columns[0].id == column.id { restrictions.clustering.append(multi) }
                continue
            }
            if let choice = equals[column.name] {
                if isPrefix {
                    restrictions.clustering.append(
                        ClusteringChoice(columns: [column], choice: choice)
                    )
                } else {
                    addFilters(of: choice, column)
                }
                continue
            }
            for (comparison, value) in bounds[column.name] ?? [] {
                if isPrefix {
                    restrictions.slices.append(
                        ClusteringSlice(
                            columns: [column],
                            comparison: comparison,
                            values: [value]
                        )
                    )
                } else {
                    addFilter(column, .compare(comparison, value))
                }
            }
            isPrefix = false
        }
        try planMultiSlices()
    }

    private mutating func planMultiSlices() throws(CQLError) {
        for slice in multiSlices {
            if slice.columns.count == 1,
                slice.columns[0].position > restrictions.clusteringPrefixCount
            {
                addFilter(slice.columns[0], .compare(slice.comparison, slice.values[0]))
                continue
            }
            guard slice.columns[0].position == restrictions.clusteringPrefixCount else {
                throw .invalid(
                    "Clustering column \"\(slice.columns[0].name)\" cannot be restricted"
                        + " (preceding column is restricted by a slice or not at all)"
                )
            }
            let sameSide = restrictions.slices.contains {
                $0.comparison.isLower == slice.comparison.isLower
            }
            guard !sameSide else {
                throw .invalid(
                    "More than one restriction was found for the"
                        + " \(slice.comparison.isLower ? "start" : "end") bound on"
                        + " \(slice.columns[0].name)"
                )
            }
            restrictions.slices.append(slice)
        }
    }
}

extension Relation.Operator {
    /// The inequality, if it is one.
    var comparison: Comparison? {
        switch self {
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        default: nil
        }
    }
}

extension CQLType {
    /// The type that CONTAINS compares with.
    func containedType(
        _ position: SourcePosition,
        _ name: String
    ) throws(CQLError) -> CQLType {
        switch self {
        case .list(let element, _), .set(let element, _): return element
        case .map(_, let value, _): return value
        default:
            throw .invalid("\(position) Cannot use CONTAINS on non-collection column \(name)")
        }
    }
}
