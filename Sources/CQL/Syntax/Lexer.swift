// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Cuts a statement into tokens, one at a time and without copying.
///
/// White space and comments (`-- …`, `// …`, `/* … */`) stand between tokens. A copy of the lexer
/// is a place to come back to.
struct Lexer {
    /// The whole text, UTF-8.
    let text: ByteView
    /// The next byte to look at.
    private(set) var offset = 0
    private var line: UInt32 = 1
    /// Where the line would start if all its characters were one byte: column = offset − lineStart.
    private var lineStart = 0

    /// A lexer at the start of `text`.
    init(_ text: ByteView) {
        self.text = text
    }

    /// The place of the next byte.
    var position: SourcePosition {
        SourcePosition(line: line, column: UInt32(clamping: offset - lineStart))
    }

    /// The byte `distance` bytes ahead; zero past the end.
    @inline(__always)
    func byte(_ distance: Int = 0) -> UInt8 {
        let index = offset + distance
        return index < text.count ? text[index] : 0
    }

    /// Goes on by `count` bytes of which none is a line break or outside of ASCII.
    @inline(__always)
    mutating func skip(_ count: Int) {
        offset += count
    }

    /// Goes back to `earlier`, on the same line and over ASCII alone.
    mutating func restore(_ earlier: Int) {
        offset = earlier
    }

    /// Goes on by one byte of whatever kind, and counts lines and columns.
    @inline(__always)
    mutating func advance() {
        let byte = text[offset]
        offset += 1
        if byte == UInt8(ascii: "\n") {
            line &+= 1
            lineStart = offset
        } else if byte & 0xC0 == 0x80 {
            // A continuation byte is no character of its own.
            lineStart += 1
        }
    }

    /// Whether all has been read.
    var isAtEnd: Bool { offset >= text.count }

    /// The next token; at the end, and ever after, `endOfText`.
    mutating func next() throws(SyntaxError) -> Token {
        try skipBlank()
        guard !isAtEnd else { return token(.endOfText, from: offset, at: position) }
        let first = byte()
        if Lexer.isLetter(first) { return word() }
        if Lexer.isDigit(first) { return try number() }
        switch first {
        case UInt8(ascii: "'"): return try quoted(first, .string)
        case UInt8(ascii: "\""): return try quoted(first, .quotedName)
        case UInt8(ascii: "$") where byte(1) == first: return try dollarString()
        default: return try sign(first)
        }
    }

    /// A token from `start`, which is at `position`, to here.
    @inline(__always)
    func token(
        _ kind: Token.Kind,
        from start: Int,
        at position: SourcePosition,
        keyword: Keyword? = nil,
        needsFolding: Bool = false
    ) -> Token {
        Token(
            kind: kind, keyword: keyword, needsFolding: needsFolding, start: start, end: offset,
            position: position)
    }

    /// Passes over white space and comments.
    private mutating func skipBlank() throws(SyntaxError) {
        while !isAtEnd {
            switch byte() {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
                offset += 1
            case UInt8(ascii: "\n"):
                advance()
            case UInt8(ascii: "-") where byte(1) == UInt8(ascii: "-"),
                UInt8(ascii: "/") where byte(1) == UInt8(ascii: "/"):
                while !isAtEnd, byte() != UInt8(ascii: "\n") { advance() }
            case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"):
                try skipBlockComment()
            default:
                return
            }
        }
    }

    private mutating func skipBlockComment() throws(SyntaxError) {
        let start = position
        skip(2)
        while byte() != UInt8(ascii: "*") || byte(1) != UInt8(ascii: "/") {
            guard !isAtEnd else { throw SyntaxError("the comment is not closed by */", at: start) }
            advance()
        }
        skip(2)
    }

    /// A keyword or a name; or what looks like one: a UUID, a duration that begins with P.
    private mutating func word() -> Token {
        let start = offset
        let place = position
        let first = byte()
        if Lexer.isHex(first), skipUUID() { return token(.uuid, from: start, at: place) }
        var low: UInt64 = 0
        var high: UInt64 = 0
        var hasCapitals = false
        while offset < text.count {
            let byte = text[offset]
            if Lexer.isCapital(byte) {
                hasCapitals = true
            } else if !Lexer.isWordByte(byte) {
                break
            }
            KeywordTable.append(byte, &low, &high)
            offset += 1
        }
        if first == UInt8(ascii: "P") {
            let end = offset
            offset = start
            if skipISODuration(), offset >= end { return token(.duration, from: start, at: place) }
            offset = end
        }
        let keyword =
            offset - start <= KeywordTable.wordSizeMax ? KeywordTable.shared.find(low, high) : nil
        return token(.word, from: start, at: place, keyword: keyword, needsFolding: hasCapitals)
    }

