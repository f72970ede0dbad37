// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Reads the literals of collections and tuples: `[1, 2]`, `{'a', 'b'}`, `{'k': 1}`, `(1, null)`.
///
/// Scalars inside are in single quotes or bare up to what ends them. Depth is the type's.
struct LiteralReader {
    private var scanner: TextScanner

    init(_ scanner: TextScanner) { self.scanner = scanner }

    /// The value of the whole text.
    mutating func readWhole(_ type: CQLType) throws(ValueParseError) -> [UInt8] {
        let value = try read(type, isKey: false)
        scanner.skipSpaces()
        guard scanner.isAtEnd else { throw invalid(type, "nothing after the value") }
        guard let value else { throw invalid(type, "a value, not null") }
        return value
    }

    private func invalid(_ type: CQLType, _ expected: String) -> ValueParseError {
        let position = scanner.position - scanner.bytes.startIndex + 1
        return type.invalid(scanner.bytes, "\(expected) at character \(position)")
    }

    /// The next value; nil for null.
    ///
    /// A bare scalar that is a map's key ends at a colon.
    private mutating func read(
        _ type: CQLType,
        isKey: Bool
    ) throws(ValueParseError) -> [UInt8]? {
        scanner.skipSpaces()
        if readNull(isKey: isKey) { return nil }
        switch type {
        case .list(let element, _):
            return ValueCoding.collection(try readElements(element, of: type, "[", "]"))
        case .set(let element, _):
            let elements = try readElements(element, of: type, "{", "}")
            return ValueCoding.collection(LiteralReader.ordered(elements, element))
        case .map(let key, let value, _):
            return ValueCoding.map(
                LiteralReader.ordered(try readEntries(key, value, of: type), key)
            )
        case .tuple(let types): return try readFields(types, of: type)
        default: return try readScalar(type, isKey: isKey)
        }
    }

    private mutating func expect(
        _ character: Unicode.Scalar,
        in type: CQLType
    ) throws(ValueParseError) {
        scanner.skipSpaces()
        guard scanner.skip(UInt8(ascii: character)) else { throw invalid(type, "'\(character)'") }
    }

    /// Whether another element follows; reads the comma before it or the closing bracket.
    private mutating func hasNext(
        isFirst: Bool,
        _ close: Unicode.Scalar,
        of type: CQLType
    ) throws(ValueParseError) -> Bool {
        scanner.skipSpaces()
        if scanner.skip(UInt8(ascii: close)) { return false }
        if isFirst { return true }
        guard scanner.skip(UInt8(ascii: ",")) else {
            throw invalid(type, "',' or '\(close)'")
        }
        return true
    }

    private mutating func readElement(
        _ element: CQLType,
        of type: CQLType,
        isKey: Bool = false
    ) throws(ValueParseError) -> [UInt8] {
        guard let value = try read(element, isKey: isKey) else {
            throw invalid(type, "a value, since null isn't allowed inside of collections,")
        }
        return value
    }

    private mutating func readElements(
        _ element: CQLType,
        of type: CQLType,
        _ open: Unicode.Scalar,
        _ close: Unicode.Scalar
    ) throws(ValueParseError) -> [[UInt8]] {
        try expect(open, in: type)
        var elements: [[UInt8]] = []
        while try hasNext(isFirst: elements.isEmpty, close, of: type) {
            elements.append(try readElement(element, of: type))
        }
        return elements
    }

    private mutating func readEntries(
        _ key: CQLType,
        _ value: CQLType,
        of type: CQLType
    ) throws(ValueParseError) -> [(key: [UInt8], value: [UInt8])] {
        try expect("{", in: type)
        var entries: [(key: [UInt8], value: [UInt8])] = []
        while try hasNext(isFirst: entries.isEmpty, "}", of: type) {
            let name = try readElement(key, of: type, isKey: true)
            try expect(":", in: type)
            entries.append((name, try readElement(value, of: type)))
        }
        return entries
    }

    private mutating func readFields(
        _ types: [CQLType],
        of type: CQLType
    ) throws(ValueParseError) -> [UInt8] {
        try expect("(", in: type)
        var fields: [[UInt8]?] = []
        while try hasNext(isFirst: fields.isEmpty, ")", of: type) {
            guard fields.count < types.count else {
                throw invalid(type, "at most \(types.count) fields")
            }
            fields.append(try read(types[fields.count], isKey: false))
        }
        return ValueCoding.tuple(fields)
    }

    private mutating func readScalar(
        _ type: CQLType,
        isKey: Bool
    ) throws(ValueParseError) -> [UInt8] {
        if scanner.skip(UInt8(ascii: "'")) {
            return try type.parseScalar(try readQuoted(type)[...])
        }
        let start = scanner.position
        while let byte = scanner.next, !LiteralReader.endsScalar(byte, isKey: isKey) {
            scanner.position += 1
        }
        let text = TextScanner.trimmed(scanner.bytes[start..<scanner.position])
        guard !text.isEmpty else { throw invalid(type, "a value of type \(type)") }
        return try type.parseScalar(text)
    }

    /// Moves behind the bare word `null` if it is ahead.
    private mutating func readNull(isKey: Bool) -> Bool {
        var attempt = scanner
        guard attempt.skip(word: "null") else { return false }
        attempt.skipSpaces()
        if let next = attempt.next, !LiteralReader.endsScalar(next, isKey: isKey) { return false }
        scanner = attempt
        return true
    }

    private static func endsScalar(_ byte: UInt8, isKey: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ")"): true
        case UInt8(ascii: ":"): isKey
        default: false
        }
    }

    /// What is inside of the quotes, of which the first has been read.
    private mutating func readQuoted(_ type: CQLType) throws(ValueParseError) -> [UInt8] {
        var content: [UInt8] = []
        while let byte = scanner.next {
            scanner.position += 1
            if byte == UInt8(ascii: "'"), !scanner.skip(byte) { return content }
            content.append(byte)
        }
        throw invalid(type, "a closing quote")
    }

    // MARK: - Order

    /// The elements in their type's order, each once.
    static func ordered(_ elements: [[UInt8]], _ type: CQLType) -> [[UInt8]] {
        ordered(elements.map { (key: $0, value: []) }, type).map(\.key)
    }

    /// The entries in the order of their keys; of those with the same key, the last.
    static func ordered(
        _ entries: [(key: [UInt8], value: [UInt8])],
        _ type: CQLType
    ) -> [(key: [UInt8], value: [UInt8])] {
        let compare = { (a: [UInt8], b: [UInt8]) -> Int in
            a.withView { left in b.withView { right in type.compare(left, right) } }
        }
        let sorted = entries.enumerated().sorted { a, b in
            let order = compare(a.element.key, b.element.key)
            return order != 0 ? order < 0 : a.offset < b.offset
        }
        var result: [(key: [UInt8], value: [UInt8])] = []
        for (_, entry) in sorted {
            if let last = result.last, compare(last.key, entry.key) == 0 { result.removeLast() }
            result.append(entry)
        }
        return result
    }
}
