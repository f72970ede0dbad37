// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// One source of a merge: a memtable or an SSTable. An enum, so that a call is a branch and not a
/// table look-up.
package enum SourceCursor {
    case memtable(MemtableCursor, Memtable)
    case sstable(SSTableCursor, any BlockSource)
    /// An SSTable of which only the tokens in some ranges count; they are in order.
    case partial(SSTableCursor, any BlockSource, [TokenRange])

    /// Whether it stands at an entry.
    package var isValid: Bool {
        switch self {
        case .memtable(let cursor, _): cursor.isValid
        case .sstable(let cursor, _): cursor.isValid
        case .partial(let cursor, _, let ranges):
            cursor.isValid && SourceCursor.isLive(cursor.key, in: ranges)
        }
    }

    /// The key at which it stands.
    package var key: ByteView {
        switch self {
        case .memtable(let cursor, _): cursor.key
        case .sstable(let cursor, _), .partial(let cursor, _, _): cursor.key
        }
    }

    /// The first key of a file, of which nothing comes before; nil of others.
    var firstKey: [UInt8]? {
        switch self {
        case .memtable: nil
        case .sstable(let cursor, _), .partial(let cursor, _, _):
            cursor.reader.isEmpty ? nil : cursor.reader.statistics.firstKey
        }
    }

    /// The key at which it stood before a step that ended with an error: not to be asked of others.
    var keyBeforeStep: ByteView {
        switch self {
        case .memtable: .empty
        case .sstable(let cursor, _), .partial(let cursor, _, _): cursor.keyBeforeStep
        }
    }

    /// The value at which it stands.
    package var value: ByteView {
        switch self {
        case .memtable(let cursor, _): cursor.value
        case .sstable(let cursor, _), .partial(let cursor, _, _): cursor.value
        }
    }

    /// The range deletion that is open just before the entry, within its partition.
    package var openDeletion: Deletion? {
        switch self {
        case .memtable(let cursor, _): cursor.openDeletion
        case .sstable(let cursor, _), .partial(let cursor, _, _): cursor.openDeletion
        }
    }

    func seek(atOrAfter key: ByteView) throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.seek(atOrAfter: key)
        case .sstable(let cursor, _): try cursor.seek(atOrAfter: key)
        case .partial(let cursor, _, let ranges):
            try cursor.seek(atOrAfter: key)
            try SourceCursor.skip(cursor, to: ranges)
        }
    }

    func seek(before key: ByteView) throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.seek(before: key)
        // Backward a read stays in one partition, so there is nothing to skip.
        case .sstable(let cursor, _), .partial(let cursor, _, _): try cursor.seek(before: key)
        }
    }

    func next() throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.next()
        case .sstable(let cursor, _): try cursor.next()
        case .partial(let cursor, _, let ranges):
            try cursor.next()
            try SourceCursor.skip(cursor, to: ranges)
        }
    }

    /// Moves to the next entry, backward to the one before, and gives its key; nil at the end.
    ///
    /// One call for what a merge needs of each entry.
    func step(isReversed: Bool) throws(StorageError) -> ByteView? {
        if isReversed { try previous() } else { try next() }
        return currentKey
    }

    /// The key at which it stands; nil when it stands at none.
    var currentKey: ByteView? {
        switch self {
        case .memtable(let cursor, _): cursor.isValid ? cursor.key : nil
        case .sstable(let cursor, _): cursor.isValid ? cursor.key : nil
        case .partial: isValid ? key : nil
        }
    }

    func previous() throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.previous()
        case .sstable(let cursor, _), .partial(let cursor, _, _): try cursor.previous()
        }
    }

    /// The deletion of a whole partition in this source. Leaves the cursor where it is.
    func partitionDeletion(of partition: ByteView) throws(StorageError) -> Deletion? {
        switch self {
        case .memtable(_, let memtable): memtable.partitionDeletion(of: partition)
        case .sstable(let cursor, let source):
            try cursor.reader.partitionDeletion(of: partition, through: source)
        case .partial(let cursor, let source, let ranges):
            ranges.contains { $0.contains(Key.token(of: partition)) }
                ? try cursor.reader.partitionDeletion(of: partition, through: source) : nil
        }
    }

    /// Whether a key counts. What is too short for a key is for whoever reads it to complain of.
    private static func isLive(_ key: ByteView, in ranges: [TokenRange]) -> Bool {
        key.count < 8 || ranges.contains { $0.contains(Key.token(of: key)) }
    }

    /// Moves forward to the first entry whose token is in a range; behind all ranges it stays.
    private static func skip(
        _ cursor: SSTableCursor,
        to ranges: [TokenRange]
    ) throws(StorageError) {
        while cursor.isValid, cursor.key.count >= 8 {
            let token = Key.token(of: cursor.key)
            guard let next = ranges.first(where: { $0.last >= token }), next.first > token else {
                return
            }
            try KeyBounds(next).lower.withView { (lower) throws(StorageError) in
                try cursor.seek(atOrAfter: lower)
            }
        }
    }

    /// What to throw when an entry of this source can't be decoded.
    func corrupt(_ error: MalformedBytes) -> StorageError {
        switch self {
        case .memtable:
            invariantFailure("a memtable holds a malformed entry: \(error)")
        case .sstable(let cursor, _), .partial(let cursor, _, _):
            cursor.malformedEntry(error)
        }
    }
}

extension SSTableReader {
    /// The deletion of a whole partition in this file.
    func partitionDeletion(
        of partition: ByteView,
        through source: any BlockSource
    ) throws(StorageError) -> Deletion? {
        guard statistics.hasPartitionDeletions,
            try mayContain(partition: partition, through: source)
        else { return nil }
        var key = ByteWriter(capacity: partition.count + 1)
        key.append(partition)
        key.append(Key.partitionDeletion)
        let cursor = SSTableCursor(self, source: source)
        try cursor.seek(atOrAfter: key.view)
        guard cursor.isValid, cursor.key.equals(key.view) else { return nil }
        do throws(MalformedBytes) {
            return try EntryHeader.readPartitionDeletion(cursor.value)
        } catch {
            throw SourceCursor.sstable(cursor, source).corrupt(error)
        }
    }
}
