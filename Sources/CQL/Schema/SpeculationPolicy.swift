// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

/// The table options `speculative_retry` and `additional_write_policy`: after how long another
/// replica is asked.
///
///     ALWAYS | NEVER | NONE | 99p | 99percentile | 50ms | MIN(99p, 50ms) | MAX(99p, 50ms)
enum SpeculationPolicy {
    /// The option in the form that is stored.
    static func check(_ text: String, option: String) throws(CQLError) -> String {
        let lower = text.lowercased()
        switch lower {
        case "always": return "ALWAYS"
        case "never", "none": return "NEVER"
        default: break
        }
        if lower.hasPrefix("min(") || lower.hasPrefix("max("), lower.hasSuffix(")") {
            let parts = lower.dropFirst(4).dropLast().split(
                separator: ",",
                omittingEmptySubsequences: false
            )
            if parts.count == 2,
                let first = try simple(parts[0], text, option),
                let second = try simple(parts[1], text, option),
                first.hasSuffix("p") != second.hasSuffix("p")
            {
                let ordered = first.hasSuffix("p") ? [first, second] : [second, first]
                return lower.prefix(3).uppercased() + "(\(ordered[0]),\(ordered[1]))"
            }
        } else if let policy = try simple(Substring(lower), text, option) {
            return policy
        }
        throw .configuration("Invalid value \(text) for option '\(option)'")
    }

    /// `99p` or `50ms`; nil for any other text.
    private static func simple(
        _ part: Substring,
        _ text: String,
        _ option: String
    ) throws(CQLError) -> String? {
        let word = part.drop { $0 == " " }
        let digits = word.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard let number = Double(digits) else { return nil }
        switch word.dropFirst(digits.count) {
        case "p", "percentile":
            guard number > 0, number < 100 else {
                throw .configuration(
                    "Invalid value \(text) for PERCENTILE option '\(option)': must be between"
                        + " (0.0 and 100.0)"
                )
            }
            let whole = number == number.rounded()
            return (whole ? "\(Int(number))" : "\(number)") + "p"
        case "ms":
            guard let milliseconds = Int32(exactly: number.rounded(.towardZero)) else { return nil }
            return "\(milliseconds)ms"
        default: return nil
        }
    }
}
