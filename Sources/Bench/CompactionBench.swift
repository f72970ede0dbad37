// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `tholos bench compaction`: what strategies cost in writes and room, under uniform overwrites.
struct CompactionBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compaction",
        abstract: "Write amplification, space amplification and temporary room of compaction strategies.",
        discussion: """
            The engine runs in one thread over files in memory: a table of KEYS rows is written once, then \
            rows at random keys, uniformly, as many as all keys several times. Compactions keep up: they \
            come to rest before more is written. Nothing depends on the speed of the machine, and the same \
            seed gives the same figures. Keys have 16 bytes, values 100, which compress to half.

            COLUMNS
              write    bytes of all SSTables that were written, by the bytes that flushes wrote
              space    bytes of SSTables at rest, by the bytes of the table when all is merged: on the
                       average, and at most; after the first overwrite of everything
              peak     the same at any moment, with all that compactions have half done
              room     the most that SSTables grew beyond what they took at rest, while a flush and its
                       compactions ran, in percent of the merged table
              files    SSTables at rest, at most

            EXAMPLES
              tholos bench compaction
              tholos bench compaction --keys 4000000 --strategies default,T4,L10
            """
    )

    @Option(help: "The number of rows.")
    var keys = 1_000_000

    @Option(help: "How many times as many rows are written over them.")
    var overwrites = 5

    @Option(help: "The memory of a memtable in KiB: what a flush writes is about a third of it.")
    var memtable = 2_048

    @Option(
        help: ArgumentHelp(
            "`default`, or scaling parameters such as T4 or L10.",
            valueName: "name,name"
        )
    )
    var strategies = "default,T4,L10"

    @Option(help: "min_sstable_size in KiB: small, as the table is.")
    var minSize = 512

    @Option(help: "Where random keys and values begin.")
    var seed: UInt64 = 1

    func validate() throws {
        guard keys > 0, overwrites > 1, memtable >= 64, minSize > 0 else {
            throw ValidationError(
                "--keys and --min-size must be above 0, --overwrites above 1, --memtable 64 or more"
            )
        }
    }

    func run() async throws {
        BenchOutput.line("strategy      write  space  at most   peak  room %  files  merged MiB")
        for name in strategies.split(separator: ",").map(String.init) {
            let run = try CompactionRun(
                scaling: name == "default" ? nil : name,
                keyCount: keys,
                memtableSpace: memtable << 10,
                minSize: minSize << 10,
                seed: seed
            )
            try run.work(overwrites: overwrites)
            BenchOutput.line(run.row(name))
        }
    }
}
