// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol

extension ShellSession {
    /// Shows what `DESCRIBE` yielded: statements that make a thing again, names, or the cluster.
    func showDescription(_ rows: ShellRows) {
        if rows.index(of: "create_statement") != nil {
            for row in rows.rows {
                let text = rows.text(row, "create_statement") ?? ""
                writeResult("\n" + text + (text.hasSuffix("\n") ? "" : "\n"))
            }
            if !rows.rows.isEmpty { writeResult("\n") }
        } else if rows.index(of: "cluster") != nil {
            showCluster(rows)
        } else if rows.columns.count == 1, let column = rows.columns.first {
            let names = rows.rows.compactMap { rows.text($0, column.name) }
            writeResult("\n" + TableLayout.columns(names, width: console.width) + "\n")
        } else if rows.rows.allSatisfy({ rows.text($0, "type") == "keyspace" }),
            rows.index(of: "type") != nil
        {
            let names = rows.rows.compactMap { rows.text($0, "name") }
            writeResult("\n" + TableLayout.columns(names, width: console.width) + "\n")
        } else {
            showNames(rows)
        }
    }

    /// Names under the keyspaces that they belong to, without the heading inside one keyspace.
    private func showNames(_ rows: ShellRows) {
        var groups: [(keyspace: String, names: [String])] = []
        for row in rows.rows {
            let keyspace = rows.text(row, "keyspace_name") ?? ""
            if groups.last?.keyspace != keyspace { groups.append((keyspace, [])) }
            groups[groups.count - 1].names.append(rows.text(row, "name") ?? "")
        }
        for group in groups {
            writeResult("\n")
            if settings.keyspace == nil {
                let heading = "Keyspace \(group.keyspace)"
                writeResult(heading + "\n" + String(repeating: "-", count: heading.count) + "\n")
            }
            writeResult(TableLayout.columns(group.names, width: console.width))
        }
        writeResult(groups.isEmpty ? "\n<empty>\n\n" : "\n")
    }

    private func showCluster(_ rows: ShellRows) {
        guard let row = rows.rows.first else { return }
        writeResult("\nCluster: \(rows.text(row, "cluster") ?? "")\n")
        writeResult("Partitioner: \(rows.text(row, "partitioner") ?? "")\n")
        writeResult("Snitch: \(rows.text(row, "snitch") ?? "")\n\n")
        guard let index = rows.index(of: "range_ownership"), let ranges = row[index] else { return }
        let type = rows.columns[index].type
        writeResult("Range ownership:\n \(ValueText.plain(ranges, type))\n\n")
    }
}
