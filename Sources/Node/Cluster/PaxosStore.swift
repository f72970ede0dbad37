// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
package import Model
internal import Storage

/// Where a replica keeps the state of Paxos: `system.paxos`, a real table of every node. A partition's state is
/// in a partition of the same key, and so of the same shard.
///
/// Each part of a state has a cell with its ballot as timestamp. So the states of several replicas, merged like any
/// rows, are the latest of each part: that is how a node that will own a range gets them (`RangeTransfer`). A quorum's
/// merged state refuses and tells whatever any quorum has promised and decided.
///
/// States expire: what was promised longer ago than `lifetime` is forgotten, and ballots from before are refused
/// (`floor`), so that nothing that was promised against them is missed.
package enum PaxosStore {
    private enum Column {
        static let promised: UInt32 = 2
        static let promisedWrite: UInt32 = 3
        static let proposal: UInt32 = 4
        static let commit: UInt32 = 5
    }

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
            ColumnSchema(id: Column.promised, name: "promised", type: .timeuuid, kind: .regular),
            ColumnSchema(
                id: Column.promisedWrite,
                name: "promised_write",
                type: .timeuuid,
                kind: .regular
            ),
            ColumnSchema(id: Column.proposal, name: "proposal", type: .blob, kind: .regular),
            ColumnSchema(id: Column.commit, name: "most_recent_commit", type: .blob, kind: .regular),
        ],
        nextColumnID: 6,
        options: options
    )

    /// What expired is gone for good.
    private static let options: TableOptions = {
        var options = TableOptions()
        options.gcGraceSeconds = 0
        options.comment = "what replicas have promised to conditional writes and serial reads"
        return options
    }()

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
    ) throws(StorageError) -> PaxosState {
        guard let store = shard.store.table(storageID: table.storageID) else { return PaxosState() }
        let key = key(partition, data)
        return try key.withView { (view) throws(StorageError) in
            guard let fragment = try store.get(view, partitionLength: partition.count) else {
                return PaxosState()
            }
            do throws(MalformedBytes) {
                return try state(fragment, now: now)
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

    private static func state(_ fragment: ByteView, now: Int64) throws(MalformedBytes) -> PaxosState {
        var row = try RowFragment(fragment)
        var state = PaxosState()
        while let cell = try row.nextCell() {
            guard cell.isLive(at: now) else { continue }
            var reader = ByteReader(cell.value)
            switch cell.column {
            case Column.promised: state.promised = try reader.readBallot()
            case Column.promisedWrite: state.promisedWrite = try reader.readBallot()
            case Column.proposal: state.accepted = try PaxosVote(from: &reader)
            case Column.commit: state.committed = try PaxosVote(from: &reader)
            default: break
            }
        }
        // What is decided is no proposal any more.
        if let accepted = state.accepted, let committed = state.committed,
            accepted.ballot <= committed.ballot
        {
            state.accepted = nil
        }
        return state
    }

    /// A mutation that brings a stored state from `old` to `state`, and whatever `mutation` writes.
    static func mutation(
        _ state: PaxosState,
        after old: PaxosState,
        _ partition: [UInt8],
        of schema: TableSchema,
        now: Int64,
        with mutation: [UInt8]
    ) -> [UInt8] {
        let ttl = lifetime(of: schema)
        var row = ByteWriter(capacity: 256)
        RowEncoder.begin(liveness: nil, to: &row)
        let append = { (column: UInt32, ballot: Ballot, value: ByteView, row: inout ByteWriter) in
            let cell = Cell(
                column: column,
                flags: .expiring,
                timestamp: timestamp(ballot),
                ttl: UInt32(clamping: ttl),
                localTime: now + ttl,
                value: value
            )
            RowEncoder.append(cell, base: 0, to: &row)
        }
        if let ballot = state.promised, ballot != old.promised {
            ballot.uuid.bytes.withView { append(Column.promised, ballot, $0, &row) }
        }
        if let ballot = state.promisedWrite, ballot != old.promisedWrite {
            ballot.uuid.bytes.withView { append(Column.promisedWrite, ballot, $0, &row) }
        }
        if let vote = state.accepted, vote != old.accepted {
            vote.bytes.withView { append(Column.proposal, vote.ballot, $0, &row) }
        }
        if let vote = state.committed, vote != old.committed {
            vote.bytes.withView { append(Column.commit, vote.ballot, $0, &row) }
        }
        var writer = MutationWriter(capacity: row.count + 96)
        writer.begin(table: table.storageID)
        let key = key(partition, schema.storageID)
        key.withView { writer.add(key: $0, value: row.view) }
        return writer.bytes.array + mutation
    }

    /// Of a mutation of `system.paxos` what concerns some tables, by the ids of their data, and beside each state the write
    /// that it says was decided: who knows of a decision must have it, since proposers take that for granted.
    static func moving(_ mutation: [UInt8], of tables: [UUID]) throws(MalformedBytes) -> [UInt8] {
        // A state's key is the partition's and this.
        let suffixes = Set(tables.map { key([], $0) })
        let count = suffixes.first?.count ?? 0
        var states = MutationWriter(capacity: mutation.count)
        states.begin(table: table.storageID)
        var decided: [UInt8] = []
        var isEmpty = true
        try mutation.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    guard group.storageID == table.storageID, suffixes.contains(Array(key.array.suffix(count)))
                    else { continue }
                    isEmpty = false
                    states.add(key: key, value: value)
                    var row = try RowFragment(value)
                    while let cell = try row.nextCell() {
                        guard cell.column == Column.commit, cell.flags.isDisjoint(with: .tombstone) else { continue }
                        var reader = ByteReader(cell.value)
                        decided += try PaxosVote(from: &reader).value.bytes
                    }
                }
            }
        }
        return isEmpty ? [] : states.bytes.array + decided
    }

    /// Later ballots have later timestamps, but for those of one microsecond that are nearly alike.
    private static func timestamp(_ ballot: Ballot) -> Int64 {
        Int64(clamping: ballot.micros << 10 | ballot.tag >> 52)
    }
}
