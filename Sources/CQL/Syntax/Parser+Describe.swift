// SPDX-License-Identifier: Apache-2.0

/// `DESCRIBE`.
extension Parser {
    mutating func describeStatement() throws(SyntaxError) -> DescribeStatement {
        try advance()
        let target = try describeTarget()
        let withInternals = try accept(.with)
        if withInternals { try expect(.internals) }
        return DescribeStatement(target: target, withInternals: withInternals)
    }

    private mutating func describeTarget() throws(SyntaxError) -> DescribeStatement.Target {
        guard let keyword = token.keyword else { return try anything() }
        // Most of these words are also names: `DESCRIBE cluster.t`.
        if try lookAhead().kind == .dot { return try anything() }
        switch keyword {
        case .cluster: return try described(.cluster)
        case .schema: return try described(.schema(isFull: false))
        case .full:
            try advance()
            try expect(.schema)
            return .schema(isFull: true)
        case .keyspaces: return try described(.keyspaces)
        case .tables, .columnfamilies: return try described(.tables)
        case .types: return try described(.types)
        case .functions: return try described(.functions)
        case .aggregates: return try described(.aggregates)
        case .only:
            try advance()
            guard at(.keyspace) else { throw expected("KEYSPACE") }
            return try keyspace(only: true)
        case .keyspace: return try keyspace(only: false)
        default: return try describedByName(keyword)
        }
    }

    private mutating func describedByName(
        _ keyword: Keyword
    ) throws(SyntaxError) -> DescribeStatement.Target {
        if keyword == .materialized {
            try advance()
            try expect(.view)
            return .materializedView(try qualifiedName("a view name"))
        }
        // As the last word these are names themselves.
        let isFollowed = Parser.isName(try lookAhead())
        switch keyword {
        case .table, .columnfamily:
            try advance()
            return .table(try tableName())
        case .index:
            try advance()
            return .index(try qualifiedName("an index name"))
        case .type where isFollowed:
            try advance()
            return .type(try qualifiedName("a type name"))
        case .function where isFollowed:
            try advance()
            return .function(try qualifiedName("a function name"))
        case .aggregate where isFollowed:
            try advance()
            return .aggregate(try qualifiedName("an aggregate name"))
        default: return try anything()
        }
    }

    private mutating func described(
        _ target: DescribeStatement.Target
    ) throws(SyntaxError) -> DescribeStatement.Target {
        try advance()
        return target
    }

    private mutating func keyspace(only: Bool) throws(SyntaxError) -> DescribeStatement.Target {
        try advance()
        return .keyspace(atName ? try identifier() : nil, only: only)
    }

    private mutating func anything() throws(SyntaxError) -> DescribeStatement.Target {
        guard atName else { throw expected("what to describe, such as KEYSPACES or a table name") }
        return .anything(try qualifiedName("a name"))
    }
}
