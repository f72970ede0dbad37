// SPDX-License-Identifier: Apache-2.0

extension CQLDuration: CustomStringConvertible {
    private static let nanosecondUnits: [(String, UInt64)] = [
        ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]

    /// The duration as CQL writes it: `1y2mo3d4h5m6s7ms8us9ns`; nothing is `0ns`.
    package var description: String {
        var text = months < 0 || days < 0 || nanoseconds < 0 ? "-" : ""
        func append(_ number: UInt64, _ unit: String) {
            if number > 0 { text += "\(number)\(unit)" }
        }
        append(UInt64(months.magnitude / 12), "y")
        append(UInt64(months.magnitude % 12), "mo")
        append(UInt64(days.magnitude), "d")
        var rest = nanoseconds.magnitude
        for (unit, length) in CQLDuration.nanosecondUnits {
            append(rest / length, unit)
            rest %= length
        }
        return text.isEmpty ? "0ns" : text
    }

    /// The duration of a text: `1y2mo3w4d5h6m7s8ms9us10ns` (each unit at most once, from great to
    /// small), `P1Y2M3DT4H5M6S`, `P3W` or `P0001-02-03T04:05:06`, each perhaps behind a minus; nil
    /// for anything else and for what is out of range.
    package static func parse(_ text: ArraySlice<UInt8>) -> CQLDuration? {
        var scanner = TextScanner(text)
        var parts = DurationParts()
        let isNegative = scanner.skip(UInt8(ascii: "-"))
        let isValid: Bool
        if scanner.skip(UInt8(ascii: "P")) {
            if text.last == UInt8(ascii: "W") {
                isValid = parts.scan(&scanner, units: [("W", .days, 7)])
            } else if scanner.bytes[scanner.position...].contains(UInt8(ascii: "-")) {
                isValid = parts.scanAlternative(&scanner)
            } else {
                isValid = parts.scanISO(&scanner)
            }
        } else {
            isValid = parts.scan(&scanner, units: DurationParts.units)
        }
        guard isValid, scanner.isAtEnd else { return nil }
        return parts.duration(isNegative: isNegative)
    }
}

/// The sums of a duration's parts while its text is read.
private struct DurationParts {
    enum Part { case months, days, nanoseconds }

    var months: UInt64 = 0
    var days: UInt64 = 0
    var nanoseconds: UInt64 = 0
    var isTooLarge = false

    /// From great to small; where one unit's name begins with another's, the longer is tried first.
    static let units: [(StaticString, Part, UInt64)] = [
        ("y", .months, 12), ("mo", .months, 1), ("w", .days, 7), ("d", .days, 1),
        ("h", .nanoseconds, 3_600_000_000_000), ("m", .nanoseconds, 60_000_000_000),
        ("s", .nanoseconds, 1_000_000_000), ("ms", .nanoseconds, 1_000_000),
        ("us", .nanoseconds, 1_000), ("µs", .nanoseconds, 1_000), ("ns", .nanoseconds, 1),
    ]
    private static let isoDate: [(StaticString, Part, UInt64)] = [
        ("Y", .months, 12), ("M", .months, 1), ("D", .days, 1),
    ]
    private static let isoTime: [(StaticString, Part, UInt64)] = [
        ("H", .nanoseconds, 3_600_000_000_000), ("M", .nanoseconds, 60_000_000_000),
        ("S", .nanoseconds, 1_000_000_000),
    ]

    mutating func add(_ number: UInt64, _ part: Part, _ factor: UInt64) {
        let (amount, overflow) = number.multipliedReportingOverflow(by: factor)
        let sum: (partialValue: UInt64, overflow: Bool)
        switch part {
        case .months:
            sum = months.addingReportingOverflow(amount)
            months = sum.partialValue
        case .days:
            sum = days.addingReportingOverflow(amount)
            days = sum.partialValue
        case .nanoseconds:
            sum = nanoseconds.addingReportingOverflow(amount)
            nanoseconds = sum.partialValue
        }
        if overflow || sum.overflow { isTooLarge = true }
    }

    /// Numbers with units in the order of `units`; at least one.
    mutating func scan(
        _ scanner: inout TextScanner,
        units: [(StaticString, Part, UInt64)]
    ) -> Bool {
        var first = 0
        var isEmpty = true
        while let next = scanner.next, TextScanner.isDigit(next) {
            guard let number = scanner.wideNumber(),
                let index = DurationParts.unit(&scanner, units: units), index >= first
            else { return false }
            add(number, units[index].1, units[index].2)
            first = index + 1
            isEmpty = false
        }
        return !isEmpty
    }

    /// Moves behind the longest unit ahead and returns its index.
    private static func unit(
        _ scanner: inout TextScanner,
        units: [(StaticString, Part, UInt64)]
    ) -> Int? {
        var found: (index: Int, end: Int)?
        for (index, unit) in units.enumerated() {
            var attempt = scanner
            if attempt.skip(word: unit.0), attempt.position > (found?.end ?? 0) {
                found = (index, attempt.position)
            }
        }
        guard let found else { return nil }
        scanner.position = found.end
        return found.index
    }

    mutating func scanISO(_ scanner: inout TextScanner) -> Bool {
        let hasDate = scan(&scanner, units: DurationParts.isoDate)
        guard scanner.skip(UInt8(ascii: "T")) else { return hasDate }
        return scan(&scanner, units: DurationParts.isoTime)
    }

    /// `YYYY-MM-DDTHH:MM:SS`.
    mutating func scanAlternative(_ scanner: inout TextScanner) -> Bool {
        let fields: [(Int, UInt8?, Part, UInt64)] = [
            (4, UInt8(ascii: "-"), .months, 12), (2, UInt8(ascii: "-"), .months, 1),
            (2, UInt8(ascii: "T"), .days, 1),
            (2, UInt8(ascii: ":"), .nanoseconds, 3_600_000_000_000),
            (2, UInt8(ascii: ":"), .nanoseconds, 60_000_000_000),
            (2, nil, .nanoseconds, 1_000_000_000),
        ]
        for (digits, separator, part, factor) in fields {
            guard let number = scanner.number(digits: digits, to: digits) else { return false }
            add(UInt64(number), part, factor)
            if let separator, !scanner.skip(separator) { return false }
        }
        return true
    }

    func duration(isNegative: Bool) -> CQLDuration? {
        guard !isTooLarge,
            let months = DurationParts.signed(months, isNegative, as: Int32.self),
            let days = DurationParts.signed(days, isNegative, as: Int32.self),
            let nanoseconds = DurationParts.signed(nanoseconds, isNegative, as: Int64.self)
        else { return nil }
        return CQLDuration(months: months, days: days, nanoseconds: nanoseconds)
    }

    private static func signed<I: FixedWidthInteger & SignedInteger>(
        _ magnitude: UInt64,
        _ isNegative: Bool,
        as type: I.Type
    ) -> I? {
        if isNegative, magnitude == UInt64(I.max) + 1 { return I.min }
        return I(exactly: magnitude).map { isNegative ? -$0 : $0 }
    }
}

extension TextScanner {
    /// A run of digits that fits in 64 bits without a sign.
    fileprivate mutating func wideNumber() -> UInt64? {
        let start = position
        while let byte = next, TextScanner.isDigit(byte) { position += 1 }
        return UInt64(String(decoding: bytes[start..<position], as: UTF8.self))
    }
}
