// SPDX-License-Identifier: Apache-2.0

/// Where a term stands, and so what it may be.
enum TermPlace {
    /// Among values: no columns.
    case value
    /// Among selectors: columns too.
    case selector
}

/// Terms: constants, markers, calls, collections and arithmetic over them.
extension Parser {
    /// A term.
    mutating func term(_ place: TermPlace = .value) throws(SyntaxError) -> Term {
        try sum(place, stopsAtColumn: false)
    }

    /// A term that ends before `+ column`, as in `SET c = [1] + c`.
    mutating func termBeforeColumn() throws(SyntaxError) -> Term {
        try sum(.value, stopsAtColumn: true)
    }

    private mutating func sum(
        _ place: TermPlace, stopsAtColumn: Bool
    ) throws(SyntaxError) -> Term {
        try nested { (parser) throws(SyntaxError) in
            var left = try parser.product(place)
            var count = 0
            while parser.at(.plus) || parser.at(.minus) {
                if stopsAtColumn, parser.at(.plus), try parser.isColumnNext() { break }
                let sign: ArithmeticOperator = parser.at(.plus) ? .add : .subtract
                count += 1
                try parser.checkDepth(parser.depth + count)
                try parser.advance()
                let right = try parser.product(place)
                left = Term(.arithmetic(left, sign, right), at: left.position)
            }
            return left
        }
    }

    /// Whether a name that isn't a function's follows the next token.
    private func isColumnNext() throws(SyntaxError) -> Bool {
        var ahead = self
        try ahead.advance()
        guard ahead.atName else { return false }
        return try !ahead.atCall()
    }

    /// Whether `name(` or `name.name(` comes next.
    func atCall() throws(SyntaxError) -> Bool {
        let next = try lookAhead().kind
        guard next == .dot else { return next == .leftParenthesis }
        return try isQualifiedCall()
    }

    /// Factors between `*`, `/` and `%`.
    private mutating func product(_ place: TermPlace) throws(SyntaxError) -> Term {
        var left = try factor(place)
        var count = 0
        while true {
            let sign: ArithmeticOperator
            switch token.kind {
            case .star: sign = .multiply
            case .slash: sign = .divide
            case .percent: sign = .remainder
            default: return left
            }
            count += 1
            try checkDepth(depth + count)
            try advance()
            let right = try factor(place)
            left = Term(.arithmetic(left, sign, right), at: left.position)
        }
    }

    /// A term without arithmetic, maybe with a minus before it. A number's minus is part of it.
    private mutating func factor(_ place: TermPlace) throws(SyntaxError) -> Term {
        guard at(.minus) else { return try modified(place) }
        let start = position
        try advance()
        if let literal = try acceptLiteral(negativeAt: start) {
            return try modifiers(Term(.literal(literal), at: start), place)
        }
        let operand = try nested { (parser) throws(SyntaxError) in try parser.factor(place) }
        return Term(.negation(operand), at: start)
    }

    /// A term, among selectors maybe followed by fields and elements.
    private mutating func modified(_ place: TermPlace) throws(SyntaxError) -> Term {
        try modifiers(try primary(place), place)
    }

    private mutating func modifiers(
        _ receiver: Term, _ place: TermPlace
    ) throws(SyntaxError) -> Term {
        guard place == .selector else { return receiver }
        var term = receiver
        var count = 0
        while at(.dot) || at(.leftBracket) {
            count += 1
            try checkDepth(depth + count)
            if try accept(.dot) {
                term = Term(.field(term, try identifier("a field name")), at: term.position)
            } else {
                try advance()
                term = try subscripted(term)
            }
        }
        return term
    }

