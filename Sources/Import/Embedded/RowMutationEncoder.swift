// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// Which cells of a row go where in the engine's keys and row fragments.
final class RowMutationPlan: Sendable {
    /// A column that is not part of the key.
    struct ValueColumn: Sendable {
        let cell: Int
        let id: UInt32
        let type: CQLType
    }

    /// A clustering column.
    struct ClusteringColumn: Sendable {
        let cell: Int
        let type: CQLType
        let isDescending: Bool
    }

    let storageID: UUID
    /// Seconds; 0 when rows do not expire.
    let timeToLive: UInt32
    let shards: ShardMap
    let partitionCells: [Int]
    let clustering: [ClusteringColumn]
    let regulars: [ValueColumn]
    let statics: [ValueColumn]

    /// A plan for rows whose cells stand for `columns`, among them all key columns of `table`.
    init(_ table: TableSchema, columns: [ImportColumn], shards: ShardMap) {
        storageID = table.storageID
        timeToLive = UInt32(max(0, table.options.defaultTimeToLive))
        self.shards = shards
        var partitionCells: [Int] = []
        for column in table.partitionKey {
            if let cell = columns.firstIndex(where: { $0.name == column.name }) {
                partitionCells.append(cell)
            }
        }
        var clustering: [ClusteringColumn] = []
        for column in table.clustering {
            if let cell = columns.firstIndex(where: { $0.name == column.name }) {
                clustering.append(
                    ClusteringColumn(
                        cell: cell,
                        type: column.type,
                        isDescending: column.isDescending
                    )
                )
            }
        }
        invariant(partitionCells.count == table.partitionKey.count, "a partition key column lacks")
        invariant(clustering.count == table.clustering.count, "a clustering column lacks")
        self.partitionCells = partitionCells
        self.clustering = clustering
        regulars = RowMutationPlan.values(table.regulars, columns)
        statics = RowMutationPlan.values(table.statics, columns)
    }

    /// The columns that rows have cells for, in the order that a fragment's cells stand in.
    private static func values(
        _ schema: [ColumnSchema],
        _ columns: [ImportColumn]
    ) -> [ValueColumn] {
        var values: [ValueColumn] = []
        for column in schema.sorted(by: { $0.id < $1.id }) {
            if let cell = columns.firstIndex(where: { $0.name == column.name }) {
                values.append(ValueColumn(cell: cell, id: column.id, type: column.type))
            }
        }
        return values
    }
}

/// Turns a batch's rows into mutations of the engine, a list for each shard.
///
/// Each row is an upsert as INSERT makes it: liveness, a cell for each value, collections of cells
/// replaced whole. Holds scratch memory; used by one task at a time.
final class RowMutationEncoder {
    private typealias ValueColumn = RowMutationPlan.ValueColumn

    /// A mutation is ended when it gets larger than this.
    private static let mutationSize = 256 << 10

    private let plan: RowMutationPlan
    private let now: Int64
    private let salt: UInt32
    private var partitionKey = ByteWriter()
    private var key = ByteWriter(capacity: 256)
    private var value = ByteWriter(capacity: 1024)
    private var path = ByteWriter()
    private let open: [OpenMutation]

    /// `now` is in seconds since 1970, for expiry and deletions.
    init(_ plan: RowMutationPlan, now: Int64, random: any RandomSource) {
        self.plan = plan
        self.now = now
        salt = UInt32(truncatingIfNeeded: random.next())
        open = (0..<plan.shards.count).map { _ in OpenMutation() }
    }

    /// The mutations of all rows: (shard, bytes).
    func encode(_ batch: RowBatch) -> [(shard: Int, bytes: [UInt8])] {
        var done: [(shard: Int, bytes: [UInt8])] = []
        for row in 0..<batch.rowCount {
            let timestamp = batch.firstTimestamp + Int64(row)
            let shard = encodePartition(batch, row)
            let partitionCount = key.count
            if plan.statics.contains(where: { !batch.isUnset(row: row, column: $0.cell) }) {
                key.append(Key.staticRow)
                encodeFragment(batch, row, plan.statics, liveness: nil, timestamp)
                add(to: shard)
                key.truncate(to: partitionCount)
            }
            encodeClustering(batch, row)
            encodeFragment(batch, row, plan.regulars, liveness: liveness(timestamp), timestamp)
            add(to: shard)
            if open[shard].byteCount > RowMutationEncoder.mutationSize {
                done.append((shard, open[shard].take()))
            }
        }
        for shard in open.indices where open[shard].byteCount > 0 {
            done.append((shard, open[shard].take()))
        }
        return done
    }

