// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Reads a statement by recursive descent, one token ahead.
///
/// Every rule begins with its first token in `token` and ends with the token after it there. Rules
/// that can contain themselves call `nested`, which bounds the recursion.
struct Parser {
    private(set) var lexer: Lexer
    /// The token that comes next.
    private(set) var token: Token
    /// The bind markers so far.
    var markers: [BindMarker] = []
    /// How many rules that contain themselves are under way.
    var depth = 0
    let limits: SyntaxLimits

    /// A parser at the start of `text`.
    init(_ text: ByteView, limits: SyntaxLimits) throws(SyntaxError) {
        self.limits = limits
        lexer = Lexer(text)
        token = try lexer.next()
    }

    // MARK: Tokens

    /// Where the next token is.
    var position: SourcePosition { token.position }

    /// Goes on to the next token.
    @inline(__always)
    mutating func advance() throws(SyntaxError) {
        token = try lexer.next()
    }

    /// The token after the next.
    func lookAhead() throws(SyntaxError) -> Token {
        var ahead = lexer
        return try ahead.next()
    }

    /// Whether `kind` comes next.
    @inline(__always)
    func at(_ kind: Token.Kind) -> Bool { token.kind == kind }

    /// Whether the word `keyword` comes next.
    @inline(__always)
    func at(_ keyword: Keyword) -> Bool { token.keyword == keyword }

    /// Passes over `kind` if it comes next.
    mutating func accept(_ kind: Token.Kind) throws(SyntaxError) -> Bool {
        guard token.kind == kind else { return false }
        try advance()
        return true
    }

    /// Passes over the word `keyword` if it comes next.
    mutating func accept(_ keyword: Keyword) throws(SyntaxError) -> Bool {
        guard token.keyword == keyword else { return false }
        try advance()
        return true
    }

    /// Passes over `kind`, which has to come next.
    mutating func expect(_ kind: Token.Kind, _ shown: StaticString) throws(SyntaxError) {
        guard token.kind == kind else { throw expected("'\(shown)'") }
        try advance()
    }

    /// Passes over the word `keyword`, which has to come next.
    mutating func expect(_ keyword: Keyword) throws(SyntaxError) {
        guard token.keyword == keyword else { throw expected(keyword.spelling.uppercased()) }
        try advance()
    }

    /// An error: `what` should have come next.
    @inline(never)
    func expected(_ what: String) -> SyntaxError {
        SyntaxError("expected \(what) but found \(found)", at: token.position)
    }

    /// The next token as errors show it: the text, shortened.
    private var found: String {
        if token.kind == .endOfText { return "the end of the statement" }
        let limit = 40
        var end = min(token.end, token.start + limit)
        // Don't cut a character in two.
        while end < token.end, lexer.text[end] & 0xC0 == 0x80 { end -= 1 }
        let shown = String(decoding: lexer.text[token.start..<end].buffer, as: UTF8.self)
        let rest = end < token.end ? "…" : ""
        return token.kind == .string ? shown + rest : "'\(shown)\(rest)'"
    }

    // MARK: Limits

    /// Runs a rule that may contain itself, one level deeper.
    mutating func nested<Result>(
        _ rule: (inout Parser) throws(SyntaxError) -> Result
    ) throws(SyntaxError) -> Result {
        try checkDepth(depth + 1)
        depth += 1
        defer { depth -= 1 }
        return try rule(&self)
    }

    /// Refuses a nesting of `depth` levels when that is too deep.
    func checkDepth(_ depth: Int) throws(SyntaxError) {
        guard depth <= limits.nestingDepthMax else {
            throw SyntaxError(
                "nested deeper than \(limits.nestingDepthMax) levels", at: token.position)
        }
    }

    // MARK: Texts

    /// The text of the next token as it stands.
    var rawText: String { rawText(token.start, token.end) }

    func rawText(_ start: Int, _ end: Int) -> String {
        String(decoding: lexer.text[start..<end].buffer, as: UTF8.self)
    }

    /// The text of the next token, which is a word, in lower case.
    var foldedWord: String {
        guard token.needsFolding else { return rawText }
        let bytes = lexer.text[token.start..<token.end]
        return String(unsafeUninitializedCapacity: bytes.count) { buffer in
            for index in 0..<bytes.count {
                let byte = bytes[index]
                buffer[index] = Lexer.isCapital(byte) ? byte | 0x20 : byte
            }
            return bytes.count
        }
    }

