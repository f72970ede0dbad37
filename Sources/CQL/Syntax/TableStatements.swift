// SPDX-License-Identifier: Apache-2.0

/// How a column is shown to those who may not see it: `MASKED WITH …`.
package enum ColumnMask: Sendable {
    /// `MASKED WITH DEFAULT`.
    case standard
    /// `MASKED WITH f(…)`.
    case function(FunctionCall)
}

/// A column as `CREATE TABLE` or `ALTER TABLE … ADD` describes it.
package struct ColumnDefinition: Sendable {
    /// Its name.
    package let name: Identifier
    /// Its type.
    package let type: TypeReference
    /// Whether `STATIC` was said.
    package let isStatic: Bool
    /// Its mask, if any.
    package let mask: ColumnMask?
}

/// A primary key as written: `PRIMARY KEY ((a, b), c)`, or after a column.
package struct PrimaryKeyDefinition: Sendable {
    /// The columns of the partition key.
    package let partitionKey: [Identifier]
    /// The clustering columns.
    package let clusteringColumns: [Identifier]
    /// Where the words `PRIMARY KEY` stand.
    package let position: SourcePosition
}

/// What follows `WITH` in the definition of a table or view.
package struct TableOptionsClause: Sendable {
    /// The order of one clustering column.
    package struct ClusteringOrder: Sendable {
        /// The column.
        package let column: Identifier
        /// Whether `DESC` was said.
        package let isDescending: Bool
    }

    /// The `name = value` settings, `id` too.
    package var properties: [Property] = []
    /// `CLUSTERING ORDER BY (…)`.
    package var clusteringOrder: [ClusteringOrder] = []
    /// Where `COMPACT STORAGE` stands, if it does.
    package var compactStorage: SourcePosition?

    /// Nothing set.
    package init() {}
}

/// `CREATE TABLE …`.
package struct CreateTableStatement: Sendable {
    /// The table.
    package let table: QualifiedName
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// The columns as they are listed.
    package let columns: [ColumnDefinition]
    /// Every primary key that is given; a table needs exactly one.
    package let primaryKeys: [PrimaryKeyDefinition]
    /// What follows `WITH`.
    package let options: TableOptionsClause
}

/// `ALTER TABLE …`.
package struct AlterTableStatement: Sendable {
    /// One new name.
    package struct Renaming: Sendable {
        /// The name until now.
        package let from: Identifier
        /// The name from now on.
        package let to: Identifier
    }

    /// What is changed.
    package enum Change: Sendable {
        case addColumns([ColumnDefinition], ifNotExists: Bool)
        /// Drops columns, as of a write timestamp in microseconds if one is given.
        case dropColumns([Identifier], ifExists: Bool, timestamp: Literal?)
        case renameColumns([Renaming], ifExists: Bool)
        case alterType(Identifier, TypeReference)
        /// Gives a column a mask, or takes it away (nil).
        case mask(Identifier, ColumnMask?, ifExists: Bool)
        case dropCompactStorage
        case setProperties([Property])
    }

    /// The table.
    package let table: QualifiedName
    /// Whether `IF EXISTS` was said of the table.
    package let ifExists: Bool
    /// What is changed.
    package let change: Change
}
