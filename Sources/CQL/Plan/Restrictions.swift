// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// The values that a column or several may have: `=` and `IN`.
enum ValueChoice: Sendable {
    /// One value for each column.
    case one([Expression])
    /// Several, each with one value for each column.
    case many([[Expression]])
    /// `IN ?`: a list that comes with the request.
    case list(Expression)
}

/// A restriction of the clustering columns from `first` on.
struct ClusteringChoice: Sendable {
    let columns: [ColumnSchema]
    let choice: ValueChoice
}

/// An inequality over one or several clustering columns.
struct ClusteringSlice: Sendable {
    let columns: [ColumnSchema]
    let comparison: Comparison
    let values: [Expression]
}

/// A condition that is checked on each row.
struct Filter: Sendable {
    enum Test: Sendable {
        case equal(Expression), notEqual(Expression)
        case compare(Comparison, Expression)
        case `in`([Expression]), inList(Expression), notIn([Expression])
        case contains(Expression), containsKey(Expression)
        /// `m[k] op v`.
        case element(key: Expression, Comparison?, Expression)
        case like(Expression)
    }

    let column: ColumnSchema
    let test: Test
    /// What texts go through before they are compared: what the column's index does.
    var analysis: TermAnalysis?
}

/// A bound of a token restriction.
struct TokenBound: Sendable {
    let comparison: Comparison?
    let value: Expression
}

/// Which rows a statement means, sorted by how they are found.
struct Restrictions: Sendable {
    /// One choice for each partition-key column; empty when partitions aren't named.
    var partition: [ValueChoice] = []
    /// Bounds of the token; with nil as comparison: equal.
    var token: [TokenBound] = []
    /// The leading clustering columns by value.
    var clustering: [ClusteringChoice] = []
    /// Inequalities behind them.
    var slices: [ClusteringSlice] = []
    /// What is left to be checked row by row.
    var filters: [Filter] = []
    /// Whether a filter is on something else than a key that could have named the rows.
    var needsFiltering: Bool { !filters.isEmpty }

    /// Whether all partition-key columns are given by value.
    var namesPartitions: Bool { !partition.isEmpty }

    /// How many clustering columns are given by value.
    var clusteringPrefixCount: Int { clustering.reduce(0) { $0 + $1.columns.count } }

    /// Whether anything is said about clustering columns.
    var restrictsClustering: Bool { !clustering.isEmpty || !slices.isEmpty }
}

extension Restrictions {
    /// The ids of the key columns that have one value each.
    func fixedKeyColumns(_ table: TableSchema) -> Set<UInt32> {
        var fixed: Set<UInt32> = []
        for (choice, column) in zip(partition, table.partitionKey) where !choice.isMany {
            fixed.insert(column.id)
        }
        for choice in clustering where !choice.choice.isMany {
            fixed.formUnion(choice.columns.map(\.id))
        }
        for filter in filters {
            if case .equal = filter.test { fixed.insert(filter.column.id) }
        }
        return fixed
    }

    /// Whether rows are named one by one, by their whole keys.
    func namesRows(_ table: TableSchema) -> Bool {
        namesPartitions && clusteringPrefixCount == table.clustering.count
            && (!table.clustering.isEmpty || table.statics.isEmpty)
    }

    /// Why a clustering column that rows are filtered by couldn't name them.
    func blocking(_ column: ColumnSchema, _ table: TableSchema) -> String? {
        guard clusteringPrefixCount < table.clustering.count else { return nil }
        let preceding = table.clustering[clusteringPrefixCount]
        guard preceding.id != column.id else { return nil }
        if !slices.isEmpty {
            return "Clustering column \"\(column.name)\" cannot be restricted (preceding column"
                + " \"\(preceding.name)\" is restricted by a non-EQ relation)"
        }
        return "PRIMARY KEY column \"\(column.name)\" cannot be restricted as preceding column"
            + " \"\(preceding.name)\" is not restricted"
    }

    /// Whether each partition-key column has one value: at most one partition is meant.
    var namesOnePartition: Bool {
        namesPartitions && !partition.contains(where: \.isMany)
    }

    /// Whether each key column has one value.
    func namesOneRow(of table: TableSchema) -> Bool {
        namesOnePartition && slices.isEmpty && clusteringPrefixCount == table.clustering.count
            && !clustering.contains { $0.choice.isMany }
    }

