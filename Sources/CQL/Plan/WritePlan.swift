// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// One change of a column.
struct CellChange: Sendable {
    enum Action: Sendable {
        /// The whole value; of a collection of cells: all elements are replaced.
        case set(Expression)
        /// The column's deletion.
        case delete
        /// `c = c + {…}`: elements are added (a list: at its end).
        case add(Expression)
        /// `c = […] + c`: elements at a list's start.
        case prepend(Expression)
        /// `c = c - {…}`: elements of a set, keys of a map, values of a list.
        case remove(Expression)
        /// `c[k] = v`.
        case setElement(key: Expression, value: Expression)
        /// `DELETE c[k]`.
        case deleteElement(key: Expression)
        /// `c = c + n` of a counter, or `c = c - n`.
        case increment(Expression, isNegative: Bool)
    }

    let column: ColumnSchema
    let action: Action

    /// Whether the row must be read before the change is known.
    var needsRead: Bool {
        guard case .list = column.type, column.type.isMultiCell else { return false }
        switch action {
        case .remove, .setElement, .deleteElement: return true
        case .set, .delete, .add, .prepend, .increment: return false
        }
    }
}

/// A plain column that is set to a bind marker: what most changes are.
struct PlainChange: Sendable {
    let column: UInt32
    let type: CQLType
    /// The marker's index.
    let marker: Int

    /// The plain form of a change; nil when it has none.
    init?(_ change: CellChange) {
        guard case .set(.marker(let index, let type)) = change.action,
            !change.column.type.isMultiCell
        else { return nil }
        column = change.column.id
        self.type = type
        marker = index
    }

    /// The plain forms of changes that all have one, each of another column; else nil.
    static func all(_ changes: [CellChange]) -> [PlainChange]? {
        let plain = changes.compactMap { PlainChange($0) }
        guard plain.count == changes.count, Set(plain.map(\.column)).count == plain.count else {
            return nil
        }
        return plain
    }
}

/// What an INSERT, UPDATE or DELETE does, with the terms' types known.
///
/// A class, so that a request holds it by one reference.
final class WritePlan: Sendable {
    enum Kind: Sendable { case insert, update, delete }

    enum Condition: Sendable {
        case none, notExists, exists
        case filters([Filter])

        var isConditional: Bool {
            if case .none = self { return false }
            return true
        }
    }

    let table: TableSchema
    let kind: Kind
    let restrictions: Restrictions
    /// The changes of regular columns, by column id.
    let regular: [CellChange]
    /// The changes of static columns, by column id.
    let statics: [CellChange]
    let timestamp: Expression?
    let timeToLive: Expression?
    let condition: Condition
    /// Whether rows must be read first, for a condition or a list's elements.
    let needsRead: Bool
    /// `regular` in the plain form, if all of it has one.
    let plainRegular: [PlainChange]?
    /// Whether it names one row by its whole key.
    let namesOneRow: Bool

    init(
        table: TableSchema,
        kind: Kind,
        restrictions: Restrictions,
        regular: [CellChange],
        statics: [CellChange],
        timestamp: Expression?,
        timeToLive: Expression?,
        condition: Condition
    ) {
        self.table = table
        self.kind = kind
        self.restrictions = restrictions
        self.regular = regular
        self.statics = statics
        self.timestamp = timestamp
        self.timeToLive = timeToLive
        self.condition = condition
        needsRead = condition.isConditional || (regular + statics).contains(where: \.needsRead)
        plainRegular = PlainChange.all(regular)
        namesOneRow = restrictions.namesOneRow(of: table)
    }

    /// Whether it names whole rows and not only static columns.
    var touchesRows: Bool {
        switch kind {
        case .insert: restrictions.clusteringPrefixCount == table.clustering.count
        case .update: !regular.isEmpty || statics.isEmpty
        case .delete: !regular.isEmpty || statics.isEmpty
        }
    }
}
