// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model

/// What a table should hold, kept without the engine's merging: the best write of each cell and all
/// deletions, for ever, which are compared only when somebody looks.
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
        /// The keys of `rows` in order.
        var keys: [Key] = []
        /// What a compaction may have forgotten was written at or before this.
        var floor = Int64.min
        /// Deletions that may not be forgotten yet: since when they count as such, and their timestamps.
        var kept: [(localTime: Int64, timestamp: Int64)] = []
    }

    private(set) var partitions: [Key: Partition] = [:]
    /// The ids of the columns that the table has: cells of others don't count.
    var columns: Set<UInt32>

    // MARK: Forgetting

    /// The greatest timestamp of the partition's deletions that were forgettable by now. What is
    /// written at or before it may be shown or not, as the engine has forgotten them or not.
    func floor(of partition: Key) -> Int64 { partitions[partition]?.floor ?? .min }

    /// Deletions made before `horizon`, in seconds since 1970, may be forgotten from now on.
    mutating func raiseFloors(_ horizon: Int64) {
        for key in Array(partitions.keys) {
            guard let kept = partitions[key]?.kept else { continue }
            let forgettable = kept.filter { $0.localTime < horizon }
            guard let latest = forgettable.map(\.timestamp).max() else { continue }
            partitions[key]?.kept = kept.filter { $0.localTime >= horizon }
            let floor = max(floor(of: key), latest)
            partitions[key]?.floor = floor
        }
    }

    /// Takes note of something that a compaction may forget when it is old.
    private mutating func keep(_ partition: Key, _ localTime: Int64, _ timestamp: Int64) {
        partitions[partition, default: Partition()].kept.append((localTime, timestamp))
    }

    // MARK: Reading

    /// All visible rows at `now`, in seconds since 1970, by key.
    func visible(now: Int64) -> [Key: VisibleRow] {
        var result: [Key: VisibleRow] = [:]
        for prefix in partitions.keys {
            for (key, row) in visible(prefix, now: now) { result[key] = row }
        }
        return result
    }

    /// The visible rows of a partition with keys in [lower, upper), in order.
    func visible(
        _ partition: Key,
        lower: Key = [],
        upper: Key? = nil,
        now: Int64
    ) -> [(key: Key, row: VisibleRow)] {
        guard let found = partitions[partition] else { return [] }
        var result: [(key: Key, row: VisibleRow)] = []
        for key in found.keys where !key.lexicographicallyPrecedes(lower) {
            if let upper, !key.lexicographicallyPrecedes(upper) { break }
            if let row = visible(key, partition, found, now) { result.append((key, row)) }
        }
        return result
    }

    /// One row; nil when nothing of it is visible.
    func visible(_ key: Key, in partition: Key, now: Int64) -> VisibleRow? {
        partitions[partition].flatMap { visible(key, partition, $0, now) }
    }

    private func visible(
        _ key: Key,
        _ prefix: Key,
        _ partition: Partition,
        _ now: Int64
    ) -> VisibleRow? {
        guard let row = partition.rows[key] else { return nil }
        var until = max(partition.deletedUntil, row.deletedUntil)
        if key[prefix.count] != Model.Key.staticRow {
            for range in partition.ranges where range.until > until {
                let isBehindStart = range.start.lexicographicallyPrecedes(key)
                if isBehindStart, key.lexicographicallyPrecedes(range.end) { until = range.until }
            }
        }
        var result = VisibleRow()
        if let liveness = row.liveness, liveness.timestamp > until,
            liveness.ttl == 0 || liveness.expiry > now
        {
            result.liveness = liveness
        }
        for (name, cell) in row.cells where columns.contains(name.column) {
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
        return result.isEmpty ? nil : result
    }

    // MARK: Writing

    mutating func delete(partition: Key, until: Int64, localTime: Int64) {
        let old = partitions[partition]?.deletedUntil ?? Int64.min
        partitions[partition, default: Partition()].deletedUntil = max(old, until)
        keep(partition, localTime, until)
    }

    mutating func delete(
        partition: Key,
        from start: Key,
        to end: Key,
        until: Int64,
        localTime: Int64
    ) {
        partitions[partition, default: Partition()].ranges.append((start, end, until))
        keep(partition, localTime, until)
    }

    mutating func delete(partition: Key, row: Key, until: Int64, localTime: Int64) {
        change(partition, row) { $0.deletedUntil = max($0.deletedUntil, until) }
        keep(partition, localTime, until)
    }

    mutating func write(partition: Key, row: Key, liveness: Liveness) {
        change(partition, row) { $0.write(liveness: liveness) }
        if liveness.ttl != 0 { keep(partition, liveness.expiry, liveness.timestamp) }
    }

    mutating func write(partition: Key, row: Key, _ name: VisibleRow.CellName, _ cell: Cell) {
        change(partition, row) { $0.write(name, cell) }
        if cell.isTombstone || cell.ttl != 0 { keep(partition, cell.localTime, cell.timestamp) }
    }

    mutating func deleteCollection(
        partition: Key,
        row: Key,
        column: UInt32,
        until: Int64,
        localTime: Int64
    ) {
        change(partition, row) {
            let old = $0.collectionsDeletedUntil[column] ?? .min
            $0.collectionsDeletedUntil[column] = max(old, until)
        }
        keep(partition, localTime, until)
    }

    private mutating func change(_ partition: Key, _ row: Key, _ body: (inout Row) -> Void) {
        if partitions[partition]?.rows[row] == nil {
            let keys = partitions[partition]?.keys ?? []
            var low = 0
            var high = keys.count
            while low < high {
                let middle = (low + high) / 2
                if keys[middle].lexicographicallyPrecedes(row) { low = middle + 1 } else { high = middle }
            }
            partitions[partition, default: Partition()].keys.insert(row, at: low)
        }
        body(&partitions[partition, default: Partition()].rows[row, default: Row()])
    }
}

extension ModelTable.Row {
    fileprivate mutating func write(liveness new: Liveness) {
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

    fileprivate mutating func write(_ name: VisibleRow.CellName, _ cell: ModelTable.Cell) {
        if let old = cells[name], !cell.beats(old) { return }
        cells[name] = cell
    }
}
