// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser

/// The arguments of `tholos import`.
package struct ImportArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Write into the database in this folder, without a server.",
            valueName: "dir"
        )
    )
    package var embedded: String?

    @Option(help: "Write through the node at this address.")
    package var host: String?

    @Option(help: "The node's CQL port.")
    package var port: Int = 9042

    @Flag(help: "Create the table, and its keyspace, when missing; needs --key.")
    package var create = false

    @Option(
        help: ArgumentHelp(
            "The primary key of the table to create, as CQL writes it: '((a, b), c)'.",
            valueName: "key"
        )
    )
    package var key: String?

    @Option(help: "csv, tsv or ndjson; by default told by the file's name and content.")
    package var format: ImportOptions.Format?

    @Option(
        help: ArgumentHelp(
            "The names of the fields, when a CSV file has no header row; - leaves a field out.",
            valueName: "a,b,…"
        )
    )
    package var columns: String?

    @Option(help: ArgumentHelp("The character between fields; \\t is a tab.", valueName: "char"))
    package var delimiter: String?

    @Option(
        help: ArgumentHelp(
            "The character around fields that hold delimiters; none turns quoting off.",
            valueName: "char"
        )
    )
    package var quote: String?

    @Option(
        name: .customLong("null"),
        parsing: .singleValue,
        help: ArgumentHelp(
            "A text that stands for no value; may be repeated. NA by default. The empty text is "
                + "none either, but in text columns only with --null ''.",
            valueName: "text"
        )
    )
    package var nulls: [String] = []

    @Flag(help: "Leave out fields that the table has no column for.")
    package var ignoreUnknown = false

    @Option(
        help: ArgumentHelp(
            "Where rejected records go (default: KEYSPACE.TABLE.rejects.csv).",
            valueName: "path"
        )
    )
    package var rejects: String?

    @Option(help: "Stop when more records than this are rejected.")
    package var maxRejects: Int = 1000

    @Option(
        help: ArgumentHelp(
            "Where to keep how far the import has come (default: KEYSPACE.TABLE.import-state). When "
                + "this file is there, the import goes on from there.",
            valueName: "path"
        )
    )
    package var resume: String?

    @Flag(help: "Begin anew even when an earlier run could be resumed.")
    package var fresh = false

    @Flag(help: "Read and convert everything, but write nothing.")
    package var dryRun = false

    @Flag(help: "Show no progress.")
    package var quiet = false

    @Option(help: "Rows written at a time.")
    package var batchRows: Int = 512

    @Option(help: "Batches being written at the same time.")
    package var inFlight: Int = 8

    @Argument(help: ArgumentHelp("The table.", valueName: "keyspace.table"))
    package var table: String

    @Argument(help: "The files; - is standard input. Files with gzip's magic are decompressed.")
    package var files: [String]

    package init() {}

    /// The options that the arguments ask for.
    ///
    /// - Throws: `ImportError.usage` with what is wrong.
    package func options() throws(ImportError) -> ImportOptions {
        guard let name = TableName(table) else {
            throw .usage("\(table) is no table name: write KEYSPACE.TABLE")
        }
        guard !files.isEmpty else { throw .usage("name the files to import; - is standard input") }
        guard embedded == nil || host == nil else {
            throw .usage("--embedded and --host exclude each other")
        }
        guard (1...65_535).contains(port) else { throw .usage("--port \(port) is no port") }
        var options = ImportOptions(table: name, files: files)
        options.format = format
        options.columns = columns.map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        options.delimiter = try ImportArguments.byte(delimiter, "--delimiter")
        options.quote =
            quote == "none" || quote == "" ? 0 : try ImportArguments.byte(quote, "--quote")
        options.nulls = nulls.isEmpty ? nil : nulls
        options.ignoreUnknown = ignoreUnknown
        options.create = create
        options.key = key
        options.rejectsPath = rejects
        guard maxRejects >= 0 else { throw .usage("--max-rejects \(maxRejects) is below 0") }
        options.maxRejects = maxRejects
        options.statePath = resume
        options.fresh = fresh
        options.dryRun = dryRun
        options.quiet = quiet
        guard (1...65_536).contains(batchRows) else {
            throw .usage("--batch-rows \(batchRows) is not between 1 and 65536")
        }
        options.batchRows = batchRows
        guard (1...1024).contains(inFlight) else {
            throw .usage("--in-flight \(inFlight) is not between 1 and 1024")
        }
        options.batchesInFlight = inFlight
        return options
    }

    /// A separator given as text: one ASCII character.
    private static func byte(_ text: String?, _ option: String) throws(ImportError) -> UInt8? {
        guard let text else { return nil }
        if text == "\\t" || text == "tab" { return 0x09 }
        guard text.utf8.count == 1, let byte = text.utf8.first, byte < 0x80, byte != 0x0A,
            byte != 0x0D
        else { throw .usage("\(option) takes one ASCII character, not \"\(text)\"") }
        return byte
    }
}

extension ImportOptions.Format: ExpressibleByArgument {}
