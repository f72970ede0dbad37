// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Storage

/// The tables of the model test: their schema as it changes, and their keys and entries.
struct ModelTables {
    static let count = 2
    static let partitions: [[UInt8]] = (0..<7).map { TestTables.partition("partition \($0)") }
    /// The partition with many rows.
    static let wide = 6

    private(set) var schemas: [TableSchema]
    /// Which of the tables are dropped now.
    private var areGone = [Bool](repeating: false, count: ModelTables.count)
    private var columnIDs: [[ModelColumn: UInt32]]
    private var storageCount: UInt64 = 100

    init(_ options: ModelOptions) {
        let ids = Dictionary(
            uniqueKeysWithValues: ModelColumn.allCases.enumerated().map { ($1, UInt32($0 + 3)) }
        )
        columnIDs = Array(repeating: ids, count: ModelTables.count)
        schemas = (0..<ModelTables.count).map { index in
            TableSchema(
                id: UUID(random: UInt64(index + 1), 7),
                keyspace: "k",
                name: ["one", "two"][index],
                columns: [
                    ColumnSchema(id: 0, name: "p", type: .text, kind: .partitionKey),
                    ColumnSchema(id: 1, name: "c", type: .int, kind: .clustering),
                    ColumnSchema(
                        id: 2,
                        name: "d",
                        type: .int,
                        kind: .clustering,
                        position: 1,
                        isDescending: true
                    ),
                ] + ModelColumn.allCases.map { ModelTables.schema($0, id: ids[$0] ?? 0) },
                nextColumnID: UInt32(ModelColumn.allCases.count + 3),
                options: options.tableOptions
            )
        }
    }

    private static func schema(_ column: ModelColumn, id: UInt32) -> ColumnSchema {
        let type: CQLType =
            switch column {
            case .s, .a, .b: .blob
            case .map: .map(.blob, .blob, frozen: false)
            case .list: .list(.blob, frozen: false)
            case .set: .set(.blob, frozen: false)
            }
        return ColumnSchema(
            id: id,
            name: column.rawValue,
            type: type,
            kind: column == .s ? .static : .regular
        )
    }

    /// The ids of the columns that a table has.
    func columns(_ table: Int) -> Set<UInt32> { Set(columnIDs[table].values) }

    /// The ids of the columns that a table has, but for collections of cells.
    func plainColumns(_ table: Int) -> [UInt32] {
        columnIDs[table].filter { !$0.key.isCollection }.values.sorted()
    }

    // MARK: Changes

    mutating func truncate(_ table: Int) {
        storageCount += 1
        schemas[table] = schemas[table].changing(storageID: UUID(random: storageCount, 9))
    }

    mutating func drop(_ table: Int) { areGone[table] = true }

    /// Makes a table again that was dropped.
    mutating func create(_ table: Int) {
        storageCount += 1
        let old = schemas[table]
        schemas[table] = TableSchema(
            id: UUID(random: storageCount, 9),
            keyspace: old.keyspace,
            name: old.name,
            columns: old.columns,
            nextColumnID: old.nextColumnID,
            options: old.options
        )
        areGone[table] = false
    }

    mutating func changeGrace(_ table: Int, _ seconds: Int32) {
        var options = schemas[table].options
        options.gcGraceSeconds = seconds
        schemas[table] = schemas[table].changing(options: options)
    }

    mutating func drop(_ column: ModelColumn, of table: Int, now: Int64) {
        let schema = schemas[table]
        columnIDs[table][column] = nil
        schemas[table] = schema.changing(
            columns: schema.columns.filter { $0.name != column.rawValue },
            droppedColumns: schema.column(column.rawValue).map {
                [DroppedColumn(name: $0.name, type: $0.type, kind: $0.kind, droppedTime: now)]
            }
        )
    }

    /// Puts a column back that was dropped, under another id.
    mutating func add(_ column: ModelColumn, to table: Int) {
        let schema = schemas[table]
        let id = schema.nextColumnID
        columnIDs[table][column] = id
        schemas[table] = schema.changing(
            columns: schema.columns + [ModelTables.schema(column, id: id)],
            nextColumnID: id + 1
        )
    }

    /// Whether a table holds what it held in `other`.
    func hasSameData(as other: ModelTables, _ table: Int) -> Bool {
        !areGone[table] && schemas[table].storageID == other.schemas[table].storageID
    }

    /// What makes these tables out of others.
    func edits(from other: ModelTables) -> [SchemaEdit] {
        (0..<ModelTables.count).flatMap { table -> [SchemaEdit] in
            let schema = schemas[table]
            if areGone[table] { return [.dropTable(keyspace: schema.keyspace, name: schema.name)] }
            return schema === other.schemas[table] ? [] : [.putTable(schema)]
        }
    }

