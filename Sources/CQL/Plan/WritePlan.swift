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
    }

    let column: ColumnSchema
    let action: Action

    /// Whether the row must be read before the change is known.
    var needsRead: Bool {
        guard case .list = column.type, column.type.isMultiCell else { return false }
        switch action {
        case .remove, .setElement, .deleteElement: return true
        case .set, .delete, .add, .prepend: return false
        }
    }
}

/// What an INSERT, UPDATE or DELETE does, with the terms' types known.
struct WritePlan: Sendable {
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
    var needsRead: Bool {
        condition.isConditional || (regular + statics).contains(where: \.needsRead)
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
