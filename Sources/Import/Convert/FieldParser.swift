// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Reads numbers, truth values and UUIDs from the bytes of a field, without a `String`.
enum FieldParser {
    /// A decimal integer with an optional sign; nil for any other text and beyond 64 bits.
    static func integer(_ view: ByteView) -> Int64? {
        let count = view.count
        guard count > 0, count <= 20 else { return nil }
        let base = view.base.assumingMemoryBound(to: UInt8.self)
        let isNegative = base[0] == UInt8(ascii: "-")
        var at = isNegative || base[0] == UInt8(ascii: "+") ? 1 : 0
        guard at < count else { return nil }
        var value: UInt64 = 0
        // 18 digits cannot overflow; the rare longer ones are checked digit by digit.
        let safe = min(count, at + 18)
        while at < safe {
            let digit = base[at] &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ UInt64(digit)
            at += 1
        }
        while at < count {
            let digit = base[at] &- 0x30
            guard digit <= 9 else { return nil }
            let (tenfold, high) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(UInt64(digit))
            if high || carry { return nil }
            value = sum
            at += 1
        }
        if isNegative {
            return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil
        }
        return value < 1 << 63 ? Int64(value) : nil
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]

    /// A decimal number, correctly rounded; also NaN and Infinity as CQL writes them.
    ///
    /// With up to 15 digits and a power of ten up to 22 both operands are exact, so that one division
    /// or multiplication rounds once (Clinger, 1990); others go to the standard library.
    static func double(_ view: ByteView) -> Double? {
        let count = view.count
        guard count > 0 else { return nil }
        let base = view.base.assumingMemoryBound(to: UInt8.self)
        let isNegative = base[0] == UInt8(ascii: "-")
        var at = isNegative || base[0] == UInt8(ascii: "+") ? 1 : 0
        var mantissa: UInt64 = 0
        var digits = 0
        var fraction = 0
        var seenPoint = false
        while at < count {
            let byte = base[at]
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
            } else {
                let digit = byte &- 0x30
                guard digit <= 9, digits < 15 else { return slowDouble(view) }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                if seenPoint { fraction += 1 }
                digits += 1
            }
            at += 1
        }
        guard digits > 0 else { return nil }
        let value = Double(mantissa) / powersOfTen[fraction]
        return isNegative ? -value : value
    }

    @inline(never)
    private static func slowDouble(_ view: ByteView) -> Double? {
        if view.isText("NaN") { return .nan }
        if view.isText("Infinity") { return .infinity }
        if view.isText("-Infinity") { return -.infinity }
        guard isNumber(view) else { return nil }
        let value = Double(String(decoding: view.buffer, as: UTF8.self))
        guard let value, value.isFinite else { return nil }
        return value
    }

    /// Whether a text is a decimal number: sign, digits with a point, exponent.
    static func isNumber(_ view: ByteView) -> Bool { number(view, strict: false) }

    /// Whether a text is a number by JSON's grammar (RFC 8259, section 6).
    static func isJSONNumber(_ view: ByteView) -> Bool { number(view, strict: true) }

    private static func number(_ view: ByteView, strict: Bool) -> Bool {
        var at = 0
        func digits() -> Int {
            let start = at
            while at < view.count, view[at] &- 0x30 <= 9 { at += 1 }
            return at - start
        }
        if at < view.count, view[at] == 0x2D || (!strict && view[at] == 0x2B) { at += 1 }
        let first = at
        let whole = digits()
        if strict, whole == 0 || (whole > 1 && view[first] == 0x30) { return false }
        var decimals = 0
        if at < view.count, view[at] == 0x2E {
            at += 1
            decimals = digits()
            if strict, decimals == 0 { return false }
        }
        guard whole + decimals > 0 else { return false }
        if at < view.count, view[at] | 0x20 == 0x65 {
            at += 1
            if at < view.count, view[at] == 0x2B || view[at] == 0x2D { at += 1 }
            guard digits() > 0 else { return false }
        }
        return at == view.count
    }

    /// `true` or `false` in any case.
    static func boolean(_ view: ByteView) -> Bool? {
        func matches(_ word: StaticString) -> Bool {
            guard view.count == word.utf8CodeUnitCount else { return false }
            for index in 0..<view.count where view[index] | 0x20 != word.utf8Start[index] {
                return false
            }
            return true
        }
        if matches("true") { return true }
        return matches("false") ? false : nil
    }

    /// A UUID in the form 8-4-4-4-12, as its high and low halves.
    static func uuid(_ view: ByteView) -> (high: UInt64, low: UInt64)? {
        guard view.count == 36 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for at in 0..<36 {
            let byte = view[at]
            if at == 8 || at == 13 || at == 18 || at == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46, 0x61...0x66: digit = (byte | 0x20) - 0x61 + 10
            default: return nil
            }
            if digits < 16 {
                words.0 = words.0 << 4 | UInt64(digit)
            } else {
                words.1 = words.1 << 4 | UInt64(digit)
            }
            digits += 1
        }
        return words
    }

    /// Whether all bytes are ASCII.
    static func isASCII(_ view: ByteView) -> Bool {
        var at = 0
        while at + 8 <= view.count {
            let word = view.base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            if word & 0x8080_8080_8080_8080 != 0 { return false }
            at += 8
        }
        while at < view.count {
            if view.base.load(fromByteOffset: at, as: UInt8.self) >= 0x80 { return false }
            at += 1
        }
        return true
    }

    /// Whether the bytes are UTF-8.
    static func isUTF8(_ view: ByteView) -> Bool {
        isASCII(view) || String(validating: view.buffer, as: UTF8.self) != nil
    }
}

extension ByteView {
    /// The bytes without spaces and tabs around them.
    var trimmed: ByteView {
        var start = 0
        var end = count
        while start < end, self[start] == 0x20 || self[start] == 0x09 { start += 1 }
        while end > start, self[end - 1] == 0x20 || self[end - 1] == 0x09 { end -= 1 }
        return self[start..<end]
    }
}
