// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import ArgumentParser

/// How the node is.
extension AdminCommand {
    struct Info: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "info",
            abstract: "Show how this node is.",
            discussion: """
                EXAMPLES
                  tholos admin info
                  tholos admin info --tokens
                """
        )

        @Flag(name: [.customShort("T"), .long], help: "Show all tokens.")
        var tokens = false

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "info") }

        func text(_ answer: NodeFacts) -> String { AnswerText.info(answer, withTokens: tokens) }
    }

    struct Version: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "version",
            abstract: "Show the versions of this node.",
            discussion: """
                EXAMPLES
                  tholos admin version
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "version") }

        func text(_ answer: VersionFacts) -> String { AnswerText.version(answer) }
    }

    struct Drain: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "drain",
            abstract: "Take no more writes and flush everything.",
            discussion: """
                Reads go on. The next start replays nothing; only a start makes the node take writes again.

                EXAMPLES
                  tholos admin drain && kill $(pidof tholos)
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "drain") }

        func text(_ answer: DrainFacts) -> String { AnswerText.drain(answer) }
    }
}
