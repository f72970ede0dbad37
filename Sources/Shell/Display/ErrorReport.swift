// SPDX-License-Identifier: Apache-2.0

/// Renders a failed statement's error with the place that it speaks of.
///
///     SyntaxException: line 2:5 expected a name, found 'WHERE'
///       FROM  WHERE id = 1
///             ^
package enum ErrorReport {
    /// The most columns of a quoted line.
    static let excerptWidthMax = 100

    /// The lines to print; `place` (such as `setup.cql:12: `) goes before the first.
    package static func render(_ error: ShellError, statement: String, place: String) -> String {
        var text = place + error.description + "\n"
        if let position = position(in: error.message) {
            text += excerpt(statement, line: position.line, column: position.column)
        }
        return text
    }

    /// The line (from 1) and column (from 0) that a message beginning "line L:C " points at.
    package static func position(in message: String) -> (line: Int, column: Int)? {
        guard message.hasPrefix("line ") else { return nil }
        let rest = message.dropFirst(5).prefix { $0 != " " }
        let parts = rest.split(separator: ":")
        guard parts.count >= 2, let line = Int(parts[0]), let column = Int(parts[1]),
            line > 0, column >= 0
        else { return nil }
        return (line, column)
    }

    /// The line of the statement and a caret below its column.
    private static func excerpt(_ statement: String, line: Int, column: Int) -> String {
        let lines = statement.split(separator: "\n", omittingEmptySubsequences: false)
        guard line <= lines.count else { return "" }
        // Tabs would move the caret. Errors count scalars, as the parser does.
        let scalars = lines[line - 1].unicodeScalars.map { $0.properties.isWhitespace ? " " : $0 }
        let target = min(column, scalars.count)
        var start = 0
        if scalars.count > excerptWidthMax {
            start = max(0, min(target - excerptWidthMax / 2, scalars.count - excerptWidthMax))
        }
        let end = min(scalars.count, start + excerptWidthMax)
        let before = start > 0 ? "…" : ""
        let after = end < scalars.count ? "…" : ""
        let indent = DisplayWidth.of(before + text(scalars[start..<target]))
        return "  " + before + text(scalars[start..<end]) + after + "\n"
            + "  " + String(repeating: " ", count: indent) + "^\n"
    }

    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }
}
