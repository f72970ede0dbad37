// SPDX-License-Identifier: Apache-2.0

package import Model

/// What a piece of output is, which decides its colour on a terminal.
package enum Style: Sendable, Equatable {
    case plain
    case error
    case null
    case partitionKey
    case clusteringKey
    case staticColumn
    case column
    case text
    case number
    case blob
    case collection
    case heading

    /// The style of a value of `type`.
    package init(value type: CQLType) {
        switch type {
        case .ascii, .text: self = .text
        case .blob: self = .blob
        case .list, .set, .map, .tuple: self = .collection
        default: self = .number
        }
    }

    /// The text between the escape sequences that give it this style.
    package func paint(_ text: String) -> String {
        guard let code, !text.isEmpty else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    /// The parameters of the terminal's SGR sequence (ECMA-48, 8.3.117).
    private var code: String? {
        switch self {
        case .plain: nil
        case .error, .null: "0;1;31"
        case .partitionKey: "0;1;31"
        case .clusteringKey: "0;1;36"
        case .staticColumn: "0;1;37"
        case .column: "0;1;35"
        case .text: "0;1;33"
        case .number: "0;1;32"
        case .blob: "0;35"
        case .collection, .heading: "0;1;34"
        }
    }
}

/// A piece of text with its style and the columns it takes.
package struct Cell: Sendable, Equatable {
    package let text: String
    package let style: Style
    package let width: Int

    package init(_ text: String, _ style: Style) {
        self.text = text
        self.style = style
        self.width = DisplayWidth.of(text)
    }

    /// The text, coloured if wanted.
    package func rendered(colour: Bool) -> String { colour ? style.paint(text) : text }

    /// The text with blanks before it, `columns` wide in all.
    package func right(_ columns: Int, colour: Bool) -> String {
        String(repeating: " ", count: max(0, columns - width)) + rendered(colour: colour)
    }

    /// The text with blanks after it, `columns` wide in all.
    package func left(_ columns: Int, colour: Bool) -> String {
        rendered(colour: colour) + String(repeating: " ", count: max(0, columns - width))
    }
}