    /// What stands between the quotes of the next token, doubled quotes made single.
    func quotedText() throws(SyntaxError) -> String {
        let width = token.kind == .dollarString ? 2 : 1
        let bytes = lexer.text[(token.start + width)..<(token.end - width)]
        if !token.needsFolding {
            return try validated(String(validating: bytes.buffer, as: UTF8.self))
        }
        let quote = lexer.text[token.start]
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            plain.append(bytes[index])
            index += bytes[index] == quote ? 2 : 1
        }
        return try validated(String(validating: plain, as: UTF8.self))
    }

    private func validated(_ text: String?) throws(SyntaxError) -> String {
        guard let text else {
            throw SyntaxError("the text in quotes is not valid UTF-8", at: token.position)
        }
        return text
    }

    // MARK: Small rules

    /// A list of one or more, with commas between.
    mutating func commaSeparated<Element>(
        _ rule: (inout Parser) throws(SyntaxError) -> Element
    ) throws(SyntaxError) -> [Element] {
        var elements = [try rule(&self)]
        while try accept(.comma) {
            elements.append(try rule(&self))
        }
        return elements
    }

    /// A list of one or more in parentheses, with commas between.
    mutating func parenthesized<Element>(
        _ rule: (inout Parser) throws(SyntaxError) -> Element
    ) throws(SyntaxError) -> [Element] {
        try expect(.leftParenthesis, "(")
        let elements = try commaSeparated(rule)
        guard at(.rightParenthesis) else { throw expected("',' or ')'") }
        try advance()
        return elements
    }

    /// Whether the next token can be a name.
    var atName: Bool { Parser.isName(token) }

    /// Whether `token` can be a name.
    static func isName(_ token: Token) -> Bool {
        switch token.kind {
        case .word: token.keyword?.isReserved != true
        case .quotedName: true
        default: false
        }
    }

    /// Whether the word `token` can begin a selector: a name, a constant or the function `token`.
    static func beginsTerm(_ token: Token) -> Bool {
        guard let keyword = token.keyword else { return true }
        return !keyword.isReserved || keyword.isConstant || keyword == .token
    }

    /// A name; `what` says of what.
    mutating func identifier(_ what: StaticString = "a name") throws(SyntaxError) -> Identifier {
        let place = token.position
        let name: String
        switch token.kind {
        case .word:
            if let keyword = token.keyword, keyword.isReserved {
                throw SyntaxError(
                    "expected \(what) but found '\(rawText)', a reserved word (quote it to use it)",
                    at: place)
            }
            name = foldedWord
        case .quotedName:
            name = try quotedText()
            guard !name.isEmpty else { throw SyntaxError("a name can't be empty", at: place) }
        default:
            throw expected("\(what)")
        }
        try advance()
        return Identifier(name, at: place)
    }

    /// The name of a column.
    mutating func columnName() throws(SyntaxError) -> Identifier { try identifier("a column name") }

    /// `keyspace.name` or `name`; `what` says of what.
    mutating func qualifiedName(_ what: StaticString) throws(SyntaxError) -> QualifiedName {
        let first = try identifier(what)
        guard try accept(.dot) else { return QualifiedName(keyspace: nil, name: first) }
        return QualifiedName(keyspace: first, name: try identifier(what))
    }

    /// The name of a table.
    mutating func tableName() throws(SyntaxError) -> QualifiedName {
        try qualifiedName("a table name")
    }

    /// Whether a string of either notation comes next.
    var atString: Bool { at(.string) || at(.dollarString) }

    /// A string.
    mutating func string(_ what: StaticString = "a string") throws(SyntaxError) -> String {
        guard atString else { throw expected("\(what)") }
        let text = try quotedText()
        try advance()
        return text
    }

    /// `IF NOT EXISTS`, or nothing.
    mutating func ifNotExists() throws(SyntaxError) -> Bool {
        guard try accept(.if) else { return false }
        try expect(.not)
        try expect(.exists)
        return true
    }

    /// `IF EXISTS`, or nothing.
    mutating func ifExists() throws(SyntaxError) -> Bool {
        guard try accept(.if) else { return false }
        try expect(.exists)
        return true
    }
}
