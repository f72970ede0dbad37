// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Takes the entries that are left, in order, and keeps range deletions whole: one that is open where a
/// lost run begins ends there, and one that is open where the run ends begins there. What they covered in
/// between is lost with the rows.
///
/// The last entry is held back, since it may have to change.
struct SalvageOutput {
    /// Nil in a trial.
    private let writer: SSTableWriter?
    private var key: [UInt8] = []
    private var value: [UInt8] = []
    private var hasEntry = false
    /// What is open before and after the entry that is held.
    private var before: Deletion?
    private var open: Deletion?
    private(set) var entryCount = 0
    private(set) var partitionCount = 0
    private(set) var rowCount = 0
    /// The last key that came in.
    private(set) var lastKey: [UInt8] = []

    init(_ writer: SSTableWriter?) { self.writer = writer }

    /// Takes the next entry, which must be well-formed and above the last key.
    mutating func add(key: ByteView, value: ByteView) throws(StorageError) {
        let isNew = lastKey.isEmpty || !isInLastPartition(key)
        if isNew {
            try close()
            partitionCount += 1
        }
        lastKey = key.array
        guard value[0] & EntryHeader.marker != 0, let marker = try? RangeMarker(value) else {
            let isRow = value[0] & EntryHeader.partitionDeletion == 0
            if isRow, key[Key.partitionLength(of: key)] == Key.clustered { rowCount += 1 }
            return try hold(key.array, value.array, before: open, after: open)
        }
        // It begins from what is known to be open.
        guard marker.after != open else { return }
        try holdMarker(key.array, marker.after)
    }

    private func isInLastPartition(_ key: ByteView) -> Bool {
        lastKey.withView { key.hasPrefix(Key.partition(of: $0)) }
    }

    /// A lost run begins: nothing is known of what is open behind it.
    mutating func breakOff() throws(StorageError) { try close() }

    /// A lost run has ended; `open` is what is open before the entry with `key`, which comes next.
    mutating func resume(at key: ByteView, open: Deletion?) throws(StorageError) {
        let kind = Key.partitionLength(of: key)
        guard let open, key.count > kind + 1, key[kind] == Key.clustered, !Key.isMarker(key) else {
            return
        }
        var marker = key.array
        marker[marker.count - 1] = Key.endBefore
        guard lastKey.lexicographicallyPrecedes(marker) else { return }
        if lastKey.isEmpty || !isInLastPartition(key) { partitionCount += 1 }
        lastKey = marker
        try holdMarker(marker, open)
    }

    /// Ends what is open.
    private mutating func close() throws(StorageError) {
        guard open != nil else { return }
        if hasEntry, value[0] & EntryHeader.marker != 0 {
            // The marker that opened it ends what was open before instead, or goes.
            hasEntry = before != nil
            open = nil
            value = SalvageOutput.marker(before, nil)
            return
        }
        var end = key
        end[end.count - 1] = Key.endAfter
        try holdMarker(end, nil)
    }

    private mutating func holdMarker(_ key: [UInt8], _ after: Deletion?) throws(StorageError) {
        try hold(key, SalvageOutput.marker(open, after), before: open, after: after)
    }

    private static func marker(_ before: Deletion?, _ after: Deletion?) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        RangeMarker(before: before, after: after).append(to: &writer)
        return writer.array
    }

    private mutating func hold(
        _ key: [UInt8],
        _ value: [UInt8],
        before: Deletion?,
        after: Deletion?
    ) throws(StorageError) {
        try release()
        self.key = key
        self.value = value
        self.before = before
        open = after
        hasEntry = true
    }

    /// Hands on the entry that is held.
    private mutating func release() throws(StorageError) {
        guard hasEntry else { return }
        hasEntry = false
        entryCount += 1
        try key.withView { (key) throws(StorageError) in
            try value.withView { (value) throws(StorageError) in
                try writer?.add(key: key, value: value)
            }
        }
    }

    /// Ends the last partition.
    mutating func finish() throws(StorageError) {
        try close()
        try release()
    }
}
