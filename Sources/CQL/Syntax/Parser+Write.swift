// SPDX-License-Identifier: Apache-2.0

/// `INSERT`, `UPDATE`, `DELETE` and `BATCH`.
extension Parser {
    /// Which settings a statement takes after `USING`.
    enum UsingChoice {
        case all
        case timestampAndTimeout
        case timeoutAlone
    }

    mutating func usingClause(_ choice: UsingChoice) throws(SyntaxError) -> UsingClause {
        var using = UsingClause()
        guard try accept(.using) else { return using }
        repeat {
            if choice != .timeoutAlone, try accept(.timestamp) {
                using.timestamp = try integerOrMarker()
            } else if choice == .all, try accept(.ttl) {
                using.timeToLive = try integerOrMarker()
            } else if try accept(.timeout) {
                using.timeout = try term()
            } else {
                switch choice {
                case .all: throw expected("TTL, TIMESTAMP or TIMEOUT")
                case .timestampAndTimeout: throw expected("TIMESTAMP or TIMEOUT")
                case .timeoutAlone: throw expected("TIMEOUT")
                }
            }
        } while try accept(.and)
        return using
    }

    mutating func insertStatement() throws(SyntaxError) -> InsertStatement {
        try expect(.insert)
        try expect(.into)
        let table = try tableName()
        let source: InsertStatement.Source
        if try accept(.json) {
            source = try jsonSource()
        } else {
            guard at(.leftParenthesis) else { throw expected("'(' or JSON") }
            let columns = try parenthesized { (parser) throws(SyntaxError) in
                try parser.columnName()
            }
            try expect(.values)
            let terms = try parenthesized { (parser) throws(SyntaxError) in try parser.term() }
            source = .values(columns: columns, terms: terms)
        }
        let ifNotExists = try ifNotExists()
        return InsertStatement(
            table: table, source: source, condition: ifNotExists ? .notExists : .none,
            using: try usingClause(.all))
    }

    private mutating func jsonSource() throws(SyntaxError) -> InsertStatement.Source {
        let start = position
        let term: Term
        switch token.kind {
        case .questionMark, .colon: term = Term(.marker(try marker()), at: start)
        case .string, .dollarString: term = Term(.literal(try literal()), at: start)
        default: throw expected("a JSON string or a bind marker")
        }
        guard try accept(.default) else { return .json(term, defaultUnset: false) }
        if try accept(.null) { return .json(term, defaultUnset: false) }
        guard try accept(.unset) else { throw expected("NULL or UNSET") }
        return .json(term, defaultUnset: true)
    }

    mutating func updateStatement() throws(SyntaxError) -> UpdateStatement {
        try expect(.update)
        let table = try tableName()
        let using = try usingClause(.all)
        try expect(.set)
        let assignments = try commaSeparated { (parser) throws(SyntaxError) in
            try parser.assignment()
        }
        try expect(.where)
        let relations = try relations()
        return UpdateStatement(
            table: table, using: using, assignments: assignments, relations: relations,
            condition: try writeCondition())
    }

    /// `IF EXISTS`, `IF` relations, or nothing.
    private mutating func writeCondition() throws(SyntaxError) -> WriteCondition {
        guard try accept(.if) else { return .none }
        if at(.exists) {
            // EXISTS may also be the name of a column.
            let next = try lookAhead()
            if next.kind == .endOfText || next.kind == .semicolon || next.kind == .word {
                try advance()
                return .exists
            }
        }
        return .relations(try relations())
    }

    private mutating func assignment() throws(SyntaxError) -> UpdateStatement.Assignment {
        let column = try columnName()
        let change: UpdateStatement.Assignment.Change
        switch token.kind {
        case .equal:
            try advance()
            change = try assignedValue(column)
        case .plusEqual:
            try advance()
            change = .add(try term())
        case .minusEqual:
            try advance()
            change = .subtract(try term())
        case .leftBracket:
            try advance()
            let key = try term()
            try expect(.rightBracket, "]")
            try expect(.equal, "=")
            change = .setElement(key, try term())
        case .dot:
            try advance()
            let field = try identifier("a field name")
            try expect(.equal, "=")
            change = .setField(field, try term())
        default:
            throw expected("'=', '+=', '-=', '[' or '.'")
        }
        return UpdateStatement.Assignment(column: column, change: change)
    }

    /// What follows `column =`: a term, the column plus or minus a term, or a term plus the column.
    private mutating func assignedValue(
        _ column: Identifier
    ) throws(SyntaxError) -> UpdateStatement.Assignment.Change {
        if atName, try !atCall() {
            let same = try columnName()
            try require(same, isSameAs: column)
            if try accept(.plus) { return .add(try term()) }
            if try accept(.minus) { return .subtract(try term()) }
            throw expected("'+' or '-'")
        }
        // The plus before a column isn't arithmetic over constants, so it ends the term.
        let value = try termBeforeColumn()
        guard at(.plus) else { return .set(value) }
        try advance()
        try require(try columnName(), isSameAs: column)
        return .prepend(value)
    }

    private func require(_ same: Identifier, isSameAs column: Identifier) throws(SyntaxError) {
        guard same.name != column.name else { return }
        throw SyntaxError(
            "'\(column.name)' can only be set to a value, or to itself plus or minus one, "
                + "but '\(same.name)' is another column",
            at: same.position)
    }

    /// `BEGIN BATCH … APPLY BATCH`.
    mutating func batchStatement() throws(SyntaxError) -> BatchStatement {
        try expect(.begin)
        var kind = BatchStatement.Kind.logged
        if try accept(.unlogged) {
            kind = .unlogged
        } else if try accept(.counter) {
            kind = .counter
        } else {
            _ = try accept(.logged)
        }
        try expect(.batch)
        let using = try usingClause(.all)
        var members: [BatchStatement.Member] = []
        while !at(.apply) {
            switch token.keyword {
            case .insert: members.append(.insert(try insertStatement()))
            case .update: members.append(.update(try updateStatement()))
            case .delete: members.append(.delete(try deleteStatement()))
            default: throw expected("INSERT, UPDATE, DELETE or APPLY BATCH")
            }
            _ = try accept(.semicolon)
        }
        try expect(.apply)
        try expect(.batch)
        return BatchStatement(kind: kind, using: using, members: members)
    }

    mutating func deleteStatement() throws(SyntaxError) -> DeleteStatement {
        try expect(.delete)
        var targets: [DeleteStatement.Target] = []
        if !at(.from) {
            targets = try commaSeparated { (parser) throws(SyntaxError) in
                try parser.deleteTarget()
            }
        }
        try expect(.from)
        let table = try tableName()
        let using = try usingClause(.timestampAndTimeout)
        try expect(.where)
        let relations = try relations()
        return DeleteStatement(
            targets: targets, table: table, using: using, relations: relations,
            condition: try writeCondition())
    }

    private mutating func deleteTarget() throws(SyntaxError) -> DeleteStatement.Target {
        let column = try columnName()
        if try accept(.leftBracket) {
            let key = try term()
            try expect(.rightBracket, "]")
            return .element(column, key)
        }
        if try accept(.dot) { return .field(column, try identifier("a field name")) }
        return .column(column)
    }
}
