// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Plans SELECT.
struct SelectPlanner {
    let table: TableSchema
    private(set) var compiler: ExpressionCompiler
    private var slots: [ColumnSchema] = []
    private var needsTimes = false
    private var aggregates: [Aggregate] = []

    init(table: TableSchema, markerCount: Int) {
        self.table = table
        compiler = ExpressionCompiler(
            keyspace: table.keyspace,
            table: table.name,
            markerCount: markerCount
        )
        compiler.partitionKey = table.partitionKey
    }

    mutating func plan(_ select: SelectStatement) throws(CQLError) -> SelectPlan {
        if select.isJSON { throw .notYet("SELECT JSON") }
        var selectors: [Selector] = []
        var columns: [ColumnSpecification] = []
        if select.selectors.isEmpty {
            for column in table.columns {
                selectors.append(.column(slot(column)))
                columns.append(specification(column.name, column.type))
            }
        }
        for item in select.selectors {
            let (selector, type) = try compile(item.term)
            selectors.append(selector)
            var shown = item.term
            if case .cast(let inner, _) = item.term.form {
                // A cast to the same type is none.
                if case .cast = selector {} else { shown = inner }
            }
            let name = item.alias?.name ?? SelectorName.of(shown)
            columns.append(specification(name, type))
        }
        if select.isDistinct { try checkDistinct() }
        let bindsSelectors = compiler.markers.contains { $0 != nil }
        var planner = RestrictionPlanner(table: table, compiler: compiler)
        var restrictions = try planner.plan(select.relations)
        compiler = planner.compiler
        for filter in restrictions.filters { _ = slot(filter.column) }
        let indexPlanner = IndexPlanner(table, restrictions)
        restrictions.filters = indexPlanner.comparedFilters
        try checkFiltering(restrictions, select, needsFiltering: indexPlanner.needsFiltering)
        let groupSlots = try group(select, restrictions)
        let indexed = restrictions.namesRows(table) ? [] : indexPlanner.indexed
        if !select.orderBy.isEmpty, !indexed.isEmpty {
            throw .invalid(
                "ORDER BY with 2ndary indexes is not supported, except for ANN queries."
            )
        }
        let isReversed = try order(select, restrictions)
        let limit = try limit(select.limit, "[limit]")
        let perPartition = try self.limit(select.perPartitionLimit, "[per_partition_limit]")
        return SelectPlan(
            table: table,
            slots: slots,
            needsTimes: needsTimes,
            selectors: selectors,
            aggregates: aggregates,
            groupSlots: groupSlots,
            columns: ResultColumns(columns),
            restrictions: restrictions,
            indexed: indexed,
            isReversed: isReversed,
            isDistinct: select.isDistinct,
            isMerged: !select.orderBy.isEmpty && aggregates.isEmpty && groupSlots.isEmpty
                && restrictions.partition.contains(where: \.isMany),
            bindsSelectors: bindsSelectors,
            limit: limit,
            perPartitionLimit: perPartition
        )
    }

    private func specification(_ name: String, _ type: CQLType) -> ColumnSpecification {
        ColumnSpecification(keyspace: table.keyspace, table: table.name, name: name, type: type)
    }

    /// The slot in which a column is decoded.
    private mutating func slot(_ column: ColumnSchema) -> Int {
        if let index = slots.firstIndex(where: { $0.id == column.id }) { return index }
        slots.append(column)
        return slots.count - 1
    }

    // MARK: Selectors

