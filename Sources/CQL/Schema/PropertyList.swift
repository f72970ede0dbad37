// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

/// What follows `WITH`, by name: reads each property as the kind of value that it must be.
struct PropertyList {
    private var values: [String: Property.Value] = [:]

    /// - Throws: when a property is set twice.
    init(_ properties: [Property]) throws(CQLError) {
        for property in properties {
            let name = property.name.name
            guard values.updateValue(property.value, forKey: name) == nil else {
                throw .property("Multiple definitions for property '\(name)'")
            }
        }
    }

    /// The names, sorted.
    var names: [String] { values.keys.sorted() }

    /// Refuses properties that don't exist.
    func check(known: Set<String>) throws(CQLError) {
        for name in names where !known.contains(name) {
            throw .property("Unknown property '\(name)'")
        }
    }

    /// The text of a constant or word; nil if the property isn't set.
    func string(_ name: String) throws(CQLError) -> String? {
        switch values[name] {
        case nil: return nil
        case .literal(let literal): return literal.text
        case .word(let word): return word.name
        case .map:
            throw .property("Invalid value for property '\(name)'. It should be a string")
        }
    }

    /// A map of texts; nil if the property isn't set.
    func map(_ name: String) throws(CQLError) -> [String: String]? {
        guard let value = values[name] else { return nil }
        guard case .map(let entries) = value else {
            throw .property("Invalid value for property '\(name)'. It should be a map.")
        }
        var map: [String: String] = [:]
        for entry in entries {
            guard map.updateValue(entry.value.text, forKey: entry.key.text) == nil else {
                throw .property("Multiple definition for property '\(entry.key.text)'")
            }
        }
        return map
    }

    /// A truth value; nil if the property isn't set.
    func boolean(_ name: String) throws(CQLError) -> Bool? {
        guard let text = try string(name) else { return nil }
        switch text.lowercased() {
        case "1", "true", "yes": return true
        case "0", "false", "no": return false
        default:
            throw .property(
                "Invalid boolean value \(text) for '\(name)'. Positive values can be '1', 'true' or"
                    + " 'yes'. Negative values can be '0', 'false' or 'no'."
            )
        }
    }

    /// A whole number; nil if the property isn't set.
    func int(_ name: String) throws(CQLError) -> Int32? {
        guard let text = try string(name) else { return nil }
        guard let number = Int32(text) else {
            throw .property("Invalid integer value \(text) for '\(name)'")
        }
        return number
    }

    /// A number; nil if the property isn't set.
    func double(_ name: String) throws(CQLError) -> Double? {
        guard let text = try string(name) else { return nil }
        guard let number = Double(text), number.isFinite else {
            throw .property("Invalid double value \(text) for '\(name)'")
        }
        return number
    }
}
