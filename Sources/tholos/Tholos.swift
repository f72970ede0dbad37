// SPDX-License-Identifier: Apache-2.0

import Admin
import ArgumentParser
import Bench
import Import
import Model
import SSTableTool
import Server
import Shell
import Simulator

/// The one executable: its subcommands are the targets that a person runs.
@main
struct Tholos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tholos",
        abstract:
            "A wide-column database that speaks Cassandra's language and protocol.",
        discussion: """
            To try it without a server: tholos shell --embedded ./data
            """,
        version: "tholos \(ProductVersion.text)",
        subcommands: [
            ServeCommand.self, ShellCommand.self, ImportCommand.self, SSTableCommand.self,
            AdminCommand.self, BenchCommand.self, SimulateCommand.self,
        ]
    )

    /// Exit code 2 says that the arguments were wrong, as for most tools; the library's is 64.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            OutputStream(descriptor: 2).write(fullMessage(for: error) + "\n")
            exit(withError: ExitCode(2))
        }
    }
}
