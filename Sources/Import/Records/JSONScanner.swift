// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// A JSON text that is not one (RFC 8259), where and why.
struct JSONProblem: Error, Equatable {
    /// Bytes from the start of the text.
    let offset: Int
    let reason: String
}

/// Walks over untrusted JSON without building a tree.
struct JSONScanner {
    private let view: ByteView
    private(set) var offset = 0

    /// How deep arrays and objects may be nested.
    private static let depthMax = 64

    init(_ view: ByteView) { self.view = view }

    private func problem(_ reason: String) -> JSONProblem {
        JSONProblem(offset: offset, reason: reason)
    }

    private func byte(_ at: Int) -> UInt8 { view.base.load(fromByteOffset: at, as: UInt8.self) }

    /// Skips white space and returns the byte after it; nil at the end.
    mutating func peek() -> UInt8? {
        while offset < view.count {
            let next = byte(offset)
            guard next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 else { return next }
            offset += 1
        }
        return nil
    }

    /// Takes one byte of punctuation.
    mutating func expect(_ wanted: UInt8) throws(JSONProblem) {
        guard peek() == wanted else {
            throw problem("expected \"\(Character(UnicodeScalar(wanted)))\"")
        }
        offset += 1
    }

    /// Takes a byte of punctuation if it comes next.
    mutating func take(_ wanted: UInt8) -> Bool {
        guard peek() == wanted else { return false }
        offset += 1
        return true
    }

    /// Whether only white space is left.
    mutating func isAtEnd() -> Bool { peek() == nil }

    /// Reads a string and appends its text, unescaped, as UTF-8.
    mutating func string(into writer: inout ByteWriter) throws(JSONProblem) {
        try expect(0x22)
        while true {
            let start = offset
            while offset < view.count, JSONScanner.isPlain(byte(offset)) { offset += 1 }
            writer.append(ByteView(view.base + start, count: offset - start))
            guard offset < view.count else { throw problem("expected the end of a string") }
            switch byte(offset) {
            case 0x22:
                offset += 1
                return
            case 0x5C:
                offset += 1
                try escape(into: &writer)
            default:
                throw problem("a control character in a string has to be escaped")
            }
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte != 0x22 && byte != 0x5C && byte >= 0x20
    }

    private mutating func escape(into writer: inout ByteWriter) throws(JSONProblem) {
        guard offset < view.count else { throw problem("expected an escape") }
        let kind = byte(offset)
        offset += 1
        switch kind {
        case UInt8(ascii: "n"): writer.append(0x0A as UInt8)
        case UInt8(ascii: "t"): writer.append(0x09 as UInt8)
        case UInt8(ascii: "r"): writer.append(0x0D as UInt8)
        case UInt8(ascii: "b"): writer.append(0x08 as UInt8)
        case UInt8(ascii: "f"): writer.append(0x0C as UInt8)
        case 0x22, 0x5C, 0x2F: writer.append(kind)
        case UInt8(ascii: "u"): try unicode(into: &writer)
        default: throw problem("\"\\\(Character(UnicodeScalar(kind)))\" is no escape of JSON")
        }
    }

    private mutating func unicode(into writer: inout ByteWriter) throws(JSONProblem) {
        var code = try hexadecimal()
        if code >= 0xD800, code < 0xDC00 {
            guard offset + 1 < view.count, byte(offset) == 0x5C, byte(offset + 1) == 0x75 else {
                throw problem("half of a surrogate pair")
            }
            offset += 2
            let low = try hexadecimal()
            guard low >= 0xDC00, low < 0xE000 else { throw problem("half of a surrogate pair") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw problem("half of a surrogate pair") }
        for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { writer.append(unit) }
    }

    private mutating func hexadecimal() throws(JSONProblem) -> UInt32 {
        guard offset + 4 <= view.count else { throw problem("expected four hexadecimal digits") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(UnicodeScalar(byte(offset))).hexDigitValue else {
                throw problem("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    /// Skips a number, `true`, `false` or `null` and returns it as written.
    mutating func literal() throws(JSONProblem) -> ByteView {
        _ = peek()
        let start = offset
        while offset < view.count, JSONScanner.isLiteral(byte(offset)) { offset += 1 }
        let text = ByteView(view.base + start, count: offset - start)
        guard JSONScanner.isKnown(text) else {
            offset = start
            throw problem("expected a JSON value")
        }
        return text
    }

    private static func isLiteral(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x45: true
        default: false
        }
    }

    private static func isKnown(_ text: ByteView) -> Bool {
        guard text.count > 0 else { return false }
        if text.isText("true") || text.isText("false") || text.isText("null") { return true }
        return FieldParser.isJSONNumber(text)
    }

    /// Skips any value, checking its grammar, and returns it as written.
    mutating func value(depth: Int = 0) throws(JSONProblem) -> ByteView {
        guard depth < JSONScanner.depthMax else {
            throw problem("arrays and objects are nested deeper than \(JSONScanner.depthMax)")
        }
        guard let next = peek() else { throw problem("expected a JSON value") }
        let start = offset
        switch next {
        case 0x22: try skipString()
        case 0x5B: try skipMembers(close: 0x5D, named: false, depth: depth)
        case 0x7B: try skipMembers(close: 0x7D, named: true, depth: depth)
        default: _ = try literal()
        }
        return ByteView(view.base + start, count: offset - start)
    }

    private mutating func skipMembers(
        close: UInt8,
        named: Bool,
        depth: Int
    ) throws(JSONProblem) {
        offset += 1
        if take(close) { return }
        repeat {
            if named {
                guard peek() == 0x22 else { throw problem("expected a name in quotes") }
                try skipString()
                try expect(UInt8(ascii: ":"))
            }
            _ = try value(depth: depth + 1)
        } while take(UInt8(ascii: ","))
        try expect(close)
    }

    private mutating func skipString() throws(JSONProblem) {
        var scratch = ByteWriter()
        try string(into: &scratch)
    }
}

extension ByteView {
    /// Whether the bytes are those of an ASCII text.
    func isText(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && equals(ByteView(UnsafeRawPointer(text.utf8Start), count: count))
    }

    /// The bytes as text, with replacements where they are not UTF-8, cut after `limit` bytes.
    func text(limit: Int = 80) -> String {
        guard count > limit else { return String(decoding: buffer, as: UTF8.self) }
        return String(decoding: prefix(limit).buffer, as: UTF8.self) + "…"
    }
}
