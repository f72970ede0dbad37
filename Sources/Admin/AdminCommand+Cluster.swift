// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import ArgumentParser

/// How the nodes of the cluster are, and what is done to them.
extension AdminCommand {
    struct Status: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "status",
            abstract: "Show the nodes of the cluster: state, load, ownership.",
            discussion: """
                Ownership is that of the keyspace, or of the first that has replicas.

                EXAMPLES
                  tholos admin status
                  tholos admin status shop
                """
        )

        @Argument(help: ArgumentHelp("Whose replicas count as owned.", valueName: "keyspace"))
        var keyspace: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { .tables("status", keyspace, []) }

        func text(_ answer: ClusterStatus) -> String { AnswerText.status(answer) }
    }

    struct Ring: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "ring",
            abstract: "Show the tokens of the nodes.",
            discussion: """
                EXAMPLES
                  tholos admin ring
                """
        )

        @Argument(help: ArgumentHelp("Whose replicas count as owned.", valueName: "keyspace"))
        var keyspace: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { .tables("ring", keyspace, []) }

        func text(_ answer: ClusterStatus) -> String { AnswerText.ring(answer) }
    }

    struct DescribeCluster: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "describecluster",
            abstract: "Show the cluster's name, schema versions, data centers and keyspaces.",
            discussion: """
                EXAMPLES
                  tholos admin describecluster
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "describecluster") }

        func text(_ answer: ClusterFacts) -> String { AnswerText.describecluster(answer) }
    }

    struct GossipInfo: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "gossipinfo",
            abstract: "Show what gossip knows of each node.",
            discussion: """
                EXAMPLES
                  tholos admin gossipinfo
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "gossipinfo") }

        func text(_ answer: GossipFacts) -> String { AnswerText.gossipinfo(answer) }
    }

    struct NetStats: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "netstats",
            abstract: "Show data on its way to or from this node, and hints.",
            discussion: """
                EXAMPLES
                  tholos admin netstats
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "netstats") }

        func text(_ answer: NetworkFacts) -> String { AnswerText.netstats(answer) }
    }

    struct Decommission: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "decommission",
            abstract: "Give all data of this node to the others and leave the cluster.",
            discussion: """
                Waits until the others own everything. A node that is stopped in the middle goes on with it \
                when it is started again.

                EXAMPLES
                  tholos admin --host 10.0.0.7 decommission
                """
        )

        @Flag(help: "Even if keyspaces will have fewer replicas than they want.")
        var force = false

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            AdminRequest(command: "decommission", arguments: force ? ["force": .flag(true)] : [:])
        }

        func text(_ answer: MembershipChange) -> String {
            "Left the cluster in \(answer.milliseconds) ms\n"
        }
    }

    struct RemoveNode: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "removenode",
            abstract: "Remove a node that is down for good.",
            discussion: """
                The others get from each other what it had. Once removed, it can't come back with its data.

                EXAMPLES
                  tholos admin removenode 8d5ed9f4-7764-4dbd-bad8-43fddce94b7c
                """
        )

        @Argument(help: ArgumentHelp("The host id, as status shows it.", valueName: "host-id"))
        var hostID: String

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            AdminRequest(command: "removenode", arguments: ["host_id": .text(hostID)])
        }

        func text(_ answer: MembershipChange) -> String {
            "Removed node \(answer.hostId) in \(answer.milliseconds) ms\n"
        }
    }

    struct Repair: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "repair",
            abstract: "Give each replica of this node's ranges what it lacks.",
            discussion: """
                All replicas have to be up. Replicas tell digests of stretches of rows; only stretches that \
                differ are sent.

                EXAMPLES
                  tholos admin repair
                  tholos admin repair -pr shop orders
                  tholos admin repair -st -4611686018427387904 -et 0 shop
                """
        )

        @Argument(help: ArgumentHelp("The keyspace; all without one.", valueName: "keyspace"))
        var keyspace: String?

        @Argument(help: ArgumentHelp("Tables of it; all without one.", valueName: "table"))
        var tables: [String] = []

        @Flag(
            name: [.customLong("pr", withSingleDash: true), .customLong("partitioner-range")],
            help: "Only the ranges of which this node is the first replica."
        )
        var primary = false

        @Option(
            name: [.customLong("st", withSingleDash: true), .customLong("start-token")],
            parsing: .unconditional,
            help: "Only tokens behind this one."
        )
        var startToken: String?

        @Option(
            name: [.customLong("et", withSingleDash: true), .customLong("end-token")],
            parsing: .unconditional,
            help: "Only tokens up to this one."
        )
        var endToken: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            var request = AdminRequest.tables("repair", keyspace, tables)
            if primary { request.arguments["primary"] = .flag(true) }
            if let startToken { request.arguments["start_token"] = .text(startToken) }
            if let endToken { request.arguments["end_token"] = .text(endToken) }
            return request
        }

        func text(_ answer: RepairFacts) -> String { AnswerText.repair(answer) }

        func progress(_ client: AdminClient) async -> String? {
            await Self.progress(of: "repair", client)
        }

        /// A line about a transfer of rows that runs; nil without one.
        static func progress(of purpose: String, _ client: AdminClient) async -> String? {
            guard let body = try? await client.call(AdminRequest(command: "netstats")),
                let facts = try? AdminClient.decode(NetworkFacts.self, body)
            else { return nil }
            return facts.transfers.first { $0.purpose == purpose }.map {
                "\($0.rangesDone) of \($0.rangesTotal) ranges"
            }
        }
    }
}