    private mutating func compile(_ term: Term) throws(CQLError) -> (Selector, CQLType) {
        switch term.form {
        case .column(let name):
            let column = try table.resolve(name)
            return (.column(slot(column)), column.type)
        case .countRows: return (aggregate(.countRows, nil, .bigint), .bigint)
        case .call(let call): return try compile(call, term)
        case .cast(let inner, let reference):
            let (selector, from) = try compile(inner)
            let to = try reference.resolved()
            if from == to { return (selector, from) }
            guard Cast.isPossible(from: from, to: to) else {
                throw .invalid("\(term.position) \(from) cannot be cast to \(to)")
            }
            return (.cast(selector, from: from, to: to), to)
        case .element(let inner, let key):
            guard case .column(let name) = inner.form else { break }
            let column = try table.resolve(name)
            switch column.type {
            case .map(let keyType, let valueType, _):
                let key = try compiler.compile(key, as: keyType, for: "key(\(column.name))")
                return (.element(slot(column), column.type, key: key), valueType)
            case .set(let element, _):
                let key = try compiler.compile(key, as: element, for: "key(\(column.name))")
                return (.element(slot(column), column.type, key: key), element)
            default:
                throw .invalid("\(term.position) Invalid element selection: \(column.name) is of type"
                    + " \(column.type) is not a collection")
            }
        case .typeHint(let hint, let inner):
            let type = try hint.resolved()
            return (.constant(try compiler.compile(inner, as: type, for: "[selection]")), type)
        case .literal(let literal):
            let type = literal.naturalType
            let value = try ExpressionCompiler.constant(literal, type, "[selection]")
            return (.constant(.constant(value)), type)
        default: break
        }
        throw .notYet("\(SelectorName.kind(of: term)) in a selection")
    }

    private mutating func compile(
        _ call: FunctionCall,
        _ term: Term
    ) throws(CQLError) -> (Selector, CQLType) {
        let name = call.name.name.name.lowercased()
        switch name {
        case "writetime", "maxwritetime", "ttl": return try compileTime(name, call, term)
        case "token":
            var names: [String] = []
            for argument in call.arguments {
                if case .column(let name) = argument.form { names.append(try table.resolve(name).name) }
            }
            if names.isEmpty {
                let value = try compiler.compile(term, as: .bigint, for: "[selection]")
                return (.constant(value), .bigint)
            }
            guard names == table.partitionKey.map(\.name) else {
                throw .invalid("\(term.position) token() takes the partition key's columns in order")
            }
            return (.token, .bigint)
        case "count", "min", "max", "sum", "avg": return try compileAggregate(name, call, term)
        default: break
        }
        guard let function = ScalarFunction.named(name, arguments: call.arguments.count) else {
            throw .invalid("\(term.position) Unknown function '\(name)'")
        }
        var arguments: [Selector] = []
        var types: [CQLType] = []
        for (index, argument) in call.arguments.enumerated() {
            if argument.isConstant {
                let type = try function.argumentType(index, of: argument)
                let value = try compiler.compile(argument, as: type, for: "arg\(index)(\(name))")
                arguments.append(.constant(value))
                types.append(type)
                continue
            }
            let (selector, type) = try compile(argument)
            arguments.append(selector)
            types.append(type)
        }
        try function.check(types, term.position)
        return (.call(function.resolved(types), arguments), function.resultType)
    }

    private mutating func compileTime(
        _ name: String,
        _ call: FunctionCall,
        _ term: Term
    ) throws(CQLError) -> (Selector, CQLType) {
        guard call.arguments.count == 1, case .column(let identifier) = call.arguments[0].form else {
            throw .notYet("\(name) of something else than a column")
        }
        let column = try table.resolve(identifier)
        guard column.kind == .regular || column.kind == .static else {
            throw .invalid(
                "\(term.position) Cannot use selection function \(name) on PRIMARY KEY part \(column.name)"
            )
        }
        needsTimes = true
        let slot = slot(column)
        if name == "maxwritetime" { return (.maxWriteTime(slot), .bigint) }
        if column.type.isMultiCell, column.type != .counter {
            return name == "ttl"
                ? (.elementTimesToLive(slot), .list(.int, frozen: true))
                : (.elementWriteTimes(slot), .list(.bigint, frozen: true))
        }
        return name == "ttl" ? (.timeToLive(slot), .int) : (.writeTime(slot), .bigint)
    }

