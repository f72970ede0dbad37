// SPDX-License-Identifier: Apache-2.0

/// `DESCRIBE …` or `DESC …`.
package struct DescribeStatement: Sendable {
    /// What is described.
    package enum Target: Sendable {
        case cluster
        /// `SCHEMA`; with `FULL`, the system keyspaces too.
        case schema(isFull: Bool)
        /// The names of all keyspaces.
        case keyspaces
        /// One keyspace, by default the current one; with `ONLY`, without what it contains.
        case keyspace(Identifier?, only: Bool)
        /// The names of all tables. The next three are of the same kind.
        case tables
        case types
        case functions
        case aggregates
        case table(QualifiedName)
        case index(QualifiedName)
        case materializedView(QualifiedName)
        case type(QualifiedName)
        case function(QualifiedName)
        case aggregate(QualifiedName)
        /// A bare name: a keyspace, table, index or view.
        case anything(QualifiedName)
    }

    /// What is described.
    package let target: Target
    /// Whether `WITH INTERNALS` was said.
    package let withInternals: Bool
}
