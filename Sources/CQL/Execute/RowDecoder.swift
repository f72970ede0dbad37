// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// Takes the wanted columns of a row apart, without copying cells: the values are views into the row,
/// valid until the next row.
final class RowDecoder {
    /// When a cell was written and when it expires.
    struct CellTime {
        /// Microseconds since 1970.
        var timestamp: Int64
        /// Seconds since 1970; 0 when it doesn't expire.
        var expiry: Int64
    }

    private let table: TableSchema
    private let slots: [ColumnSchema]
    private let slotByColumn: [Int]
    private let needsClustering: Bool
    private let needsPartitionKey: Bool
    private let regularSlots: [Int]
    private let staticSlots: [Int]
    private let keepsElementTimes: Bool

    /// The values of the current row by slot; nil is null.
    private(set) var values: [ByteView?]
    /// The times of the current row's cells by slot.
    private(set) var times: [CellTime?]
    /// The times of the elements of the current row's collections by slot, if they are kept.
    private(set) var elementTimes: [[CellTime]]
    /// The token of the current partition.
    private(set) var token = Model.Token.min

    private var partitionKey = ByteWriter(capacity: 64)
    private var clustering = ByteWriter(capacity: 64)
    private var collections = ByteWriter(capacity: 64)
    private var staticRow = ByteWriter(capacity: 64)
    private var staticCollections = ByteWriter(capacity: 16)
    /// Whether the partition has a live static cell.
    private(set) var hasLiveStatic = false

    init(table: TableSchema, slots: [ColumnSchema], keepsElementTimes: Bool = false) {
        self.keepsElementTimes = keepsElementTimes
        self.table = table
        self.slots = slots
        var byColumn = [Int](repeating: -1, count: Int(table.nextColumnID))
        for (index, column) in slots.enumerated() { byColumn[Int(column.id)] = index }
        slotByColumn = byColumn
        needsClustering = slots.contains { $0.kind == .clustering }
        needsPartitionKey = slots.contains { $0.kind == .partitionKey }
        regularSlots = slots.indices.filter { slots[$0].kind == .regular }
        staticSlots = slots.indices.filter { slots[$0].kind == .static }
        values = Array(repeating: nil, count: slots.count)
        times = Array(repeating: nil, count: slots.count)
        elementTimes = Array(repeating: [], count: slots.count)
    }

    // MARK: Partitions

    /// Starts a partition by the partition part of its keys.
    func enterPartition(_ partition: ByteView) throws(MalformedBytes) {
        hasLiveStatic = false
        clear(staticSlots)
        token = Key.token(of: partition)
        guard needsPartitionKey else { return }
        partitionKey.removeAll()
        var reader = ByteReader(partition)
        _ = try Key.readPartitionKey(from: &reader, into: &partitionKey)
        let parts = try Key.splitPartitionKey(
            partitionKey.view,
            count: table.partitionKey.count
        )
        for (part, column) in zip(parts, table.partitionKey) {
            let slot = slotByColumn[Int(column.id)]
            if slot >= 0 { values[slot] = part }
        }
    }

    /// Takes the partition's static row; it is copied, since it outlives its entry.
    func enterStatic(_ fragment: ByteView, now: Int64) throws(MalformedBytes) {
        staticRow.removeAll()
        staticRow.append(fragment)
        staticCollections.removeAll()
        hasLiveStatic = try decodeCells(
            staticRow.view,
            now: now,
            into: &staticCollections
        )
    }

    // MARK: Rows

    /// Takes a row apart.
    ///
    /// - Returns: whether the row is there: it was inserted or has a live cell.
    func decode(
        key: ByteView,
        partitionLength: Int,
        fragment: ByteView,
        now: Int64
    ) throws(MalformedBytes) -> Bool {
        clear(regularSlots)
        guard try decodeCells(fragment, now: now, into: &collections) else { return false }
        if needsClustering { try decodeClustering(key, from: partitionLength + 1) }
        return true
    }

