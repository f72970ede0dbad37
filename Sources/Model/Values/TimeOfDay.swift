// SPDX-License-Identifier: Apache-2.0

/// A `time`: nanoseconds since midnight, as text.
package enum TimeOfDay {
    /// The nanoseconds of a day.
    package static let nanosecondsPerDay: Int64 = 86_400_000_000_000

    /// A time as `HH:MM:SS.nnnnnnnnn`.
    package static func text(nanoseconds: Int64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        return clock(seconds: seconds) + "."
            + TextDigits.padded((nanoseconds % 1_000_000_000).magnitudeOrMax, 9)
    }

    /// Seconds since midnight as `HH:MM:SS`.
    static func clock(seconds: Int64) -> String {
        [seconds / 3_600, seconds / 60 % 60, seconds % 60]
            .map { TextDigits.padded($0.magnitudeOrMax, 2) }
            .joined(separator: ":")
    }

    /// The nanoseconds that `H:MM:SS[.fffffffff]` or a whole number of them means; nil for anything
    /// else and for what is past the end of a day.
    package static func parse(_ text: ArraySlice<UInt8>) -> Int64? {
        var scanner = TextScanner(text)
        if let nanoseconds = scanner.number(), scanner.isAtEnd {
            return nanoseconds < nanosecondsPerDay ? nanoseconds : nil
        }
        scanner.position = text.startIndex
        guard let hour = scanner.number(to: 2), hour < 24, scanner.skip(UInt8(ascii: ":")),
            let minute = scanner.number(to: 2), minute < 60, scanner.skip(UInt8(ascii: ":")),
            let second = scanner.number(to: 2), second < 60
        else { return nil }
        var nanoseconds = ((hour * 60 + minute) * 60 + second) * 1_000_000_000
        if scanner.skip(UInt8(ascii: ".")) {
            guard let fraction = scanner.fraction(places: 9, maximum: 9) else { return nil }
            nanoseconds += fraction
        }
        return scanner.isAtEnd ? nanoseconds : nil
    }
}

extension Int64 {
    /// The absolute value; damaged values may be negative where none should be.
    fileprivate var magnitudeOrMax: Int64 { Int64(clamping: magnitude) }
}
