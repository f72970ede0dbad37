// SPDX-License-Identifier: Apache-2.0

/// Variable-length integers: LEB128, seven bits a byte, least significant group first, at most ten
/// bytes for 64 bits. Signed numbers are zigzag-coded first.
@usableFromInline
package enum Varint {
    /// The longest encoding of a 64-bit number, in bytes.
    @usableFromInline package static let lengthMax = 10

    /// Maps signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 … to 0, 1, 2, 3 ….
    @inlinable
    package static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value << 1) ^ (value >> 63))
    }

    /// The inverse of `zigzag`.
    @inlinable
    package static func unzigzag(_ value: UInt64) -> Int64 {
        Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// The encoded length of `value`, in bytes.
    @inlinable
    package static func length(_ value: UInt64) -> Int {
        value == 0 ? 1 : (64 - value.leadingZeroBitCount + 6) / 7
    }
}

extension ByteWriter {
    /// Appends an unsigned varint.
    @inlinable
    package mutating func appendVarint(_ value: UInt64) {
        if value < 0x80 {
            append(UInt8(truncatingIfNeeded: value))
            return
        }
        reserve(Varint.lengthMax)
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a count or length, which is never negative.
    @inlinable
    package mutating func appendVarint(_ value: Int) {
        invariant(value >= 0, "negative length")
        appendVarint(UInt64(value))
    }

    /// Appends a signed varint (zigzag).
    @inlinable
    package mutating func appendSignedVarint(_ value: Int64) { appendVarint(Varint.zigzag(value)) }

    /// Appends a byte string: its length as a varint, then its bytes.
    @inlinable
    package mutating func appendLengthPrefixed(_ view: ByteView) {
        appendVarint(view.count)
        append(view)
    }
}
