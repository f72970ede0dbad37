// SPDX-License-Identifier: Apache-2.0

/// Reads a value's text front to back, as UTF-8.
struct TextScanner {
    let bytes: ArraySlice<UInt8>
    var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.position = bytes.startIndex
    }

    init(_ text: String) { self.init(ArraySlice(text.utf8)) }

    var isAtEnd: Bool { position == bytes.endIndex }

    /// The byte ahead; nil at the end.
    var next: UInt8? { position < bytes.endIndex ? bytes[position] : nil }

    /// Moves behind `byte` if it is ahead.
    mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    /// Moves behind the letters of `word` if they are ahead, in any case.
    mutating func skip(word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.endIndex - position >= count else { return false }
        for index in 0..<count
        where bytes[position + index] | 0x20 != word.utf8Start[index] | 0x20 {
            return false
        }
        position += count
        return true
    }

    mutating func skipSpaces() {
        while let byte = next, TextScanner.isSpace(byte) { position += 1 }
    }

    /// A run of at least `minimum` and at most `maximum` digits as a number, which fits in 64 bits;
    /// nil without moving if there is none.
    mutating func number(digits minimum: Int = 1, to maximum: Int = 18) -> Int64? {
        var end = position
        var value: Int64 = 0
        while end < bytes.endIndex, TextScanner.isDigit(bytes[end]) {
            guard end - position < min(maximum, 18) else { return nil }
            value = value * 10 + Int64(bytes[end] - UInt8(ascii: "0"))
            end += 1
        }
        guard end - position >= minimum else { return nil }
        position = end
        return value
    }

    /// The digits of a fraction of a unit that has 10^`places` parts, cut to whole parts; nil if there
    /// is none or it has more than `maximum` digits.
    mutating func fraction(places: Int, maximum: Int) -> Int64? {
        let start = position
        guard var value = number(to: maximum) else { return nil }
        for _ in 0..<max(0, places - (position - start)) { value *= 10 }
        for _ in 0..<max(0, position - start - places) { value /= 10 }
        return value
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }

    /// The value of a hexadecimal digit; nil for anything else.
    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// The bytes without white space at either end.
    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, isSpace(first) { bytes.removeFirst() }
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return bytes
    }
}
