// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Environment

/// `tholos bench formats`: what SSTables cost in bytes and processor time.
struct FormatsBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "formats",
        abstract:
            "Bytes and processor time of codecs, kinds of cells and the memory of open files.",
        discussion: """
            LINES
              codecs   small rows like JSON (and those of --csv) under each codec, with and without a \
            dictionary, in blocks of 4 and 16 KiB: ratio, writing, scanning, one block at random
              cells    null, TTL, elements of collections and rows of 1,000 columns, each beside plain \
            cells: bytes and time of a row and of a cell
              memory   what an open file holds for each GiB, for rows of 100 bytes and 1 KiB
              start    --files files of --file-size MiB made live in a folder, and the time to open it

            EXAMPLES
              tholos bench formats --dir ./bench-data
              zcat flights.csv.gz > flights.csv
              tholos bench formats --dir ./bench-data --only codecs --csv flights.csv
              tholos bench formats --dir ./bench-data --only start --files 200 --file-size 100
            """
    )

    /// What can be measured.
    enum Line: String, CaseIterable {
        case codecs, cells, memory, start
    }

    @Option(help: "The folder for the data; it is made if it isn't there.")
    var dir: String

    @Option(help: ArgumentHelp("Only these lines, in this order.", valueName: "line,line"))
    var only: String?

    @Option(help: ArgumentHelp("Also the rows of this file under 'codecs'.", valueName: "path"))
    var csv: String?

    @Option(help: "The number of rows of 'codecs', 'cells' and 'memory'.")
    var rows = 200_000

    @Option(help: "The number of files of 'start'.")
    var files = 40

    @Option(help: "The size of each file of 'start' in MiB.")
    var fileSize = 100

    func validate() throws {
        guard rows > 0, files > 0, fileSize > 0 else {
            throw ValidationError("--rows, --files and --file-size must be above 0")
        }
        _ = try lines()
    }

    private func lines() throws -> [Line] {
        guard let only else { return [.codecs, .cells, .memory] }
        return try only.split(separator: ",").map { name in
            guard let line = Line(rawValue: String(name)) else {
                let known = Line.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("no line is named \(name); there are \(known)")
            }
            return line
        }
    }

    func run() async throws {
        try POSIXFileSystem().createDirectory(dir)
        for line in try lines() {
            switch line {
            case .codecs: try CodecLines(folder: dir, rowCount: rows, csv: csv).run()
            case .cells: try CellLines(folder: dir, rowCount: rows).run()
            case .memory: try MemoryLines(folder: dir, rowCount: rows).run()
            case .start:
                try await StartLines(folder: dir, fileCount: files, fileSize: fileSize << 20).run()
            }
        }
    }
}
