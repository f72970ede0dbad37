// SPDX-License-Identifier: Apache-2.0

/// A place in a statement's text.
package struct SourcePosition: Hashable, Sendable, CustomStringConvertible {
    /// The line, counted from 1.
    package let line: UInt32
    /// The character in the line, counted from 0.
    package let column: UInt32

    /// The place at `line` (from 1) and `column` (from 0).
    package init(line: UInt32, column: UInt32) {
        self.line = line
        self.column = column
    }

    /// The place as errors begin: `line 1:23`.
    package var description: String { "line \(line):\(column)" }
}
