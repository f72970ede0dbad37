// SPDX-License-Identifier: Apache-2.0

/// Keyspaces and tables.
extension Parser {
    // MARK: Keyspaces

    mutating func createKeyspace() throws(SyntaxError) -> CreateKeyspaceStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try identifier("a keyspace name")
        try expect(.with)
        return CreateKeyspaceStatement(
            keyspace: name, ifNotExists: ifNotExists, properties: try properties())
    }

    mutating func alterKeyspace() throws(SyntaxError) -> AlterKeyspaceStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try identifier("a keyspace name")
        try expect(.with)
        return AlterKeyspaceStatement(
            keyspace: name, ifExists: ifExists, properties: try properties())
    }

    // MARK: Properties

    /// `name = value` with `AND` between.
    mutating func properties() throws(SyntaxError) -> [Property] {
        var properties: [Property] = []
        repeat {
            properties.append(try property())
        } while try accept(.and)
        return properties
    }

    private mutating func property() throws(SyntaxError) -> Property {
        let name = try identifier("the name of a setting")
        try expect(.equal, "=")
        if at(.leftBrace) {
            return Property(name: name, value: .map(try constantMap()))
        }
        if at(.word), atName { return Property(name: name, value: .word(try identifier())) }
        return Property(name: name, value: .literal(try literal("a constant or a map")))
    }

    /// `{'a': 1, …}` of constants.
    mutating func constantMap() throws(SyntaxError) -> [Property.Entry] {
        try expect(.leftBrace, "{")
        var entries: [Property.Entry] = []
        if try accept(.rightBrace) { return entries }
        repeat {
            let key = try literal()
            try expect(.colon, ":")
            entries.append(Property.Entry(key: key, value: try literal()))
        } while try accept(.comma)
        guard at(.rightBrace) else { throw expected("',' or '}'") }
        try advance()
        return entries
    }

    // MARK: Tables

    mutating func createTable() throws(SyntaxError) -> CreateTableStatement {
        try advance()
        let ifNotExists = try ifNotExists()
        let name = try tableName()
        var columns: [ColumnDefinition] = []
        var primaryKeys: [PrimaryKeyDefinition] = []
        try expect(.leftParenthesis, "(")
        repeat {
            // A comma may follow the last column.
            if at(.rightParenthesis), !columns.isEmpty || !primaryKeys.isEmpty { break }
            if at(.primary) {
                primaryKeys.append(try primaryKey())
                continue
            }
            let column = try columnDefinition()
            columns.append(column)
            let place = position
            if try accept(.primary) {
                try expect(.key)
                primaryKeys.append(
                    PrimaryKeyDefinition(
                        partitionKey: [column.name], clusteringColumns: [], position: place))
            }
        } while try accept(.comma)
        guard at(.rightParenthesis) else { throw expected("',' or ')'") }
        try advance()
        return CreateTableStatement(
            table: name, ifNotExists: ifNotExists, columns: columns, primaryKeys: primaryKeys,
            options: try tableOptions())
    }

    private mutating func columnDefinition() throws(SyntaxError) -> ColumnDefinition {
        let name = try columnName()
        let type = try type()
        let isStatic = try accept(.static)
        return ColumnDefinition(name: name, type: type, isStatic: isStatic, mask: try columnMask())
    }

    private mutating func columnMask() throws(SyntaxError) -> ColumnMask? {
        guard try accept(.masked) else { return nil }
        try expect(.with)
        if try accept(.default) { return .standard }
        let start = position
        guard case .call(let call) = try term().form else {
            throw SyntaxError("expected DEFAULT or a masking function", at: start)
        }
        return .function(call)
    }

    /// `PRIMARY KEY (a, b)` or `PRIMARY KEY ((a, b), c)`.
    mutating func primaryKey() throws(SyntaxError) -> PrimaryKeyDefinition {
        let start = position
        try expect(.primary)
        try expect(.key)
        try expect(.leftParenthesis, "(")
        var partitionKey: [Identifier]
        if at(.leftParenthesis) {
            partitionKey = try parenthesized { (parser) throws(SyntaxError) in
                try parser.columnName()
            }
        } else {
            partitionKey = [try columnName()]
        }
        var clusteringColumns: [Identifier] = []
        while try accept(.comma) {
            clusteringColumns.append(try columnName())
        }
        guard at(.rightParenthesis) else { throw expected("',' or ')'") }
        try advance()
        return PrimaryKeyDefinition(
            partitionKey: partitionKey, clusteringColumns: clusteringColumns, position: start)
    }

    /// `WITH …`, or nothing.
    mutating func tableOptions() throws(SyntaxError) -> TableOptionsClause {
        var options = TableOptionsClause()
        guard try accept(.with) else { return options }
        repeat {
            let next = try lookAhead()
            if at(.compact), next.keyword == .storage {
                options.compactStorage = position
                try advance()
                try advance()
            } else if at(.clustering), next.keyword == .order {
                try advance()
                try advance()
                try expect(.by)
                options.clusteringOrder += try parenthesized { (parser) throws(SyntaxError) in
                    let column = try parser.columnName()
                    return TableOptionsClause.ClusteringOrder(
                        column: column, isDescending: try parser.descending())
                }
            } else {
                options.properties.append(try property())
            }
        } while try accept(.and)
        return options
    }

    // MARK: Changes of tables

    mutating func alterTable() throws(SyntaxError) -> AlterTableStatement {
        try advance()
        let ifExists = try ifExists()
        let name = try tableName()
        let change: AlterTableStatement.Change
        switch token.keyword {
        case .add:
            try advance()
            let ifNotExists = try self.ifNotExists()
            change = .addColumns(
                try oneOrMore { (parser) throws(SyntaxError) in try parser.columnDefinition() },
                ifNotExists: ifNotExists)
        case .drop: change = try dropColumns()
        case .rename:
            let (renamings, ifExists) = try renamings()
            change = .renameColumns(renamings, ifExists: ifExists)
        case .alter: change = try alterColumn()
        case .with:
            try advance()
            change = .setProperties(try properties())
        default:
            throw expected("ADD, DROP, RENAME, ALTER or WITH")
        }
        return AlterTableStatement(table: name, ifExists: ifExists, change: change)
    }

    /// One element, several in parentheses, or several with commas between.
    private mutating func oneOrMore<Element>(
        _ rule: (inout Parser) throws(SyntaxError) -> Element
    ) throws(SyntaxError) -> [Element] {
        at(.leftParenthesis) ? try parenthesized(rule) : try commaSeparated(rule)
    }

    private mutating func dropColumns() throws(SyntaxError) -> AlterTableStatement.Change {
        try advance()
        if at(.compact), try lookAhead().keyword == .storage {
            try advance()
            try advance()
            return .dropCompactStorage
        }
        let ifExists = try ifExists()
        let columns = try oneOrMore { (parser) throws(SyntaxError) in try parser.columnName() }
        var timestamp: Literal?
        if try accept(.using) {
            try expect(.timestamp)
            timestamp = try integer()
        }
        return .dropColumns(columns, ifExists: ifExists, timestamp: timestamp)
    }

    /// `RENAME [IF EXISTS] a TO b AND c TO d`.
    mutating func renamings() throws(SyntaxError) -> ([AlterTableStatement.Renaming], Bool) {
        try advance()
        let ifExists = try ifExists()
        var renamings: [AlterTableStatement.Renaming] = []
        repeat {
            let from = try identifier()
            try expect(.to)
            renamings.append(AlterTableStatement.Renaming(from: from, to: try identifier()))
        } while try accept(.and)
        return (renamings, ifExists)
    }

    private mutating func alterColumn() throws(SyntaxError) -> AlterTableStatement.Change {
        try advance()
        let ifExists = try ifExists()
        let column = try columnName()
        if at(.masked) { return .mask(column, try columnMask(), ifExists: ifExists) }
        if try accept(.drop) {
            try expect(.masked)
            return .mask(column, nil, ifExists: ifExists)
        }
        guard try accept(.type) else { throw expected("TYPE, MASKED or DROP MASKED") }
        return .alterType(column, try type())
    }
}
