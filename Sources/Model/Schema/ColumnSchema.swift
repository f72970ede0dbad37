// SPDX-License-Identifier: Apache-2.0

/// What part a column plays in its table.
package enum ColumnKind: UInt8, Sendable, CaseIterable {
    case partitionKey = 0
    case clustering = 1
    case `static` = 2
    case regular = 3

    /// The name in `system_schema.columns.kind`.
    package var name: String {
        switch self {
        case .partitionKey: "partition_key"
        case .clustering: "clustering"
        case .static: "static"
        case .regular: "regular"
        }
    }
}

/// One column of a table.
package struct ColumnSchema: Hashable, Sendable {
    /// Names the column in cells. Never reused within a table, so that a column that is dropped and
    /// added again doesn't show its old values.
    package let id: UInt32
    /// The name, in the case that users see.
    package let name: String
    package let type: CQLType
    package let kind: ColumnKind
    /// The place among the partition key or the clustering columns, from 0; 0 for others.
    package let position: Int
    /// Whether a clustering column sorts descending.
    package let isDescending: Bool

    package init(
        id: UInt32,
        name: String,
        type: CQLType,
        kind: ColumnKind,
        position: Int = 0,
        isDescending: Bool = false
    ) {
        self.id = id
        self.name = name
        self.type = type
        self.kind = kind
        self.position = position
        self.isDescending = isDescending
    }
}

/// A column that was dropped: what `system_schema.dropped_columns` shows.
package struct DroppedColumn: Hashable, Sendable {
    package let name: String
    package let type: CQLType
    package let kind: ColumnKind
    /// When it was dropped, in microseconds since 1970.
    package let droppedTime: Int64

    package init(name: String, type: CQLType, kind: ColumnKind, droppedTime: Int64) {
        self.name = name
        self.type = type
        self.kind = kind
        self.droppedTime = droppedTime
    }
}