    /// What follows `[` after a selector: an element or a slice.
    private mutating func subscripted(_ receiver: Term) throws(SyntaxError) -> Term {
        let from = at(.range) ? nil : try self.term()
        var form: Term.Form
        if try accept(.range) {
            let to = at(.rightBracket) && from != nil ? nil : try self.term()
            form = .slice(receiver, from: from, to: to)
        } else if let from {
            form = .element(receiver, from)
        } else {
            throw expected("a value")
        }
        try expect(.rightBracket, "]")
        return Term(form, at: receiver.position)
    }

    private mutating func primary(_ place: TermPlace) throws(SyntaxError) -> Term {
        let start = position
        switch token.kind {
        case .questionMark, .colon:
            return Term(.marker(try marker()), at: start)
        case .leftParenthesis:
            return try parenthesizedTerm(place)
        case .leftBracket:
            try advance()
            return Term(.list(try elements(until: .rightBracket, "]", place)), at: start)
        case .leftBrace:
            return try braced(place)
        case .word, .quotedName:
            return try named(place)
        default:
            guard let literal = try acceptLiteral() else { throw expectedTerm(place) }
            return Term(.literal(literal), at: start)
        }
    }

    private func expectedTerm(_ place: TermPlace) -> SyntaxError {
        expected(place == .selector ? "a column, a function or a value" : "a value")
    }

    /// A term that begins with a word or a quoted name: a constant, a call or a column.
    private mutating func named(_ place: TermPlace) throws(SyntaxError) -> Term {
        let start = position
        switch token.keyword {
        case .null:
            try advance()
            return Term(.null, at: start)
        case .true, .false, .nan, .infinity:
            guard let literal = try acceptLiteral() else { throw expectedTerm(place) }
            return Term(.literal(literal), at: start)
        case .cast:
            if try lookAhead().kind == .leftParenthesis { return try cast(place) }
        case .token:
            guard try lookAhead().kind == .leftParenthesis else { throw expectedTerm(place) }
            return try call(nil, tokenName(), place, at: start)
        default:
            break
        }
        guard atName else { throw expectedTerm(place) }
        let next = try lookAhead().kind
        if next == .leftParenthesis {
            return try call(nil, try identifier(), place, at: start)
        }
        if next == .dot, try isQualifiedCall() {
            let keyspace = try identifier()
            try advance()
            let name = at(.token) ? try tokenName() : try identifier("a function name")
            return try call(keyspace, name, place, at: start)
        }
        guard place == .selector else {
            throw SyntaxError("expected a value but found the name '\(rawText)'", at: start)
        }
        return Term(.column(try identifier()), at: start)
    }

    /// The reserved word `token` as the name of the function.
    private mutating func tokenName() throws(SyntaxError) -> Identifier {
        let name = Identifier("token", at: position)
        try advance()
        return name
    }

    /// Whether the next tokens are `name.name(`.
    private func isQualifiedCall() throws(SyntaxError) -> Bool {
        var ahead = lexer
        guard try ahead.next().kind == .dot else { return false }
        let name = try ahead.next()
        guard Parser.isName(name) || name.keyword == .token else { return false }
        return try ahead.next().kind == .leftParenthesis
    }

    /// The arguments of a call, whose name is read.
    private mutating func call(
        _ keyspace: Identifier?, _ name: Identifier, _ place: TermPlace, at start: SourcePosition
    ) throws(SyntaxError) -> Term {
        try expect(.leftParenthesis, "(")
        if place == .selector, at(.star), keyspace == nil, name.name == "count" {
            try advance()
            try expect(.rightParenthesis, ")")
            return Term(.countRows, at: start)
        }
        let arguments = try elements(until: .rightParenthesis, ")", place)
        let qualified = QualifiedName(keyspace: keyspace, name: name)
        return Term(.call(FunctionCall(name: qualified, arguments: arguments)), at: start)
    }

    /// `CAST(x AS type)`.
    private mutating func cast(_ place: TermPlace) throws(SyntaxError) -> Term {
        let start = position
        try advance()
        try expect(.leftParenthesis, "(")
        let operand = try term(place)
        try expect(.as)
        let type = try self.type()
        try expect(.rightParenthesis, ")")
        return Term(.cast(operand, type), at: start)
    }

