// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A deletion of a run of rows in one partition, as an entry of a mutation: the key is the start
/// marker's, the value holds the end marker's key and the deletion.
///
///     value = A0 end-length (varint) end deletion
///
/// In memtables and SSTables it becomes two or more `RangeMarker`s.
package struct RangeDeletion {
    /// The header byte of the value.
    package static let header: UInt8 = EntryHeader.marker | 0x20

    /// The key of the start marker.
    package let start: ByteView
    /// The key of the end marker, in the same partition and after the start.
    package let end: ByteView
    package let deletion: Deletion

    /// Reads an entry of a mutation; the views point into it.
    package init(start: ByteView, value: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(value)
        guard try reader.readByte() == RangeDeletion.header else {
            throw MalformedBytes(offset: 0, expected: "a range deletion")
        }
        self.start = start
        self.end = try reader.readLengthPrefixed()
        self.deletion = try Deletion(from: &reader)
        let partition = Key.partition(of: start)
        guard end.compare(start) > 0, end.hasPrefix(partition), Key.isMarker(end),
            Key.isMarker(start), end.count > partition.count
        else { throw MalformedBytes(offset: 0, expected: "an end after the start of the range") }
    }

    /// Appends the value of the entry.
    package static func append(end: ByteView, deletion: Deletion, to writer: inout ByteWriter) {
        writer.append(header)
        writer.appendLengthPrefixed(end)
        deletion.append(to: &writer)
    }
}
