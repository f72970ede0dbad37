// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
internal import Model

/// One run of `tholos import`, from the arguments to the final count.
package struct ImportJob: Sendable {
    package let options: ImportOptions
    package let environment: Environment
    /// Where the rows go; nil in a dry run without a database.
    package let target: (any ImportTarget)?
    package let output: ImportOutput
    package let interruption: Interruption

    package init(
        options: ImportOptions,
        environment: Environment,
        target: (any ImportTarget)?,
        output: ImportOutput,
        interruption: Interruption = Interruption()
    ) {
        self.options = options
        self.environment = environment
        self.target = target
        self.output = output
        self.interruption = interruption
    }

    /// What a finished import counted.
    package struct Summary: Equatable, Sendable {
        package var read: Int
        package var written: Int
        package var rejected: Int

        package init(read: Int, written: Int, rejected: Int) {
            self.read = read
            self.written = written
            self.rejected = rejected
        }

        /// The exit code: `ImportExit.complete` or `.someRejected`.
        package var exitCode: Int32 {
            rejected == 0 ? ImportExit.complete : ImportExit.someRejected
        }
    }

    /// Imports all files.
    ///
    /// - Throws: `ImportError` when nothing was done, or the import stopped on the way.
    package func run() async throws(ImportError) -> Summary {
        guard options.dryRun || target != nil else {
            throw .usage("there is no database to write to")
        }
        var files: [InputFile] = []
        for path in options.files {
            files.append(
                try InputFile(
                    path: path,
                    format: options.format,
                    environment: environment,
                    interruption: interruption
                )
            )
        }
        guard files.filter(\.isStandardInput).count <= 1 else {
            throw .usage("standard input (-) can be read only once")
        }
        let position = try resumePosition(files)
        let table = try await findTable(files[0])
        let columns = try importedColumns(table, files)
        try await attempting { try await self.target?.begin(table, columns: columns) }
        let run = try ImportRun(self, files: files, table: table, columns: columns, from: position)
        return try await run.run()
    }

    /// Runs something of the target and words its errors.
    func attempting<R>(
        _ body: () async throws -> R
    ) async throws(ImportError) -> R {
        do {
            return try await body()
        } catch let error as ImportError {
            throw error
        } catch {
            throw .failure("\(error)")
        }
    }

    // MARK: Resuming

    var stateArguments: String {
        "\(options.table) in \(target?.name ?? "nothing"); \(options.fingerprint)"
    }

    /// Whether this import can be resumed: not from standard input, not when nothing is written.
    func keepsState(_ files: [InputFile]) -> Bool {
        !options.dryRun && files.allSatisfy { !$0.isStandardInput }
    }

    /// Where an interrupted run of the same import stopped, or the start.
    private func resumePosition(_ files: [InputFile]) throws(ImportError) -> ImportPosition {
        guard keepsState(files), !options.fresh else { return ImportPosition() }
        let bytes: [UInt8]?
        do throws(FileError) {
            bytes = try SmallFile(path: options.state, fileSystem: environment.fileSystem).read()
        } catch {
            throw .failure("\(error)")
        }
        guard let bytes else { return ImportPosition() }
        let advice = "remove it, or begin anew with --fresh"
        guard let state = ImportState(String(decoding: bytes, as: UTF8.self)) else {
            throw .usage("\(options.state) is damaged or no import state; \(advice)")
        }
        guard state.arguments == stateArguments else {
            throw .usage(
                "\(options.state) belongs to another import (\(state.arguments)); \(advice)"
            )
        }
        guard state.files == files.compactMap(\.identity), state.position.file < files.count else {
            throw .usage(
                "the files differ from those that \(options.state) remembers "
                    + "(\(state.files.map(\.path).joined(separator: ", "))); \(advice)"
            )
        }
        let position = state.position
        output.line(
            "resuming at \(files[position.file].path):\(position.line): "
                + "\(position.written.grouped) rows were written and "
                + "\(position.rejected.grouped) rejected before"
        )
        return position
    }

    // MARK: The table

    private func findTable(_ first: InputFile) async throws(ImportError) -> ImportTable {
        if let target {
            if let table = try await attempting({ try await target.table(options.table) }) {
                return table
            }
        }
        let key: KeyClause?
        if let text = options.key { key = try KeyClause(text) } else { key = nil }
        let proposal = try propose(first, key: key)
        if options.dryRun {
            output.line(proposal.text)
            return proposal.table
        }
        guard options.create else {
            throw .usage(
                "the table \(options.table) does not exist in \(target?.name ?? "the database"); "
                    + "--create\(key == nil ? " with --key" : "") would create it:\n\(proposal.text)"
            )
        }
        guard key != nil else {
            throw .usage(
                "--create needs the primary key: say --key '((partition), clustering, …)'. "
                    + "The table would be:\n\(proposal.text)"
            )
        }
        return try await create(proposal)
    }

    private func create(_ proposal: TableProposal) async throws(ImportError) -> ImportTable {
        let name = options.table
        return try await attempting {
            guard let target else { throw ImportError.usage("there is no database to write to") }
            if try await !target.hasKeyspace(name.keyspace) {
                output.line(ImportTable.createKeyspace(name.keyspace) + ";")
                try await target.createKeyspace(name.keyspace)
            }
            output.line(proposal.text)
            try await target.createTable(proposal.table)
            guard let table = try await target.table(name) else {
                throw ImportError.failure("\(target.name) does not have the table just created")
            }
            return table
        }
    }

    private func propose(
        _ file: InputFile,
        key: KeyClause?
    ) throws(ImportError) -> TableProposal {
        let source = try file.open(environment, again: true)
        let reader = try RecordReader(source, dialect: options.dialect(file.format))
        var header: [String]?
        if file.format != .ndjson {
            if let columns = options.columns {
                header = columns
            } else {
                header = try reader.header()
            }
        }
        let sample = try Sample(
            reader,
            header: header,
            nulls: NullTexts(options.nulls),
            count: options.sampleRecords
        )
        return try TableProposal(options.table, sample, key: key)
    }

    /// The columns that rows will have: those that some file has a field for; all with JSON.
    private func importedColumns(
        _ table: ImportTable,
        _ files: [InputFile]
    ) throws(ImportError) -> [ImportColumn] {
        if let counter = table.columns.first(where: { $0.type == .counter }) {
            throw .usage(
                "\(table.name) has the counter column \(counter.name); counters cannot be imported, "
                    + "only updated"
            )
        }
        if files.contains(where: { $0.format == .ndjson }) { return table.columns }
        let mapping = FieldMapping(table)
        var present: Set<Int> = []
        for file in files {
            let header: [String]
            if let columns = options.columns {
                header = columns
            } else {
                let source = try file.open(environment, again: true)
                header = try RecordReader(source, dialect: options.dialect(file.format)).header()
            }
            let columns = try mapping.columns(
                header,
                file: file.path,
                ignoreUnknown: options.ignoreUnknown
            )
            present.formUnion(columns.compactMap { $0 })
        }
        return table.columns.indices.filter(present.contains).map { table.columns[$0] }
    }
}
