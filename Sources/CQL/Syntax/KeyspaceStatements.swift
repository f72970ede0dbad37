// SPDX-License-Identifier: Apache-2.0

/// One `name = value` after `WITH`.
package struct Property: Sendable {
    /// What it may be set to.
    package enum Value: Sendable {
        /// A constant.
        case literal(Literal)
        /// A bare word, lower case.
        case word(Identifier)
        /// A map of constants.
        case map([Entry])
    }

    /// One entry of a map of constants.
    package struct Entry: Sendable {
        /// The key.
        package let key: Literal
        /// The value.
        package let value: Literal
    }

    /// The name, lower case unless quoted.
    package let name: Identifier
    /// The value.
    package let value: Value
}

/// `CREATE KEYSPACE …`.
package struct CreateKeyspaceStatement: Sendable {
    /// The keyspace.
    package let keyspace: Identifier
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// `replication`, `durable_writes` and what else was set.
    package let properties: [Property]
}

/// `ALTER KEYSPACE …`.
package struct AlterKeyspaceStatement: Sendable {
    /// The keyspace.
    package let keyspace: Identifier
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
    /// What is set.
    package let properties: [Property]
}

/// `DROP KEYSPACE …`.
package struct DropKeyspaceStatement: Sendable {
    /// The keyspace.
    package let keyspace: Identifier
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
}

/// `DROP` of something in a keyspace: a table, index, type or view.
package struct DropStatement: Sendable {
    /// What is dropped.
    package let name: QualifiedName
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
}
