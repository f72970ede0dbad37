// SPDX-License-Identifier: Apache-2.0

/// What to import, from what, and how: the arguments of `tholos import` without its target.
package struct ImportOptions: Equatable, Sendable {
    /// How records are written in a file.
    package enum Format: String, Sendable, CaseIterable {
        case csv, tsv, ndjson
    }

    /// The table.
    package var table: TableName
    /// The files in order; "-" is standard input.
    package var files: [String]
    /// The format of all files; nil tells each file's by its name and content.
    package var format: Format?
    /// The names of a CSV file's fields, which then has no header; "-" skips a field.
    package var columns: [String]?
    /// The byte between fields; nil is a comma, or a tab in TSV.
    package var delimiter: UInt8?
    /// The byte around fields that hold delimiters or newlines; nil is `"`, 0 is none.
    package var quote: UInt8?
    /// Texts that stand for no value; nil is `NA`, and the empty text in columns that are not text.
    package var nulls: [String]?
    /// Whether a field that the table lacks is left out, instead of being an error.
    package var ignoreUnknown = false
    /// Whether to create the table (and the keyspace) when missing.
    package var create = false
    /// The primary key to create the table with, as CQL writes it.
    package var key: String?
    /// Where rejected records go; nil is `KEYSPACE.TABLE.rejects.csv`.
    package var rejectsPath: String?
    /// How many rejected records stop the import.
    package var maxRejects = 1000
    /// Where the progress is kept; nil is `KEYSPACE.TABLE.import-state`.
    package var statePath: String?
    /// Whether to begin anew when there is a state file.
    package var fresh = false
    /// Whether to parse and convert without writing.
    package var dryRun = false
    /// How many rows are written at a time.
    package var batchRows = 512
    /// How many batches are being written at the same time.
    package var batchesInFlight = 8
    /// How many records a proposal looks at.
    package var sampleRecords = 100_000
    /// Whether to suppress the progress line.
    package var quiet = false

    package init(table: TableName, files: [String]) {
        self.table = table
        self.files = files
    }

    /// The path of the reject file.
    package var rejects: String { rejectsPath ?? "\(table).rejects.csv" }

    /// The path of the state file.
    package var state: String { statePath ?? "\(table).import-state" }

    /// The arguments that decide what a byte of the input means: an import is resumed only with the
    /// same ones.
    var fingerprint: String {
        let parts = [
            format?.rawValue ?? "", columns?.joined(separator: ",") ?? "header",
            delimiter.map(String.init) ?? "", quote.map(String.init) ?? "",
            nulls?.joined(separator: "|") ?? "default", ignoreUnknown ? "ignore-unknown" : "",
        ]
        return parts.joined(separator: ";").replacing("\n", with: " ")
    }
}

/// Where an import's words go.
package struct ImportOutput: Sendable {
    /// Writes one line of the result (standard output).
    package let line: @Sendable (String) -> Void
    /// Writes text to the progress line (standard error), as it is.
    package let progress: @Sendable (String) -> Void
    /// Whether the progress goes to a person's terminal, where one line is rewritten.
    package let isTerminal: Bool

    package init(
        isTerminal: Bool,
        line: @escaping @Sendable (String) -> Void,
        progress: @escaping @Sendable (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.line = line
        self.progress = progress
    }
}
