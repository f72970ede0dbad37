// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Finds where statements end in a text of several, such as a script or what is typed in a shell.
///
/// A statement ends with a semicolon; one in a string, a quoted name or a comment doesn't count,
/// and in a batch only the one after `APPLY BATCH` does.
package enum StatementSplitter {
    /// What stands first in a text.
    package enum Split: Equatable, Sendable {
        /// Nothing but white space and comments.
        case blank
        /// A statement without its end; `why` says what it waits for.
        case incomplete(why: Missing)
        /// A statement's bytes, without the semicolon, and where the text goes on after it.
        case statement(Range<Int>, rest: Int)
    }

    /// What an incomplete statement waits for.
    package enum Missing: Equatable, Sendable {
        case semicolon
        case applyBatch
        /// The end of a string, a quoted name or a comment.
        case closing
    }

    /// Finds the first statement of `text` from byte `start` on; the range is of the whole text.
    package static func first(in text: ByteView, from start: Int = 0) -> Split {
        let start = min(max(start, 0), text.count)
        var lexer = Lexer(text[start..<text.count])
        var begin: Int?
        var words = 0
        var startsBatch = false
        var isBatch = false
        var isApplied = false
        var previous: Keyword?
        while true {
            let token: Token
            do {
                token = try lexer.next()
            } catch {
                if lexer.isAtEnd { return .incomplete(why: .closing) }
                // Not CQL: the parser will say so. Here only the end of the statement matters.
                if begin == nil { begin = start + lexer.offset }
                lexer.advance()
                continue
            }
            if token.kind == .endOfText {
                guard begin != nil else { return .blank }
                return .incomplete(why: isBatch && !isApplied ? .applyBatch : .semicolon)
            }
            if token.kind == .semicolon, !isBatch || isApplied {
                let from = begin ?? start + token.start
                return .statement(from..<(start + token.start), rest: start + token.end)
            }
            if begin == nil { begin = start + token.start }
            words += 1
            if words == 2 || words == 3, token.keyword == .batch, startsBatch { isBatch = true }
            if token.keyword == .batch, previous == .apply { isApplied = true }
            if words == 1 { startsBatch = token.keyword == .begin }
            previous = token.keyword
        }
    }
}
