// SPDX-License-Identifier: Apache-2.0

/// The relations of `WHERE` and `IF`.
extension Parser {
    /// Relations with `AND` between.
    mutating func relations() throws(SyntaxError) -> [Relation] {
        var relations: [Relation] = []
        repeat {
            relations.append(try relation())
        } while try accept(.and)
        return relations
    }

    private mutating func relation() throws(SyntaxError) -> Relation {
        if at(.leftParenthesis), try !atColumnTuple() {
            return try nested { (parser) throws(SyntaxError) in
                try parser.advance()
                let relation = try parser.relation()
                try parser.expect(.rightParenthesis, ")")
                return relation
            }
        }
        let start = position
        if at(.expr), try lookAhead().kind == .leftParenthesis { return try indexExpression() }
        let subject = try subject()
        let comparison = try comparison()
        return Relation(subject, comparison, try operand(comparison), at: start)
    }

    /// Whether the parenthesis here begins `(a)` or `(a, b)` and not a relation.
    private func atColumnTuple() throws(SyntaxError) -> Bool {
        var ahead = lexer
        guard Parser.isName(try ahead.next()) else { return false }
        let next = try ahead.next().kind
        return next == .comma || next == .rightParenthesis
    }

    private mutating func subject() throws(SyntaxError) -> Relation.Subject {
        if at(.leftParenthesis) {
            return .columns(try parenthesized { (parser) throws(SyntaxError) in
                try parser.columnName()
            })
        }
        if try accept(.token) {
            return .token(try parenthesized { (parser) throws(SyntaxError) in
                try parser.columnName()
            })
        }
        let column = try columnName()
        if try accept(.leftBracket) {
            let key = try term()
            try expect(.rightBracket, "]")
            return .element(column, key)
        }
        if try accept(.dot) { return .field(column, try identifier("a field name")) }
        return .column(column)
    }

    private mutating func comparison() throws(SyntaxError) -> Relation.Operator {
        let comparison: Relation.Operator
        switch (token.kind, token.keyword) {
        case (.equal, _): comparison = .equal
        case (.notEqual, _): comparison = .notEqual
        case (.less, _): comparison = .less
        case (.lessOrEqual, _): comparison = .lessOrEqual
        case (.greater, _): comparison = .greater
        case (.greaterOrEqual, _): comparison = .greaterOrEqual
        case (_, .in): comparison = .in
        case (_, .like): comparison = .like
        case (_, .between): comparison = .between
        case (_, .contains): return try contains(.contains, .containsKey)
        case (_, .is):
            try advance()
            try expect(.not)
            try expect(.null)
            return .isNotNull
        case (_, .not):
            try advance()
            if at(.contains) { return try contains(.notContains, .notContainsKey) }
            guard try accept(.in) else { throw expected("IN or CONTAINS") }
            return .notIn
        default:
            throw expected("an operator such as '=', '<' or IN")
        }
        try advance()
        return comparison
    }

    private mutating func contains(
        _ value: Relation.Operator, _ key: Relation.Operator
    ) throws(SyntaxError) -> Relation.Operator {
        try advance()
        return try accept(.key) ? key : value
    }

    private mutating func operand(
        _ comparison: Relation.Operator
    ) throws(SyntaxError) -> Relation.Operand {
        switch comparison {
        case .isNotNull:
            return .none
        case .between:
            let from = try term()
            try expect(.and)
            return .range(from, try term())
        case .in, .notIn:
            if at(.questionMark) || at(.colon) { return .term(try term()) }
            guard try accept(.leftParenthesis) else { throw expected("'(' or a bind marker") }
            if try accept(.rightParenthesis) { return .list([]) }
            let terms = try commaSeparated { (parser) throws(SyntaxError) in try parser.term() }
            guard at(.rightParenthesis) else { throw expected("',' or ')'") }
            try advance()
            return .list(terms)
        default:
            return .term(try term())
        }
    }

    /// `expr(index, term)`.
    private mutating func indexExpression() throws(SyntaxError) -> Relation {
        let start = position
        try advance()
        try expect(.leftParenthesis, "(")
        let index = try qualifiedName("an index name")
        try expect(.comma, ",")
        let operand = try term()
        try expect(.rightParenthesis, ")")
        return Relation(.index(index), .matches, .term(operand), at: start)
    }
}