    /// The row of a partition that has nothing but static columns.
    func decodeStaticOnly() {
        for slot in slots.indices where slots[slot].kind == .regular || slots[slot].kind == .clustering {
            values[slot] = nil
            times[slot] = nil
            elementTimes[slot].removeAll()
        }
    }

    /// Appends the current row's value in a slot as [bytes].
    func appendValue(ofSlot slot: Int, to writer: inout ByteWriter) {
        guard let value = values[slot] else { return writer.appendBigEndian(Int32(-1)) }
        writer.appendBigEndian(Int32(truncatingIfNeeded: value.count))
        writer.append(value)
    }

    private func clear(_ slots: [Int]) {
        for slot in slots {
            values[slot] = nil
            times[slot] = nil
            if keepsElementTimes { elementTimes[slot].removeAll(keepingCapacity: true) }
        }
    }

    /// Takes only a row's key apart.
    func decodeKey(_ key: ByteView, partitionLength: Int) throws(MalformedBytes) {
        if needsClustering { try decodeClustering(key, from: partitionLength + 1) }
    }

    private func decodeClustering(_ key: ByteView, from start: Int) throws(MalformedBytes) {
        clustering.removeAll()
        var reader = ByteReader(key)
        reader.offset = start
        var ends: [Int] = []
        ends.reserveCapacity(table.clustering.count)
        for column in table.clustering {
            let separator = try reader.readByte()
            if separator == Key.component {
                try OrderedEncoding.decode(
                    column.type,
                    descending: column.isDescending,
                    from: &reader,
                    into: &clustering
                )
            } else if separator != Key.componentEmpty {
                throw MalformedBytes(offset: reader.offset, expected: "a clustering component")
            }
            ends.append(clustering.count)
        }
        var offset = 0
        for (column, end) in zip(table.clustering, ends) {
            let slot = slotByColumn[Int(column.id)]
            if slot >= 0 { values[slot] = clustering.view[offset..<end] }
            offset = end
        }
    }

    /// Puts live cells into their slots; true when the row is there.
    private func decodeCells(
        _ fragment: ByteView,
        now: Int64,
        into collections: inout ByteWriter
    ) throws(MalformedBytes) -> Bool {
        var row = try RowFragment(fragment)
        var isLive = row.liveness?.isLive(at: now) ?? false
        collections.removeAll()
        var pending: [(slot: Int, start: Int, end: Int)] = []
        var assembler: CollectionAssembler?
        var current = -1
        var start = 0
        while let cell = try row.nextCell() {
            guard cell.isLive(at: now) else { continue }
            isLive = true
            let column = Int(cell.column)
            let slot = column < slotByColumn.count ? slotByColumn[column] : -1
            guard slot >= 0 else { continue }
            guard cell.flags.contains(.path) else {
                values[slot] = cell.value
                let expiry = cell.flags.contains(.expiring) ? cell.localTime : 0
                times[slot] = CellTime(timestamp: cell.timestamp, expiry: expiry)
                continue
            }
            if keepsElementTimes {
                let expiry = cell.flags.contains(.expiring) ? cell.localTime : 0
                elementTimes[slot].append(CellTime(timestamp: cell.timestamp, expiry: expiry))
            }
            if slot != current {
                if assembler != nil {
                    assembler?.finish(&collections)
                    pending.append((current, start, collections.count))
                }
                current = slot
                start = collections.count
                assembler = CollectionAssembler(slots[slot].type, at: &collections)
            }
            if slots[slot].type == .counter, cell.timestamp > times[slot]?.timestamp ?? .min {
                times[slot] = CellTime(timestamp: cell.timestamp, expiry: 0)
            }
            assembler?.add(path: cell.path, value: cell.value, to: &collections)
        }
        if assembler != nil {
            assembler?.finish(&collections)
            pending.append((current, start, collections.count))
        }
        for (slot, start, end) in pending { values[slot] = collections.view[start..<end] }
        return isLive
    }
}
