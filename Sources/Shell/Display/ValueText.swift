// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// Renders serialized values for a table, for JSON and for CSV.
package enum ValueText {
    /// A table's cell. Without colour a null cannot be told from the text "null", as in every shell.
    package static func cell(_ value: [UInt8]?, _ type: CQLType, colour: Bool) -> Cell {
        guard let value else { return Cell("null", .null) }
        let text = plain(value, type)
        // Colour tells an escape from the text around it; without it, a backslash has to be doubled.
        let isText = type == .text || type == .ascii
        let escaped = escaped(text, doublesBackslash: isText && !colour)
        return Cell(escaped, Style(value: type))
    }

    /// The value without quotes; empty for null, as CSV writes it.
    package static func plain(_ value: [UInt8]?, _ type: CQLType) -> String {
        guard let value else { return "" }
        switch type {
        case .text, .ascii: return String(decoding: value, as: UTF8.self)
        default: return value.withView { display($0, type) }
        }
    }

    /// `text` with its control characters as escapes, so that a line stays a line.
    package static func escaped(_ text: String, doublesBackslash: Bool = false) -> String {
        func isSpecial(_ byte: UInt8) -> Bool {
            byte < 0x20 || byte == 0x7F || byte == 0xC2 || byte == UInt8(ascii: "\\")
        }
        guard text.utf8.contains(where: isSpecial) else { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": escaped += "\\n"
            case "\t": escaped += "\\t"
            case "\r": escaped += "\\r"
            case "\\": escaped += doublesBackslash ? "\\\\" : "\\"
            case _ where scalar.properties.generalCategory == .control:
                let digits = String(scalar.value, radix: 16)
                escaped += "\\x" + (digits.count == 1 ? "0" : "") + digits
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// A line of CSV (RFC 4180), ended by a newline alone.
    package static func csvLine(_ fields: [String]) -> String {
        let quoted = fields.map { field in
            let needsQuotes = field.utf8.contains { byte in
                byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\"")
                    || byte == UInt8(ascii: "\n")
                    || byte == UInt8(ascii: "\r")
            }
            guard needsQuotes else { return field }
            return "\""
                + field.split(separator: "\"", omittingEmptySubsequences: false)
                .joined(separator: "\"\"") + "\""
        }
        return quoted.joined(separator: ",") + "\n"
    }

    /// A JSON string with its quotes (RFC 8259, section 7).
    package static func jsonString(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// The value as JSON: numbers and booleans bare, everything else a string.
    package static func json(_ value: [UInt8]?, _ type: CQLType) -> String {
        guard let value else { return "null" }
        let text = plain(value, type)
        switch type {
        case .boolean: return text
        case .tinyint, .smallint, .int, .bigint, .counter, .varint, .float, .double, .decimal:
            // Not-a-number and the infinities are no JSON numbers.
            let isNumber = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
            return isNumber && !text.isEmpty ? text : jsonString(text)
        default: return jsonString(text)
        }
    }

    private static func display(_ value: ByteView, _ type: CQLType) -> String {
        switch type {
        case .int where value.count == 4: String(value.loadBigEndian(0, as: Int32.self))
        case .bigint where value.count == 8: String(value.loadBigEndian(0, as: Int64.self))
        case .boolean where value.count == 1: value[0] == 0 ? "False" : "True"
        default:
            "0x"
                + value.array.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
                .joined()
        }
    }
}
