// SPDX-License-Identifier: Apache-2.0

/// A CQL statement as it is written: names aren't looked up and values have no types yet.
package enum Statement: Sendable {
    case select(SelectStatement)
    case insert(InsertStatement)
    case update(UpdateStatement)
    case delete(DeleteStatement)
    case batch(BatchStatement)
    case use(Identifier)
    case createKeyspace(CreateKeyspaceStatement)
    case alterKeyspace(AlterKeyspaceStatement)
    case dropKeyspace(DropKeyspaceStatement)
    case createTable(CreateTableStatement)
    case alterTable(AlterTableStatement)
    case dropTable(DropStatement)
    case truncate(QualifiedName)
    case createIndex(CreateIndexStatement)
    case dropIndex(DropStatement)
    case createType(CreateTypeStatement)
    case alterType(AlterTypeStatement)
    case dropType(DropStatement)
    case createView(CreateViewStatement)
    case alterView(AlterViewStatement)
    case dropView(DropStatement)
    case createFunction(CreateFunctionStatement)
    case dropFunction(DropFunctionStatement)
    case createAggregate(CreateAggregateStatement)
    case dropAggregate(DropFunctionStatement)
    case createTrigger(CreateTriggerStatement)
    case dropTrigger(DropTriggerStatement)
    case access(AccessStatement)
    case describe(DescribeStatement)
    /// `EXPLAIN` before another statement.
    indirect case explain(Statement)
}

extension Statement {
    /// The statement's first words, as one names it: `CREATE INDEX`.
    package var title: String {
        switch self {
        case .select: "SELECT"
        case .insert: "INSERT"
        case .update: "UPDATE"
        case .delete: "DELETE"
        case .batch: "BATCH"
        case .use: "USE"
        case .createKeyspace: "CREATE KEYSPACE"
        case .alterKeyspace: "ALTER KEYSPACE"
        case .dropKeyspace: "DROP KEYSPACE"
        case .createTable: "CREATE TABLE"
        case .alterTable: "ALTER TABLE"
        case .dropTable: "DROP TABLE"
        case .truncate: "TRUNCATE"
        case .createIndex: "CREATE INDEX"
        case .dropIndex: "DROP INDEX"
        case .createType: "CREATE TYPE"
        case .alterType: "ALTER TYPE"
        case .dropType: "DROP TYPE"
        case .createView: "CREATE MATERIALIZED VIEW"
        case .alterView: "ALTER MATERIALIZED VIEW"
        case .dropView: "DROP MATERIALIZED VIEW"
        case .createFunction: "CREATE FUNCTION"
        case .dropFunction: "DROP FUNCTION"
        case .createAggregate: "CREATE AGGREGATE"
        case .dropAggregate: "DROP AGGREGATE"
        case .createTrigger: "CREATE TRIGGER"
        case .dropTrigger: "DROP TRIGGER"
        case .access(let statement): statement.title
        case .describe: "DESCRIBE"
        case .explain: "EXPLAIN"
        }
    }
}

extension AccessStatement {
    /// The statement's first words, as one names it.
    package var title: String {
        switch self {
        case .createRole(_, _, _, let isUser): isUser ? "CREATE USER" : "CREATE ROLE"
        case .alterRole(_, _, _, let isUser): isUser ? "ALTER USER" : "ALTER ROLE"
        case .dropRole(_, _, let isUser): isUser ? "DROP USER" : "DROP ROLE"
        case .listRoles: "LIST ROLES"
        case .listUsers: "LIST USERS"
        case .grantRole, .grant: "GRANT"
        case .revokeRole, .revoke: "REVOKE"
        case .listPermissions: "LIST PERMISSIONS"
        case .addIdentity: "ADD IDENTITY"
        case .dropIdentity: "DROP IDENTITY"
        }
    }
}

/// A statement and the bind markers in it, in the order of the text.
package struct ParsedStatement: Sendable {
    /// The statement.
    package let statement: Statement
    /// Its bind markers; `markers[i].index == i`.
    package let markers: [BindMarker]
}
