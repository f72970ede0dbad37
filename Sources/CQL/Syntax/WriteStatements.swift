// SPDX-License-Identifier: Apache-2.0

/// What a write checks first.
package enum WriteCondition: Sendable {
    /// Nothing: the write is unconditional.
    case none
    /// `IF NOT EXISTS`.
    case notExists
    /// `IF EXISTS`.
    case exists
    /// `IF` all of these.
    case relations([Relation])
}

/// `INSERT INTO …`.
package struct InsertStatement: Sendable {
    /// Where the values come from.
    package enum Source: Sendable {
        /// One term a column.
        case values(columns: [Identifier], terms: [Term])
        /// A JSON object: a string or a marker. Columns that it doesn't name become null, or stay
        /// as they are with `DEFAULT UNSET`.
        case json(Term, defaultUnset: Bool)
    }

    /// The table.
    package let table: QualifiedName
    /// The values.
    package let source: Source
    /// `.none` or `.notExists`.
    package let condition: WriteCondition
    /// The settings.
    package let using: UsingClause
}

/// `UPDATE …`.
package struct UpdateStatement: Sendable {
    /// One part of the `SET`.
    package struct Assignment: Sendable {
        /// What is done with the column.
        package enum Change: Sendable {
            /// `c = t`.
            case set(Term)
            /// `c = c + t` or `c += t`.
            case add(Term)
            /// `c = t + c`.
            case prepend(Term)
            /// `c = c - t` or `c -= t`.
            case subtract(Term)
            /// `c[k] = t`.
            case setElement(Term, Term)
            /// `c.f = t`.
            case setField(Identifier, Term)
        }

        /// The column.
        package let column: Identifier
        /// What is done with it.
        package let change: Change
    }

    /// The table.
    package let table: QualifiedName
    /// The settings.
    package let using: UsingClause
    /// The changes, at least one.
    package let assignments: [Assignment]
    /// Which rows.
    package let relations: [Relation]
    /// `.none`, `.exists` or `.relations`.
    package let condition: WriteCondition
}

/// `DELETE …`.
package struct DeleteStatement: Sendable {
    /// What is deleted of a row.
    package enum Target: Sendable {
        case column(Identifier)
        /// `c[k]`.
        case element(Identifier, Term)
        /// `c.f`.
        case field(Identifier, Identifier)
    }

    /// What is deleted; empty for whole rows.
    package let targets: [Target]
    /// The table.
    package let table: QualifiedName
    /// The settings.
    package let using: UsingClause
    /// Which rows.
    package let relations: [Relation]
    /// `.none`, `.exists` or `.relations`.
    package let condition: WriteCondition
}

/// `BEGIN BATCH … APPLY BATCH`.
package struct BatchStatement: Sendable {
    /// How the statements belong together.
    package enum Kind: Sendable {
        case logged
        case unlogged
        case counter
    }

    /// A statement that may stand in a batch.
    package enum Member: Sendable {
        case insert(InsertStatement)
        case update(UpdateStatement)
        case delete(DeleteStatement)
    }

    /// How the statements belong together.
    package let kind: Kind
    /// The settings.
    package let using: UsingClause
    /// The statements, maybe none.
    package let members: [Member]
}
