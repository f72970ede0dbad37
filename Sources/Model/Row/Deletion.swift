// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A deletion of everything that it covers and that was written at or before its timestamp.
package struct Deletion: Hashable, Sendable, CustomStringConvertible {
    /// The write timestamp, in microseconds since 1970.
    package let timestamp: Int64
    /// When it was made, by the server's clock, in seconds since 1970: the start of its grace period.
    package let localTime: Int64

    package init(timestamp: Int64, localTime: Int64) {
        self.timestamp = timestamp
        self.localTime = localTime
    }

    /// Whether something written at `timestamp` is deleted.
    package func covers(_ timestamp: Int64) -> Bool { timestamp <= self.timestamp }

    /// The deletion that hides more; at equal timestamps the later one by the clock.
    package static func stronger(_ a: Deletion?, _ b: Deletion?) -> Deletion? {
        guard let a else { return b }
        guard let b else { return a }
        if a.timestamp != b.timestamp { return a.timestamp > b.timestamp ? a : b }
        return a.localTime >= b.localTime ? a : b
    }

    package var description: String { "deleted@\(timestamp) at \(localTime)s" }

    /// Appends the timestamp (signed varint) and the local time (signed varint).
    package func append(to writer: inout ByteWriter) {
        writer.appendSignedVarint(timestamp)
        writer.appendSignedVarint(localTime)
    }

    /// Reads what `append` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.timestamp = try reader.readSignedVarint()
        self.localTime = try reader.readSignedVarint()
    }
}

/// The value of a range-deletion marker: which range deletion of the same source is open before this
/// position of the partition, and which after it. Both are needed, since reads go both ways.
///
///     value = 80 + flags (01 before, 02 after) [deletion before] [deletion after]
package struct RangeMarker: Hashable, Sendable {
    package let before: Deletion?
    package let after: Deletion?

    package init(before: Deletion?, after: Deletion?) {
        self.before = before
        self.after = after
    }

    /// Appends the marker's value.
    package func append(to writer: inout ByteWriter) {
        let flags: UInt8 = (before == nil ? 0 : 1) | (after == nil ? 0 : 2)
        writer.append(EntryHeader.marker | flags)
        before?.append(to: &writer)
        after?.append(to: &writer)
    }

    /// Reads a marker's value.
    package init(_ value: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(value)
        let header = try reader.readByte()
        guard header & ~3 == EntryHeader.marker else {
            throw MalformedBytes(offset: 0, expected: "a range-deletion marker")
        }
        self.before = header & 1 != 0 ? try Deletion(from: &reader) : nil
        self.after = header & 2 != 0 ? try Deletion(from: &reader) : nil
    }
}

/// The bits of a value's first byte that tell what kind of entry it is. A row fragment has neither.
package enum EntryHeader {
    /// A range-deletion marker (`RangeMarker`).
    package static let marker: UInt8 = 0x80
    /// A partition deletion: the header, then a `Deletion`.
    package static let partitionDeletion: UInt8 = 0x40

    /// Appends the value of a partition deletion.
    package static func appendPartitionDeletion(_ deletion: Deletion, to writer: inout ByteWriter) {
        writer.append(partitionDeletion)
        deletion.append(to: &writer)
    }

    /// Reads the value of a partition deletion.
    package static func readPartitionDeletion(_ value: ByteView) throws(MalformedBytes) -> Deletion {
        var reader = ByteReader(value)
        guard try reader.readByte() == partitionDeletion else {
            throw MalformedBytes(offset: 0, expected: "a partition deletion")
        }
        return try Deletion(from: &reader)
    }
}
