// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
package import ArgumentParser
import Foundation

/// `tholos admin`: a running node looked at and looked after.
package struct AdminCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "Look at a running node and look after it.",
        discussion: """
            The commands are those of Cassandra's nodetool, and print what it prints. A node answers them \
            on its admin port (admin_port, 7780), by default to the machine that it runs on alone.

            EXAMPLES
              tholos admin status
              tholos admin flush shop orders
              tholos admin compact shop
              tholos admin --json tablestats shop | jq '.keyspaces[].tables[].space_live'
              tholos admin --host 10.0.0.7 snapshot -t before-upgrade

            EXIT CODES
              0  done                           1  the node failed at it
              2  wrong arguments                3  no node answers
            """,
        subcommands: [
            Status.self, Ring.self, Info.self, DescribeCluster.self, GossipInfo.self, NetStats.self,
            Repair.self, Rebuild.self, Cleanup.self, Move.self, Abort.self, Decommission.self,
            RemoveNode.self, Version.self, TableStats.self,
            Flush.self, Compact.self, CompactionStats.self, Drain.self, Snapshot.self,
            ListSnapshots.self, ClearSnapshot.self,
        ]
    )

    @OptionGroup var connection: Connection

    package init() {}

    /// Which node, and how it is printed. May stand before the command or behind it.
    struct Connection: ParsableArguments {
        @Option(help: "The node's admin address; 127.0.0.1 by default.")
        var host: String?

        @Option(help: "The node's admin port; 7780 by default.")
        var port: Int?

        @Flag(help: "Print the node's answer as JSON.")
        var json = false

        func validate() throws {
            if let port, !(1...65535).contains(port) {
                throw ValidationError("--port \(port) is no port: it takes 1 to 65535")
            }
        }
    }
}

/// A command of the admin port.
protocol AdminSubcommand: AsyncParsableCommand {
    associatedtype Answer: Decodable & Sendable

    var parent: AdminCommand { get }
    var connection: AdminCommand.Connection { get }
    /// Its name at the admin port, and what is asked.
    var request: AdminRequest { get }

    /// What is printed.
    func text(_ answer: Answer) -> String
    /// What is shown while it is waited for; nil without anything.
    func progress(_ client: AdminClient) async -> String?
}

extension AdminSubcommand {
    var client: AdminClient {
        AdminClient(
            host: connection.host ?? parent.connection.host ?? "127.0.0.1",
            port: connection.port ?? parent.connection.port ?? 7780
        )
    }

    var isJSON: Bool { connection.json || parent.connection.json }

    func progress(_ client: AdminClient) async -> String? { nil }

    func run() async throws {
        let client = client
        // Its options don't change any more.
        nonisolated(unsafe) let command = self
        do throws(AdminError) {
            let meter = isJSON ? nil : ProgressLine { await command.progress(client) }
            meter?.start()
            let body: [UInt8]
            do throws(AdminError) {
                body = try await client.call(request)
            } catch {
                await meter?.stop()
                throw error
            }
            await meter?.stop()
            if isJSON { return Terminal.write(String(decoding: body, as: UTF8.self)) }
            Terminal.write(text(try AdminClient.decode(Answer.self, body)))
        } catch {
            Terminal.write("tholos admin: \(error)\n", toError: true)
            throw ExitCode(error.exitCode)
        }
    }
}
