// SPDX-License-Identifier: Apache-2.0

/// Constants and bind markers.
extension Parser {
    /// A constant, if one comes next.
    ///
    /// - Parameter minus: where a minus sign stood right before; then only what can be negative is
    ///   accepted.
    mutating func acceptLiteral(
        negativeAt minus: SourcePosition? = nil
    ) throws(SyntaxError) -> Literal? {
        let kind: Literal.Kind
        var text: String?
        switch token.kind {
        case .integer: kind = .integer
        case .float: kind = .float
        case .duration: kind = .duration
        case .uuid where minus == nil: kind = .uuid
        case .blob where minus == nil: kind = .blob
        case .string where minus == nil, .dollarString where minus == nil:
            kind = .string
            text = try quotedText()
        case .word:
            switch token.keyword {
            case .nan: (kind, text) = (.float, "NaN")
            case .infinity: (kind, text) = (.float, "Infinity")
            case .true where minus == nil: (kind, text) = (.boolean, "true")
            case .false where minus == nil: (kind, text) = (.boolean, "false")
            default: return nil
            }
        default: return nil
        }
        let plain = text ?? rawText
        let literal = Literal(kind, minus == nil ? plain : "-" + plain, at: minus ?? position)
        try advance()
        return literal
    }

    /// A constant, maybe negative.
    mutating func literal(_ what: StaticString = "a constant") throws(SyntaxError) -> Literal {
        let start = position
        let isNegative = try accept(.minus)
        guard let literal = try acceptLiteral(negativeAt: isNegative ? start : nil) else {
            throw expected("\(what)")
        }
        return literal
    }

    /// An integer, maybe negative.
    mutating func integer(_ what: StaticString = "an integer") throws(SyntaxError) -> Literal {
        let start = position
        let isNegative = try accept(.minus)
        guard at(.integer), let literal = try acceptLiteral(negativeAt: isNegative ? start : nil)
        else { throw expected("\(what)") }
        return literal
    }

    /// An integer or a marker, as `LIMIT` and `TTL` want it.
    mutating func integerOrMarker() throws(SyntaxError) -> Term {
        let start = position
        if at(.questionMark) || at(.colon) { return Term(.marker(try marker()), at: start) }
        return Term(.literal(try integer("an integer or a bind marker")), at: start)
    }

    /// `?` or `:name`.
    mutating func marker() throws(SyntaxError) -> BindMarker {
        let start = position
        var name: String?
        if try accept(.colon) {
            name = try identifier("the name of a bind marker").name
        } else {
            try expect(.questionMark, "?")
        }
        guard markers.count < limits.markerCountMax else {
            throw SyntaxError("more than \(limits.markerCountMax) bind markers", at: start)
        }
        let marker = BindMarker(index: markers.count, name: name, position: start)
        markers.append(marker)
        return marker
    }
}
