// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Writes a serialized CQL value so that comparing the bytes compares the values in their type's
/// order, and reads it back. Ascending:
///
///     tinyint … bigint, counter, time, timestamp   big endian, sign bit flipped
///     boolean                     00 or 01
///     date                        as serialized
///     float, double               IEEE 754 bits: positive with the sign flipped, negative inverted
///     uuid, timeuuid              8 bytes rearranged (UUIDOrder), 8 bytes
///     text, ascii, blob, inet, duration    bytes with 00 as 00 FF, then 00
///     varint                      length and sign, then two's complement (appendVarint)
///     decimal                     sign, exponent, pairs of digits (appendDecimal)
///     list, set, map, tuple       elements behind 40, 3F (empty) or 3E (null), then 38
///
/// Descending inverts each of these bytes. What follows a value in a key must not begin with FF, nor
/// with 00: it is one of the key's separators. Values that compare equal have one encoding, which
/// decodes to a canonical value: numbers of shortest form, one NaN, tuples with all their fields.
///
/// Values are expected to be valid. Those that are not are encoded somehow, without a trap: integers
/// cut or filled with zeros, collections up to their damage.
package enum OrderedEncoding {
    /// Precedes an element of a collection or tuple.
    static let elementMark: UInt8 = 0x40
    /// Stands for an element of no bytes whose type has no such value of its own.
    static let emptyMark: UInt8 = 0x3F
    /// Stands for a null element.
    static let nullMark: UInt8 = 0x3E
    /// Ends a collection or tuple.
    static let endMark: UInt8 = 0x38

    /// Appends the encoding of a serialized value of `type`.
    ///
    /// A value of no bytes, where the type has none, is the caller's to mark.
    package static func append(
        _ value: ByteView,
        type: CQLType,
        descending: Bool,
        to writer: inout ByteWriter
    ) {
        let mask: UInt64 = descending ? .max : 0
        switch type {
        case .int:
            let bits = bigEndian(value, as: UInt32.self) ^ 0x8000_0000
            writer.appendBigEndian(bits ^ UInt32(truncatingIfNeeded: mask))
        case .bigint, .counter, .time, .timestamp:
            writer.appendBigEndian(bigEndian(value, as: UInt64.self) ^ 1 << 63 ^ mask)
        case .text, .ascii, .blob, .inet, .duration:
            appendEscaped(value, descending: descending, to: &writer)
        case .uuid:
            let high = UUIDOrder.sortable(uuid: bigEndian(value, as: UInt64.self))
            writer.appendBigEndian(high ^ mask)
            writer.appendBigEndian(bigEndian(value, at: 8, as: UInt64.self) ^ mask)
        case .timeuuid:
            let high = UUIDOrder.sortable(timeuuid: bigEndian(value, as: UInt64.self))
            let low = bigEndian(value, at: 8, as: UInt64.self) ^ UUIDOrder.signedBytes
            writer.appendBigEndian(high ^ mask)
            writer.appendBigEndian(low ^ mask)
        case .smallint:
            let bits = bigEndian(value, as: UInt16.self) ^ 0x8000
            writer.appendBigEndian(bits ^ UInt16(truncatingIfNeeded: mask))
        case .tinyint:
            let bits = bigEndian(value, as: UInt8.self) ^ 0x80
            writer.append(bits ^ UInt8(truncatingIfNeeded: mask))
        case .boolean:
            let byte: UInt8 = bigEndian(value, as: UInt8.self) == 0 ? 0 : 1
            writer.append(byte ^ UInt8(truncatingIfNeeded: mask))
        case .date:
            let days = bigEndian(value, as: UInt32.self)
            writer.appendBigEndian(days ^ UInt32(truncatingIfNeeded: mask))
        case .float:
            let bits = FloatOrder.sortable(bigEndian(value, as: UInt32.self))
            writer.appendBigEndian(bits ^ UInt32(truncatingIfNeeded: mask))
        case .double:
            let bits = FloatOrder.sortable(bigEndian(value, as: UInt64.self))
            writer.appendBigEndian(bits ^ mask)
        case .varint, .decimal, .list, .set, .map, .tuple:
            let start = writer.count
            appendComposed(value, type: type, to: &writer)
            if descending { writer.invert(from: start) }
        }
    }

    /// Appends the serialized value whose encoding `reader` is at, and moves behind it.
    ///
    /// - Throws: when the bytes aren't an encoding of `type`; what was appended is then undefined.
    package static func decode(
        _ type: CQLType,
        descending: Bool,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        let mask: UInt64 = descending ? .max : 0
        switch type {
        case .int:
            let bits = try reader.readBigEndian(UInt32.self) ^ UInt32(truncatingIfNeeded: mask)
            writer.appendBigEndian(bits ^ 0x8000_0000)
        case .bigint, .counter, .time, .timestamp:
            writer.appendBigEndian(try reader.readBigEndian(UInt64.self) ^ mask ^ 1 << 63)
        case .text, .ascii, .blob, .inet, .duration:
            try decodeEscaped(descending: descending, from: &reader, into: &writer)
        case .uuid:
            let high = try reader.readBigEndian(UInt64.self) ^ mask
            writer.appendBigEndian(UUIDOrder.original(uuid: high))
            writer.appendBigEndian(try reader.readBigEndian(UInt64.self) ^ mask)
        case .timeuuid:
            let high = try reader.readBigEndian(UInt64.self) ^ mask
            let low = try reader.readBigEndian(UInt64.self) ^ mask
            writer.appendBigEndian(UUIDOrder.original(timeuuid: high))
            writer.appendBigEndian(low ^ UUIDOrder.signedBytes)
        case .smallint:
            let bits = try reader.readBigEndian(UInt16.self) ^ UInt16(truncatingIfNeeded: mask)
            writer.appendBigEndian(bits ^ 0x8000)
        case .tinyint:
            writer.append(try reader.readByte() ^ UInt8(truncatingIfNeeded: mask) ^ 0x80)
        case .boolean:
            writer.append(try reader.readByte() ^ UInt8(truncatingIfNeeded: mask))
        case .date:
            let days = try reader.readBigEndian(UInt32.self)
            writer.appendBigEndian(days ^ UInt32(truncatingIfNeeded: mask))
        case .float:
            let bits = try reader.readBigEndian(UInt32.self) ^ UInt32(truncatingIfNeeded: mask)
            writer.appendBigEndian(FloatOrder.original(bits))
        case .double:
            let bits = try reader.readBigEndian(UInt64.self) ^ mask
            writer.appendBigEndian(FloatOrder.original(bits))
        case .varint, .decimal, .list, .set, .map, .tuple:
            let mask = UInt8(truncatingIfNeeded: mask)
            try decodeComposed(type, mask: mask, from: &reader, into: &writer)
        }
    }

    /// Moves behind the encoding that `reader` is at.
    ///
    /// - Throws: when the bytes end early or aren't an encoding of `type`.
    package static func skip(
        _ type: CQLType,
        descending: Bool,
        reader: inout ByteReader
    ) throws(MalformedBytes) {
        switch type {
        case .tinyint, .boolean: _ = try reader.readView(1)
        case .smallint: _ = try reader.readView(2)
        case .int, .float, .date: _ = try reader.readView(4)
        case .bigint, .counter, .time, .timestamp, .double: _ = try reader.readView(8)
        case .uuid, .timeuuid: _ = try reader.readView(16)
        case .text, .ascii, .blob, .inet, .duration:
            try skipEscaped(descending: descending, reader: &reader)
        case .varint, .decimal, .list, .set, .map, .tuple:
            try skipComposed(type, mask: descending ? 0xFF : 0, reader: &reader)
        }
    }

    /// The integer at `offset`; of a value that is too short, bytes of zero fill it.
    private static func bigEndian<I: FixedWidthInteger & UnsignedInteger>(
        _ value: ByteView,
        at offset: Int = 0,
        as type: I.Type
    ) -> I {
        if offset + MemoryLayout<I>.size <= value.count {
            return value.loadBigEndian(offset, as: I.self)
        }
        var result: I = 0
        for index in offset..<(offset + MemoryLayout<I>.size) {
            result = result << 8 | I(truncatingIfNeeded: index < value.count ? value[index] : 0)
        }
        return result
    }

    // MARK: - Bytes

    private static func appendEscaped(
        _ value: ByteView,
        descending: Bool,
        to writer: inout ByteWriter
    ) {
        let start = writer.count
        var from = 0
        while let zero = value.firstIndex(of: 0, from: from) {
            writer.append(value[from..<(zero + 1)])
            writer.append(0xFF)
            from = zero + 1
        }
        writer.append(value.dropFirst(from))
        writer.append(0)
        if descending { writer.invert(from: start) }
    }

    private static func decodeEscaped(
        descending: Bool,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        let terminator: UInt8 = descending ? 0xFF : 0
        let view = reader.view
        let start = writer.count
        while true {
            guard let end = view.firstIndex(of: terminator, from: reader.offset) else {
                throw MalformedBytes(offset: reader.offset, expected: "the end of a byte string")
            }
            if end + 1 < view.count, view[end + 1] == ~terminator {
                writer.append(view[reader.offset..<(end + 1)])
                reader.offset = end + 2
                continue
            }
            writer.append(view[reader.offset..<end])
            reader.offset = end + 1
            break
        }
        if descending { writer.invert(from: start) }
    }

    private static func skipEscaped(
        descending: Bool,
        reader: inout ByteReader
    ) throws(MalformedBytes) {
        let terminator: UInt8 = descending ? 0xFF : 0
        let view = reader.view
        while true {
            guard let end = view.firstIndex(of: terminator, from: reader.offset) else {
                throw MalformedBytes(offset: reader.offset, expected: "the end of a byte string")
            }
            let isEscape = end + 1 < view.count && view[end + 1] == ~terminator
            reader.offset = end + (isEscape ? 2 : 1)
            if !isEscape { return }
        }
    }
}
