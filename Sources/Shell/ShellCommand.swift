// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser

/// `tholos shell`: statements by hand or from a script, to a node or to an embedded database.
package struct ShellCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "shell",
        abstract: "Talk CQL with a node, or with an embedded database that needs no server.",
        discussion: """
            Without -e, -f or a script on standard input it is interactive. The host and port default \
            to 127.0.0.1 and 9042, or to what THOLOS_HOST and THOLOS_PORT say.

            A script ends at its first failed statement. Exit codes: 0 all statements succeeded, \
            1 a statement failed, 2 wrong arguments or no connection.

            EXAMPLES
              tholos shell --embedded ./data
              tholos shell 192.0.2.7 -k shop -e "SELECT * FROM orders LIMIT 5"
              tholos shell -f schema.cql
              tholos shell --format json -e "SELECT * FROM shop.orders" > orders.ndjson
            """
    )

    @Argument(help: "The node's name or address.")
    var host: String?

    @Argument(help: "The node's CQL port.")
    var port: UInt16?

    @Option(help: ArgumentHelp("Open the database in this folder instead.", valueName: "folder"))
    var embedded: String?

    @Option(
        name: [.short, .customLong("execute")],
        help: ArgumentHelp("Run statements, separated by semicolons, and leave.", valueName: "text")
    )
    var execute: [String] = []

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Run the statements of a file and leave.", valueName: "file")
    )
    var file: [String] = []

    @Option(name: .shortAndLong, help: "The keyspace to begin with.")
    var keyspace: String?

    @Option(help: "How rows are written: table, json (one object a line) or csv.")
    var format: OutputFormat = .table

    @Flag(
        inversion: .prefixedNo,
        help: "Colour the output; by default on a terminal, unless NO_COLOR is set."
    )
    var color: Bool?

    @Flag(name: .customLong("keep-going"), help: "Run a script's other statements after a failure.")
    var keepsGoing = false

    package init() {}

    package func validate() throws {
        if embedded != nil, host != nil || port != nil {
            throw ValidationError("Give either a host or --embedded, not both.")
        }
        if !execute.isEmpty, !file.isEmpty {
            throw ValidationError("Give either -e or -f, not both.")
        }
    }

    package func run() async throws {
        throw ExitCode(await start())
    }
}

extension OutputFormat: ExpressibleByArgument {}
