// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Environment
internal import Storage

/// `tholos bench engine`: the lines of RocksDB's db_bench over this engine, one foreground thread.
struct EngineBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Writes, point reads and scans of one shard, as db_bench has them.",
        discussion: """
            Keys of 16 bytes, values of 100 that compress to half. The commit log is written but not \
            synced for each write (periodic). A random line takes keys from all of 0 ..< KEYS, so that \
            after fillrandom 63 of 100 are there, as with db_bench.

            The processor time of a line that writes includes its flushes and compactions up to where \
            nothing is left to do. The latency of a write is the time until its acknowledgement, which \
            comes with those of its turn: \(EngineRun.turnCount) operations a turn, as a server's loop \
            takes what has arrived.

            LINES
              fillseq       KEYS rows of one partition, ascending, into an empty table
              fillrandom    KEYS rows, each a partition, at random keys, into an empty table
              overwrite     the same into what is there
              readrandom    rows by their keys, the block cache larger than the data and warm
              readcold      the same, the block cache a tenth of the data
              readseq       all rows in the order of their keys
              seekrandom    a seek to a random key, then 100 rows

            EXAMPLES
              tholos bench engine --dir ./bench-data
              tholos bench engine --dir ./bench-data --keys 1000000 --only readrandom --json
            """
    )

    @Option(help: "The folder for the data; it is made if it isn't there.")
    var dir: String

    @Option(help: "The number of keys, and of operations of lines that write.")
    var keys = 10_000_000

    @Option(help: "The number of point reads.")
    var reads = 2_000_000

    @Option(help: "The number of seeks, each with 100 rows.")
    var seeks = 200_000

    @Option(help: ArgumentHelp("Only these lines, in this order.", valueName: "line,line"))
    var only: String?

    @Option(help: "Where random keys and values begin.")
    var seed: UInt64 = 1

    @Option(help: "The size of blocks in KiB: by default that of db_bench, not that of tables.")
    var blockSize = 4

    @Flag(help: "Write JSON: one object a line.")
    var json = false

    func validate() throws {
        guard keys > 0, reads > 0, seeks > 0 else {
            throw ValidationError("--keys, --reads and --seeks must be above 0")
        }
        _ = try lines()
    }

    private func lines() throws -> [EngineRun.Line] {
        guard let only else { return EngineRun.Line.allCases }
        return try only.split(separator: ",").map { name in
            guard let line = EngineRun.Line(rawValue: String(name)) else {
                let known = EngineRun.Line.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("no line is named \(name); there are \(known)")
            }
            return line
        }
    }

    func run() async throws {
        var settings = EngineRun.Settings(folder: dir)
        settings.keyCount = keys
        settings.readCount = reads
        settings.seekCount = seeks
        settings.seed = seed
        settings.blockKilobytes = blockSize
        let run = EngineRun(settings)
        if !json { BenchOutput.line(LineResult.heading) }
        for line in try lines() {
            let result = try await run.measure(line)
            BenchOutput.line(json ? result.json : result.row)
        }
    }
}
