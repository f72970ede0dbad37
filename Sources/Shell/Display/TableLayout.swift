// SPDX-License-Identifier: Apache-2.0

/// Lays rows out in aligned columns or, expanded, one value a line.
///
///      id | name        @ Row 1
///     ----+------       ------+-----
///       1 |  Ada         id   | 1
///                        name | Ada
package struct TableLayout {
    private let header: [Cell]
    private let colour: Bool
    /// The widest of each column so far: a later page is never narrower than an earlier one.
    private var widths: [Int]
    private var rowCount = 0

    package init(header: [Cell], colour: Bool) {
        self.header = header
        self.colour = colour
        self.widths = header.map(\.width)
    }

    /// A page of rows in aligned columns, with the header above if wanted.
    package mutating func page(_ rows: [[Cell]], withHeader: Bool) -> String {
        for row in rows {
            for (index, cell) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], cell.width)
            }
        }
        var text = withHeader ? headerLines() : ""
        for row in rows {
            let cells = zip(row, widths).map { $0.right($1, colour: colour) }
            text += " " + cells.joined(separator: " | ") + "\n"
        }
        rowCount += rows.count
        return text
    }

    /// A page of rows with one value a line.
    package mutating func expanded(_ rows: [[Cell]]) -> String {
        let nameWidth = header.map(\.width).max() ?? 0
        let valueWidth = rows.joined().map(\.width).max() ?? 0
        let rule = TableLayout.rule([nameWidth, valueWidth])
        var text = ""
        for row in rows {
            rowCount += 1
            text += "@ Row \(rowCount)\n" + rule
            for (name, value) in zip(header, row) {
                text += " " + name.left(nameWidth, colour: colour) + " | "
                text += value.rendered(colour: colour) + "\n"
            }
            text += "\n"
        }
        return text
    }

    private func headerLines() -> String {
        var line = ""
        for (index, name) in header.enumerated() {
            let isLast = index == header.count - 1
            line += name.left(isLast ? 0 : widths[index], colour: colour) + (isLast ? "" : " | ")
        }
        return " " + line + "\n" + TableLayout.rule(widths)
    }

    private static func rule(_ widths: [Int]) -> String {
        let parts = widths.map { String(repeating: "-", count: $0) }
        return "-" + parts.joined(separator: "-+-") + "-\n"
    }

    /// Names side by side in as few lines as `width` columns allow, sorted downwards.
    package static func columns(_ names: [String], width: Int) -> String {
        guard !names.isEmpty else { return "<empty>\n" }
        for lineCount in 1...names.count {
            let columnCount = (names.count + lineCount - 1) / lineCount
            let widths = (0..<columnCount).map { column in
                let end = min(names.count, (column + 1) * lineCount)
                return names[(column * lineCount)..<end].map { DisplayWidth.of($0) }.max() ?? 0
            }
            let total = widths.reduce(0, +) + 2 * (columnCount - 1)
            if total > width, lineCount < names.count { continue }
            return lines(names, lineCount: lineCount, widths: widths)
        }
        return names.joined(separator: "\n") + "\n"
    }

    private static func lines(_ names: [String], lineCount: Int, widths: [Int]) -> String {
        var text = ""
        for line in 0..<lineCount {
            let row = stride(from: line, to: names.count, by: lineCount).map {
                Cell(names[$0], .plain)
            }
            for (column, cell) in row.enumerated() {
                let isLast = column == row.count - 1
                text += cell.left(isLast ? 0 : widths[column] + 2, colour: false)
            }
            text += "\n"
        }
        return text
    }
}
