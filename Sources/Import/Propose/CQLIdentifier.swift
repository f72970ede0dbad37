// SPDX-License-Identifier: Apache-2.0

/// Names of keyspaces, tables and columns as CQL writes them.
enum CQLIdentifier {
    /// The name, in quotes when CQL asks for them.
    static func quoted(_ name: String) -> String {
        isPlain(name) ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// Whether a name needs no quotes: lower-case letters, digits and underscores, no reserved word.
    static func isPlain(_ name: String) -> Bool {
        guard let first = name.utf8.first, isLower(first) else { return false }
        return name.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
            && !reserved.contains(name)
    }

    /// A name that needs no quotes, made from a field's name: "Dep-Time" becomes `dep_time`.
    static func simplified(_ name: String) -> String {
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte | 0x20)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                bytes.append(byte)
            default:
                if let last = bytes.last, last != UInt8(ascii: "_") { bytes.append(0x5F) }
            }
        }
        while bytes.last == UInt8(ascii: "_") { bytes.removeLast() }
        let plain = String(decoding: bytes, as: UTF8.self)
        if plain.isEmpty { return "field" }
        if isDigit(bytes[0]) || reserved.contains(plain) { return "c_" + plain }
        return plain
    }

    /// Names for all fields of a file: simplified, and made distinct by a number where needed.
    static func simplified(_ names: [String]) -> [String] {
        var used: Set<String> = []
        return names.map { name in
            let plain = simplified(name)
            var candidate = plain
            var number = 2
            while !used.insert(candidate).inserted {
                candidate = "\(plain)_\(number)"
                number += 1
            }
            return candidate
        }
    }

    private static func isLower(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7A }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    /// CQL's reserved words, which name nothing without quotes.
    private static let reserved: Set<String> = [
        "add", "allow", "alter", "and", "apply", "asc", "authorize", "batch", "begin", "by",
        "columnfamily", "create", "default", "delete", "desc", "describe", "drop", "entries",
        "execute", "from", "full", "grant", "if", "in", "index", "infinity", "insert", "into",
        "is", "keyspace", "limit", "materialized", "mbean", "mbeans", "modify", "nan",
        "norecursive", "not", "null", "of", "on", "or", "order", "primary", "rename", "replace",
        "revoke", "schema", "select", "set", "table", "to", "token", "truncate", "unlogged",
        "unset", "update", "use", "using", "view", "where", "with",
    ]
}

/// Reads identifiers and punctuation from a short text such as a `--key` argument.
struct IdentifierParser {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    private mutating func skipSpace() {
        while offset < bytes.count, bytes[offset] == 0x20 || bytes[offset] == 0x09 { offset += 1 }
    }

    /// Whether only spaces are left.
    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return offset == bytes.count
        }
    }

    /// Takes one character of punctuation if it stands here.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard offset < bytes.count, UInt32(bytes[offset]) == character.value else { return false }
        offset += 1
        return true
    }

    /// Takes a name: lower-cased, or as it is between quotes.
    mutating func identifier() -> String? {
        skipSpace()
        guard offset < bytes.count else { return nil }
        if bytes[offset] == UInt8(ascii: "\"") { return quotedIdentifier() }
        let start = offset
        while offset < bytes.count, IdentifierParser.isNameByte(bytes[offset]) { offset += 1 }
        guard offset > start else { return nil }
        return String(decoding: bytes[start..<offset], as: UTF8.self).lowercased()
    }

    private mutating func quotedIdentifier() -> String? {
        offset += 1
        var name: [UInt8] = []
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            guard byte == UInt8(ascii: "\"") else {
                name.append(byte)
                continue
            }
            guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
                return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
            }
            name.append(byte)
            offset += 1
        }
        return nil
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: false
        }
    }
}
