// SPDX-License-Identifier: Apache-2.0

/// One condition of a `WHERE` or `IF`.
///
/// Not every operator makes sense for every subject; that is found out later, with the schema.
package struct Relation: Sendable {
    /// What is compared.
    package enum Subject: Sendable {
        case column(Identifier)
        /// `m[k]`.
        case element(Identifier, Term)
        /// `u.f`.
        case field(Identifier, Identifier)
        /// `(a, b)`.
        case columns([Identifier])
        /// `token(a, b)`.
        case token([Identifier])
        /// `expr(index, …)`: a question to an index, in its own language.
        case index(QualifiedName)
    }

    /// How it is compared.
    package enum Operator: String, Sendable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case `in` = "IN"
        case notIn = "NOT IN"
        case contains = "CONTAINS"
        case containsKey = "CONTAINS KEY"
        case notContains = "NOT CONTAINS"
        case notContainsKey = "NOT CONTAINS KEY"
        case like = "LIKE"
        case isNotNull = "IS NOT NULL"
        case between = "BETWEEN"
        /// Of `expr(index, …)`.
        case matches = "expr"
    }

    /// With what it is compared.
    package enum Operand: Sendable {
        case term(Term)
        /// The list of `IN (…)`; `IN ?` has a marker as its term instead.
        case list([Term])
        /// `BETWEEN` the first `AND` the second.
        case range(Term, Term)
        /// Nothing, for `IS NOT NULL`.
        case none
    }

    /// What is compared.
    package let subject: Subject
    /// How.
    package let `operator`: Operator
    /// With what.
    package let operand: Operand
    /// Where the relation begins.
    package let position: SourcePosition

    /// A relation that begins at `position`.
    package init(
        _ subject: Subject, _ comparison: Operator, _ operand: Operand, at position: SourcePosition
    ) {
        self.subject = subject
        self.operator = comparison
        self.operand = operand
        self.position = position
    }
}
