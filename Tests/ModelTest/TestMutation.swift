// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Storage

/// Tables, keys and mutations for tests of the engine.
enum TestTables {
    static let keyspace = SchemaEdit.putKeyspace(
        name: "k",
        replication: ["class": "org.apache.cassandra.locator.SimpleStrategy"],
        durableWrites: true
    )

    /// The columns: 0 partition key, 1 clustering, 2 static, 3 and 4 plain, 5 a map.
    static func table(
        _ name: String,
        number: UInt64,
        storage: UInt64? = nil,
        graceSeconds: Int32 = 864_000
    ) -> TableSchema {
        var options = TableOptions()
        options.gcGraceSeconds = graceSeconds
        let id = UUID(random: number, number)
        return TableSchema(
            id: id,
            storageID: storage.map { UUID(random: $0, $0) },
            keyspace: "k",
            name: name,
            columns: [
                ColumnSchema(id: 0, name: "p", type: .text, kind: .partitionKey),
                ColumnSchema(id: 1, name: "c", type: .int, kind: .clustering),
                ColumnSchema(id: 2, name: "s", type: .blob, kind: .static),
                ColumnSchema(id: 3, name: "a", type: .blob, kind: .regular),
                ColumnSchema(id: 4, name: "b", type: .blob, kind: .regular),
                ColumnSchema(
                    id: 5,
                    name: "m",
                    type: .map(.blob, .blob, frozen: false),
                    kind: .regular
                ),
            ],
            nextColumnID: 6,
            options: options
        )
    }

    static func partition(_ name: String) -> [UInt8] {
        var writer = ByteWriter()
        Array(name.utf8).withView { Key.appendPartition($0, to: &writer) }
        return writer.array
    }

    /// The key of a row, or with another `end` of a marker beside it.
    static func row(_ partition: [UInt8], _ clustering: Int, end: UInt8 = Key.endRow) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(partition)
        writer.append(Key.clustered)
        writer.append(Key.component)
        writer.appendBigEndian(UInt32(clustering) ^ 0x8000_0000)
        writer.append(end)
        return writer.array
    }

    static func staticRow(_ partition: [UInt8]) -> [UInt8] { partition + [Key.staticRow] }
}

/// Entries of one partition that are written together.
struct TestMutation {
    let partition: [UInt8]
    private(set) var groups: [(table: UUID, entries: [(key: [UInt8], value: [UInt8])])] = []

    init(_ partition: [UInt8]) { self.partition = partition }

    mutating func begin(_ table: TableSchema) { groups.append((table.storageID, [])) }

    mutating func add(_ key: [UInt8], _ value: [UInt8]) {
        groups[groups.count - 1].entries.append((key, value))
    }

    /// As the engine takes it.
    var bytes: [UInt8] {
        var writer = MutationWriter()
        for group in groups {
            writer.begin(table: group.table)
            for (key, value) in group.entries {
                key.withView { key in value.withView { writer.add(key: key, value: $0) } }
            }
        }
        return writer.bytes.array
    }
}

/// The values of entries.
enum TestValue {
    /// A cell in plain storage.
    struct Cell {
        var column: UInt32
        var path: [UInt8] = []
        var flags: Model.Cell.Flags = []
        var timestamp: Int64
        var ttl: UInt32 = 0
        var localTime: Int64 = 0
        var value: [UInt8] = []
    }

    static func row(
        liveness: Liveness? = nil,
        deletion: Deletion? = nil,
        base: Int64? = nil,
        cells: [Cell] = []
    ) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: liveness, deletion: deletion, base: base, to: &writer)
        for cell in cells {
            cell.path.withView { path in
                cell.value.withView { value in
                    let encoded = Model.Cell(
                        column: cell.column,
                        flags: cell.flags,
                        timestamp: cell.timestamp,
                        ttl: cell.ttl,
                        localTime: cell.localTime,
                        path: path,
                        value: value
                    )
                    RowEncoder.append(
                        encoded,
                        base: base ?? liveness?.timestamp ?? 0,
                        to: &writer
                    )
                }
            }
        }
        return writer.array
    }

    /// A row with one plain value.
    static func insert(_ bytes: [UInt8], at timestamp: Int64) -> [UInt8] {
        row(
            liveness: Liveness(timestamp: timestamp),
            cells: [Cell(column: 3, timestamp: timestamp, value: bytes)]
        )
    }

    static func partitionDeletion(_ deletion: Deletion) -> [UInt8] {
        var writer = ByteWriter()
        EntryHeader.appendPartitionDeletion(deletion, to: &writer)
        return writer.array
    }

    static func rangeDeletion(to end: [UInt8], _ deletion: Deletion) -> [UInt8] {
        var writer = ByteWriter()
        end.withView { RangeDeletion.append(end: $0, deletion: deletion, to: &writer) }
        return writer.array
    }
}
