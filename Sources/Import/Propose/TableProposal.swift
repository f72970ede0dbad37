// SPDX-License-Identifier: Apache-2.0

internal import Model

/// A table that would hold a file's records.
struct TableProposal {
    /// One column.
    struct Column: Equatable {
        let name: String
        let type: CQLType
        /// How many sampled records have no value.
        let nullCount: Int
    }

    let name: TableName
    let columns: [Column]
    let key: KeyClause?
    let sampleCount: Int
    let isPartial: Bool
    /// Keys that would tell the sampled records apart, as `--key` takes them, with a remark.
    let suggestions: [(key: KeyClause, remark: String)]
    /// How many sampled records a chosen key would merge into earlier ones.
    let duplicateCount: Int

    /// The proposal for a sample.
    ///
    /// With `key`, checks it against the sample.
    ///
    /// - Throws: `ImportError.usage` when the key names no column or one that lacks values.
    init(_ name: TableName, _ sample: Sample, key: KeyClause?) throws(ImportError) {
        self.name = name
        self.key = key
        sampleCount = sample.recordCount
        isPartial = sample.isPartial
        let names = CQLIdentifier.simplified(sample.columns.map(\.name))
        columns = sample.columns.indices.map { index in
            Column(
                name: names[index],
                type: sample.columns[index].type,
                nullCount: sample.nullCount(index)
            )
        }
        guard !columns.isEmpty else {
            throw .usage("the input has no records, so no table can be proposed for it")
        }
        guard let key else {
            duplicateCount = 0
            var finder = KeyFinder(sample)
            suggestions = finder.suggestions().map { found in
                let columns = found.columns.map { names[$0] }
                let rows = max(1, sample.recordCount / max(found.partitionCount, 1))
                return (
                    KeyClause(partition: [columns[0]], clustering: Array(columns.dropFirst())),
                    "about \(rows.grouped) of the sampled rows a partition"
                )
            }
            return
        }
        suggestions = []
        var indices: [Int] = []
        for column in key.columns {
            guard let index = names.firstIndex(of: column) else {
                throw .usage(
                    "--key names \(column), which is no field of the input; its fields are "
                        + names.joined(separator: ", ")
                )
            }
            let nulls = sample.nullCount(index)
            guard nulls == 0 else {
                throw .usage(
                    "--key names \(column), which has no value in \(nulls.grouped) of "
                        + "\(sample.recordCount.grouped) sampled records; a key column always has one"
                )
            }
            indices.append(index)
        }
        duplicateCount = sample.duplicateCount(indices)
    }

    /// The statement with remarks for a person to read.
    var text: String {
        var lines = ["CREATE TABLE \(name.cql) ("]
        for column in columns {
            var line = "    \(CQLIdentifier.quoted(column.name)) \(column.type),"
            if column.nullCount > 0 {
                line += "  -- no value in \(column.nullCount.grouped) of \(sampleCount.grouped)"
            }
            lines.append(line)
        }
        lines.append("    PRIMARY KEY \(key?.cql ?? "(…)")")
        lines.append(");")
        if key == nil {
            if suggestions.isEmpty {
                lines.append("-- no few columns tell all records of the sample apart")
            } else {
                lines.append("-- keys that tell all \(sampleCount.grouped) sampled records apart:")
            }
            for suggestion in suggestions {
                lines.append("--   --key '\(suggestion.key.cql)'  (\(suggestion.remark))")
            }
        } else if duplicateCount > 0 {
            lines.append(
                "-- \(duplicateCount.grouped) of \(sampleCount.grouped) sampled records have the key "
                    + "of an earlier one and would overwrite it"
            )
        }
        return lines.joined(separator: "\n")
    }

    /// The table as it will be once created; without a key, every column is regular.
    var table: ImportTable {
        ImportTable(
            name: name,
            columns: columns.map { column in
                let role: ImportColumn.Role
                if let place = key?.partition.firstIndex(of: column.name) {
                    role = .partitionKey(place)
                } else if let place = key?.clustering.firstIndex(of: column.name) {
                    role = .clustering(place)
                } else {
                    role = .regular
                }
                return ImportColumn(name: column.name, type: column.type, role: role)
            }
        )
    }
}

extension Int {
    /// The number with commas between groups of three digits.
    var grouped: String {
        let digits = Array(String(magnitude))
        var text = self < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}
