// SPDX-License-Identifier: Apache-2.0

/// A day of the proleptic Gregorian calendar, with a year 0 before year 1.
package struct CivilDate: Hashable, Sendable {
    /// The year.
    package let year: Int64
    /// The month, 1 to 12.
    package let month: Int
    /// The day of the month, from 1.
    package let day: Int

    // Years are counted from March, so that a leap day ends one, in cycles of 400 years.
    private static let daysPerCycle: Int64 = 146_097
    /// The days from 0000-03-01 to 1970-01-01.
    private static let daysToEpoch: Int64 = 719_468
    /// Years of a greater magnitude don't fit any type that has dates.
    private static let yearMax: Int64 = 1_000_000_000

    /// The day of these parts; nil if the calendar has no such day.
    package init?(year: Int64, month: Int, day: Int) {
        guard year.magnitude <= UInt64(CivilDate.yearMax), (1...12).contains(month), day >= 1,
            day <= CivilDate.daysInMonth(month, year: year)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day that is `days` after 1970-01-01, or before it if negative.
    package init(daysSinceEpoch days: Int64) {
        let shifted = days &+ CivilDate.daysToEpoch
        let cycle = CivilDate.floorDivide(shifted, CivilDate.daysPerCycle)
        let dayOfCycle = shifted &- cycle &* CivilDate.daysPerCycle
        let leaps = dayOfCycle / 1_460 - dayOfCycle / 36_524 + dayOfCycle / 146_096
        let yearOfCycle = (dayOfCycle - leaps) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        self.day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
        self.month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        self.year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
    }

    /// How many days after 1970-01-01 the day is; negative before.
    package var daysSinceEpoch: Int64 {
        let fromMarch = month <= 2 ? year - 1 : year
        let cycle = CivilDate.floorDivide(fromMarch, 400)
        let yearOfCycle = fromMarch - cycle * 400
        let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
        return cycle * CivilDate.daysPerCycle + dayOfCycle - CivilDate.daysToEpoch
    }

    /// Whether the year has a 29th of February.
    static func isLeap(_ year: Int64) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    private static func daysInMonth(_ month: Int, year: Int64) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// The quotient rounded down; `divisor` is above zero.
    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }
}

extension CivilDate: CustomStringConvertible {
    /// The day as ISO 8601 writes it: 2013-01-01; years beyond four digits have a sign.
    package var description: String {
        let sign = year < 0 ? "-" : year > 9_999 ? "+" : ""
        let year = TextDigits.padded(Int64(clamping: year.magnitude), 4)
        return "\(sign)\(year)-\(TextDigits.padded(Int64(month), 2))-"
            + TextDigits.padded(Int64(day), 2)
    }
}

/// Digits of text.
enum TextDigits {
    /// A number that isn't negative, with zeros before it up to `width` digits.
    static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
