// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Reads CQL: a statement's text in, what it says out.
package enum CQLParser {
    /// Parses the one statement that `text` holds; a semicolon may follow it, nothing else.
    ///
    /// - Throws: `SyntaxError`, with the place and what was expected there.
    package static func parse(
        _ text: ByteView, limits: SyntaxLimits = SyntaxLimits()
    ) throws(SyntaxError) -> ParsedStatement {
        guard text.count <= limits.statementSizeMax else {
            let limit = limits.statementSizeMax
            throw SyntaxError(
                "the statement has \(text.count) bytes; at most \(limit) are allowed",
                at: SourcePosition(line: 1, column: 0))
        }
        var parser = try Parser(text, limits: limits)
        let statement = try parser.wholeStatement()
        return ParsedStatement(statement: statement, markers: parser.markers)
    }

    /// Parses the one statement that `text` holds; a semicolon may follow it, nothing else.
    ///
    /// - Throws: `SyntaxError`, with the place and what was expected there.
    package static func parse(
        _ text: String, limits: SyntaxLimits = SyntaxLimits()
    ) throws(SyntaxError) -> ParsedStatement {
        try [UInt8](text.utf8).withView { (view) throws(SyntaxError) -> ParsedStatement in
            try parse(view, limits: limits)
        }
    }
}
