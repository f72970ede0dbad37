// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

// What a scan with conditions on regular columns passes over: docs/internals/read-path.md says why that
// is right.

extension SSTableReader {
    /// The first key, not below `key`, from which on the file may have a cell that meets `bounds`; nil
    /// when there is none. What the file doesn't say counts as a cell that does.
    func firstCandidate(_ bounds: ColumnBounds, from key: [UInt8]) -> [UInt8]? {
        guard mayMeet(bounds) else { return nil }
        guard let sets = rangeSets, statistics.columnRanges?.columns[bounds.column] != nil else {
            return key
        }
        let top = BlockCursor()
        var reader = ByteReader(sets.view)
        guard top.attach(topIndex), top.seekToFirst() else { return key }
        repeat {
            guard let set = try? reader.readLengthPrefixed() else { return key }
            // The keys below the next index block's are of this one.
            let end = top.keyOfNext()
            if let end, !key.lexicographicallyPrecedes(end) { continue }
            guard let ranges = try? ColumnRanges(set) else { return key }
            if ranges.columns[bounds.column]?.meets(bounds) ?? false {
                return key.withView { top.key.compare($0) > 0 } ? top.key.array : key
            }
        } while top.next()
        return top.isMalformed ? key : nil
    }

    /// Whether the file as a whole may have a cell that meets `bounds`.
    private func mayMeet(_ bounds: ColumnBounds) -> Bool {
        // Cells are counted by column for ids below this.
        if bounds.column < 4096, statistics.columnCellCounts[bounds.column] == nil { return false }
        guard let range = statistics.columnRanges?.columns[bounds.column] else { return true }
        return range.meets(bounds)
    }
}

extension TableStore {
    /// The first key, not below `lower`, at which there may be a row that meets all `conditions`; nil
    /// when there is none above.
    func firstCandidate(
        _ conditions: [ColumnBounds],
        from lower: [UInt8],
        _ readers: [SSTableReader]
    ) -> [UInt8]? {
        var key = lower
        var isSettled = false
        while !isSettled {
            isSettled = true
            for condition in conditions {
                guard let next = firstCandidate(condition, from: key, readers) else { return nil }
                guard key.lexicographicallyPrecedes(next) else { continue }
                key = next
                isSettled = false
            }
        }
        return key
    }

    private func firstCandidate(
        _ condition: ColumnBounds,
        from key: [UInt8],
        _ readers: [SSTableReader]
    ) -> [UInt8]? {
        var nearest: [UInt8]?
        func consider(_ candidate: [UInt8]) {
            if nearest.map({ candidate.lexicographicallyPrecedes($0) }) ?? true {
                nearest = candidate
            }
        }
        for memtable in memtables {
            // Of a memtable only its keys are known.
            let cursor = MemtableCursor(memtable)
            key.withView { cursor.seek(atOrAfter: $0) }
            if cursor.isValid { consider(cursor.key.array) }
        }
        for reader in readers {
            guard let found = reader.firstCandidate(condition, from: key) else { continue }
            consider(found)
        }
        guard let found = nearest, !schema.statics.isEmpty else { return nearest }
        // A row is shown with its partition's static columns: the partition is read from its beginning.
        let partition = found.withView { Key.partition(of: $0).array }
        return key.lexicographicallyPrecedes(partition) ? partition : key
    }
}
