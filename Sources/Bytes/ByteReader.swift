// SPDX-License-Identifier: Apache-2.0

/// The bytes ended early or hold something that their format forbids.
@usableFromInline
package struct MalformedBytes: Error, Equatable, CustomStringConvertible {
    /// Where in the input, in bytes from its start.
    @usableFromInline package let offset: Int
    /// What was expected there.
    @usableFromInline package let expected: String

    /// An error at `offset`, where `expected` should have been.
    @inlinable
    package init(offset: Int, expected: String) {
        self.offset = offset
        self.expected = expected
    }

    @inlinable
    package var description: String { "malformed bytes at offset \(offset): expected \(expected)" }
}

/// Reads untrusted bytes front to back; every read is checked and throws instead of trapping.
@usableFromInline
package struct ByteReader {
    /// All the bytes.
    @usableFromInline package let view: ByteView
    /// How many of them have been read.
    @usableFromInline package var offset: Int

    /// A reader at the start of `view`.
    @inlinable
    package init(_ view: ByteView) {
        self.view = view
        self.offset = 0
    }

    /// How many bytes are left.
    @inlinable
    package var remaining: Int { view.count - offset }

    /// Whether everything has been read.
    @inlinable
    package var isAtEnd: Bool { offset == view.count }

    @inline(never)
    @usableFromInline
    func malformed(_ expected: String) -> MalformedBytes {
        MalformedBytes(offset: offset, expected: expected)
    }

    /// Reads one byte.
    @inlinable
    package mutating func readByte() throws(MalformedBytes) -> UInt8 {
        guard offset < view.count else { throw malformed("one byte") }
        let byte = view.base.load(fromByteOffset: offset, as: UInt8.self)
        offset += 1
        return byte
    }

    /// Reads `count` bytes as a view of the input.
    @inlinable
    package mutating func readView(_ count: Int) throws(MalformedBytes) -> ByteView {
        guard count >= 0, count <= remaining else { throw malformed("\(count) bytes") }
        let part = ByteView(view.base + offset, count: count)
        offset += count
        return part
    }

    /// Reads a big-endian integer.
    @inlinable
    package mutating func readBigEndian<I: FixedWidthInteger>(
        _ type: I.Type = I.self
    ) throws(MalformedBytes) -> I {
        guard remaining >= MemoryLayout<I>.size else { throw malformed("an integer") }
        let value = view.base.loadUnaligned(fromByteOffset: offset, as: I.self)
        offset += MemoryLayout<I>.size
        return I(bigEndian: value)
    }

    /// Reads a little-endian integer.
    @inlinable
    package mutating func readLittleEndian<I: FixedWidthInteger>(
        _ type: I.Type = I.self
    ) throws(MalformedBytes) -> I {
        guard remaining >= MemoryLayout<I>.size else { throw malformed("an integer") }
        let value = view.base.loadUnaligned(fromByteOffset: offset, as: I.self)
        offset += MemoryLayout<I>.size
        return I(littleEndian: value)
    }

    /// Reads an unsigned varint.
    @inlinable
    package mutating func readVarint() throws(MalformedBytes) -> UInt64 {
        guard offset < view.count else { throw malformed("one byte") }
        let first = view.base.load(fromByteOffset: offset, as: UInt8.self)
        guard first >= 0x80 else {
            offset += 1
            return UInt64(first)
        }
        return try readLongVarint()
    }

    /// Reads a varint of at least two bytes: of up to eight, as timestamps are, without a loop.
    @usableFromInline
    mutating func readLongVarint() throws(MalformedBytes) -> UInt64 {
        if remaining >= 8 {
            let word = UInt64(
                littleEndian: view.base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            )
            let ends = ~word & 0x8080_8080_8080_8080
            if ends != 0 {
                let bits = ends.trailingZeroBitCount
                offset += (bits + 1) / 8
                // The groups of seven bits, moved together in pairs, fours and eights.
                var value = word & (UInt64.max >> UInt64(63 - bits)) & 0x7F7F_7F7F_7F7F_7F7F
                value = value & 0x007F_007F_007F_007F | (value & 0x7F00_7F00_7F00_7F00) >> 1
                value = value & 0x0000_3FFF_0000_3FFF | (value & 0x3FFF_0000_3FFF_0000) >> 2
                return value & 0x0FFF_FFFF | (value & 0x0FFF_FFFF_0000_0000) >> 4
            }
        }
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try readByte()
            if shift == 63, byte > 1 { throw malformed("a varint of at most 64 bits") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    /// Reads a signed varint (zigzag).
    @inlinable
    package mutating func readSignedVarint() throws(MalformedBytes) -> Int64 {
        Varint.unzigzag(try readVarint())
    }

    /// Reads a count or length and checks that it is at most `max`.
    @inlinable
    package mutating func readCount(max: Int = Int.max) throws(MalformedBytes) -> Int {
        let value = try readVarint()
        guard value <= UInt64(max) else { throw malformed("a count of at most \(max)") }
        return Int(value)
    }

    /// Reads a byte string that was written with `appendLengthPrefixed`.
    @inlinable
    package mutating func readLengthPrefixed() throws(MalformedBytes) -> ByteView {
        let count = try readVarint()
        guard count <= UInt64(remaining) else { throw malformed("\(count) bytes") }
        return try readView(Int(count))
    }
}
