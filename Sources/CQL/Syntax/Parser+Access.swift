// SPDX-License-Identifier: Apache-2.0

/// Roles, users and permissions.
extension Parser {
    /// The name of a role: a name or a string.
    private mutating func role() throws(SyntaxError) -> Identifier {
        let start = position
        if atString { return Identifier(try string(), at: start) }
        return try identifier("a role name")
    }

    mutating func createRole() throws(SyntaxError) -> AccessStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try role()
        return .createRole(name, ifNotExists: ifNotExists, try roleOptions(), isUser: false)
    }

    mutating func alterRole() throws(SyntaxError) -> AccessStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try role()
        return .alterRole(name, ifExists: ifExists, try roleOptions(), isUser: false)
    }

    mutating func createUser() throws(SyntaxError) -> AccessStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try role()
        return .createRole(name, ifNotExists: ifNotExists, try userOptions(), isUser: true)
    }

    mutating func alterUser() throws(SyntaxError) -> AccessStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try role()
        return .alterRole(name, ifExists: ifExists, try userOptions(), isUser: true)
    }

    mutating func dropRole() throws(SyntaxError) -> AccessStatement {
        let isUser = at(.user)
        try advance()
        let ifExists = try ifExists()
        return .dropRole(try role(), ifExists: ifExists, isUser: isUser)
    }

    /// `WITH PASSWORD '…' SUPERUSER`, each part optional.
    private mutating func userOptions() throws(SyntaxError) -> [AccessStatement.Option] {
        var options: [AccessStatement.Option] = []
        if try accept(.with) {
            let isHashed = try accept(.hashed)
            try expect(.password)
            options.append(.password(try string("the password as a string"), isHashed: isHashed))
        }
        if try accept(.superuser) {
            options.append(.superuser(true))
        } else if try accept(.nosuperuser) {
            options.append(.superuser(false))
        }
        return options
    }

    private mutating func roleOptions() throws(SyntaxError) -> [AccessStatement.Option] {
        guard try accept(.with) else { return [] }
        var options: [AccessStatement.Option] = []
        repeat {
            options.append(try roleOption())
        } while try accept(.and)
        return options
    }

    private mutating func roleOption() throws(SyntaxError) -> AccessStatement.Option {
        let isHashed = try accept(.hashed)
        if isHashed || at(.password) {
            try expect(.password)
            try expect(.equal, "=")
            return .password(try string("the password as a string"), isHashed: isHashed)
        }
        if try accept(.access) {
            if try accept(.to) {
                return .datacenters(try allOrSome(.datacenters))
            }
            guard try accept(.from) else { throw expected("TO or FROM") }
            return .addressRanges(try allOrSome(.cidrs))
        }
        let keyword = token.keyword
        switch keyword {
        case .superuser, .login, .options: try advance()
        default: throw expected("PASSWORD, LOGIN, SUPERUSER, OPTIONS or ACCESS")
        }
        try expect(.equal, "=")
        if keyword == .options { return .options(try constantMap()) }
        guard at(.true) || at(.false) else { throw expected("true or false") }
        let value = at(.true)
        try advance()
        return keyword == .login ? .login(value) : .superuser(value)
    }

    /// `ALL X`, or `X {'a', 'b'}`.
    private mutating func allOrSome(_ keyword: Keyword) throws(SyntaxError) -> [String]? {
        if try accept(.all) {
            try expect(keyword)
            return nil
        }
        try expect(keyword)
        try expect(.leftBrace, "{")
        let names = try commaSeparated { (parser) throws(SyntaxError) in try parser.string() }
        try expect(.rightBrace, "}")
        return names
    }

    // MARK: Grants

    mutating func grantStatement() throws(SyntaxError) -> AccessStatement {
        try advance()
        guard try atPermission() else {
            let granted = try role()
            try expect(.to)
            return .grantRole(granted, to: try role())
        }
        let permissions = try permissions()
        try expect(.on)
        let resource = try resource()
        try expect(.to)
        return .grant(permissions, on: resource, to: try role())
    }

    mutating func revokeStatement() throws(SyntaxError) -> AccessStatement {
        try advance()
        guard try atPermission() else {
            let revoked = try role()
            try expect(.from)
            return .revokeRole(revoked, from: try role())
        }
        let permissions = try permissions()
        try expect(.on)
        let resource = try resource()
        try expect(.from)
        return .revoke(permissions, on: resource, from: try role())
    }

    mutating func listStatement() throws(SyntaxError) -> AccessStatement {
        try advance()
        if try accept(.users) { return .listUsers }
        if try accept(.roles) {
            let hasRole = try accept(.of)
            let role = hasRole ? try role() : nil
            return .listRoles(of: role, isRecursive: !(try accept(.norecursive)))
        }
        guard try atPermission() else { throw expected("ROLES, USERS or a permission") }
        let permissions = try permissions()
        let hasResource = try accept(.on)
        let resource = hasResource ? try resource() : nil
        let hasRole = try accept(.of)
        let role = hasRole ? try role() : nil
        return .listPermissions(
            permissions, on: resource, of: role, isRecursive: !(try accept(.norecursive)))
    }

    /// Whether a permission comes next, and not a role that has the name of one.
    private func atPermission() throws(SyntaxError) -> Bool {
        switch token.keyword {
        case .create, .alter, .drop, .select, .modify, .authorize, .describe, .execute:
            return true
        case .all, .unmask, .selectMasked:
            let next = try lookAhead().keyword
            return next != .to && next != .from
        default:
            return false
        }
    }

    private mutating func permissions() throws(SyntaxError) -> [String] {
        if try accept(.all) {
            _ = try accept(.permissions)
            return ["all"]
        }
        return try commaSeparated { (parser) throws(SyntaxError) in
            guard try parser.atPermission(), !parser.at(.all) else {
                throw parser.expected("a permission")
            }
            let name = parser.foldedWord
            try parser.advance()
            _ = try parser.accept(.permission)
            return name
        }
    }

    private mutating func resource() throws(SyntaxError) -> AccessStatement.Resource {
        let next = try lookAhead()
        let isString = next.kind == .string || next.kind == .dollarString
        switch token.keyword {
        case .all where next.kind == .word && next.keyword != .to && next.keyword != .from:
            try advance()
            return try allResources()
        case .keyspace:
            try advance()
            return .keyspace(try identifier("a keyspace name"))
        case .table, .columnfamily:
            try advance()
            return .table(try tableName())
        case .role where Parser.isName(next) || isString:
            try advance()
            return .role(try role())
        case .function where Parser.isName(next):
            try advance()
            let name = try qualifiedName("a function name")
            return .function(name, try types())
        case .mbean where isString, .mbeans where isString:
            try advance()
            return .beans(pattern: try string())
        default:
            return .table(try tableName())
        }
    }

    private mutating func allResources() throws(SyntaxError) -> AccessStatement.Resource {
        if try accept(.keyspaces) { return .allKeyspaces }
        if try accept(.roles) { return .allRoles }
        if try accept(.mbeans) { return .beans(pattern: nil) }
        if try accept(.functions) {
            return .allFunctions(keyspace: at(.in) ? try inKeyspace() : nil)
        }
        guard at(.tables) || at(.columnfamilies) else {
            throw expected("KEYSPACES, TABLES, ROLES, FUNCTIONS or MBEANS")
        }
        try advance()
        return .allTables(keyspace: try inKeyspace())
    }

    private mutating func inKeyspace() throws(SyntaxError) -> Identifier {
        try expect(.in)
        try expect(.keyspace)
        return try identifier("a keyspace name")
    }

    // MARK: Identities

    mutating func addIdentityStatement() throws(SyntaxError) -> AccessStatement {
        try advance()
        try expect(.identity)
        let ifNotExists = try ifNotExists()
        let identity = try role().name
        try expect(.to)
        try expect(.role)
        return .addIdentity(identity, ifNotExists: ifNotExists, role: try role().name)
    }

    mutating func dropIdentity() throws(SyntaxError) -> AccessStatement {
        try advance()
        let ifExists = try ifExists()
        return .dropIdentity(try role().name, ifExists: ifExists)
    }
}
