// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import ArgumentParser

/// Who owns what, and what that leaves behind.
extension AdminCommand {
    struct Move: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "move",
            abstract: "Give this node other tokens.",
            discussion: """
                The node fetches what it will own and hands over what it gives up, while all requests go on. \
                Without tokens, those are chosen that make all nodes own about the same. Run cleanup afterwards \
                on the nodes that had the data. Tokens below zero come after --.

                EXAMPLES
                  tholos admin move
                  tholos admin move -- -4611686018427387904
                """
        )

        @Argument(help: ArgumentHelp("The tokens that it is to own.", valueName: "token"))
        var tokens: [String] = []

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            AdminRequest(command: "move", arguments: tokens.isEmpty ? [:] : ["tokens": .texts(tokens)])
        }

        func text(_ answer: MembershipChange) -> String { "Moved in \(answer.milliseconds) ms\n" }
    }

    struct Abort: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "abort",
            abstract: "Give up a join, a move or a decommission that is under way.",
            discussion: """
                For one that can't go on, as when it waits for rows of a node that is lost. Everybody owns what \
                they owned before. It is refused once the data has been handed over: then it ends by itself. A node \
                whose join is given up tries to join again until it is stopped.

                EXAMPLES
                  tholos admin abort
                  tholos admin abort 8d5ed9f4-7764-4dbd-bad8-43fddce94b7c
                """
        )

        @Argument(help: ArgumentHelp("The host id; this node without one.", valueName: "host-id"))
        var hostID: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            AdminRequest(command: "abort", arguments: hostID.map { ["host_id": .text($0)] } ?? [:])
        }

        func text(_ answer: MembershipChange) -> String { "Gave up what node \(answer.hostId) had begun\n" }
    }

    struct Cleanup: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "cleanup",
            abstract: "Remove what tables have of tokens that other nodes own now.",
            discussion: """
                To be run on the nodes that were there before when nodes have joined or moved. Files with nothing \
                else are removed at once; the others are merged for their space.

                EXAMPLES
                  tholos admin cleanup
                  tholos admin cleanup shop orders
                """
        )

        @Argument(help: ArgumentHelp("The keyspace; all without one.", valueName: "keyspace"))
        var keyspace: String?

        @Argument(help: ArgumentHelp("Tables of it; all without one.", valueName: "table"))
        var tables: [String] = []

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { .tables("cleanup", keyspace, tables) }

        func text(_ answer: TableWork) -> String { AnswerText.cleanup(answer) }
    }

    struct Rebuild: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "rebuild",
            abstract: "Fetch all rows of this node's ranges from the other replicas.",
            discussion: """
                For a new data center: add its nodes, give the keyspaces replicas there, and rebuild each node. Rows \
                are read from a quorum of each data center that has them.

                EXAMPLES
                  tholos admin rebuild dc1
                  tholos admin rebuild --keyspace shop
                """
        )

        @Argument(help: ArgumentHelp("A data center that has the rows.", valueName: "source"))
        var source: String?

        @Option(name: [.customLong("keyspace"), .customLong("ks", withSingleDash: true)], help: "Only this keyspace.")
        var keyspace: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            var request = AdminRequest.tables("rebuild", keyspace, [])
            if let source { request.arguments["source"] = .text(source) }
            return request
        }

        func text(_ answer: RebuildFacts) -> String { AnswerText.rebuild(answer) }

        func progress(_ client: AdminClient) async -> String? {
            await Repair.progress(of: "rebuild", client)
        }
    }
}
