// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
package import Model
internal import Storage

/// Where a replica keeps the state of Paxos: `system.paxos`, a real table of every node. A partition's state is
/// in a partition of the same key, and so of the same shard.
///
/// States expire: what was promised longer ago than `lifetime` is forgotten, and ballots from before are refused
/// (`floor`), so that nothing that was promised against them is missed.
package enum PaxosStore {
    private static let stateColumn: UInt32 = 2
    /// How long states are kept at least, in seconds.
    private static let lifetimeMin: Int64 = 10_800
    /// How much later ballots are refused than states are forgotten, in seconds: clocks differ.
    private static let margin: Int64 = 3600

    /// `system.paxos`, which isn't stored in the metadata log.
    package static let table = TableSchema(
        id: UUID(high: 0xb7b7_f0c2_fd0a_3410, low: 0x8c05_3ef6_14bb_7c2d),
        keyspace: "system",
        name: "paxos",
        columns: [
            ColumnSchema(id: 0, name: "row_key", type: .blob, kind: .partitionKey),
            ColumnSchema(id: 1, name: "cf_id", type: .uuid, kind: .clustering),
            ColumnSchema(id: stateColumn, name: "state", type: .blob, kind: .regular),
        ],
        nextColumnID: 3,
        options: options
    )

    /// What expired is gone for good.
    private static let options: TableOptions = {
        var options = TableOptions()
        options.gcGraceSeconds = 0
        options.comment = "what replicas have promised to conditional writes and serial reads"
        return options
    }()

    /// A state as it is stored.
    struct Entry {
        var state = PaxosState()
        /// Of the stored one; the next is later.
        var timestamp: Int64 = 0
    }

    static func lifetime(of table: TableSchema) -> Int64 {
        max(Int64(table.options.gcGraceSeconds), lifetimeMin)
    }

    /// Before which ballots are refused, in microseconds since 1970.
    static func floor(of table: TableSchema, now: Int64) -> UInt64 {
        UInt64(max(now - lifetime(of: table) + margin, 0)) * 1_000_000
    }

    private static func key(_ partition: [UInt8], _ table: UUID) -> [UInt8] {
        var key = ByteWriter(capacity: partition.count + 24)
        key.append(partition)
        key.append(Key.clustered)
        table.bytes.withView {
            Key.appendComponent($0, type: .uuid, descending: false, to: &key)
        }
        key.append(Key.endRow)
        return key.array
    }

    /// Reads the state of a partition of the table whose data is `data`. On its shard.
    static func read(
        _ partition: [UInt8],
        _ data: UUID,
        on shard: Shard,
        now: Int64
    ) throws(StorageError) -> Entry {
        guard let store = shard.store.table(storageID: table.storageID) else { return Entry() }
        let key = key(partition, data)
        return try key.withView { (view) throws(StorageError) in
            guard let fragment = try store.get(view, partitionLength: partition.count) else {
                return Entry()
            }
            do throws(MalformedBytes) {
                var row = try RowFragment(fragment)
                guard let cell = try row.nextCell() else { return Entry() }
                var entry = Entry()
                entry.timestamp = cell.timestamp
                guard cell.column == stateColumn, cell.isLive(at: now) else { return entry }
                var reader = ByteReader(cell.value)
                entry.state = try PaxosState(from: &reader)
                return entry
            } catch {
                throw .corruption(
                    CorruptionError(
                        path: "system.paxos",
                        offset: error.offset,
                        expected: error.expected,
                        found: "something else"
                    )
                )
            }
        }
    }

    /// A mutation that stores a state in place of `entry`, and whatever `mutation` writes.
    static func mutation(
        _ state: PaxosState,
        after entry: Entry,
        _ partition: [UInt8],
        of schema: TableSchema,
        now: Int64,
        with mutation: [UInt8]
    ) -> [UInt8] {
        var value = ByteWriter(capacity: 256)
        state.encode(to: &value)
        let timestamp = max(now * 1_000_000, entry.timestamp + 1)
        let ttl = lifetime(of: schema)
        var row = ByteWriter(capacity: value.count + 64)
        RowEncoder.begin(liveness: nil, to: &row)
        let cell = Cell(
            column: stateColumn,
            flags: .expiring,
            timestamp: timestamp,
            ttl: UInt32(clamping: ttl),
            localTime: now + ttl,
            value: value.view
        )
        RowEncoder.append(cell, base: 0, to: &row)
        var writer = MutationWriter(capacity: row.count + 96)
        writer.begin(table: table.storageID)
        let key = key(partition, schema.storageID)
        key.withView { writer.add(key: $0, value: row.view) }
        return writer.bytes.array + mutation
    }
}
