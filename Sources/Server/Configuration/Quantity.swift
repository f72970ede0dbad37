// SPDX-License-Identifier: Apache-2.0

/// Reads and writes whole numbers with a unit: `32MiB`, `100ms`.
struct Quantity: Sendable {
    /// A unit and how many of the smallest one it is; the smallest first.
    let units: [(name: String, factor: Int)]
    /// The unit that 0 is written with.
    let zeroUnit: String

    /// In bytes.
    static let sizes = Quantity(
        units: [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)],
        zeroUnit: "MiB"
    )

    /// In milliseconds.
    static let durations = Quantity(
        units: [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
        zeroUnit: "ms"
    )

    /// The units, for a message.
    var names: String { units.map(\.name).joined(separator: ", ") }

    /// The shortest text for `value`.
    func format(_ value: Int) -> String {
        for unit in units.reversed() where value != 0 && value.isMultiple(of: unit.factor) {
            return "\(value / unit.factor)\(unit.name)"
        }
        return "\(value)\(zeroUnit)"
    }

    /// The value of `text`, in the smallest unit.
    func parse(_ text: String) throws(Setting.Refusal) -> Int {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(digits.count).drop { $0 == " " }
        guard !digits.isEmpty else { throw Setting.Refusal(reason: "doesn't begin with a number") }
        guard !name.isEmpty else { throw Setting.Refusal(reason: "has no unit") }
        guard let unit = units.first(where: { $0.name == name }) else {
            throw Setting.Refusal(reason: "has an unknown unit, \"\(name)\"")
        }
        guard let number = Int(digits) else { throw Setting.Refusal(reason: "is too large") }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        guard !overflow else { throw Setting.Refusal(reason: "is too large") }
        return value
    }
}