    /// Appends the ending of the one row that is named (`namesOneRow`).
    func appendEnding(
        _ bindings: borrowing Bindings,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        for choice in clustering {
            guard case .one(let expressions) = choice.choice else { continue }
            for (expression, column) in zip(expressions, choice.columns) {
                let value = try expression.evaluate(bindings)
                if value.isUnset { throw .invalid("Invalid unset value for column \(column.name)") }
                try value.withView { (view) throws(CQLError) in
                    guard let view else {
                        throw .invalid("Invalid null value in condition for column \(column.name)")
                    }
                    ClusteringEncoding.append(view, column, to: &writer)
                }
            }
        }
        writer.append(Key.endRow)
    }

    /// Appends the partition part of the keys of the one partition that is named; `scratch` is
    /// memory for the serialized partition key.
    func appendPartition(
        _ table: TableSchema,
        _ bindings: borrowing Bindings,
        scratch: inout ByteWriter,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        scratch.removeAll()
        let isComposite = table.partitionKey.count > 1
        for (choice, column) in zip(partition, table.partitionKey) {
            guard case .one(let expressions) = choice else { continue }
            let value = try expressions[0].evaluate(bindings)
            if value.isUnset { throw .invalid("Invalid unset value for column \(column.name)") }
            try value.withView { (view) throws(CQLError) in
                guard let view else {
                    throw .invalid("Invalid null value in condition for column \(column.name)")
                }
                try PartitionKeyEncoding.check(view.count, column.name, isComposite)
                if isComposite {
                    Key.appendCompositePart(view, to: &scratch)
                } else {
                    scratch.append(view)
                }
            }
        }
        try PartitionKeyEncoding.check(scratch.count, "of the whole key", true)
        Key.appendPartition(scratch.view, to: &writer)
    }

