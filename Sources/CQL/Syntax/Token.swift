// SPDX-License-Identifier: Apache-2.0

/// A word, literal or sign of a statement, as a range of its text.
struct Token {
    /// What a token is.
    enum Kind: UInt8 {
        case endOfText
        case word, quotedName
        case string, dollarString, integer, float, duration, uuid, blob
        case questionMark, colon, comma, semicolon, dot, range
        case leftParenthesis, rightParenthesis, leftBracket, rightBracket, leftBrace, rightBrace
        case plus, minus, star, slash, percent
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, plusEqual, minusEqual
    }

    let kind: Kind
    /// The keyword that a word spells, if any.
    let keyword: Keyword?
    /// Whether the text isn't the value as it stands: a word with capitals, or a string or quoted
    /// name with a doubled quote inside.
    let needsFolding: Bool
    /// The first byte, with quotes.
    let start: Int
    /// The byte after the last.
    let end: Int
    /// Where the first byte is.
    let position: SourcePosition
}
