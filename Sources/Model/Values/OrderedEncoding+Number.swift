// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension OrderedEncoding {
    // MARK: - varint
    //
    // Two's complement of the least length n, behind a header that sorts by sign, then by length:
    // 80 + n for n < 78 (hex), F8 and n in four bytes for longer; negative numbers have 7F - n, or 07 and
    // the inverted n. The sign is the header's: F8 is above all positive short forms, 07 below all
    // negative ones. Of the same sign and length, two's complement sorts by itself.

    private static let longVarint: UInt8 = 0xF8

    static func appendVarint(_ value: ByteView, to writer: inout ByteWriter) {
        var minimal = value
        while minimal.count > 1, minimal[0] == (minimal[1] >= 0x80 ? 0xFF : 0) {
            minimal = minimal.dropFirst(1)
        }
        let count = minimal.count
        let flip: UInt8 = count > 0 && minimal[0] >= 0x80 ? 0xFF : 0
        if count < Int(longVarint - 0x80) {
            writer.append((0x80 + UInt8(truncatingIfNeeded: count)) ^ flip)
        } else {
            writer.append(longVarint ^ flip)
            let length = UInt32(truncatingIfNeeded: count)
            writer.appendBigEndian(flip == 0 ? length : ~length)
        }
        writer.append(minimal)
    }

    private static func readVarint(
        mask: UInt8,
        reader: inout ByteReader
    ) throws(MalformedBytes) -> ByteView {
        let header = try reader.readByte() ^ mask
        let flip: UInt8 = header >= 0x80 ? 0 : 0xFF
        let code = header ^ flip
        guard code <= longVarint else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "a varint's header")
        }
        if code < longVarint { return try reader.readView(Int(code - 0x80)) }
        let length = try reader.readBigEndian(UInt32.self)
        return try reader.readView(Int(flip ^ mask == 0 ? length : ~length))
    }

    static func decodeVarint(
        mask: UInt8,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        let start = writer.count
        writer.append(try readVarint(mask: mask, reader: &reader))
        if mask != 0 { writer.invert(from: start) }
    }

    static func skipVarint(mask: UInt8, reader: inout ByteReader) throws(MalformedBytes) {
        _ = try readVarint(mask: mask, reader: &reader)
    }

    // MARK: - decimal
    //
    // The number is ±0.D₁D₂D₃… × 10^e with D₁ not zero. Its sign: 40, 80 for zero (and nothing else), C0.
    // Then e: 80 + e if -64 <= e < 64, else C0 (positive) or 3F and e in eight bytes. Then the digits in
    // pairs, each plus one, and 00. For negative numbers what follows the sign is inverted.

    static func appendDecimal(_ value: ByteView, to writer: inout ByteWriter) {
        guard let decimal = CQLDecimal(value), !decimal.unscaled.isZero else {
            return writer.append(0x80)
        }
        writer.append(decimal.unscaled.isNegative ? 0x40 : 0xC0)
        let start = writer.count
        let digits = decimal.unscaled.digits
        appendExponent(Int64(digits.count) - Int64(decimal.scale), to: &writer)
        let count = digits.count - CQLDecimal.trailingZeros(digits)
        for index in stride(from: 0, to: count, by: 2) {
            let low = index + 1 < count ? digits[index + 1] : 0
            writer.append(digits[index] * 10 + low + 1)
        }
        writer.append(0)
        if decimal.unscaled.isNegative { writer.invert(from: start) }
    }

    private static func appendExponent(_ exponent: Int64, to writer: inout ByteWriter) {
        if exponent >= -64, exponent < 64 {
            writer.append(UInt8(truncatingIfNeeded: 0x80 + exponent))
        } else {
            writer.append(exponent < 0 ? 0x3F : 0xC0)
            writer.appendBigEndian(exponent)
        }
    }

    private static func readExponent(
        mask: UInt8,
        reader: inout ByteReader
    ) throws(MalformedBytes) -> Int64 {
        let header = try reader.readByte() ^ mask
        if header >= 0x40, header < 0xC0 { return Int64(header) - 0x80 }
        let bits = try reader.readBigEndian(Int64.self) ^ (mask == 0 ? 0 : -1)
        // A serialized scale has 32 bits, and a number fewer than 2^32 digits.
        guard header == 0xC0 || header == 0x3F, bits.magnitude < 1 << 34 else {
            throw MalformedBytes(offset: reader.offset, expected: "a decimal's exponent")
        }
        return bits
    }

    static func decodeDecimal(
        mask: UInt8,
        from reader: inout ByteReader,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        let sign = try reader.readByte() ^ mask
        if sign == 0x80 { return writer.append(CQLDecimal.zero.bytes) }
        guard sign == 0x40 || sign == 0xC0 else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "a decimal's sign")
        }
        let mask = sign == 0x40 ? ~mask : mask
        let exponent = try readExponent(mask: mask, reader: &reader)
        var digits: [UInt8] = []
        while true {
            let pair = try reader.readByte() ^ mask
            if pair == 0 { break }
            guard pair <= 100 else {
                throw MalformedBytes(offset: reader.offset - 1, expected: "two decimal digits")
            }
            digits.append((pair - 1) / 10)
            digits.append((pair - 1) % 10)
        }
        if digits.last == 0 { digits.removeLast() }
        guard
            let number = CQLDecimal(
                digits: digits,
                exponent: exponent,
                isNegative: sign == 0x40
            )
        else {
            throw MalformedBytes(offset: reader.offset, expected: "a decimal in range")
        }
        writer.append(number.bytes)
    }

    static func skipDecimal(mask: UInt8, reader: inout ByteReader) throws(MalformedBytes) {
        let sign = try reader.readByte() ^ mask
        if sign == 0x80 { return }
        let mask = sign < 0x80 ? ~mask : mask
        _ = try readExponent(mask: mask, reader: &reader)
        while try reader.readByte() ^ mask != 0 {}
    }
}
