// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser

/// `tholos bench`: programs that measure what the layers below the network cost.
///
/// One file a subcommand; `BenchNode` opens an engine for them, `Stopwatch` and `Latencies` measure,
/// `BenchOutput` writes.
package struct BenchCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the engine on this machine, and the client's routing in virtual time.",
        discussion: """
            A subcommand with --dir makes its own data in that folder and leaves it there.

            EXAMPLES
              tholos bench engine --dir ./bench-data
              tholos bench engine --dir ./bench-data --keys 1000000 --only fillrandom,readrandom
            """,
        subcommands: [EngineBench.self, CompactionBench.self, FormatsBench.self, RoutingBench.self]
    )

    package init() {}
}
