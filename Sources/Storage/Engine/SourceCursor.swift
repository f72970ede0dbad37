// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// One source of a merge: a memtable or an SSTable. An enum, so that a call is a branch and not a
/// table look-up.
package enum SourceCursor {
    case memtable(MemtableCursor, Memtable)
    case sstable(SSTableCursor, any BlockSource)

    /// Whether it stands at an entry.
    package var isValid: Bool {
        switch self {
        case .memtable(let cursor, _): cursor.isValid
        case .sstable(let cursor, _): cursor.isValid
        }
    }

    /// The key at which it stands.
    package var key: ByteView {
        switch self {
        case .memtable(let cursor, _): cursor.key
        case .sstable(let cursor, _): cursor.key
        }
    }

    /// The value at which it stands.
    package var value: ByteView {
        switch self {
        case .memtable(let cursor, _): cursor.value
        case .sstable(let cursor, _): cursor.value
        }
    }

    /// The range deletion that is open just before the entry, within its partition.
    package var openDeletion: Deletion? {
        switch self {
        case .memtable(let cursor, _): cursor.openDeletion
        case .sstable(let cursor, _): cursor.openDeletion
        }
    }

    func seek(atOrAfter key: ByteView) throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.seek(atOrAfter: key)
        case .sstable(let cursor, _): try cursor.seek(atOrAfter: key)
        }
    }

    func seek(before key: ByteView) throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.seek(before: key)
        case .sstable(let cursor, _):
            try cursor.seek(atOrBefore: key)
            if cursor.isValid, cursor.key.equals(key) { try cursor.previous() }
        }
    }

    func next() throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.next()
        case .sstable(let cursor, _): try cursor.next()
        }
    }

    func previous() throws(StorageError) {
        switch self {
        case .memtable(let cursor, _): cursor.previous()
        case .sstable(let cursor, _): try cursor.previous()
        }
    }

    /// The deletion of a whole partition in this source. Leaves the cursor where it is.
    func partitionDeletion(of partition: ByteView) throws(StorageError) -> Deletion? {
        switch self {
        case .memtable(_, let memtable): memtable.partitionDeletion(of: partition)
        case .sstable(let cursor, let source):
            try cursor.reader.partitionDeletion(of: partition, through: source)
        }
    }

    /// What to throw when an entry of this source can't be decoded.
    func corrupt(_ error: MalformedBytes) -> StorageError {
        switch self {
        case .memtable:
            invariantFailure("a memtable holds a malformed entry: \(error)")
        case .sstable(let cursor, _):
            .corruption(
                CorruptionError(
                    path: cursor.reader.path,
                    offset: 0,
                    expected: "well-formed entries",
                    found: error.description
                )
            )
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
