// SPDX-License-Identifier: Apache-2.0

package import Model

/// Answers DESCRIBE from the schema at one moment.
package struct Describer {
    /// All keyspaces that can be described, the system's too, by name.
    private let keyspaces: [String: KeyspaceSchema]
    /// The keyspace that the connection uses.
    private let currentKeyspace: String?
    private let cluster: ClusterDescription

    /// A describer of `keyspaces` for a connection that uses `currentKeyspace`.
    package init(
        keyspaces: [String: KeyspaceSchema],
        currentKeyspace: String?,
        cluster: ClusterDescription
    ) {
        self.keyspaces = keyspaces
        self.currentKeyspace = currentKeyspace
        self.cluster = cluster
    }

    /// The answer to `statement`.
    ///
    /// - Throws: `DescribeError` when what it names doesn't exist.
    package func describe(
        _ statement: DescribeStatement
    ) throws(DescribeError) -> DescribeResult {
        let internals = statement.withInternals
        switch statement.target {
        case .cluster: return describeCluster()
        case .schema(let isFull):
            let shown = sortedKeyspaces.filter {
                isFull || !SchemaText.systemKeyspaces.contains($0.name)
            }
            return .statements(shown.flatMap { elements(of: $0, internals) })
        case .keyspaces: return .names(sortedKeyspaces.map { element($0, nil) })
        case .keyspace(let name, let only):
            let keyspace = try keyspace(name?.name)
            if only { return .statements([element(keyspace, SchemaText.keyspace(keyspace))]) }
            return .statements(elements(of: keyspace, internals))
        case .tables:
            let shown = currentKeyspace == nil ? sortedKeyspaces : [try keyspace(nil)]
            return .names(shown.flatMap { tables(of: $0).map { element($0, nil) } })
        case .types, .functions, .aggregates:
            if currentKeyspace != nil { _ = try keyspace(nil) }
            return .names([])
        case .table(let name): return try describeTable(name, internals)
        case .anything(let name): return try describeAnything(name, internals)
        case .index(let name): return try describeIndex(name)
        case .materializedView(let name): throw try missing("Materialized view", name)
        case .type(let name): throw try missing("User defined type", name)
        case .function(let name): throw try missing("User defined function", name)
        case .aggregate(let name): throw try missing("User defined aggregate", name)
        }
    }

    // MARK: Kinds of statements

    private func describeCluster() -> DescribeResult {
        let isUsers = currentKeyspace.map { !SchemaText.systemKeyspaces.contains($0) } ?? false
        return .cluster(cluster, withRanges: isUsers)
    }

    private func describeTable(
        _ name: QualifiedName, _ internals: Bool
    ) throws(DescribeError) -> DescribeResult {
        let keyspace = try keyspace(name.keyspace?.name)
        guard let table = keyspace.tables[name.name.name] else {
            throw DescribeError(
                message: "Table '\(name.name.name)' not found in keyspace '\(keyspace.name)'")
        }
        return .statements(elements(of: table, internals))
    }

    private func describeIndex(_ name: QualifiedName) throws(DescribeError) -> DescribeResult {
        let keyspace = try keyspace(name.keyspace?.name)
        let table = keyspace.tableOfIndex(name.name.name)
        guard let table, let index = table.index(name.name.name) else {
            throw try missing("Index", name)
        }
        return .statements([element(index, table)])
    }

    /// A bare name is a keyspace, or a table or an index of the current one.
    private func describeAnything(
        _ name: QualifiedName, _ internals: Bool
    ) throws(DescribeError) -> DescribeResult {
        let plain = name.name.name
        if name.keyspace == nil, let keyspace = keyspaces[plain] {
            return .statements(elements(of: keyspace, internals))
        }
        let keyspace = try keyspace(name.keyspace?.name ?? currentKeyspace ?? plain)
        guard keyspace.tables[plain] != nil else {
            if keyspace.tableOfIndex(plain) != nil { return try describeIndex(name) }
            throw DescribeError(message: "'\(plain)' not found in keyspace '\(keyspace.name)'")
        }
        return try describeTable(name, internals)
    }

    private func missing(
        _ kind: String, _ name: QualifiedName
    ) throws(DescribeError) -> DescribeError {
        let keyspace = try keyspace(name.keyspace?.name)
        return DescribeError(
            message: "\(kind) '\(name.name.name)' not found in '\(keyspace.name)'")
    }

    // MARK: Elements

    private var sortedKeyspaces: [KeyspaceSchema] {
        keyspaces.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private func tables(of keyspace: KeyspaceSchema) -> [TableSchema] {
        keyspace.tables.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The keyspace of a name, by default the current one.
    private func keyspace(_ name: String?) throws(DescribeError) -> KeyspaceSchema {
        guard let name = name ?? currentKeyspace else {
            throw DescribeError(message: "No keyspace specified and no current keyspace")
        }
        guard let keyspace = keyspaces[name] else {
            throw DescribeError(message: "'\(name)' not found in keyspaces")
        }
        return keyspace
    }

    private func elements(of keyspace: KeyspaceSchema, _ internals: Bool) -> [DescribedElement] {
        [element(keyspace, SchemaText.keyspace(keyspace))]
            + tables(of: keyspace).flatMap { elements(of: $0, internals) }
    }

    /// A table and its indexes.
    private func elements(of table: TableSchema, _ internals: Bool) -> [DescribedElement] {
        let indexes = table.indexes.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return [element(table, SchemaText.table(table, withInternals: internals))]
            + indexes.map { element($0, table) }
    }

    private func element(_ index: IndexSchema, _ table: TableSchema) -> DescribedElement {
        DescribedElement(
            keyspace: CQLIdentifier.quotedIfNeeded(table.keyspace), type: "index",
            name: CQLIdentifier.quotedIfNeeded(index.name),
            createStatement: SchemaText.index(index, of: table))
    }

    private func element(_ keyspace: KeyspaceSchema, _ text: String?) -> DescribedElement {
        let name = CQLIdentifier.quotedIfNeeded(keyspace.name)
        return DescribedElement(
            keyspace: name, type: "keyspace", name: name, createStatement: text)
    }

    private func element(_ table: TableSchema, _ text: String?) -> DescribedElement {
        DescribedElement(
            keyspace: CQLIdentifier.quotedIfNeeded(table.keyspace), type: "table",
            name: CQLIdentifier.quotedIfNeeded(table.name), createStatement: text)
    }
}
