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
        return value.withView { type.display($0) }
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

    /// The value as JSON: numbers and booleans bare, lists, sets and tuples as arrays, maps as objects,
    /// a timestamp in ISO 8601, and everything else as the string that a table shows.
    package static func json(_ value: [UInt8]?, _ type: CQLType) -> String {
        guard let value else { return "null" }
        return value.withView { json($0, type) }
    }

    private static func json(_ view: ByteView?, _ type: CQLType) -> String {
        guard let view else { return "null" }
        switch type {
        case .list(let element, _), .set(let element, _):
            let elements = elements(try? ElementReader(collection: view))
            return "[" + elements.map { json($0, element) }.joined(separator: ", ") + "]"
        case .tuple(let types):
            let fields = elements(ElementReader(tuple: view))
            return "[" + zip(fields, types).map { json($0, $1) }.joined(separator: ", ") + "]"
        case .map(let key, let mapped, _):
            let parts = elements(try? ElementReader(map: view))
            let members = stride(from: 0, to: parts.count - 1, by: 2).map { index in
                let name = parts[index].map { key.display($0) } ?? ""
                return jsonString(name) + ": " + json(parts[index + 1], mapped)
            }
            return "{" + members.joined(separator: ", ") + "}"
        default: return scalarJSON(view, type)
        }
    }

    private static func scalarJSON(_ view: ByteView, _ type: CQLType) -> String {
        let text = type.display(view)
        switch type {
        case .boolean where !text.isEmpty: return text
        case .tinyint, .smallint, .int, .bigint, .counter, .varint, .float, .double, .decimal:
            // Not-a-number and the infinities are no JSON numbers; no bytes are no number either.
            let isNumber = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
            return isNumber && !text.isEmpty ? text : jsonString(text)
        case .timestamp:
            let milliseconds = Int64(cql: view)
            return jsonString(milliseconds.map { TimestampText.iso(milliseconds: $0) } ?? text)
        default: return jsonString(text)
        }
    }

    /// The elements up to the end or to where the bytes stop to make sense.
    private static func elements(_ reader: ElementReader?) -> [ByteView?] {
        guard var reader else { return [] }
        var found: [ByteView?] = []
        while !reader.isAtEnd, let element = try? reader.next() as ByteView?? {
            found.append(element)
        }
        return found
    }
}
