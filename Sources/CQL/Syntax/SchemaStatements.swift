// SPDX-License-Identifier: Apache-2.0

/// `CREATE INDEX …`.
package struct CreateIndexStatement: Sendable {
    /// Which part of a column is indexed.
    package enum Part: Sendable {
        case whole
        case keys
        case values
        case entries
        case full
    }

    /// One indexed column.
    package struct Target: Sendable {
        /// The column.
        package let column: Identifier
        /// Which part of it.
        package let part: Part
    }

    /// The index, if it has a name.
    package let name: Identifier?
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// Whether `CUSTOM` was said.
    package let isCustom: Bool
    /// The table.
    package let table: QualifiedName
    /// What is indexed.
    package let targets: [Target]
    /// The class or kind after `USING`.
    package let implementation: String?
    /// What follows `WITH`.
    package let properties: [Property]
}

/// `CREATE TYPE …`.
package struct CreateTypeStatement: Sendable {
    /// One field.
    package struct Field: Sendable {
        /// Its name.
        package let name: Identifier
        /// Its type.
        package let type: TypeReference
    }

    /// The type.
    package let name: QualifiedName
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// The fields in order.
    package let fields: [Field]
}

/// `ALTER TYPE …`.
package struct AlterTypeStatement: Sendable {
    /// What is changed.
    package enum Change: Sendable {
        case addField(CreateTypeStatement.Field, ifNotExists: Bool)
        case alterField(Identifier, TypeReference)
        case renameFields([AlterTableStatement.Renaming], ifExists: Bool)
    }

    /// The type.
    package let name: QualifiedName
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
    /// What is changed.
    package let change: Change
}

/// `CREATE MATERIALIZED VIEW …`.
package struct CreateViewStatement: Sendable {
    /// The view.
    package let name: QualifiedName
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// What it shows.
    package let select: SelectStatement
    /// Its key.
    package let primaryKey: PrimaryKeyDefinition
    /// What follows `WITH`.
    package let options: TableOptionsClause
}

/// `ALTER MATERIALIZED VIEW …`.
package struct AlterViewStatement: Sendable {
    /// The view.
    package let name: QualifiedName
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
    /// What is set.
    package let properties: [Property]
}

/// `CREATE FUNCTION …`.
package struct CreateFunctionStatement: Sendable {
    /// One argument.
    package struct Argument: Sendable {
        /// Its name.
        package let name: Identifier
        /// Its type.
        package let type: TypeReference
    }

    /// The function.
    package let name: QualifiedName
    /// Whether `OR REPLACE` was said.
    package let orReplace: Bool
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// The arguments.
    package let arguments: [Argument]
    /// Whether it is called with null arguments, instead of returning null then.
    package let isCalledOnNull: Bool
    /// What it returns.
    package let returnType: TypeReference
    /// The language of the body, lower case.
    package let language: Identifier
    /// The body.
    package let body: String
}

/// `CREATE AGGREGATE …`.
package struct CreateAggregateStatement: Sendable {
    /// The aggregate.
    package let name: QualifiedName
    /// Whether `OR REPLACE` was said.
    package let orReplace: Bool
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// The types of the arguments.
    package let argumentTypes: [TypeReference]
    /// The function that folds in a row.
    package let stateFunction: Identifier
    /// The type of what is folded into.
    package let stateType: TypeReference
    /// The function that makes the result.
    package let finalFunction: Identifier?
    /// Where folding starts.
    package let initialState: Term?
}

/// `DROP FUNCTION …` or `DROP AGGREGATE …`.
package struct DropFunctionStatement: Sendable {
    /// The function.
    package let name: QualifiedName
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
    /// The types of the arguments, if given.
    package let argumentTypes: [TypeReference]?
}

/// `CREATE TRIGGER …`.
package struct CreateTriggerStatement: Sendable {
    /// The trigger.
    package let name: Identifier
    /// Whether `IF NOT EXISTS` was said.
    package let ifNotExists: Bool
    /// The table.
    package let table: QualifiedName
    /// The class after `USING`.
    package let implementation: String
}

/// `DROP TRIGGER …`.
package struct DropTriggerStatement: Sendable {
    /// The trigger.
    package let name: Identifier
    /// Whether `IF EXISTS` was said.
    package let ifExists: Bool
    /// The table.
    package let table: QualifiedName
}
