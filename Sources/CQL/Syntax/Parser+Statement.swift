// SPDX-License-Identifier: Apache-2.0

/// Which statement it is.
extension Parser {
    /// A statement, an optional semicolon, and the end of the text.
    mutating func wholeStatement() throws(SyntaxError) -> Statement {
        let statement: Statement
        if try accept(.explain) {
            statement = .explain(try self.statement())
        } else {
            statement = try self.statement()
        }
        if try accept(.semicolon) {
            guard at(.endOfText) else {
                throw expected("nothing more after the semicolon")
            }
        }
        guard at(.endOfText) else { throw expected("the end of the statement") }
        return statement
    }

    private mutating func statement() throws(SyntaxError) -> Statement {
        switch token.keyword {
        case .select: return .select(try selectStatement())
        case .insert: return .insert(try insertStatement())
        case .update: return .update(try updateStatement())
        case .delete: return .delete(try deleteStatement())
        case .begin: return .batch(try batchStatement())
        case .use:
            try advance()
            return .use(try identifier("a keyspace name"))
        case .create: return try createStatement()
        case .alter: return try alterStatement()
        case .drop: return try dropStatement()
        case .truncate:
            try advance()
            if !(try accept(.table)) { _ = try accept(.columnfamily) }
            return .truncate(try tableName())
        case .describe, .desc: return .describe(try describeStatement())
        case .grant: return .access(try grantStatement())
        case .revoke: return .access(try revokeStatement())
        case .list: return .access(try listStatement())
        case .add: return .access(try addIdentityStatement())
        default:
            if at(.endOfText) { throw SyntaxError("there is no statement", at: position) }
            throw expected("a statement such as SELECT, INSERT or CREATE")
        }
    }

    private mutating func createStatement() throws(SyntaxError) -> Statement {
        try advance()
        switch token.keyword {
        case .keyspace, .schema: return .createKeyspace(try createKeyspace())
        case .table, .columnfamily: return .createTable(try createTable())
        case .custom, .index: return .createIndex(try createIndex())
        case .type: return .createType(try createType())
        case .materialized: return .createView(try createView())
        case .function: return .createFunction(try createFunction(orReplace: false))
        case .aggregate: return .createAggregate(try createAggregate(orReplace: false))
        case .trigger: return .createTrigger(try createTrigger())
        case .role: return .access(try createRole())
        case .user: return .access(try createUser())
        case .or:
            try advance()
            try expect(.replace)
            if at(.function) { return .createFunction(try createFunction(orReplace: true)) }
            if at(.aggregate) { return .createAggregate(try createAggregate(orReplace: true)) }
            throw expected("FUNCTION or AGGREGATE")
        default:
            throw expected("what to create, such as TABLE, KEYSPACE or INDEX")
        }
    }

    private mutating func alterStatement() throws(SyntaxError) -> Statement {
        try advance()
        switch token.keyword {
        case .keyspace, .schema: return .alterKeyspace(try alterKeyspace())
        case .table, .columnfamily: return .alterTable(try alterTable())
        case .type: return .alterType(try alterType())
        case .materialized: return .alterView(try alterView())
        case .role: return .access(try alterRole())
        case .user: return .access(try alterUser())
        default:
            throw expected("what to alter, such as TABLE, KEYSPACE or TYPE")
        }
    }

    private mutating func dropStatement() throws(SyntaxError) -> Statement {
        try advance()
        switch token.keyword {
        case .keyspace, .schema:
            try advance()
            let ifExists = try ifExists()
            let name = try identifier("a keyspace name")
            return .dropKeyspace(DropKeyspaceStatement(keyspace: name, ifExists: ifExists))
        case .table, .columnfamily: return .dropTable(try drop("a table name"))
        case .index: return .dropIndex(try drop("an index name"))
        case .type: return .dropType(try drop("a type name"))
        case .materialized:
            try advance()
            guard at(.view) else { throw expected("VIEW") }
            return .dropView(try drop("a view name"))
        case .function: return .dropFunction(try dropFunction("a function name"))
        case .aggregate: return .dropAggregate(try dropFunction("an aggregate name"))
        case .trigger: return .dropTrigger(try dropTrigger())
        case .role, .user: return .access(try dropRole())
        case .identity: return .access(try dropIdentity())
        default:
            throw expected("what to drop, such as TABLE, KEYSPACE or INDEX")
        }
    }

    /// `X [IF EXISTS] name`, where `X` comes next.
    private mutating func drop(_ what: StaticString) throws(SyntaxError) -> DropStatement {
        try advance()
        let ifExists = try ifExists()
        return DropStatement(name: try qualifiedName(what), ifExists: ifExists)
    }
}
