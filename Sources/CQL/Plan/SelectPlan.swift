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
    case token
    case call(ScalarFunction, [Selector])
    case cast(Selector, from: CQLType, to: CQLType)
    /// An element of the collection in a slot.
    case element(Int, CQLType, key: Expression)
    case constant(Expression)
    /// The result of an aggregate, by its number.
    case aggregate(Int)
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
struct SelectPlan: Sendable {
    let table: TableSchema
    /// The columns that are decoded from a row, by slot.
    let slots: [ColumnSchema]
    /// Whether cells' timestamps and times to live are wanted.
    let needsTimes: Bool
    let selectors: [Selector]
    let aggregates: [Aggregate]
    let columns: ResultColumns
    let restrictions: Restrictions
    /// Whether rows come in the reverse of the clustering order.
    let isReversed: Bool
    let isDistinct: Bool
    let limit: Expression?
    let perPartitionLimit: Expression?

    /// Whether all rows are folded into one.
    var isAggregate: Bool { !aggregates.isEmpty }

    /// Whether static columns are wanted or tested.
    var needsStatics: Bool { slots.contains { $0.kind == .static } }
}
