// SPDX-License-Identifier: Apache-2.0

/// The text of a `timestamp` (milliseconds since 1970 UTC) and of a `date`.
package enum TimestampText {
    private static let millisecondsPerDay: Int64 = 86_400_000

    /// A moment as cqlsh shows it: `2013-01-01 05:00:00.000+0000`.
    package static func display(milliseconds: Int64) -> String {
        text(milliseconds, separator: " ", zone: "+0000")
    }

    /// A moment as ISO 8601 writes it: `2013-01-01T05:00:00.000Z`.
    package static func iso(milliseconds: Int64) -> String {
        text(milliseconds, separator: "T", zone: "Z")
    }

    private static func text(_ milliseconds: Int64, separator: String, zone: String) -> String {
        let days = CivilDate.floorDivide(milliseconds, millisecondsPerDay)
        let rest = milliseconds &- days &* millisecondsPerDay
        return CivilDate(daysSinceEpoch: days).description + separator
            + TimeOfDay.clock(seconds: rest / 1_000) + "." + TextDigits.padded(rest % 1_000, 3)
            + zone
    }

    /// The milliseconds that a text means; nil if it isn't a moment.
    ///
    /// A moment is a whole number of milliseconds, or `yyyy-mm-dd[(T| )HH:MM[:SS[.fff]]][zone]` with a
    /// zone of `Z`, `UTC`, `GMT`, `+hh`, `+hhmm` or `+hh:mm`, and UTC if there is none. Digits beyond
    /// milliseconds are dropped.
    package static func parse(_ text: ArraySlice<UInt8>) -> Int64? {
        if let number = wholeNumber(text) { return number }
        var scanner = TextScanner(text)
        guard let day = scanDay(&scanner) else { return nil }
        var milliseconds: Int64 = 0
        let dayEnd = scanner.position
        if scanner.skip(UInt8(ascii: "T")) || scanner.skip(UInt8(ascii: "t")) {
            guard let clock = scanClock(&scanner) else { return nil }
            milliseconds = clock
        } else {
            scanner.skipSpaces()
            if let next = scanner.next, TextScanner.isDigit(next) {
                guard scanner.position > dayEnd, let clock = scanClock(&scanner) else { return nil }
                milliseconds = clock
            }
        }
        scanner.skipSpaces()
        guard let offset = scanZone(&scanner), scanner.isAtEnd else { return nil }
        let (start, overflow) = day.daysSinceEpoch.multipliedReportingOverflow(
            by: millisecondsPerDay
        )
        let (sum, sumOverflow) = start.addingReportingOverflow(milliseconds - offset)
        return overflow || sumOverflow ? nearLimit(day, milliseconds - offset) : sum
    }

    /// The first day that has milliseconds begins before the least of them.
    private static func nearLimit(_ day: CivilDate, _ milliseconds: Int64) -> Int64? {
        let next = (day.daysSinceEpoch + 1).multipliedReportingOverflow(by: millisecondsPerDay)
        let sum = next.partialValue.addingReportingOverflow(milliseconds - millisecondsPerDay)
        return next.overflow || sum.overflow ? nil : sum.partialValue
    }

    /// The days since 1970 that `yyyy-mm-dd` means, or a whole number of days since -5877641-06-23,
    /// which is how a `date` is stored; nil for anything else.
    package static func parseDate(_ text: ArraySlice<UInt8>) -> Int32? {
        if let number = wholeNumber(text) {
            return UInt32(exactly: number).map { Int32(bitPattern: $0 ^ 0x8000_0000) }
        }
        var scanner = TextScanner(text)
        guard let day = scanDay(&scanner), scanner.isAtEnd else { return nil }
        return Int32(exactly: day.daysSinceEpoch)
    }

    private static func wholeNumber(_ text: ArraySlice<UInt8>) -> Int64? {
        let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
        guard !digits.isEmpty, digits.count <= 19, digits.allSatisfy(TextScanner.isDigit) else {
            return nil
        }
        return Int64(String(decoding: text, as: UTF8.self))
    }

    private static func scanDay(_ scanner: inout TextScanner) -> CivilDate? {
        let isNegative = scanner.skip(UInt8(ascii: "-"))
        if !isNegative { _ = scanner.skip(UInt8(ascii: "+")) }
        guard let year = scanner.number(to: 9), scanner.skip(UInt8(ascii: "-")),
            let month = scanner.number(to: 2), scanner.skip(UInt8(ascii: "-")),
            let day = scanner.number(to: 2)
        else { return nil }
        return CivilDate(year: isNegative ? -year : year, month: Int(month), day: Int(day))
    }

    private static func scanClock(_ scanner: inout TextScanner) -> Int64? {
        guard let hour = scanner.number(to: 2), hour < 24, scanner.skip(UInt8(ascii: ":")),
            let minute = scanner.number(to: 2), minute < 60
        else { return nil }
        var milliseconds = (hour * 60 + minute) * 60_000
        guard scanner.skip(UInt8(ascii: ":")) else { return milliseconds }
        guard let second = scanner.number(to: 2), second < 60 else { return nil }
        milliseconds += second * 1_000
        if scanner.skip(UInt8(ascii: ".")) {
            guard let fraction = scanner.fraction(places: 3, maximum: 9) else { return nil }
            milliseconds += fraction
        }
        return milliseconds
    }

    /// A zone's distance from UTC in milliseconds: 0 if there is none; nil if it is malformed.
    private static func scanZone(_ scanner: inout TextScanner) -> Int64? {
        if scanner.isAtEnd || scanner.skip(word: "Z") { return 0 }
        if scanner.skip(word: "UTC") || scanner.skip(word: "GMT") { return 0 }
        let isNegative = scanner.skip(UInt8(ascii: "-"))
        guard isNegative || scanner.skip(UInt8(ascii: "+")) else { return nil }
        let start = scanner.position
        guard let number = scanner.number(digits: 2, to: 4) else { return nil }
        var hours = number
        var minutes: Int64 = 0
        switch scanner.position - start {
        case 2:
            if scanner.skip(UInt8(ascii: ":")) {
                guard let rest = scanner.number(digits: 2, to: 2) else { return nil }
                minutes = rest
            }
        case 4:
            hours = number / 100
            minutes = number % 100
        default: return nil
        }
        guard hours <= 18, minutes < 60 else { return nil }
        return (hours * 60 + minutes) * (isNegative ? -60_000 : 60_000)
    }
}
