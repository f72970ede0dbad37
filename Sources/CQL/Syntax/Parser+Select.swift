// SPDX-License-Identifier: Apache-2.0

/// `SELECT`.
extension Parser {
    mutating func selectStatement() throws(SyntaxError) -> SelectStatement {
        try expect(.select)
        let isJSON = try acceptModifier(.json)
        let isDistinct = try acceptModifier(.distinct)
        let selectors = try selectors()
        try expect(.from)
        var select = SelectStatement(table: try tableName())
        select.isJSON = isJSON
        select.isDistinct = isDistinct
        select.selectors = selectors
        if try accept(.where) { select.relations = try relations() }
        if try accept(.group) {
            try expect(.by)
            select.groupBy = try commaSeparated { (parser) throws(SyntaxError) in
                try parser.term(.selector)
            }
        }
        if try accept(.order) {
            try expect(.by)
            select.orderBy = try commaSeparated { (parser) throws(SyntaxError) in
                try parser.ordering()
            }
        }
        try selectTail(&select)
        return select
    }

    /// Limits and what follows them.
    private mutating func selectTail(_ select: inout SelectStatement) throws(SyntaxError) {
        if try accept(.per) {
            try expect(.partition)
            try expect(.limit)
            select.perPartitionLimit = try integerOrMarker()
        }
        if try accept(.limit) { select.limit = try integerOrMarker() }
        if try accept(.allow) {
            try expect(.filtering)
            select.allowsFiltering = true
        }
        if try accept(.bypass) {
            try expect(.cache)
            select.bypassesCache = true
        }
        if at(.using) { select.using = try usingClause(.timeoutAlone) }
    }

    /// `JSON` or `DISTINCT`, which are also names of columns: the word is meant when a selector
    /// follows it.
    private mutating func acceptModifier(_ keyword: Keyword) throws(SyntaxError) -> Bool {
        guard at(keyword) else { return false }
        let next = try lookAhead()
        switch next.kind {
        case .word:
            guard next.keyword != .as, Parser.beginsTerm(next) else { return false }
        case .quotedName, .star, .string, .dollarString, .integer, .float, .duration, .uuid, .blob,
            .questionMark, .colon, .leftParenthesis, .leftBrace:
            break
        default:
            return false
        }
        try advance()
        return true
    }

    /// `*`, as an empty list, or selectors.
    private mutating func selectors() throws(SyntaxError) -> [SelectStatement.Selector] {
        if try accept(.star) { return [] }
        return try commaSeparated { (parser) throws(SyntaxError) in
            let term = try parser.term(.selector)
            let hasAlias = try parser.accept(.as)
            let alias = hasAlias ? try parser.identifier("an alias") : nil
            return SelectStatement.Selector(term: term, alias: alias)
        }
    }

    private mutating func ordering() throws(SyntaxError) -> SelectStatement.Ordering {
        let column = try columnName()
        var nearest: Term?
        if try accept(.ann) {
            try expect(.of)
            nearest = try term()
        }
        return SelectStatement.Ordering(
            column: column, isDescending: try descending(), nearest: nearest)
    }

    /// `ASC`, `DESC` or nothing.
    mutating func descending() throws(SyntaxError) -> Bool {
        if try accept(.desc) { return true }
        _ = try accept(.asc)
        return false
    }

    mutating func createView() throws(SyntaxError) -> CreateViewStatement {
        try advance()
        try expect(.view)
        let ifNotExists = try ifNotExists()
        let name = try qualifiedName("a view name")
        try expect(.as)
        try expect(.select)
        let selectors = try selectors()
        try expect(.from)
        var select = SelectStatement(table: try tableName())
        select.selectors = selectors
        if try accept(.where) { select.relations = try relations() }
        let primaryKey = try primaryKey()
        let options = try tableOptions()
        return CreateViewStatement(
            name: name, ifNotExists: ifNotExists, select: select, primaryKey: primaryKey,
            options: options)
    }

    mutating func alterView() throws(SyntaxError) -> AlterViewStatement {
        try advance()
        try expect(.view)
        let ifExists = try ifExists()
        let name = try qualifiedName("a view name")
        try expect(.with)
        return AlterViewStatement(name: name, ifExists: ifExists, properties: try properties())
    }
}
