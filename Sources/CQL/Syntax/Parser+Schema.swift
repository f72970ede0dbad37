// SPDX-License-Identifier: Apache-2.0

/// Indexes, types, functions, aggregates and triggers.
extension Parser {
    mutating func createIndex() throws(SyntaxError) -> CreateIndexStatement {
        let isCustom = try accept(.custom)
        try expect(.index)
        let ifNotExists = try ifNotExists()
        let name = at(.on) ? nil : try identifier("an index name or ON")
        try expect(.on)
        let table = try tableName()
        let targets = try parenthesized { (parser) throws(SyntaxError) in
            try parser.indexTarget()
        }
        var implementation: String?
        if try accept(.using) { implementation = try string("the name of an index kind, quoted") }
        var properties: [Property] = []
        if try accept(.with) { properties = try self.properties() }
        return CreateIndexStatement(
            name: name, ifNotExists: ifNotExists, isCustom: isCustom, table: table,
            targets: targets, implementation: implementation, properties: properties)
    }

    private mutating func indexTarget() throws(SyntaxError) -> CreateIndexStatement.Target {
        let part: CreateIndexStatement.Part
        switch token.keyword {
        case .keys: part = .keys
        case .values: part = .values
        case .entries: part = .entries
        case .full: part = .full
        default: part = .whole
        }
        guard part != .whole, try lookAhead().kind == .leftParenthesis else {
            return CreateIndexStatement.Target(column: try columnName(), part: .whole)
        }
        try advance()
        try expect(.leftParenthesis, "(")
        let column = try columnName()
        try expect(.rightParenthesis, ")")
        return CreateIndexStatement.Target(column: column, part: part)
    }

    // MARK: Types

    mutating func createType() throws(SyntaxError) -> CreateTypeStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try qualifiedName("a type name")
        try expect(.leftParenthesis, "(")
        var fields: [CreateTypeStatement.Field] = []
        repeat {
            // A comma may follow the last field.
            if at(.rightParenthesis), !fields.isEmpty { break }
            fields.append(try field())
        } while try accept(.comma)
        guard at(.rightParenthesis) else { throw expected("',' or ')'") }
        try advance()
        return CreateTypeStatement(name: name, ifNotExists: ifNotExists, fields: fields)
    }

    private mutating func field() throws(SyntaxError) -> CreateTypeStatement.Field {
        let name = try identifier("a field name")
        return CreateTypeStatement.Field(name: name, type: try type())
    }

    mutating func alterType() throws(SyntaxError) -> AlterTypeStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try qualifiedName("a type name")
        let change: AlterTypeStatement.Change
        switch token.keyword {
        case .add:
            try advance()
            let ifNotExists = try ifNotExists()
            change = .addField(try field(), ifNotExists: ifNotExists)
        case .alter:
            try advance()
            let field = try identifier("a field name")
            try expect(.type)
            change = .alterField(field, try type())
        case .rename:
            let (renamings, ifExists) = try renamings()
            change = .renameFields(renamings, ifExists: ifExists)
        default:
            throw expected("ADD, ALTER or RENAME")
        }
        return AlterTypeStatement(name: name, ifExists: ifExists, change: change)
    }

    // MARK: Functions

    mutating func createFunction(
        orReplace: Bool
    ) throws(SyntaxError) -> CreateFunctionStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try qualifiedName("a function name")
        var arguments: [CreateFunctionStatement.Argument] = []
        try expect(.leftParenthesis, "(")
        if !(try accept(.rightParenthesis)) {
            arguments = try commaSeparated { (parser) throws(SyntaxError) in
                let name = try parser.identifier("the name of an argument")
                return CreateFunctionStatement.Argument(name: name, type: try parser.type())
            }
            try expect(.rightParenthesis, ")")
        }
        let isCalledOnNull = try accept(.called)
        if !isCalledOnNull {
            guard try accept(.returns) else { throw expected("CALLED or RETURNS NULL") }
            try expect(.null)
        }
        try expect(.on)
        try expect(.null)
        try expect(.input)
        try expect(.returns)
        let returnType = try type()
        try expect(.language)
        let language = try identifier("the name of a language")
        try expect(.as)
        return CreateFunctionStatement(
            name: name, orReplace: orReplace, ifNotExists: ifNotExists, arguments: arguments,
            isCalledOnNull: isCalledOnNull, returnType: returnType, language: language,
            body: try string("the function's body as a string"))
    }

    mutating func createAggregate(
        orReplace: Bool
    ) throws(SyntaxError) -> CreateAggregateStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try qualifiedName("an aggregate name")
        let argumentTypes = try types()
        try expect(.sfunc)
        let stateFunction = try identifier("a function name")
        try expect(.stype)
        let stateType = try type()
        let hasFinal = try accept(.finalfunc)
        let finalFunction = hasFinal ? try identifier("a function name") : nil
        let hasInitial = try accept(.initcond)
        return CreateAggregateStatement(
            name: name, orReplace: orReplace, ifNotExists: ifNotExists,
            argumentTypes: argumentTypes, stateFunction: stateFunction, stateType: stateType,
            finalFunction: finalFunction, initialState: hasInitial ? try term() : nil)
    }

    /// Types in parentheses, maybe none.
    mutating func types() throws(SyntaxError) -> [TypeReference] {
        try expect(.leftParenthesis, "(")
        if try accept(.rightParenthesis) { return [] }
        let types = try commaSeparated { (parser) throws(SyntaxError) in try parser.type() }
        try expect(.rightParenthesis, ")")
        return types
    }

    mutating func dropFunction(_ what: StaticString) throws(SyntaxError) -> DropFunctionStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try qualifiedName(what)
        let argumentTypes = at(.leftParenthesis) ? try types() : nil
        return DropFunctionStatement(name: name, ifExists: ifExists, argumentTypes: argumentTypes)
    }

    // MARK: Triggers

    mutating func createTrigger() throws(SyntaxError) -> CreateTriggerStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try identifier("a trigger name")
        try expect(.on)
        let table = try tableName()
        try expect(.using)
        return CreateTriggerStatement(
            name: name, ifNotExists: ifNotExists, table: table,
            implementation: try string("the trigger's class as a string"))
    }

    mutating func dropTrigger() throws(SyntaxError) -> DropTriggerStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try identifier("a trigger name")
        try expect(.on)
        return DropTriggerStatement(name: name, ifExists: ifExists, table: try tableName())
    }
}
