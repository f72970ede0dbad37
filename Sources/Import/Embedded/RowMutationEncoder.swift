// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// Turns a batch's rows into mutations of the engine, a list for each shard.
///
/// Each row is an upsert as INSERT makes it: liveness, a cell for each value, collections of cells
/// replaced whole. Holds scratch memory; used by one task at a time.
struct RowMutationEncoder: ~Copyable {
    /// A column that is not part of the key.
    private struct ValueColumn {
        let cell: Int
        let id: UInt32
        let type: CQLType
    }

    /// A clustering column.
    private struct ClusteringColumn {
        let cell: Int
        let type: CQLType
        let isDescending: Bool
    }

    /// A mutation is ended when it gets larger than this.
    private static let mutationSize = 256 << 10

    private let table: TableSchema
    private let shards: ShardMap
    private let partitionCells: [Int]
    private let clustering: [ClusteringColumn]
    private let regulars: [ValueColumn]
    private let statics: [ValueColumn]
    private let now: Int64
    private let salt: UInt32
    private var partitionKey = ByteWriter()
    private var key = ByteWriter(capacity: 256)
    private var value = ByteWriter(capacity: 1024)
    private var path = ByteWriter()
    private let open: [OpenMutation]

    /// - Parameters:
    ///   - columns: what the cells of a row stand for; it has all key columns of `table`.
    ///   - now: seconds since 1970, for expiry and deletions.
    init(
        _ table: TableSchema,
        columns: [ImportColumn],
        shards: ShardMap,
        now: Int64,
        random: any RandomSource
    ) {
        self.table = table
        self.shards = shards
        self.now = now
        salt = UInt32(truncatingIfNeeded: random.next())
        var places: [String: Int] = [:]
        for (index, column) in columns.enumerated() { places[column.name] = index }
        let values = { (schema: [ColumnSchema]) in
            // A fragment's cells stand in the order of the columns' ids.
            schema.sorted { $0.id < $1.id }.compactMap { column in
                places[column.name].map { ValueColumn(cell: $0, id: column.id, type: column.type) }
            }
        }
        partitionCells = table.partitionKey.compactMap { places[$0.name] }
        clustering = table.clustering.compactMap { column in
            places[column.name].map {
                ClusteringColumn(
                    cell: $0,
                    type: column.type,
                    isDescending: column.isDescending
                )
            }
        }
        regulars = values(table.regulars)
        statics = values(table.statics)
        invariant(partitionCells.count == table.partitionKey.count, "a partition key column lacks")
        invariant(clustering.count == table.clustering.count, "a clustering column lacks")
        open = (0..<shards.count).map { _ in OpenMutation() }
    }

    /// The mutations of all rows: (shard, bytes).
    mutating func encode(_ batch: RowBatch) -> [(shard: Int, bytes: [UInt8])] {
        var done: [(shard: Int, bytes: [UInt8])] = []
        for row in 0..<batch.rowCount {
            let timestamp = batch.firstTimestamp + Int64(row)
            let shard = encodePartition(batch, row)
            let partitionCount = key.count
            if statics.contains(where: { !batch.isUnset(row: row, column: $0.cell) }) {
                key.append(Key.staticRow)
                encodeFragment(batch, row, statics, liveness: nil, timestamp)
                add(to: shard)
                key.truncate(to: partitionCount)
            }
            encodeClustering(batch, row)
            encodeFragment(batch, row, regulars, liveness: liveness(timestamp), timestamp)
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

    private mutating func add(to shard: Int) {
        open[shard].add(table: table.storageID, key: key.view, value: value.view)
    }

    private var timeToLive: UInt32 { UInt32(max(0, table.options.defaultTimeToLive)) }

    private func liveness(_ timestamp: Int64) -> Liveness {
        Liveness(
            timestamp: timestamp,
            ttl: timeToLive,
            expiry: timeToLive == 0 ? 0 : now + Int64(timeToLive)
        )
    }

    // MARK: Keys

    /// Begins `key` with the row's partition; returns the shard that owns it.
    private mutating func encodePartition(_ batch: RowBatch, _ row: Int) -> Int {
        partitionKey.removeAll()
        for cell in partitionCells {
            let view = RowMutationEncoder.keyValue(batch, row, cell)
            if partitionCells.count == 1 {
                partitionKey.append(view)
            } else {
                Key.appendCompositePart(view, to: &partitionKey)
            }
        }
        let token = Token(partitionKey: partitionKey.view)
        key.removeAll()
        Key.appendPartition(token: token, partitionKey: partitionKey.view, to: &key)
        return shards.shard(of: token)
    }

    private mutating func encodeClustering(_ batch: RowBatch, _ row: Int) {
        key.append(Key.clustered)
        for column in clustering {
            let view = RowMutationEncoder.keyValue(batch, row, column.cell)
            if view.isEmpty {
                key.append(Key.componentEmpty)
                continue
            }
            key.append(Key.component)
            OrderedEncoding.append(
                view,
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

    // MARK: Cells

    private mutating func encodeFragment(
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
    private mutating func put(
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
    private mutating func putElements(
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
                // Elements of a list are ordered by the time of their writing (CQL's list paths).
                path.appendBigEndian(UInt64(bitPattern: timestamp) ^ (1 << 63))
                path.appendBigEndian(UInt32(truncatingIfNeeded: index))
                path.appendBigEndian(salt)
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