    private mutating func compileAggregate(
        _ name: String,
        _ call: FunctionCall,
        _ term: Term
    ) throws(CQLError) -> (Selector, CQLType) {
        guard call.arguments.count == 1 else {
            throw .invalid("\(term.position) \(name) takes one argument, not \(call.arguments.count)")
        }
        let before = aggregates.count
        let (selector, type) = try compile(call.arguments[0])
        guard aggregates.count == before else {
            throw .invalid("\(term.position) aggregate functions cannot be used as arguments of"
                + " aggregate functions")
        }
        switch name {
        case "count":
            if case .constant = selector { return (aggregate(.countRows, nil, .bigint), .bigint) }
            return (aggregate(.count, selector, type), .bigint)
        case "min": return (aggregate(.min, selector, type), type)
        case "max": return (aggregate(.max, selector, type), type)
        default:
            guard type.isNumeric else {
                throw .invalid("\(term.position) \(name) needs a number, but its argument is of type \(type)")
            }
            return (aggregate(name == "sum" ? .sum : .average, selector, type), type)
        }
    }

    private mutating func aggregate(
        _ kind: Aggregate.Kind,
        _ argument: Selector?,
        _ type: CQLType
    ) -> Selector {
        aggregates.append(Aggregate(kind: kind, argument: argument, type: type))
        return .aggregate(aggregates.count - 1)
    }

    // MARK: Checks

    private func checkDistinct() throws(CQLError) {
        for column in slots where column.kind == .regular || column.kind == .clustering {
            throw .invalid(
                "SELECT DISTINCT queries must only request partition key columns and/or static"
                    + " columns (not \(column.name))"
            )
        }
        for column in table.partitionKey where !slots.contains(where: { $0.id == column.id }) {
            throw .invalid(
                "SELECT DISTINCT queries must request all the partition key columns"
                    + " (missing \(column.name))"
            )
        }
    }

    private func checkFiltering(
        _ restrictions: Restrictions,
        _ select: SelectStatement,
        needsFiltering: Bool
    ) throws(CQLError) {
        if select.isDistinct,
            restrictions.restrictsClustering
                || restrictions.filters.contains(where: { $0.column.kind != .static && $0.column.kind != .partitionKey })
        {
            throw .invalid(
                "SELECT DISTINCT with WHERE clause only supports restriction by partition key"
                    + " and/or static columns."
            )
        }
        guard !select.allowsFiltering, needsFiltering else { return }
        if let filter = restrictions.filters.first(where: { $0.column.kind == .clustering }),
            let reason = restrictions.blocking(filter.column, table)
        {
            throw .invalid(
                "\(reason); if you want to execute this query despite the performance"
                    + " unpredictability, use ALLOW FILTERING"
            )
        }
        throw .invalid(
            "Cannot execute this query as it might involve data filtering and thus may have"
                + " unpredictable performance. If you want to execute this query despite the"
                + " performance unpredictability, use ALLOW FILTERING"
        )
    }

    /// Whether the rows are wanted in reverse.
    private func order(
        _ select: SelectStatement,
        _ restrictions: Restrictions
    ) throws(CQLError) -> Bool {
        guard !select.orderBy.isEmpty else { return false }
        guard restrictions.namesPartitions else {
            throw .invalid(
                "ORDER BY is only supported when the partition key is restricted by an EQ or an IN."
            )
        }
        var isReversed: Bool?
        var next = 0
        for ordering in select.orderBy {
            if ordering.nearest != nil { throw .notYet("ORDER BY … ANN OF") }
            let column = try table.resolve(ordering.column)
            guard column.kind == .clustering else {
                throw .invalid("Order by is currently only supported on the clustered columns of the"
                    + " PRIMARY KEY, got \(column.name)")
            }
            // Columns that are fixed to one value may be left out.
            while next < column.position, next < restrictions.clusteringPrefixCount { next += 1 }
            guard column.position == next else {
                throw .invalid("Order by currently only supports the ordering of columns following"
                    + " their declared order in the PRIMARY KEY")
            }
            next += 1
            let reversed = ordering.isDescending != column.isDescending
            guard isReversed ?? reversed == reversed else {
                throw .invalid("Unsupported order by relation: all columns must be in the table's"
                    + " order or all in reverse")
            }
            isReversed = reversed
        }
        return isReversed ?? false
    }

