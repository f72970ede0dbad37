// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

/// Turns the pages of a result into text in the session's format.
struct RowPrinter {
    private let columns: [ColumnSpecification]
    private let format: OutputFormat
    private let isExpanded: Bool
    private let colour: Bool
    /// Whether each page has the header, since a person saw the one before scroll away.
    private let repeatsHeader: Bool
    private var layout: TableLayout
    private var rowCount = 0
    /// Whether a person wanted no more.
    var isCutShort = false

    init(
        columns: [ColumnSpecification],
        styles: [String: Style],
        settings: ShellSettings,
        colour: Bool,
        repeatsHeader: Bool
    ) {
        self.columns = columns
        self.format = settings.format
        self.isExpanded = settings.isExpanded
        self.colour = colour
        self.repeatsHeader = repeatsHeader
        let header = columns.map {
            Cell(ValueText.escaped($0.name), styles[$0.name] ?? .column)
        }
        self.layout = TableLayout(header: header, colour: colour)
    }

    /// What stands before the first page.
    func opening() -> String {
        switch format {
        case .table: "\n"
        case .json: ""
        case .csv: ValueText.csvLine(columns.map(\.name))
        }
    }

    mutating func page(_ rows: [[[UInt8]?]], isFirst: Bool) -> String {
        rowCount += rows.count
        switch format {
        case .json: return rows.map(jsonLine).joined()
        case .csv:
            let lines = rows.map { row in
                ValueText.csvLine(zip(columns, row).map { ValueText.plain($1, $0.type) })
            }
            return lines.joined()
        case .table: break
        }
        let cells = rows.map { row in
            zip(columns, row).map { ValueText.cell($1, $0.type, colour: colour) }
        }
        if isExpanded, !rows.isEmpty { return layout.expanded(cells) }
        guard isFirst || !rows.isEmpty else { return "" }
        let text = layout.page(cells, withHeader: isFirst || repeatsHeader)
        return repeatsHeader && !rows.isEmpty ? text + "\n" : text
    }

    /// What stands after the last page.
    func closing() -> String {
        guard format == .table else { return "" }
        let isSpaced = rowCount > 0 && (repeatsHeader || isExpanded)
        // A conditional write's answer is no list of rows.
        if columns.first?.name == "[applied]" { return isSpaced ? "" : "\n" }
        let count = isCutShort ? "(\(rowCount) rows so far)" : "(\(rowCount) rows)"
        return (isSpaced ? "" : "\n") + count + "\n"
    }

    private func jsonLine(_ row: [[UInt8]?]) -> String {
        let members = zip(columns, row).map { column, value in
            ValueText.jsonString(column.name) + ": " + ValueText.json(value, column.type)
        }
        return "{" + members.joined(separator: ", ") + "}\n"
    }
}