    private func add(to shard: Int) {
        open[shard].add(table: plan.storageID, key: key.view, value: value.view)
    }

    private var timeToLive: UInt32 { plan.timeToLive }

    private func liveness(_ timestamp: Int64) -> Liveness {
        Liveness(
            timestamp: timestamp,
            ttl: timeToLive,
            expiry: timeToLive == 0 ? 0 : now + Int64(timeToLive)
        )
    }

    // private final class OpenMutation: Keys

    /// Begins `key` with the row's partition; returns the shard that owns it.
    private func encodePartition(_ batch: RowBatch, _ row: Int) -> Int {
        partitionKey.removeAll()
        for cell in plan.partitionCells {
            let view = RowMutationEncoder.keyValue(batch, row, cell)
            if plan.partitionCells.count == 1 {
                partitionKey.append(view)
            } else {
                Key.appendCompositePart(view, to: &partitionKey)
            }
        }
        let token = Token(partitionKey: partitionKey.view)
        key.removeAll()
        Key.appendPartition(token: token, partitionKey: partitionKey.view, to: &key)
        return plan.shards.shard(of: token)
    }

    private func encodeClustering(_ batch: RowBatch, _ row: Int) {
        key.append(Key.clustered)
        for column in plan.clustering {
            Key.appendComponent(
                RowMutationEncoder.keyValue(batch, row, column.cell),
                type: column.type,
                descending: column.isDescending,
                to: &key
            )
        }
        key.append(Key.endRow)
    }

    private static func keyValue(_ batch: RowBatch, _ row: Int, _ cell: Int) -> ByteView {
        guard case .value(let view) = batch.cell(row: row, column: cell) else {
            invariantFailure("a row without a value in a key column was not rejected")
        }
        return view
    }

    // private final class OpenMutation: Cells

    private func encodeFragment(
        _ batch: RowBatch,
        _ row: Int,
        _ columns: [ValueColumn],
        liveness: Liveness?,
        _ timestamp: Int64
    ) {
        value.removeAll()
        RowEncoder.begin(liveness: liveness, base: timestamp, to: &value)
        for column in columns {
            switch batch.cell(row: row, column: column.cell) {
            case .unset:
                continue
            case .null:
                let isCollection = column.type.isMultiCell
                put(column.id, isCollection ? .collectionDeletion : .tombstone, timestamp)
            case .value(let view):
                if column.type.isMultiCell {
                    putElements(view, column, timestamp)
                } else {
                    put(column.id, Cell.Flags(rawValue: 0), timestamp, value: view)
                }
            }
        }
    }

    /// Appends a cell; live ones get the table's time to live.
    private func put(
        _ column: UInt32,
        _ flags: Cell.Flags,
        _ timestamp: Int64,
        path: ByteView = .empty,
        value view: ByteView = .empty,
        base: Int64? = nil
    ) {
        var cell = Cell(column: column, flags: flags, timestamp: timestamp, path: path, value: view)
        if !flags.hasValue {
            cell.localTime = now
        } else if timeToLive != 0 {
            cell.flags.add(.expiring)
            cell.ttl = timeToLive
            cell.localTime = now + Int64(timeToLive)
        }
        RowEncoder.append(cell, base: base ?? timestamp, to: &value)
    }

    /// Replaces a collection: what it had before is deleted, then come its elements.
    private func putElements(
        _ view: ByteView,
        _ column: ValueColumn,
        _ timestamp: Int64
    ) {
        put(column.id, .collectionDeletion, timestamp - 1, base: timestamp)
        guard let elements = CollectionElements(view, type: column.type) else {
            invariantFailure("a collection of our own is malformed")
        }
        for (index, element) in elements.sorted.enumerated() {
            path.removeAll()
            if case .list = column.type {
                ListPath(appendedAt: timestamp, sequence: salt).append(index, to: &path)
            } else {
                path.append(element.order)
            }
            put(column.id, .path, timestamp, path: path.view, value: element.value)
        }
    }
}

/// A mutation that is being written for one shard.
private final class OpenMutation {
    private var writer = MutationWriter(capacity: 64 << 10)

    /// The bytes so far.
    var byteCount: Int { writer.bytes.count }

    /// Adds an entry to a table, always the same one.
    func add(table: UUID, key: ByteView, value: ByteView) {
        if writer.isEmpty { writer.begin(table: table) }
        writer.add(key: key, value: value)
    }

    /// The mutation; the next one begins.
    func take() -> [UInt8] {
        let bytes = writer.bytes.array
        writer.removeAll()
        return bytes
    }
}