    /// The slots of the columns by which rows are grouped: leading columns of the key, of which those
    /// that are fixed to one value may be left out.
    private mutating func group(
        _ select: SelectStatement,
        _ restrictions: Restrictions
    ) throws(CQLError) -> [Int] {
        guard !select.groupBy.isEmpty else { return [] }
        let key = table.partitionKey + table.clustering
        let fixed = restrictions.fixedKeyColumns(table)
        var next = 0
        var slots: [Int] = []
        for item in select.groupBy {
            guard case .column(let name) = item.form else {
                throw .notYet("GROUP BY of something else than columns")
            }
            let column = try table.resolve(name)
            guard let index = key.firstIndex(where: { $0.id == column.id }) else {
                throw .invalid("Group by is currently only supported on the columns of the PRIMARY KEY,"
                    + " got \(column.name)")
            }
            while next < index, fixed.contains(key[next].id) { next += 1 }
            guard index == next else {
                throw .invalid("Group by currently only supports groups of columns following their"
                    + " declared order in the PRIMARY KEY (at \(column.name))")
            }
            if select.isDistinct, column.kind == .clustering {
                throw .invalid("Grouping on clustering columns is not allowed for SELECT DISTINCT"
                    + " queries (\(column.name))")
            }
            next += 1
            slots.append(slot(column))
        }
        while next < table.partitionKey.count, fixed.contains(key[next].id) { next += 1 }
        guard next >= table.partitionKey.count else {
            throw .invalid("Group by is not supported on only a part of the partition key")
        }
        return slots
    }

    private mutating func limit(_ term: Term?, _ name: String) throws(CQLError) -> Expression? {
        guard let term else { return nil }
        return try compiler.compile(term, as: .int, for: name)
    }
}

/// How a column of a result is called when there is no alias.
enum SelectorName {
    static func of(_ term: Term) -> String {
        switch term.form {
        case .column(let name): return name.name
        case .countRows: return "count"
        case .call(let call):
            let name = call.name.name.name
            let prefix = call.name.keyspace.map { $0.name + "." } ?? ""
            if ["min", "max", "sum", "avg", "count"].contains(name) || prefix == "system." {
                return "system.\(name)(" + arguments(call) + ")"
            }
            if ["writetime", "maxwritetime", "ttl"].contains(name) {
                return "\(name)(" + arguments(call) + ")"
            }
            return "system.\(name)(" + arguments(call) + ")"
        case .cast(let inner, let type):
            let target = (try? type.resolved())?.description ?? "?"
            return "cast(\(of(inner)) as \(target))"
        case .element(let inner, let key): return "\(of(inner))[\(of(key))]"
        case .literal(let literal):
            return literal.kind == .string ? "'\(literal.text)'" : literal.text
        case .typeHint(let type, let inner):
            return "(\((try? type.resolved())?.description ?? "?"))\(of(inner))"
        case .marker: return "?"
        default: return "?"
        }
    }

    /// What kind of selector a term is, for saying that it isn't supported.
    static func kind(of term: Term) -> String {
        switch term.form {
        case .arithmetic, .negation: "arithmetic"
        case .slice: "a slice of a collection"
        case .element: "an element of a collection that isn't a column"
        case .field: "a field of a user-defined type"
        case .list, .set, .map, .tuple, .userType: "a collection or tuple of selectors"
        default: "this form of selector"
        }
    }

    private static func arguments(_ call: FunctionCall) -> String {
        call.arguments.map { of($0) }.joined(separator: ", ")
    }
}

extension Term {
    /// Whether it is a constant or a bind marker, whose type its place decides.
    fileprivate var isConstant: Bool {
        switch form {
        case .literal, .marker: true
        case .typeHint(_, let inner): inner.isConstant
        default: false
        }
    }
}

extension Literal {
    /// The type of a constant that stands by itself.
    var naturalType: CQLType {
        switch kind {
        case .string: .text
        case .integer: Int32(text) == nil ? (Int64(text) == nil ? .varint : .bigint) : .int
        case .float: .double
        case .boolean: .boolean
        case .duration: .duration
        case .uuid: .uuid
        case .blob: .blob
        }
    }
}

extension CQLType {
    /// Whether sums and averages are possible.
    var isNumeric: Bool {
        switch self {
        case .tinyint, .smallint, .int, .bigint, .counter, .varint, .decimal, .float, .double: true
        default: false
        }
    }
}
