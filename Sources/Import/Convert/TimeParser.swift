// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Reads dates and moments in ISO 8601's forms from the bytes of a field.
enum TimeParser {
    /// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; nil when there is no such
    /// day.
    static func days(year: Int, month: Int, day: Int) -> Int? {
        guard month >= 1, month <= 12, day >= 1 else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let last =
            switch month {
            case 2: isLeap ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        guard day <= last else { return nil }
        // Counted from 1 March of year 0, so that the leap day is a year's last.
        let years = month <= 2 ? year - 1 : year
        let era = (years >= 0 ? years : years - 399) / 400
        let yearOfEra = years - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private struct Cursor {
        let view: ByteView
        var at = 0

        var isAtEnd: Bool { at == view.count }
        func peek() -> UInt8 { at < view.count ? view[at] : 0 }

        mutating func take(_ byte: UInt8) -> Bool {
            guard peek() == byte, at < view.count else { return false }
            at += 1
            return true
        }

        /// A number of exactly `count` digits.
        mutating func digits(_ count: Int) -> Int? {
            guard at + count <= view.count else { return nil }
            var value = 0
            for index in at..<at + count {
                let digit = view[index] &- 0x30
                guard digit <= 9 else { return nil }
                value = value * 10 + Int(digit)
            }
            at += count
            return value
        }
    }

    private static func date(_ cursor: inout Cursor) -> Int? {
        guard let year = cursor.digits(4), cursor.take(0x2D), let month = cursor.digits(2),
            cursor.take(0x2D), let day = cursor.digits(2)
        else { return nil }
        return days(year: year, month: month, day: day)
    }

    /// Days since 1970-01-01 of a text `YYYY-MM-DD`.
    static func date(_ view: ByteView) -> Int? {
        var cursor = Cursor(view: view)
        guard let days = date(&cursor), cursor.isAtEnd else { return nil }
        return days
    }

    /// Milliseconds since 1970-01-01T00:00:00Z of a text `YYYY-MM-DD[T| ]HH:MM[:SS[.fff…]][zone]`;
    /// without a zone it is UTC.
    ///
    /// Digits beyond milliseconds are dropped.
    static func timestamp(_ view: ByteView) -> Int64? {
        var cursor = Cursor(view: view)
        guard let days = date(&cursor) else { return nil }
        guard cursor.take(0x54) || cursor.take(0x20) || cursor.take(0x74) else { return nil }
        guard let hour = cursor.digits(2), cursor.take(0x3A), let minute = cursor.digits(2),
            hour < 24, minute < 60
        else { return nil }
        var second = 0
        var millisecond = 0
        if cursor.take(0x3A) {
            guard let value = cursor.digits(2), value < 60 else { return nil }
            second = value
            if cursor.take(0x2E) {
                guard let value = fraction(&cursor) else { return nil }
                millisecond = value
            }
        }
        guard let zone = zoneMinutes(&cursor), cursor.isAtEnd else { return nil }
        let minutes = (days * 24 + hour) * 60 + minute - zone
        return Int64((minutes * 60 + second) * 1000 + millisecond)
    }

    private static func fraction(_ cursor: inout Cursor) -> Int? {
        var value = 0
        var count = 0
        while cursor.peek() &- 0x30 <= 9, !cursor.isAtEnd {
            if count < 3 { value = value * 10 + Int(cursor.peek() &- 0x30) }
            count += 1
            cursor.at += 1
        }
        guard count > 0, count <= 9 else { return nil }
        return count == 1 ? value * 100 : count == 2 ? value * 10 : value
    }

    /// Minutes east of UTC of `Z`, `±HH`, `±HHMM`, `±HH:MM` or nothing.
    private static func zoneMinutes(_ cursor: inout Cursor) -> Int? {
        if cursor.isAtEnd { return 0 }
        if cursor.take(0x5A) || cursor.take(0x7A) { return 0 }
        let sign: Int
        if cursor.take(0x2B) {
            sign = 1
        } else if cursor.take(0x2D) {
            sign = -1
        } else {
            return nil
        }
        guard let hours = cursor.digits(2), hours <= 18 else { return nil }
        if cursor.isAtEnd { return sign * hours * 60 }
        _ = cursor.take(0x3A)
        guard let minutes = cursor.digits(2), minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes)
    }
}
