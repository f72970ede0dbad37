// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model

/// What a table should hold, kept without the engine's merging: the best write of each cell and all
/// deletions, which are compared only when somebody looks.
struct ModelTable {
    typealias Key = [UInt8]

    struct Cell {
        var timestamp: Int64
        var isTombstone = false
        var ttl: UInt32 = 0
        var localTime: Int64 = 0
        var value: [UInt8] = []

        /// The rule of Cassandra's reconciliation: later timestamp, deletion, expiring, later end,
        /// greater value.
        func beats(_ other: Cell) -> Bool {
            if timestamp != other.timestamp { return timestamp > other.timestamp }
            if isTombstone != other.isTombstone { return isTombstone }
            if (ttl != 0) != (other.ttl != 0) { return ttl != 0 }
            if localTime != other.localTime { return localTime > other.localTime }
            if value != other.value { return other.value.lexicographicallyPrecedes(value) }
            return ttl > other.ttl
        }
    }

    struct Row {
        var liveness: Liveness?
        var deletedUntil = Int64.min
        var collectionsDeletedUntil: [UInt32: Int64] = [:]
        var cells: [VisibleRow.CellName: Cell] = [:]
    }

    struct Partition {
        var deletedUntil = Int64.min
        var ranges: [(start: Key, end: Key, until: Int64)] = []
        var rows: [Key: Row] = [:]
    }

    var partitions: [Key: Partition] = [:]

    /// Visible rows by key at `now`, in seconds since 1970.
    func visible(now: Int64) -> [Key: VisibleRow] {
        var result: [Key: VisibleRow] = [:]
        for (prefix, partition) in partitions {
            for (key, row) in partition.rows {
                let visible = self.visible(row, key, prefix, partition, now)
                if !visible.isEmpty { result[key] = visible }
            }
        }
        return result
    }

    private func visible(
        _ row: Row,
        _ key: Key,
        _ prefix: Key,
        _ partition: Partition,
        _ now: Int64
    ) -> VisibleRow {
        var until = max(partition.deletedUntil, row.deletedUntil)
        if key[prefix.count] != Model.Key.staticRow {
            for range in partition.ranges {
                let isBehindStart = range.start.lexicographicallyPrecedes(key)
                if isBehindStart, key.lexicographicallyPrecedes(range.end) {
                    until = max(until, range.until)
                }
            }
        }
        var result = VisibleRow()
        if let liveness = row.liveness, liveness.timestamp > until,
            liveness.ttl == 0 || liveness.expiry > now
        {
            result.liveness = liveness
        }
        for (name, cell) in row.cells {
            let collection = row.collectionsDeletedUntil[name.column] ?? Int64.min
            guard cell.timestamp > max(until, collection), !cell.isTombstone,
                cell.ttl == 0 || cell.localTime > now
            else { continue }
            result.cells[name] = VisibleRow.Value(
                timestamp: cell.timestamp,
                ttl: cell.ttl,
                expiry: cell.localTime,
                bytes: cell.value
            )
        }
        return result
    }

    // MARK: Writing

    mutating func delete(partition: Key, until: Int64) {
        let old = partitions[partition]?.deletedUntil ?? Int64.min
        partitions[partition, default: Partition()].deletedUntil = max(old, until)
    }

    mutating func delete(partition: Key, from start: Key, to end: Key, until: Int64) {
        partitions[partition, default: Partition()].ranges.append((start, end, until))
    }

    mutating func change(partition: Key, row: Key, _ body: (inout Row) -> Void) {
        body(&partitions[partition, default: Partition()].rows[row, default: Row()])
    }
}

extension ModelTable.Row {
    mutating func write(liveness new: Liveness) {
        guard let old = liveness else {
            liveness = new
            return
        }
        let beats =
            new.timestamp != old.timestamp
            ? new.timestamp > old.timestamp
            : (new.ttl != 0) != (old.ttl != 0)
                ? new.ttl != 0 : (new.expiry, new.ttl) > (old.expiry, old.ttl)
        if beats { liveness = new }
    }

    mutating func write(_ name: VisibleRow.CellName, _ cell: ModelTable.Cell) {
        if let old = cells[name], !cell.beats(old) { return }
        cells[name] = cell
    }

    mutating func deleteCollection(_ column: UInt32, until: Int64) {
        collectionsDeletedUntil[column] = max(collectionsDeletedUntil[column] ?? .min, until)
    }
}
