// SPDX-License-Identifier: Apache-2.0

internal import Model

/// Numbers, sizes, times and tables as people read them.
enum Text {
    /// A number with separators between thousands: `1,234,567`.
    static func number(_ value: Int) -> String {
        var groups: [String] = []
        var rest = value.magnitude
        while rest >= 1000 {
            let group = String(rest % 1000)
            groups.append(String(repeating: "0", count: 3 - group.count) + group)
            rest /= 1000
        }
        groups.append(String(rest))
        return (value < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
    }

    /// A size in the unit that suits it: `10.4 MiB`.
    static func size(_ bytes: Int) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        var value = Double(bytes) / 1024
        var units = ["KiB", "MiB", "GiB", "TiB"][...]
        while value >= 1000, units.count > 1 {
            value /= 1024
            units = units.dropFirst()
        }
        return decimal(value, digits: 1) + " " + (units.first ?? "")
    }

    /// A number with a fixed number of decimals.
    static func decimal(_ value: Double, digits: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((value.magnitude * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        let sign = value < 0 ? "-" : ""
        guard digits > 0 else { return sign + String(scaled) }
        return sign + String(scaled / scale) + "."
            + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// A write timestamp as a date: `2026-11-23T01:02:03.000004Z`; far off, as the number that it is.
    static func time(microseconds: Int64) -> String {
        let days = floorDivide(microseconds, 86_400_000_000)
        // Timestamps are the client's: they need not be times.
        guard days > -1_000_000, days < 3_000_000 else { return String(microseconds) }
        let rest = microseconds - days * 86_400_000_000
        return CivilDate(daysSinceEpoch: days).description + "T" + clock(rest / 1_000_000) + "."
            + padded(rest % 1_000_000, 6) + "Z"
    }

    /// A local time as a date: `2026-11-23T01:02:03Z`.
    static func time(seconds: Int64) -> String {
        let days = floorDivide(seconds, 86_400)
        guard days > -1_000_000, days < 3_000_000 else { return String(seconds) }
        let rest = seconds - days * 86_400
        return CivilDate(daysSinceEpoch: days).description + "T" + clock(rest) + "Z"
    }

    private static func clock(_ seconds: Int64) -> String {
        padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":"
            + padded(seconds % 60, 2)
    }

    private static func padded(_ value: Int64, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    /// Rows of cells in columns; those named in `right` are aligned to the right.
    static func table(_ rows: [[String]], right: Set<Int>) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                if column > 0 { line += "  " }
                line += right.contains(column) ? padding + cell : cell + padding
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
