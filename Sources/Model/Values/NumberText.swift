// SPDX-License-Identifier: Apache-2.0

/// The text of `varint`, `decimal`, `float` and `double`.
enum NumberText {
    /// A number in decimal notation, taken apart: ±digits × 10^exponent.
    struct Parts {
        var isNegative = false
        /// The digits before and behind the point, 0 to 9 each.
        var digits: [UInt8] = []
        /// How many of the digits are behind the point.
        var fractionCount = 0
        var exponent: Int64 = 0
        /// Whether there is neither point nor exponent.
        var isWhole = true
    }

    /// The parts of `[+-]digits[.digits][(e|E)[+-]digits]`, with a digit on at least one side of the
    /// point; nil for anything else.
    static func parts(_ text: ArraySlice<UInt8>) -> Parts? {
        var scanner = TextScanner(text)
        var parts = Parts()
        parts.isNegative = scanner.skip(UInt8(ascii: "-"))
        if !parts.isNegative { _ = scanner.skip(UInt8(ascii: "+")) }
        scanner.digits(into: &parts.digits)
        if scanner.skip(UInt8(ascii: ".")) {
            let whole = parts.digits.count
            scanner.digits(into: &parts.digits)
            parts.fractionCount = parts.digits.count - whole
            parts.isWhole = false
        }
        guard !parts.digits.isEmpty else { return nil }
        if scanner.skip(UInt8(ascii: "e")) || scanner.skip(UInt8(ascii: "E")) {
            let isNegative = scanner.skip(UInt8(ascii: "-"))
            if !isNegative { _ = scanner.skip(UInt8(ascii: "+")) }
            guard let exponent = scanner.number(to: 12) else { return nil }
            parts.exponent = isNegative ? -exponent : exponent
            parts.isWhole = false
        }
        return scanner.isAtEnd ? parts : nil
    }

    /// A `double` as text: the shortest that reads back as the same number.
    static func text(_ value: Double) -> String {
        value.isFinite ? value.description : text(ofNotFinite: value)
    }

    /// A `float` as text: the shortest that reads back as the same number.
    static func text(_ value: Float) -> String {
        value.isFinite ? value.description : text(ofNotFinite: Double(value))
    }

    private static func text(ofNotFinite value: Double) -> String {
        value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    }

    /// A floating-point number of a text: decimal notation, `NaN` or `Infinity` with a sign; nil for
    /// anything else.
    static func float<F: LosslessStringConvertible & BinaryFloatingPoint>(
        _ text: ArraySlice<UInt8>,
        as type: F.Type
    ) -> F? {
        if parts(text) != nil { return F(String(decoding: text, as: UTF8.self)) }
        var scanner = TextScanner(text)
        let isNegative = scanner.skip(UInt8(ascii: "-"))
        if !isNegative { _ = scanner.skip(UInt8(ascii: "+")) }
        let value: F
        if scanner.skip(word: "NaN") {
            value = .nan
        } else if scanner.skip(word: "Infinity") {
            value = isNegative ? -F.infinity : F.infinity
        } else {
            return nil
        }
        return scanner.isAtEnd ? value : nil
    }
}

extension TextScanner {
    fileprivate mutating func digits(into digits: inout [UInt8]) {
        while let byte = next, TextScanner.isDigit(byte) {
            digits.append(byte - UInt8(ascii: "0"))
            position += 1
        }
    }
}

extension CQLDecimal: CustomStringConvertible {
    /// The number as text that keeps its scale: 1.00, or 1E+3 where zeros before the point aren't
    /// among its digits.
    package var description: String {
        let digits = unscaled.digits.map { $0 + UInt8(ascii: "0") }
        let adjusted = Int64(digits.count) - 1 - Int64(scale)
        var text: [UInt8] = unscaled.isNegative ? [UInt8(ascii: "-")] : []
        if scale >= 0, adjusted >= -6 {
            let whole = digits.count - Int(scale)
            text += whole > 0 ? digits[..<whole] : [UInt8(ascii: "0")]
            if scale > 0 {
                text.append(UInt8(ascii: "."))
                text += [UInt8](repeating: UInt8(ascii: "0"), count: max(0, -whole))
                text += digits[max(0, whole)...]
            }
            return String(decoding: text, as: UTF8.self)
        }
        text.append(digits[0])
        if digits.count > 1 {
            text.append(UInt8(ascii: "."))
            text += digits.dropFirst()
        }
        text += "E\(adjusted < 0 ? "" : "+")\(adjusted)".utf8
        return String(decoding: text, as: UTF8.self)
    }
}