    /// Terms with commas between, maybe none, and the bracket that closes them.
    private mutating func elements(
        until end: Token.Kind, _ shown: StaticString, _ place: TermPlace
    ) throws(SyntaxError) -> [Term] {
        var elements: [Term] = []
        if try accept(end) { return elements }
        repeat {
            elements.append(try term(place))
        } while try accept(.comma)
        guard at(end) else { throw expected("',' or '\(shown)'") }
        try advance()
        return elements
    }

    /// A type hint, a tuple, or a term in parentheses.
    private mutating func parenthesizedTerm(_ place: TermPlace) throws(SyntaxError) -> Term {
        let start = position
        if try atTypeHint(place) {
            try advance()
            let type = try self.type()
            try expect(.rightParenthesis, ")")
            let operand = try nested { (parser) throws(SyntaxError) in try parser.factor(place) }
            return Term(.typeHint(type, operand), at: start)
        }
        try advance()
        let elements = try elements(until: .rightParenthesis, ")", place)
        guard !elements.isEmpty else {
            throw SyntaxError("a tuple needs at least one value", at: start)
        }
        return Term(.tuple(elements), at: start)
    }

    /// Whether the parenthesis here holds a type: `(int)`, `(list<int>)`, `(address)`.
    private func atTypeHint(_ place: TermPlace) throws(SyntaxError) -> Bool {
        var ahead = lexer
        let first = try ahead.next()
        guard Parser.isName(first) || first.keyword == .set else { return false }
        var next = try ahead.next()
        if next.kind == .dot {
            guard Parser.isName(try ahead.next()) else { return false }
            next = try ahead.next()
        }
        if next.kind == .less { return true }
        guard next.kind == .rightParenthesis else { return false }
        if place == .value { return true }
        // Among selectors `(a)` is a column, unless something follows that it applies to.
        let operand = try ahead.next()
        switch operand.kind {
        case .word: return operand.keyword != .as && Parser.beginsTerm(operand)
        case .quotedName, .string, .dollarString, .integer, .float, .duration, .uuid, .blob,
            .questionMark, .colon, .leftParenthesis, .leftBrace:
            return true
        default: return false
        }
    }

    /// A set, a map or a user type's value.
    private mutating func braced(_ place: TermPlace) throws(SyntaxError) -> Term {
        let start = position
        try advance()
        if try accept(.rightBrace) { return Term(.set([]), at: start) }
        if atName, try lookAhead().kind == .colon {
            let fields = try nested { (parser) throws(SyntaxError) in
                try parser.commaSeparated { (parser) throws(SyntaxError) in
                    let field = try parser.identifier("a field name")
                    try parser.expect(.colon, ":")
                    return FieldEntry(field: field, value: try parser.term(place))
                }
            }
            try closeBrace()
            return Term(.userType(fields), at: start)
        }
        let first = try term(place)
        if at(.colon) {
            let entries = try mapEntries(first, place)
            try closeBrace()
            return Term(.map(entries), at: start)
        }
        var elements = [first]
        while try accept(.comma) {
            elements.append(try term(place))
        }
        try closeBrace()
        return Term(.set(elements), at: start)
    }

    private mutating func mapEntries(
        _ firstKey: Term, _ place: TermPlace
    ) throws(SyntaxError) -> [MapEntry] {
        try expect(.colon, ":")
        var entries = [MapEntry(key: firstKey, value: try term(place))]
        while try accept(.comma) {
            let key = try term(place)
            try expect(.colon, ":")
            entries.append(MapEntry(key: key, value: try term(place)))
        }
        return entries
    }

    private mutating func closeBrace() throws(SyntaxError) {
        guard at(.rightBrace) else { throw expected("',' or '}'") }
        try advance()
    }
}
