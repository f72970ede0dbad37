// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
internal import Environment

/// `tholos sstable`: looks into SSTables, with or without a node that runs.
package struct SSTableCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "sstable",
        abstract: "Look into SSTables and check them.",
        discussion: """
            Each PATH is an SSTable, or a folder below which all files *.sst are taken: a table's \
            folder, a keyspace's, or a node's data folder. Files are only read, so a node may run.

            EXAMPLES
              tholos sstable ls ./data
              tholos sstable info ./data/data/demo/flights-*/0000000001.sst
              tholos sstable dump --key JFK --limit 10 ./data/data/demo
              tholos sstable verify ./data && echo sound
              tholos sstable salvage --output saved.sst 0000000001.sst

            EXIT CODES
              0  done, nothing wrong      1  a file is damaged or can't be read
              2  wrong arguments
            """,
        subcommands: [Info.self, List.self, Dump.self, Verify.self, Salvage.self]
    )

    package init() {}

    /// What every subcommand takes.
    struct Common: ParsableArguments {
        @Argument(help: "SSTables, or folders that hold some.")
        var paths: [String]

        @Flag(help: "Write JSON: one object a line.")
        var json = false

        /// The files that are meant; ends the process with 2 when a path means none.
        func run(
            _ body: (_ files: [String], any FileSystem, ReportOutput) -> Bool
        ) throws {
            let fileSystem = POSIXFileSystem()
            let files: [String]
            do {
                files = try SSTableLocator.files(paths, fileSystem: fileSystem)
            } catch {
                let errors = ReportOutput(descriptor: 2)
                errors.line("tholos sstable: \(error)")
                errors.flush()
                throw ExitCode(2)
            }
            let output = ReportOutput(descriptor: 1)
            let isSound = body(files, fileSystem, output)
            output.flush()
            if !isSound { throw ExitCode(1) }
        }
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what files say of themselves: keys, counts, sizes, times, deletions.",
            discussion: """
                EXAMPLES
                  tholos sstable info 0000000001.sst
                  tholos sstable info --json ./data | jq '{file, rows, tombstones}'
                """
        )
        @OptionGroup var common: Common

        func run() throws {
            try common.run { files, fileSystem, output in
                InfoReport(fileSystem: fileSystem, output: output, isJSON: common.json).run(files)
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List files, one a line, with totals.",
            discussion: """
                EXAMPLES
                  tholos sstable ls ./data
                  tholos sstable ls --json ./data | jq -r 'select(.tombstones > 1000) | .file'
                """
        )
        @OptionGroup var common: Common

        func run() throws {
            try common.run { files, fileSystem, output in
                ListReport(fileSystem: fileSystem, output: output, isJSON: common.json).run(files)
            }
        }
    }

    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the entries of files: rows, cells, timestamps, TTLs, deletions.",
            discussion: """
                Each file is shown by itself: what another file deletes or replaces is shown too.

                EXAMPLES
                  tholos sstable dump --limit 20 ./data/data/demo
                  tholos sstable dump --key JFK --key 2013 --key 7 0000000001.sst
                  tholos sstable dump --json 0000000001.sst | jq .clustering
                """
        )
        @OptionGroup var common: Common

        @Option(
            help: ArgumentHelp(
                "Only this partition; once for each column of the partition key, in order.",
                valueName: "value"
            )
        )
        var key: [String] = []

        @Option(help: ArgumentHelp("At most so many entries of each file.", valueName: "count"))
        var limit: Int?

        @Flag(help: "Show keys and values as bytes in hexadecimal.")
        var raw = false

        func validate() throws {
            if let limit, limit < 0 { throw ValidationError("--limit must not be negative") }
        }

        func run() throws {
            var options = DumpReport.Options()
            options.key = key
            options.limit = limit
            options.isRaw = raw
            options.isJSON = common.json
            var hasUsageError = false
            try common.run { files, fileSystem, output in
                let report = DumpReport(fileSystem: fileSystem, output: output, options: options)
                let isSound = report.run(files)
                hasUsageError = report.hasUsageError
                return isSound || hasUsageError
            }
            if hasUsageError { throw ExitCode(2) }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check every byte of files: checksums, order, index, filter, statistics.",
            discussion: """
                EXAMPLES
                  tholos sstable verify ./data && echo sound
                  tholos sstable verify --json ./data | jq -c 'select(.sound | not)'
                """
        )
        @OptionGroup var common: Common

        func run() throws {
            try common.run { files, fileSystem, output in
                let report = VerifyReport(
                    fileSystem: fileSystem,
                    output: output,
                    isJSON: common.json,
                    clock: SystemClock()
                )
                return report.run(files)
            }
        }
    }

    struct Salvage: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Save what can be read of a damaged file, and name the keys that are lost.",
            discussion: """
                Without --output nothing is written: it is only told what could be saved. The file \
                itself is never changed. To put the new file in its place, stop the node, move the \
                damaged file out of the data folder, and move the new one to its path.

                A file that is damaged in its data blocks loses the rows of those; damage elsewhere \
                (index, filter, statistics, footer) loses none, since blocks are found without it.

                EXAMPLES
                  tholos sstable salvage 0000000001.sst
                  tholos sstable salvage --output saved.sst 0000000001.sst
                  tholos sstable salvage --json ./data | jq -c 'select(.sound | not) | .lost[]'
                """
        )
        @OptionGroup var common: Common

        @Option(help: ArgumentHelp("The new file; it must not exist.", valueName: "path"))
        var output: String?

        func run() throws {
            try common.run { files, fileSystem, report in
                SalvageReport(
                    fileSystem: fileSystem,
                    output: report,
                    isJSON: common.json,
                    target: output,
                    identity: SystemRandom().next()
                ).run(files)
            }
        }

        func validate() throws {
            guard let output else { return }
            guard common.paths.count == 1 else {
                throw ValidationError("--output is for one file, not \(common.paths.count)")
            }
            let fileSystem = POSIXFileSystem()
            guard try fileSystem.kind(common.paths[0]) != .directory else {
                throw ValidationError("--output is for one file, not a folder")
            }
            guard try fileSystem.kind(output) == nil else {
                throw ValidationError("\(output) exists already; name a new file")
            }
        }
    }
}
