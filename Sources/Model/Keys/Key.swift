// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The layout of the keys in a table's one ordered map; all comparison is `memcmp`.
///
///     key       = partition kind rest
///     partition = token (8 bytes, biased, big endian)
///                 partition-key (serialized CQL value; 00 escaped as 00 FF) 00
///     kind      = 01 partition deletion | 02 static row | 03 clustered
///     rest      = nothing for 01 and 02; for 03: component* end
///     component = 40 ordered-encoding (inverted for DESC) | 3F an empty value
///     end       = 38 a row | 20 a marker before, 60 a marker after all that has this prefix
///
/// A row's key has one component a clustering column; a marker's (a bound of a range deletion) may
/// have fewer. 3F sorts before 40, so an empty value comes first in both directions. A table without
/// clustering columns has rows with the rest `38`.
package enum Key {
    /// The kind byte of a partition deletion.
    package static let partitionDeletion: UInt8 = 0x01
    /// The kind byte of the static row.
    package static let staticRow: UInt8 = 0x02
    /// The kind byte of rows and range-deletion markers.
    package static let clustered: UInt8 = 0x03

    /// Ends a key: a marker before everything that has the prefix.
    package static let endBefore: UInt8 = 0x20
    /// Ends a key: a row.
    package static let endRow: UInt8 = 0x38
    /// Stands for a component of no bytes.
    package static let componentEmpty: UInt8 = 0x3F
    /// Starts a component.
    package static let component: UInt8 = 0x40
    /// Ends a key: a marker after everything that has the prefix.
    package static let endAfter: UInt8 = 0x60

    /// Appends the partition part: token, escaped partition key, terminator.
    package static func appendPartition(
        token: Token,
        partitionKey: ByteView,
        to writer: inout ByteWriter
    ) {
        writer.reserve(partitionKey.count + 16)
        writer.appendBigEndian(token.biased)
        appendEscaped(partitionKey, to: &writer)
    }

    /// Appends the partition part of a serialized partition key.
    package static func appendPartition(_ partitionKey: ByteView, to writer: inout ByteWriter) {
        appendPartition(
            token: Token(partitionKey: partitionKey),
            partitionKey: partitionKey,
            to: &writer
        )
    }

    /// Appends bytes with 00 escaped as 00 FF and a terminating 00.
    package static func appendEscaped(_ bytes: ByteView, to writer: inout ByteWriter) {
        var start = 0
        while let zero = bytes.firstIndex(of: 0, from: start) {
            writer.append(bytes[start..<zero + 1])
            writer.append(0xFF)
            start = zero + 1
        }
        writer.append(bytes[start..<bytes.count])
        writer.append(0)
    }

    /// The token that a key begins with. The key has at least 8 bytes.
    package static func token(of key: ByteView) -> Token {
        Token(biased: key.loadBigEndian(0, as: UInt64.self))
    }

    /// The length of the partition part of a well-formed key; the whole length for any other bytes.
    package static func partitionLength(of key: ByteView) -> Int {
        var index = 8
        while index < key.count, let zero = key.firstIndex(of: 0, from: index) {
            guard zero + 1 < key.count, key[zero + 1] == 0xFF else { return zero + 1 }
            index = zero + 2
        }
        return key.count
    }

    /// The partition part of a key.
    package static func partition(of key: ByteView) -> ByteView {
        key.prefix(partitionLength(of: key))
    }

    /// Whether a key of kind `clustered` is a range-deletion marker and not a row.
    package static func isMarker(_ key: ByteView) -> Bool {
        guard let last = key.count > 0 ? key[key.count - 1] : nil else { return false }
        return last == endBefore || last == endAfter
    }

    /// Reads the partition part and appends the serialized partition key that it holds.
    package static func readPartitionKey(
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) -> Token {
        let token = Token(biased: try reader.readBigEndian())
        while true {
            let byte = try reader.readByte()
            if byte != 0 {
                writer.append(byte)
                continue
            }
            guard reader.offset < reader.view.count, reader.view[reader.offset] == 0xFF else {
                return token
            }
            reader.offset += 1
            writer.append(0)
        }
    }
}

extension Key {
    /// Appends one clustering component: no bytes of a type that has no such value of its own are
    /// marked, everything else is encoded in the column's order.
    package static func appendComponent(
        _ value: ByteView,
        type: CQLType,
        descending: Bool,
        to writer: inout ByteWriter
    ) {
        guard value.count > 0 || type.hasEmptyValue else { return writer.append(componentEmpty) }
        writer.append(component)
        OrderedEncoding.append(value, type: type, descending: descending, to: &writer)
    }

    /// Appends the part of a composite partition key for one of its columns, as Cassandra's
    /// CompositeType serializes it: length (2 bytes), value, end-of-component 0.
    ///
    /// A partition key of one column is that column's value alone.
    package static func appendCompositePart(_ value: ByteView, to writer: inout ByteWriter) {
        writer.appendBigEndian(UInt16(truncatingIfNeeded: value.count))
        writer.append(value)
        writer.append(0)
    }

    /// The values of a serialized partition key of `count` columns.
    package static func splitPartitionKey(
        _ partitionKey: ByteView,
        count: Int
    ) throws(MalformedBytes) -> [ByteView] {
        if count == 1 { return [partitionKey] }
        var reader = ByteReader(partitionKey)
        var parts: [ByteView] = []
        parts.reserveCapacity(count)
        for _ in 0..<count {
            let length: UInt16 = try reader.readBigEndian()
            parts.append(try reader.readView(Int(length)))
            guard try reader.readByte() == 0 else {
                throw MalformedBytes(offset: reader.offset - 1, expected: "end of component")
            }
        }
        return parts
    }
}
