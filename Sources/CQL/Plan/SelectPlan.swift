// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Something that a SELECT computes from a row.
indirect enum Selector: Sendable {
    /// The value in a slot of the row decoder.
    case column(Int)
    case writeTime(Int)
    case timeToLive(Int)
    /// The times of the elements of the collection in a slot, as a list.
    case elementWriteTimes(Int), elementTimesToLive(Int)
    /// The latest write time in a slot.
    case maxWriteTime(Int)
    case token
    case call(ScalarFunction, [Selector])
    case cast(Selector, from: CQLType, to: CQLType)
    /// An element of the collection in a slot.
    case element(Int, CQLType, key: Expression)
    case constant(Expression)
    /// The result of an aggregate, by its number.
    case aggregate(Int)
}

extension Selector {
    /// The selector with a request's values in the places of its bind markers.
    func bound(_ bindings: borrowing Bindings) throws(CQLError) -> Selector {
        switch self {
        case .constant(let expression): return .constant(try expression.bound(bindings))
        case .element(let slot, let type, let key):
            return .element(slot, type, key: try key.bound(bindings))
        case .call(let function, let arguments):
            var bound: [Selector] = []
            for argument in arguments { bound.append(try argument.bound(bindings)) }
            return .call(function, bound)
        case .cast(let inner, let from, let to):
            return .cast(try inner.bound(bindings), from: from, to: to)
        default: return self
        }
    }
}

extension Expression {
    /// The value under `bindings` as a constant.
    func bound(_ bindings: borrowing Bindings) throws(CQLError) -> Expression {
        // What the clock or chance decides is evaluated for each row.
        if case .call = self { return self }
        return try evaluate(bindings).array.map { .constant($0) } ?? .null
    }
}

/// A function over many rows.
struct Aggregate: Sendable {
    enum Kind: Sendable { case countRows, count, min, max, sum, average }

    let kind: Kind
    /// What is aggregated; nil for `count(*)`.
    let argument: Selector?
    let type: CQLType
}

/// What a SELECT does, with names looked up and types known.
///
/// A class, so that a request holds it by one reference.
final class SelectPlan: Sendable {
    let table: TableSchema
    /// The columns that are decoded from a row, by slot.
    let slots: [ColumnSchema]
    /// Whether cells' timestamps and times to live are wanted.
    let needsTimes: Bool
    let selectors: [Selector]
    let aggregates: [Aggregate]
    /// The slots of GROUP BY's columns; empty without GROUP BY.
    let groupSlots: [Int]
    let columns: ResultColumns
    let restrictions: Restrictions
    /// The restrictions that indexes answer; none when rows are found in another way.
    let indexed: [IndexedFilter]
    /// Whether rows come in the reverse of the clustering order.
    let isReversed: Bool
    let isDistinct: Bool
    /// Whether rows of several partitions are put in the clustering order together.
    let isMerged: Bool
    /// Whether bind markers stand among the selectors.
    let bindsSelectors: Bool
    let limit: Expression?
    let perPartitionLimit: Expression?

    init(
        table: TableSchema,
        slots: [ColumnSchema],
        needsTimes: Bool,
        selectors: [Selector],
        aggregates: [Aggregate],
        groupSlots: [Int],
        columns: ResultColumns,
        restrictions: Restrictions,
        indexed: [IndexedFilter],
        isReversed: Bool,
        isDistinct: Bool,
        isMerged: Bool,
        bindsSelectors: Bool,
        limit: Expression?,
        perPartitionLimit: Expression?
    ) {
        self.table = table
        self.slots = slots
        self.needsTimes = needsTimes
        self.selectors = selectors
        self.aggregates = aggregates
        self.groupSlots = groupSlots
        self.columns = columns
        self.restrictions = restrictions
        self.indexed = indexed
        self.isReversed = isReversed
        self.isDistinct = isDistinct
        self.isMerged = isMerged
        self.bindsSelectors = bindsSelectors
        self.limit = limit
        self.perPartitionLimit = perPartitionLimit
    }

    /// Whether all rows are folded into one.
    var isAggregate: Bool { !aggregates.isEmpty && groupSlots.isEmpty }

    /// Whether runs of rows with the same leading key columns are folded into one each.
    var isGrouped: Bool { !groupSlots.isEmpty }

    /// Whether static columns are wanted or tested.
    var needsStatics: Bool { slots.contains { $0.kind == .static } }
}
