// SPDX-License-Identifier: Apache-2.0

/// Rows whose columns stand under each other.
struct TextTable {
    private var rows: [[String]] = []

    /// - Parameter heading: its first row, if any.
    init(_ heading: [String] = []) {
        if !heading.isEmpty { rows.append(heading) }
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// Lines without spaces at their ends.
    ///
    /// - Parameter gap: the spaces between columns, at least.
    func text(gap: Int) -> String {
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index == widths.count { widths.append(0) }
                widths[index] = max(widths[index], cell.count)
            }
        }
        var text = ""
        for row in rows {
            var line = ""
            for (index, cell) in row.enumerated() {
                line += cell + String(repeating: " ", count: widths[index] - cell.count + gap)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}
