// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import ArgumentParser

/// Snapshots: made, listed, taken away.
extension AdminCommand {
    struct Snapshot: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "snapshot",
            abstract: "Keep the SSTables of tables as they are, under a name.",
            discussion: """
                The files get second names (hard links) in DATA/data/KEYSPACE/TABLE-ID/snapshots/NAME, and \
                stay when the table is compacted, truncated or dropped, until clearsnapshot.

                EXAMPLES
                  tholos admin snapshot -t before-upgrade
                  tholos admin snapshot -t friday --table orders shop
                """
        )

        @Option(name: [.customShort("t"), .long], help: "Its name; the time without one.")
        var tag: String?

        @Option(
            name: [.customLong("table"), .customLong("cf")],
            help: ArgumentHelp("Only this table of the keyspace; may be repeated.", valueName: "table")
        )
        var tables: [String] = []

        @Argument(help: ArgumentHelp("Keyspaces; all without one.", valueName: "keyspace"))
        var keyspaces: [String] = []

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            var request = AdminRequest(command: "snapshot")
            if let tag { request.arguments["name"] = .text(tag) }
            if !keyspaces.isEmpty { request.arguments["keyspaces"] = .texts(keyspaces) }
            if !tables.isEmpty { request.arguments["tables"] = .texts(tables) }
            return request
        }

        func text(_ answer: SnapshotMade) -> String { AnswerText.snapshot(answer) }
    }

    struct ListSnapshots: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "listsnapshots",
            abstract: "List snapshots, with the room that they take.",
            discussion: """
                EXAMPLES
                  tholos admin listsnapshots
                """
        )

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "listsnapshots") }

        func text(_ answer: SnapshotList) -> String { AnswerText.listsnapshots(answer) }
    }

    struct ClearSnapshot: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "clearsnapshot",
            abstract: "Take snapshots away.",
            discussion: """
                EXAMPLES
                  tholos admin clearsnapshot -t before-upgrade
                  tholos admin clearsnapshot --all shop
                """
        )

        @Option(name: [.customShort("t"), .long], help: "Those of this name.")
        var tag: String?

        @Flag(help: "Those of any name.")
        var all = false

        @Argument(help: ArgumentHelp("Keyspaces; all without one.", valueName: "keyspace"))
        var keyspaces: [String] = []

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            var request = AdminRequest(command: "clearsnapshot")
            if let tag { request.arguments["name"] = .text(tag) }
            if all { request.arguments["all"] = .flag(true) }
            if !keyspaces.isEmpty { request.arguments["keyspaces"] = .texts(keyspaces) }
            return request
        }

        func text(_ answer: SnapshotList) -> String { AnswerText.clearsnapshot(answer) }

        func validate() throws {
            guard (tag == nil) == all else {
                throw ValidationError("give -t NAME, or --all for snapshots of any name")
            }
        }
    }
}
