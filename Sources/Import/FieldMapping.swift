// SPDX-License-Identifier: Apache-2.0

/// Which field of a file goes into which column of a table.
struct FieldMapping {
    private let table: ImportTable
    private let exact: [String: Int]
    private let lowered: [String: [Int]]
    private let simplified: [String: Int]

    init(_ table: ImportTable) {
        self.table = table
        var exact: [String: Int] = [:]
        var lowered: [String: [Int]] = [:]
        var simplified: [String: Int] = [:]
        for (index, column) in table.columns.enumerated() {
            exact[column.name] = index
            lowered[column.name.lowercased(), default: []].append(index)
            simplified[CQLIdentifier.simplified(column.name)] = index
        }
        self.exact = exact
        self.lowered = lowered
        self.simplified = simplified
    }

    /// The column for a field's name: the same name, or the same but for case, or but for what
    /// cannot stand in a name.
    func column(_ field: String) -> Int? {
        if let index = exact[field] { return index }
        if let indices = lowered[field.lowercased()], indices.count == 1 { return indices[0] }
        return simplified[CQLIdentifier.simplified(field)]
    }

    /// The column of each field of a CSV file; nil for fields to leave out.
    ///
    /// - Throws: `ImportError.usage` for a field that the table lacks (unless told to leave such out),
    ///   for two fields of one column, and when a key column has no field.
    func columns(
        _ header: [String],
        file: String,
        ignoreUnknown: Bool
    ) throws(ImportError) -> [Int?] {
        var fieldOf: [Int: String] = [:]
        var columns: [Int?] = []
        for field in header {
            guard field != "-", let index = column(field) else {
                guard field == "-" || ignoreUnknown else {
                    throw .usage(
                        "\(file): the table \(table.name) has no column for the field \"\(field)\"; "
                            + "--ignore-unknown leaves such fields out. The table's columns are "
                            + table.columns.map(\.name).joined(separator: ", ")
                    )
                }
                columns.append(nil)
                continue
            }
            if let other = fieldOf.updateValue(field, forKey: index) {
                throw .usage(
                    "\(file): the fields \"\(other)\" and \"\(field)\" both name the column "
                        + table.columns[index].name
                )
            }
            columns.append(index)
        }
        for (index, column) in table.columns.enumerated()
        where column.role.isKey && fieldOf[index] == nil {
            throw .usage(
                "\(file): there is no field for the key column \(column.name); the fields are "
                    + header.joined(separator: ", ")
            )
        }
        return columns
    }
}
