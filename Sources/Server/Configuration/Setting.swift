// SPDX-License-Identifier: Apache-2.0

/// One setting: its name, what it means, and how text becomes its value and back.
package struct Setting: Sendable {
    /// What is wrong with a value, as the end of a sentence that begins with the value.
    struct Refusal: Error {
        let reason: String
    }

    /// The name in tholos.yaml.
    package let name: String
    /// One sentence for whoever reads tholos.yaml.
    package let sentence: String
    /// The values that it takes, in words.
    package let allowed: String
    /// The value in `configuration`, as it would be written in tholos.yaml.
    package let text: @Sendable (_ configuration: Configuration) -> String
    /// Changes the value in a configuration.
    let change: @Sendable (inout Configuration, _ text: String) throws(Refusal) -> Void

    /// The default, as it would be written in tholos.yaml.
    package var defaultText: String { text(Configuration()) }
}

extension Setting {
    typealias Path<Value> = any WritableKeyPath<Configuration, Value> & Sendable

    /// Any text that isn't empty.
    static func text(_ name: String, _ path: Path<String>, _ sentence: String) -> Setting {
        Setting(
            name: name,
            sentence: sentence,
            allowed: "a text",
            text: { $0[keyPath: path] },
            change: { (configuration, text) throws(Refusal) in
                guard !text.isEmpty else { throw Refusal(reason: "is empty") }
                configuration[keyPath: path] = text
            }
        )
    }

    /// A text, or the word `absent` for nil.
    static func text(
        _ name: String,
        _ path: Path<String?>,
        absent: String,
        _ sentence: String
    ) -> Setting {
        Setting(
            name: name,
            sentence: sentence,
            allowed: "a text, or \(absent)",
            text: { $0[keyPath: path] ?? absent },
            change: { (configuration, text) throws(Refusal) in
                guard !text.isEmpty else { throw Refusal(reason: "is empty") }
                configuration[keyPath: path] = text == absent ? nil : text
            }
        )
    }

    /// A whole number in `range`.
    static func number(
        _ name: String,
        _ path: Path<Int>,
        _ range: ClosedRange<Int>,
        _ sentence: String
    ) -> Setting {
        Setting(
            name: name,
            sentence: sentence,
            allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            text: { String($0[keyPath: path]) },
            change: { (configuration, text) throws(Refusal) in
                configuration[keyPath: path] = try inRange(try parseNumber(text), range)
            }
        )
    }

    /// A whole number in `range`, or the word `absent` for nil.
    static func number(
        _ name: String,
        _ path: Path<Int?>,
        _ range: ClosedRange<Int>,
        absent: String,
        _ sentence: String
    ) -> Setting {
        Setting(
            name: name,
            sentence: sentence,
            allowed: "a whole number from \(range.lowerBound) to \(range.upperBound), or \(absent)",
            text: { $0[keyPath: path].map(String.init) ?? absent },
            change: { (configuration, text) throws(Refusal) in
                configuration[keyPath: path] =
                    text == absent ? nil : try inRange(try parseNumber(text), range)
            }
        )
    }

    /// Bytes, with a unit.
    static func size(
        _ name: String,
        _ path: Path<Int>,
        _ range: ClosedRange<Int>,
        _ sentence: String
    ) -> Setting {
        let units = Quantity.sizes
        return Setting(
            name: name,
            sentence: sentence,
            allowed: "a size from \(units.format(range.lowerBound)) to "
                + "\(units.format(range.upperBound)), such as 32MiB (units: \(units.names))",
            text: { units.format($0[keyPath: path]) },
            change: { (configuration, text) throws(Refusal) in
                configuration[keyPath: path] = try inRange(try units.parse(text), range)
            }
        )
    }

    /// A duration, with a unit.
    static func duration(
        _ name: String,
        _ path: Path<Duration>,
        _ range: ClosedRange<Duration>,
        _ sentence: String
    ) -> Setting {
        let units = Quantity.durations
        let bounds = milliseconds(range.lowerBound)...milliseconds(range.upperBound)
        return Setting(
            name: name,
            sentence: sentence,
            allowed: "a duration from \(units.format(bounds.lowerBound)) to "
                + "\(units.format(bounds.upperBound)), such as 100ms or 10s (units: \(units.names))",
            text: { units.format(milliseconds($0[keyPath: path])) },
            change: { (configuration, text) throws(Refusal) in
                let value = try inRange(try units.parse(text), bounds)
                configuration[keyPath: path] = .milliseconds(value)
            }
        )
    }

    /// One of a few words.
    static func choice<Choice>(
        _ name: String,
        _ path: Path<Choice>,
        _ sentence: String
    ) -> Setting
    where Choice: RawRepresentable & CaseIterable & Sendable, Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return Setting(
            name: name,
            sentence: sentence,
            allowed: "one of \(words)",
            text: { $0[keyPath: path].rawValue },
            change: { (configuration, text) throws(Refusal) in
                guard let choice = Choice(rawValue: text) else {
                    throw Refusal(reason: "isn't one of the words that it takes")
                }
                configuration[keyPath: path] = choice
            }
        )
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        Int(duration / .milliseconds(1))
    }

    private static func parseNumber(_ text: String) throws(Refusal) -> Int {
        guard let number = Int(text) else { throw Refusal(reason: "isn't a whole number") }
        return number
    }

    private static func inRange(
        _ number: Int,
        _ range: ClosedRange<Int>
    ) throws(Refusal) -> Int {
        guard number >= range.lowerBound else { throw Refusal(reason: "is too small") }
        guard number <= range.upperBound else { throw Refusal(reason: "is too large") }
        return number
    }
}
