// SPDX-License-Identifier: Apache-2.0

/// A statement that isn't CQL: what was expected, what was found, and where.
package struct SyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where the text stops to make sense.
    package let position: SourcePosition
    /// What is wrong there, without the position.
    package let message: String

    /// An error at `position`.
    package init(_ message: String, at position: SourcePosition) {
        self.position = position
        self.message = message
    }

    /// The line, counted from 1.
    package var line: Int { Int(position.line) }
    /// The character in the line, counted from 0.
    package var column: Int { Int(position.column) }
    /// The whole sentence: `line 1:14 expected FROM but found 'FORM'`.
    package var description: String { "\(position) \(message)" }
}