    /// The serialized partition keys that are meant, without doubles, in their values' order.
    func partitionKeys(
        _ table: TableSchema,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [[UInt8]] {
        var combinations: [[[UInt8]]] = [[]]
        for (choice, column) in zip(partition, table.partitionKey) {
            let values = try choice.values([column], bindings)
            combinations = combinations.flatMap { start in values.map { start + $0 } }
            guard combinations.count <= Restrictions.combinationsMax else {
                throw .invalid(
                    "the IN restrictions name more than \(Restrictions.combinationsMax) partitions"
                )
            }
        }
        if combinations.count > 1 {
            // In the values' order, as Cassandra answers them.
            combinations.sort { a, b in
                for (index, column) in table.partitionKey.enumerated() {
                    let order = column.type.compare(a[index], b[index])
                    if order != 0 { return order < 0 }
                }
                return false
            }
        }
        var seen: Set<[UInt8]> = []
        var keys: [[UInt8]] = []
        for values in combinations {
            let key = try PartitionKeyEncoding.key(values, table)
            if seen.insert(key).inserted { keys.append(key) }
        }
        return keys
    }

    static let combinationsMax = 65_535

    /// The runs of key endings that are meant, in key order.
    func endings(
        _ table: TableSchema,
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [EndingRange] {
        guard restrictsClustering else { return [.all] }
        var prefixes: [[UInt8]] = [[]]
        var size = 0
        for choice in clustering {
            let values = try choice.choice.values(choice.columns, bindings)
            size += values.map { $0.reduce(0) { $0 + $1.count } }.max() ?? 0
            try PartitionKeyEncoding.checkClustering(size)
            prefixes = prefixes.flatMap { start in
                values.map { start + ClusteringEncoding.prefix($0, choice.columns) }
            }
            guard prefixes.count <= Restrictions.combinationsMax else {
                throw .invalid(
                    "the IN restrictions name more than \(Restrictions.combinationsMax) rows"
                )
            }
        }
        let isWhole = clusteringPrefixCount == table.clustering.count
        var ranges: [EndingRange] = []
        for prefix in prefixes {
            var within = [ClusteringEncoding.range(prefix: prefix, isWhole: isWhole)]
            for slice in slices {
                var values: [[UInt8]] = []
                for (expression, column) in zip(slice.values, slice.columns) {
                    values.append(try expression.required(column.name, bindings))
                }
                try PartitionKeyEncoding.checkClustering(values.reduce(0) { $0 + $1.count })
                within = EndingRange.intersection(
                    within,
                    ClusteringEncoding.slices(
                        prefix: prefix,
                        values,
                        slice.columns,
                        slice.comparison
                    )
                )
            }
            ranges += within
        }
        return EndingRange.sorted(ranges)
    }

    /// The tokens that are meant; nil when there are none.
    func tokenRange(_ bindings: borrowing Bindings) throws(CQLError) -> TokenRange? {
        var first = Int64.min
        var last = Int64.max
        for bound in token {
            let bytes = try bound.value.required("token", bindings)
            guard let value = bytes.withView({ Int64(cql: $0) }) else {
                throw .invalid("a token is a bigint")
            }
            switch bound.comparison {
            case nil:
                first = max(first, value)
                last = min(last, value)
            case .greater:
                // Nothing is above the largest token; the smallest is the ring's start.
                if value == Int64.max { return nil }
                first = max(first, value + 1)
            case .greaterOrEqual: first = max(first, value)
            case .less:
                if value == Int64.min { continue }
                last = min(last, value - 1)
            case .lessOrEqual:
                if value == Int64.min { continue }
                last = min(last, value)
            }
        }
        return first <= last ? TokenRange(Model.Token(first), Model.Token(last)) : nil
    }
}

extension Expression {
    /// The value for a key or bound, which is neither null nor unset.
    func required(_ name: String, _ bindings: borrowing Bindings) throws(CQLError) -> [UInt8] {
        let evaluated = try evaluate(bindings)
        if evaluated.isUnset { throw .invalid("Invalid unset value for column \(name)") }
        guard let value = evaluated.array else {
            throw .invalid("Invalid null value in condition for column \(name)")
        }
        return value
    }
}

extension ValueChoice {
    /// The values, each one for each column.
    func values(
        _ columns: [ColumnSchema],
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [[[UInt8]]] {
        switch self {
        case .one(let expressions): return [try Self.tuple(expressions, columns, bindings)]
        case .many(let choices):
            var values: [[[UInt8]]] = []
            for choice in choices { values.append(try Self.tuple(choice, columns, bindings)) }
            return values
        case .list(let expression):
            let list = try expression.required(columns[0].name, bindings)
            return try list.withView { (view) throws(CQLError) in
                var values: [[[UInt8]]] = []
                for element in try CQLType.elements(of: view) {
                    if columns.count == 1 {
                        values.append([element.array])
                        continue
                    }
                    var fields: [[UInt8]] = []
                    var reader = ElementReader(tuple: element)
                    do throws(MalformedBytes) {
                        while !reader.isAtEnd, let field = try reader.next() {
                            fields.append(field.array)
                        }
                    } catch {
                        throw .invalid("malformed tuple: \(error)")
                    }
                    values.append(fields)
                }
                return values
            }
        }
    }

    private static func tuple(
        _ expressions: [Expression],
        _ columns: [ColumnSchema],
        _ bindings: borrowing Bindings
    ) throws(CQLError) -> [[UInt8]] {
        var values: [[UInt8]] = []
        values.reserveCapacity(expressions.count)
        for (expression, column) in zip(expressions, columns) {
            values.append(try expression.required(column.name, bindings))
        }
        return values
    }
}

/// Builds serialized partition keys.
enum PartitionKeyEncoding {
    /// The longest value of a key column, in bytes: its length has two bytes in a composite key.
    static let valueSizeMax = 65_535

    /// Refuses values that are too long, and an empty key of one column.
    static func check(_ count: Int, _ name: String, _ isComposite: Bool) throws(CQLError) {
        guard count <= valueSizeMax else {
            throw .invalid(
                "Key length of \(count) is longer than maximum of \(valueSizeMax)"
                    + " (partition key \(name))"
            )
        }
        if count == 0, !isComposite { throw .invalid("Key may not be empty") }
    }

    /// Refuses values for the clustering columns that are too long together.
    static func checkClustering(_ count: Int) throws(CQLError) {
        guard count <= valueSizeMax else {
            throw .invalid(
                "Key length of \(count) is longer than maximum of \(valueSizeMax)"
                    + " (clustering columns)"
            )
        }
    }

    /// The serialized partition key of one value for each column.
    static func key(_ values: [[UInt8]], _ table: TableSchema) throws(CQLError) -> [UInt8] {
        for (value, column) in zip(values, table.partitionKey) where value.count > valueSizeMax {
            throw .invalid(
                "Key length of \(value.count) is longer than maximum of \(valueSizeMax)"
                    + " (partition key column \(column.name))"
            )
        }
        guard values.count > 1 else {
            guard let value = values.first, !value.isEmpty else {
                throw .invalid("Key may not be empty")
            }
            return value
        }
        var writer = ByteWriter()
        for value in values { value.withView { Key.appendCompositePart($0, to: &writer) } }
        guard writer.count <= valueSizeMax else {
            throw .invalid(
                "Key length of \(writer.count) is longer than maximum of \(valueSizeMax)"
            )
        }
        return writer.array
    }
}
