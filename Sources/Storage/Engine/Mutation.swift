// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Writes of one shard that become visible and durable together: a commit-log record.
///
///     mutation = group+
///     group    = storage-id (16) count (4, little endian) entry*
///     entry    = key-length (varint) key value-length (varint) value
///
/// A value is a row fragment, a partition deletion or a range deletion (`RangeDeletion`). The first
/// entry's key gives the token, and all entries of a mutation belong to one shard.
package struct MutationWriter: ~Copyable {
    /// The encoded mutation so far.
    package private(set) var bytes: ByteWriter
    private var countOffset = 0
    private var count: UInt32 = 0

    package init(capacity: Int = 256) { bytes = ByteWriter(capacity: capacity) }

    /// Forgets everything and keeps the memory.
    package mutating func removeAll() {
        bytes.removeAll()
        count = 0
    }

    /// Whether nothing has been added.
    package var isEmpty: Bool { bytes.count == 0 }

    /// Starts the entries of a table.
    package mutating func begin(table storageID: UUID) {
        bytes.appendBigEndian(storageID.high)
        bytes.appendBigEndian(storageID.low)
        countOffset = bytes.count
        count = 0
        bytes.appendLittleEndian(UInt32(0))
    }

    /// Takes back the group that was begun last if nothing was added to it.
    package mutating func dropEmptyGroup() {
        if count == 0, bytes.count == countOffset + 4 { bytes.truncate(to: countOffset - 16) }
    }

    /// Adds an entry to the table that was begun last.
    package mutating func add(key: ByteView, value: ByteView) {
        bytes.appendLengthPrefixed(key)
        bytes.appendLengthPrefixed(value)
        count += 1
        bytes.putLittleEndian(count, at: countOffset)
    }
}

/// Reads a mutation group by group.
package struct MutationReader {
    private var reader: ByteReader

    package init(_ mutation: ByteView) { reader = ByteReader(mutation) }

    /// The entries of one table.
    package struct Group {
        package let storageID: UUID
        /// How many entries follow.
        package let count: Int
    }

    /// The next group; nil after the last. Its entries must be read before the next call.
    package mutating func nextGroup() throws(MalformedBytes) -> Group? {
        guard !reader.isAtEnd else { return nil }
        let high: UInt64 = try reader.readBigEndian()
        let low: UInt64 = try reader.readBigEndian()
        let count: UInt32 = try reader.readLittleEndian()
        return Group(storageID: UUID(high: high, low: low), count: Int(count))
    }

    /// The next entry of the group.
    package mutating func nextEntry() throws(MalformedBytes) -> (key: ByteView, value: ByteView) {
        let key = try reader.readLengthPrefixed()
        guard key.count >= 10 else {
            throw MalformedBytes(offset: reader.offset, expected: "a key of 10 bytes or more")
        }
        return (key, try reader.readLengthPrefixed())
    }
}
