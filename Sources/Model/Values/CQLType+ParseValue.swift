// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// A text isn't a value of the type that it should be of.
package struct ValueParseError: Error, Equatable, CustomStringConvertible {
    /// The text, cut if it is long.
    package let text: String
    /// The type.
    package let type: CQLType
    /// What was expected, as words that follow "expected".
    package let expected: String

    private static let lengthMax = 60

    init(_ text: ArraySlice<UInt8>, type: CQLType, expected: String) {
        let isCut = text.count > ValueParseError.lengthMax
        let shown = isCut ? text.prefix(ValueParseError.lengthMax) : text
        self.text = String(decoding: shown, as: UTF8.self) + (isCut ? "…" : "")
        self.type = type
        self.expected = expected
    }

    package var description: String { "\"\(text)\" isn't a valid \(type): expected \(expected)" }
}

extension CQLType {
    /// The serialized value of a text, such as a field of a CSV file.
    ///
    /// Scalars are as CQL writes them, without quotes; collections and tuples are CQL literals. White
    /// space around anything but text is ignored.
    package func parse(text: String) throws(ValueParseError) -> [UInt8] {
        try parse(utf8: ArraySlice(text.utf8))
    }

    /// The serialized value of a text of UTF-8 bytes.
    package func parse(utf8 text: ArraySlice<UInt8>) throws(ValueParseError) -> [UInt8] {
        switch self {
        case .text, .ascii: return try parseScalar(text)
        case .list, .set, .map, .tuple:
            var reader = LiteralReader(TextScanner(text))
            return try reader.readWhole(self)
        default: return try parseScalar(TextScanner.trimmed(text))
        }
    }

    /// The serialized value of a scalar's text without quotes or space around it.
    func parseScalar(_ text: ArraySlice<UInt8>) throws(ValueParseError) -> [UInt8] {
        switch self {
        case .int: return try parseInteger(text, as: Int32.self)
        case .bigint, .counter: return try parseInteger(text, as: Int64.self)
        case .smallint: return try parseInteger(text, as: Int16.self)
        case .tinyint: return try parseInteger(text, as: Int8.self)
        case .text, .ascii:
            let bytes = Array(text)
            if let reason = bytes.withView({ validate($0) }) {
                throw invalid(
                    text,
                    self == .ascii ? "only ASCII characters" : "UTF-8, not \(reason)"
                )
            }
            return bytes
        case .blob: return try parseBlob(text)
        case .boolean:
            var scanner = TextScanner(text)
            if scanner.skip(word: "true"), scanner.isAtEnd { return [1] }
            if scanner.skip(word: "false"), scanner.isAtEnd { return [0] }
            throw invalid(text, "true or false")
        case .double:
            return ValueCoding.double(
                try found(NumberText.float(text, as: Double.self), text, "a number")
            )
        case .float:
            return ValueCoding.float(
                try found(NumberText.float(text, as: Float.self), text, "a number")
            )
        case .varint, .decimal: return try parseLongNumber(text)
        case .uuid, .timeuuid: return try parseUUID(text)
        case .timestamp:
            return ValueCoding.timestamp(
                milliseconds: try found(
                    TimestampText.parse(text),
                    text,
                    "yyyy-mm-dd[( |T)HH:MM[:SS[.fff]]][Z|+hh:mm] or milliseconds since 1970"
                )
            )
        case .date:
            return ValueCoding.date(
                days: try found(
                    TimestampText.parseDate(text),
                    text,
                    "yyyy-mm-dd, from -5877641 to +5881580"
                )
            )
        case .time:
            return ValueCoding.time(
                nanoseconds: try found(
                    TimeOfDay.parse(text),
                    text,
                    "HH:MM:SS[.fffffffff]"
                )
            )
        case .inet: return try found(InetText.parse(text), text, "an IPv4 or IPv6 address")
        case .duration:
            return try found(
                CQLDuration.parse(text),
                text,
                "a duration such as 1y2mo3w4d5h6m7s or P1Y2M3DT4H"
            ).bytes
        case .list, .set, .map, .tuple: return try parse(utf8: text)
        }
    }

    func invalid(_ text: ArraySlice<UInt8>, _ expected: String) -> ValueParseError {
        ValueParseError(text, type: self, expected: expected)
    }

    private func found<T>(
        _ value: T?,
        _ text: ArraySlice<UInt8>,
        _ expected: @autoclosure () -> String
    ) throws(ValueParseError) -> T {
        guard let value else { throw invalid(text, expected()) }
        return value
    }

    private func parseInteger<I: FixedWidthInteger & SignedInteger>(
        _ text: ArraySlice<UInt8>,
        as type: I.Type
    ) throws(ValueParseError) -> [UInt8] {
        var digits = text
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative || text.first == UInt8(ascii: "+") { digits.removeFirst() }
        guard !digits.isEmpty, digits.allSatisfy(TextScanner.isDigit) else {
            throw invalid(text, "a whole number")
        }
        var value: I = 0
        for digit in digits {
            // Counting downwards, so that the least number fits.
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let step = shifted.subtractingReportingOverflow(I(digit - UInt8(ascii: "0")))
            if overflow || step.overflow { throw invalid(text, "\(I.min) to \(I.max)") }
            value = step.partialValue
        }
        if !isNegative {
            guard value != I.min else { throw invalid(text, "\(I.min) to \(I.max)") }
            value = 0 - value
        }
        return ValueCoding.bigEndian(value)
    }

    private func parseBlob(_ text: ArraySlice<UInt8>) throws(ValueParseError) -> [UInt8] {
        var scanner = TextScanner(text)
        let digits = scanner.skip(word: "0x") ? text[scanner.position...] : []
        guard scanner.position > text.startIndex, digits.count % 2 == 0 else {
            throw invalid(text, "0x and an even number of hexadecimal digits")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: digits.startIndex, to: digits.endIndex, by: 2) {
            guard let high = TextScanner.hexValue(digits[index]),
                let low = TextScanner.hexValue(digits[index + 1])
            else { throw invalid(text, "0x and hexadecimal digits") }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private func parseUUID(_ text: ArraySlice<UInt8>) throws(ValueParseError) -> [UInt8] {
        guard text.count == 36, let uuid = UUID(String(decoding: text, as: UTF8.self)) else {
            throw invalid(text, "hexadecimal digits in groups of 8-4-4-4-12")
        }
        if self == .timeuuid, uuid.high >> 12 & 0xF != 1 {
            throw invalid(text, "a UUID of version 1")
        }
        return uuid.bytes
    }

    private func parseLongNumber(_ text: ArraySlice<UInt8>) throws(ValueParseError) -> [UInt8] {
        guard let parts = NumberText.parts(text), self == .decimal || parts.isWhole else {
            throw invalid(text, self == .decimal ? "a decimal number" : "a whole number")
        }
        guard parts.digits.count <= BigInteger.digitsMax else {
            throw invalid(text, "at most \(BigInteger.digitsMax) digits")
        }
        let number = BigInteger(digits: parts.digits, isNegative: parts.isNegative)
        if self == .varint { return number.twosComplement }
        guard let scale = Int32(exactly: Int64(parts.fractionCount) - parts.exponent) else {
            throw invalid(text, "an exponent of 32 bits")
        }
        return CQLDecimal(unscaled: number, scale: scale).bytes
    }
}
