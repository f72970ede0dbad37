// SPDX-License-Identifier: Apache-2.0

/// A table: its columns and options. Immutable; a change makes a new one.
package final class TableSchema: Sendable {
    /// Names the table for good: a table that is dropped and made again under its name has another id.
    package let id: UUID
    /// Names the table's data in the commit log, the manifest and the file names. TRUNCATE gives the
    /// table a new one, so that what was written before can't come back from the log.
    package let storageID: UUID
    package let keyspace: String
    package let name: String
    /// All columns: partition key, clustering columns, then statics and regulars by name.
    package let columns: [ColumnSchema]
    /// The id that the next added column gets.
    package let nextColumnID: UInt32
    package let options: TableOptions
    package let droppedColumns: [DroppedColumn]
    /// The secondary indexes, in the order of their ids.
    package let indexes: [IndexSchema]
    /// The id that the next index gets.
    package let nextIndexID: UInt32

    /// The partition key's columns, in order.
    package let partitionKey: [ColumnSchema]
    /// The clustering columns, in order.
    package let clustering: [ColumnSchema]
    /// The static columns, by name.
    package let statics: [ColumnSchema]
    /// The regular columns, by name.
    package let regulars: [ColumnSchema]
    private let indexByName: [String: Int]
    /// Whether its columns, but those of the key, are counters.
    package let isCounter: Bool

    /// A table of `columns` in any order; positions of key columns must be complete.
    package init(
        id: UUID,
        storageID: UUID? = nil,
        keyspace: String,
        name: String,
        columns: [ColumnSchema],
        nextColumnID: UInt32,
        options: TableOptions = TableOptions(),
        droppedColumns: [DroppedColumn] = [],
        indexes: [IndexSchema] = [],
        nextIndexID: UInt32 = 1
    ) {
        let keyOrder = { (a: ColumnSchema, b: ColumnSchema) in a.position < b.position }
        let nameOrder = { (a: ColumnSchema, b: ColumnSchema) in
            a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
        }
        self.id = id
        self.storageID = storageID ?? id
        self.keyspace = keyspace
        self.name = name
        self.nextColumnID = nextColumnID
        self.options = options
        self.droppedColumns = droppedColumns
        self.indexes = indexes
        self.nextIndexID = nextIndexID
        isCounter = columns.contains { $0.type == .counter }
        self.partitionKey = columns.filter { $0.kind == .partitionKey }.sorted(by: keyOrder)
        self.clustering = columns.filter { $0.kind == .clustering }.sorted(by: keyOrder)
        self.statics = columns.filter { $0.kind == .static }.sorted(by: nameOrder)
        self.regulars = columns.filter { $0.kind == .regular }.sorted(by: nameOrder)
        self.columns = partitionKey + clustering + statics + regulars
        self.indexByName = Dictionary(
            self.columns.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// The column of a name; nil if there is none.
    package func column(_ name: String) -> ColumnSchema? {
        indexByName[name].map { columns[$0] }
    }

    /// The index of a name; nil if there is none.
    package func index(_ name: String) -> IndexSchema? { indexes.first { $0.name == name } }

    /// The same table with some parts changed.
    package func changing(
        storageID: UUID? = nil,
        columns: [ColumnSchema]? = nil,
        nextColumnID: UInt32? = nil,
        options: TableOptions? = nil,
        droppedColumns: [DroppedColumn]? = nil,
        indexes: [IndexSchema]? = nil,
        nextIndexID: UInt32? = nil
    ) -> TableSchema {
        TableSchema(
            id: id,
            storageID: storageID ?? self.storageID,
            keyspace: keyspace,
            name: name,
            columns: columns ?? self.columns,
            nextColumnID: nextColumnID ?? self.nextColumnID,
            options: options ?? self.options,
            droppedColumns: droppedColumns ?? self.droppedColumns,
            indexes: indexes ?? self.indexes,
            nextIndexID: nextIndexID ?? self.nextIndexID
        )
    }
}