    /// A string or a quoted name: up to the next quote that isn't doubled.
    private mutating func quoted(_ quote: UInt8, _ kind: Token.Kind) throws(SyntaxError) -> Token {
        let start = offset
        let place = position
        var hasDoubledQuote = false
        skip(1)
        while true {
            guard !isAtEnd else {
                let what = kind == .string ? "string" : "quoted name"
                throw SyntaxError("the \(what) that begins here is not closed", at: place)
            }
            if byte() == quote {
                guard byte(1) == quote else { break }
                hasDoubledQuote = true
                skip(2)
            } else {
                advance()
            }
        }
        skip(1)
        return token(kind, from: start, at: place, needsFolding: hasDoubledQuote)
    }

    /// A string between `$$`, in which nothing is special.
    private mutating func dollarString() throws(SyntaxError) -> Token {
        let start = offset
        let place = position
        let dollar = UInt8(ascii: "$")
        skip(2)
        while byte() != dollar || byte(1) != dollar {
            guard !isAtEnd else {
                throw SyntaxError("the string that begins here is not closed by $$", at: place)
            }
            advance()
        }
        skip(2)
        return token(.dollarString, from: start, at: place)
    }

    /// An operator or a bracket.
    private mutating func sign(_ first: UInt8) throws(SyntaxError) -> Token {
        let start = offset
        let place = position
        let (kind, size) = Lexer.sign(first, byte(1))
        guard let kind else { throw unexpectedCharacter() }
        skip(size)
        return token(kind, from: start, at: place)
    }

    private func unexpectedCharacter() -> SyntaxError {
        let first = byte()
        var size = 1
        while first >= 0xC0, size < 4, byte(size) & 0xC0 == 0x80 { size += 1 }
        let bytes = text[offset..<(offset + size)]
        let isControl = first < 0x20 || first == 0x7F
        guard !isControl, let shown = String(validating: bytes.buffer, as: UTF8.self) else {
            return SyntaxError(
                "unexpected byte 0x\(String(first, radix: 16)) outside of a string", at: position)
        }
        return SyntaxError("unexpected character '\(shown)'", at: position)
    }

    /// The sign that the next two bytes are, and how many of them it takes.
    private static func sign(_ first: UInt8, _ second: UInt8) -> (Token.Kind?, Int) {
        let isEqual = second == UInt8(ascii: "=")
        switch first {
        case UInt8(ascii: "?"): return (.questionMark, 1)
        case UInt8(ascii: ":"): return (.colon, 1)
        case UInt8(ascii: ","): return (.comma, 1)
        case UInt8(ascii: ";"): return (.semicolon, 1)
        case UInt8(ascii: "."): return second == first ? (.range, 2) : (.dot, 1)
        case UInt8(ascii: "("): return (.leftParenthesis, 1)
        case UInt8(ascii: ")"): return (.rightParenthesis, 1)
        case UInt8(ascii: "["): return (.leftBracket, 1)
        case UInt8(ascii: "]"): return (.rightBracket, 1)
        case UInt8(ascii: "{"): return (.leftBrace, 1)
        case UInt8(ascii: "}"): return (.rightBrace, 1)
        case UInt8(ascii: "+"): return isEqual ? (.plusEqual, 2) : (.plus, 1)
        case UInt8(ascii: "-"): return isEqual ? (.minusEqual, 2) : (.minus, 1)
        case UInt8(ascii: "*"): return (.star, 1)
        case UInt8(ascii: "/"): return (.slash, 1)
        case UInt8(ascii: "%"): return (.percent, 1)
        case UInt8(ascii: "="): return (.equal, 1)
        case UInt8(ascii: "<"): return isEqual ? (.lessOrEqual, 2) : (.less, 1)
        case UInt8(ascii: ">"): return isEqual ? (.greaterOrEqual, 2) : (.greater, 1)
        case UInt8(ascii: "!") where isEqual: return (.notEqual, 2)
        default: return (nil, 0)
        }
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    @inline(__always)
    static func isCapital(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "A") < 26 }

    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }

    @inline(__always)
    static func isHex(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 6
    }

    @inline(__always)
    static func isWordByte(_ byte: UInt8) -> Bool {
        isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_")
    }
}