    /// Whether a node has these tables.
    func match(_ schema: Schema) -> Bool {
        schemas.enumerated().allSatisfy { index, wanted in
            let found = schema.table(wanted.keyspace, wanted.name)
            guard !areGone[index], let found else { return areGone[index] && found == nil }
            return found.storageID == wanted.storageID && found.nextColumnID == wanted.nextColumnID
                && found.columns == wanted.columns && found.options == wanted.options
        }
    }

    // MARK: Writing

    /// Tells the model of a write that is executed at `now`, in seconds since 1970.
    func apply(_ write: ModelWrite, now: Int64, to model: inout ModelTable) {
        let partition = ModelTables.partitions[write.partition]
        switch write.change {
        case .deletePartition(let timestamp):
            model.delete(partition: partition, until: timestamp, localTime: now)
        case .deleteRange(let start, let end, let timestamp):
            model.delete(
                partition: partition,
                from: start.key(partition),
                to: end.key(partition),
                until: timestamp,
                localTime: now
            )
        case .row(let clustering, let fragment):
            let row = ModelRow(partition: write.partition, clustering: clustering).key(partition)
            if let timestamp = fragment.deletedAt {
                model.delete(partition: partition, row: row, until: timestamp, localTime: now)
            }
            if let liveness = liveness(fragment, now) {
                model.write(partition: partition, row: row, liveness: liveness)
            }
            for cell in fragment.cells {
                apply(cell, partition, row, columnIDs[write.table][cell.column] ?? 0, now, &model)
            }
        }
    }

    private func apply(
        _ cell: ModelFragment.Cell,
        _ partition: [UInt8],
        _ row: [UInt8],
        _ column: UInt32,
        _ now: Int64,
        _ model: inout ModelTable
    ) {
        if cell.kind == .collectionDeletion {
            return model.deleteCollection(
                partition: partition,
                row: row,
                column: column,
                until: cell.timestamp,
                localTime: now
            )
        }
        model.write(
            partition: partition,
            row: row,
            VisibleRow.CellName(column: column, path: cell.path),
            ModelTable.Cell(
                timestamp: cell.timestamp,
                isTombstone: cell.kind == .tombstone,
                ttl: cell.ttl,
                localTime: localTime(cell, now),
                value: cell.value
            )
        )
    }

    private func localTime(_ cell: ModelFragment.Cell, _ now: Int64) -> Int64 {
        cell.kind != .value ? now : cell.ttl == 0 ? 0 : now + Int64(cell.ttl)
    }

    private func liveness(_ fragment: ModelFragment, _ now: Int64) -> Liveness? {
        fragment.liveness.map {
            Liveness(timestamp: $0.timestamp, ttl: $0.ttl, expiry: $0.ttl == 0 ? 0 : now + Int64($0.ttl))
        }
    }

    /// Adds the same write to a mutation whose current table is the write's.
    func add(_ write: ModelWrite, now: Int64, to mutation: inout TestMutation) {
        let partition = ModelTables.partitions[write.partition]
        switch write.change {
        case .deletePartition(let timestamp):
            let deletion = Deletion(timestamp: timestamp, localTime: now)
            mutation.add(partition + [Key.partitionDeletion], TestValue.partitionDeletion(deletion))
        case .deleteRange(let start, let end, let timestamp):
            let deletion = Deletion(timestamp: timestamp, localTime: now)
            mutation.add(
                start.key(partition),
                TestValue.rangeDeletion(to: end.key(partition), deletion)
            )
        case .row(let clustering, let fragment):
            let row = ModelRow(partition: write.partition, clustering: clustering).key(partition)
            let ids = columnIDs[write.table]
            var cells = fragment.cells.map { encoded($0, ids[$0.column] ?? 0, now) }
            cells.sort {
                if $0.column != $1.column { return $0.column < $1.column }
                return $0.path.lexicographicallyPrecedes($1.path)
            }
            let value = TestValue.row(
                liveness: liveness(fragment, now),
                deletion: fragment.deletedAt.map { Deletion(timestamp: $0, localTime: now) },
                base: fragment.usesBase ? cells.first?.timestamp : nil,
                cells: cells
            )
            mutation.add(row, value)
        }
    }

    private func encoded(_ cell: ModelFragment.Cell, _ id: UInt32, _ now: Int64) -> TestValue.Cell {
        var encoded = TestValue.Cell(
            column: id,
            path: cell.path,
            timestamp: cell.timestamp,
            ttl: cell.ttl,
            localTime: localTime(cell, now),
            value: cell.value
        )
        switch cell.kind {
        case .value: encoded.flags = cell.ttl == 0 ? [] : .expiring
        case .tombstone: encoded.flags = .tombstone
        case .collectionDeletion: encoded.flags = .collectionDeletion
        }
        if cell.column.isCollection, cell.kind != .collectionDeletion { encoded.flags.insert(.path) }
        return encoded
    }
}
