// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Tokens that begin with a digit, and durations.
extension Lexer {
    /// An integer, a float, a blob, a UUID or a duration. A sign before it is a token of its own.
    mutating func number() throws(SyntaxError) -> Token {
        let start = offset
        let place = position
        if skipUUID() { return token(.uuid, from: start, at: place) }
        var kind = Token.Kind.integer
        if byte() == UInt8(ascii: "0"), byte(1) | 0x20 == UInt8(ascii: "x") {
            skip(2)
            while Lexer.isHex(byte()) { skip(1) }
            kind = .blob
        } else {
            skipDigits()
            if skipFraction() { kind = .float }
            if skipExponent() { kind = .float }
            if kind == .integer, skipDurationUnits() { kind = .duration }
        }
        if Lexer.isWordByte(byte()) {
            while Lexer.isWordByte(byte()) { skip(1) }
            let shown = text[start..<min(offset, start + 40)]
            let found = String(decoding: shown.buffer, as: UTF8.self)
            throw SyntaxError(
                "'\(found)' is neither a number, a duration, a blob nor a UUID", at: place)
        }
        return token(kind, from: start, at: place)
    }

    /// Passes over the 36 characters of a UUID, if they stand here.
    mutating func skipUUID() -> Bool {
        guard byte(8) == UInt8(ascii: "-"), offset + 36 <= text.count else { return false }
        for index in 0..<36 {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte(index) == UInt8(ascii: "-") else { return false }
            } else {
                guard Lexer.isHex(byte(index)) else { return false }
            }
        }
        guard !Lexer.isWordByte(byte(36)) else { return false }
        skip(36)
        return true
    }

    private mutating func skipDigits() {
        while Lexer.isDigit(byte()) { skip(1) }
    }

    /// Passes over `.` and digits, but not over the two dots of a slice.
    private mutating func skipFraction() -> Bool {
        let dot = UInt8(ascii: ".")
        guard byte() == dot, byte(1) != dot || byte(2) == dot else { return false }
        skip(1)
        skipDigits()
        return true
    }

    private mutating func skipExponent() -> Bool {
        guard byte() | 0x20 == UInt8(ascii: "e") else { return false }
        let isSigned = byte(1) == UInt8(ascii: "+") || byte(1) == UInt8(ascii: "-")
        guard Lexer.isDigit(byte(isSigned ? 2 : 1)) else { return false }
        skip(isSigned ? 2 : 1)
        skipDigits()
        return true
    }

    /// Passes over the rest of a duration such as `1h30m`, of which the first digits are read;
    /// stays behind them when it isn't one.
    private mutating func skipDurationUnits() -> Bool {
        let before = self
        while true {
            let size = durationUnitSize()
            guard size > 0 else { break }
            for _ in 0..<size { advance() }
            guard Lexer.isDigit(byte()) else { return true }
            skipDigits()
        }
        self = before
        return false
    }

    /// The bytes of the duration unit that stands here: y mo w d h m s ms us µs ns.
    private func durationUnitSize() -> Int {
        let second = byte(1) | 0x20
        switch byte() | 0x20 {
        case UInt8(ascii: "m"):
            return second == UInt8(ascii: "o") || second == UInt8(ascii: "s") ? 2 : 1
        case UInt8(ascii: "u"), UInt8(ascii: "n"):
            return second == UInt8(ascii: "s") ? 2 : 0
        case UInt8(ascii: "y"), UInt8(ascii: "w"), UInt8(ascii: "d"), UInt8(ascii: "h"),
            UInt8(ascii: "s"):
            return 1
        default:
            // µ is U+00B5.
            let isMicro = byte() == 0xC2 && byte(1) == 0xB5 && byte(2) | 0x20 == UInt8(ascii: "s")
            return isMicro ? 3 : 0
        }
    }

    /// Passes over an ISO 8601 duration, if the capital P here begins one; else stays.
    mutating func skipISODuration() -> Bool {
        let start = offset
        if skipAlternativeDuration() { return true }
        skip(1)
        let dateUnits = skipDesignators("YMD")
        if dateUnits == 0, Lexer.isDigit(byte()) {
            skipDigits()
            if byte() == UInt8(ascii: "W") {
                skip(1)
                return true
            }
            restore(start)
            return false
        }
        guard byte() == UInt8(ascii: "T") else {
            if dateUnits > 0 { return true }
            restore(start)
            return false
        }
        skip(1)
        if skipDesignators("HMS") > 0 { return true }
        restore(start)
        return false
    }

    /// Passes over numbers, each followed by one of `units` in their order; says how many.
    private mutating func skipDesignators(_ units: StaticString) -> Int {
        var found = 0
        var unit = 0
        while unit < units.utf8CodeUnitCount {
            let start = offset
            skipDigits()
            guard offset > start else { return found }
            let letter = byte()
            while unit < units.utf8CodeUnitCount, units.utf8Start[unit] != letter { unit += 1 }
            guard unit < units.utf8CodeUnitCount else {
                restore(start)
                return found
            }
            skip(1)
            unit += 1
            found += 1
        }
        return found
    }

    /// Passes over a duration of the form `P0001-02-03T04:05:06`.
    private mutating func skipAlternativeDuration() -> Bool {
        let form: StaticString = "P9999-99-99T99:99:99"
        for index in 0..<form.utf8CodeUnitCount {
            let expected = form.utf8Start[index]
            let found = byte(index)
            guard expected == UInt8(ascii: "9") ? Lexer.isDigit(found) : found == expected else {
                return false
            }
        }
        skip(form.utf8CodeUnitCount)
        return true
    }
}
