// SPDX-License-Identifier: Apache-2.0

/// Which part of a column an index is on.
package enum IndexPart: UInt8, Sendable, CaseIterable {
    /// The value as it is.
    case whole = 0
    /// The keys of a map.
    case keys = 1
    /// The elements of a list or set, or the values of a map.
    case values = 2
    /// The entries of a map.
    case entries = 3
    /// A frozen collection as one value.
    case full = 4
}

/// A secondary index: on one column, or on a part of it.
package struct IndexSchema: Hashable, Sendable {
    /// Names the index in files. Never reused within a table, so that entries of an index that was
    /// dropped never show in another.
    package let id: UInt32
    /// The name, which is the index's alone in its keyspace.
    package let name: String
    /// The id of the column.
    package let column: UInt32
    /// Which part of it.
    package let part: IndexPart
    /// The class after `USING` as it was written; nil for an index without one, as Cassandra's
    /// first kind: it answers `=` and `CONTAINS` alone.
    package let implementation: String?
    /// What `WITH OPTIONS` gave.
    package let options: [String: String]

    package init(
        id: UInt32,
        name: String,
        column: UInt32,
        part: IndexPart,
        implementation: String? = nil,
        options: [String: String] = [:]
    ) {
        self.id = id
        self.name = name
        self.column = column
        self.part = part
        self.implementation = implementation
        self.options = options
    }

    /// Whether several indexes of this kind answer a query together, and ranges too.
    package var isAttached: Bool { implementation != nil }
}

extension TableSchema {
    /// The column that an index is on; nil if it was dropped.
    package func column(of index: IndexSchema) -> ColumnSchema? {
        columns.first { $0.id == index.column }
    }

    /// What an index is on, as CQL writes it: `v`, `keys(m)`. `quote` quotes a name that needs it.
    package func target(of index: IndexSchema, quote: (String) -> String) -> String {
        let name = column(of: index).map { quote($0.name) } ?? "?"
        switch index.part {
        case .whole: return name
        case .keys: return "keys(\(name))"
        case .values: return "values(\(name))"
        case .entries: return "entries(\(name))"
        case .full: return "full(\(name))"
        }
    }
}
