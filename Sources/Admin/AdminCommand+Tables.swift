// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import ArgumentParser

/// What is done to tables, and how they are.
extension AdminCommand {
    struct Flush: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "flush",
            abstract: "Write memtables to SSTables.",
            discussion: """
                EXAMPLES
                  tholos admin flush
                  tholos admin flush shop orders customers
                """
        )

        @Argument(help: ArgumentHelp("The keyspace; all without one.", valueName: "keyspace"))
        var keyspace: String?

        @Argument(help: ArgumentHelp("Tables of it; all without one.", valueName: "table"))
        var tables: [String] = []

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { .tables("flush", keyspace, tables) }

        func text(_ answer: TableWork) -> String { AnswerText.flush(answer) }
    }

    struct Compact: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "compact",
            abstract: "Flush, and merge all SSTables of each table.",
            discussion: """
                What can be purged goes. It runs at low priority and, with compaction_throughput, at most \
                as fast as that; on a terminal, a line shows how far it is.

                EXAMPLES
                  tholos admin compact shop orders
                  tholos admin compact --no-wait; tholos admin compactionstats
                """
        )

        @Argument(help: ArgumentHelp("The keyspace; all without one.", valueName: "keyspace"))
        var keyspace: String?

        @Argument(help: ArgumentHelp("Tables of it; all without one.", valueName: "table"))
        var tables: [String] = []

        @Flag(help: "Don't wait for the end.")
        var noWait = false

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            var request = AdminRequest.tables("compact", keyspace, tables)
            if noWait { request.arguments["wait"] = .flag(false) }
            return request
        }

        func text(_ answer: TableWork) -> String { AnswerText.compact(answer) }

        func progress(_ client: AdminClient) async -> String? {
            guard let body = try? await client.call(AdminRequest(command: "compactionstats")),
                let answer = try? AdminClient.decode(CompactionStatistics.self, body)
            else { return nil }
            return AnswerText.progress(answer)
        }
    }

    struct CompactionStats: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "compactionstats",
            abstract: "Show the compactions that run or wait.",
            discussion: """
                EXAMPLES
                  tholos admin compactionstats
                  tholos admin compactionstats -H
                """
        )

        @Flag(name: [.customShort("H"), .long], help: "Sizes in KiB, MiB, GiB.")
        var humanReadable = false

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest { AdminRequest(command: "compactionstats") }

        func text(_ answer: CompactionStatistics) -> String { AnswerText.compactionstats(answer, isHuman: humanReadable) }
    }

    struct TableStats: AdminSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "tablestats",
            abstract: "Show sizes and counts of tables.",
            discussion: """
                EXAMPLES
                  tholos admin tablestats shop
                  tholos admin tablestats -H shop.orders
                """
        )

        @Flag(name: [.customShort("H"), .long], help: "Sizes in KiB, MiB, GiB.")
        var humanReadable = false

        @Argument(
            help: ArgumentHelp(
                "A keyspace, or a table as keyspace.table; all without one.",
                valueName: "keyspace[.table]"
            )
        )
        var name: String?

        @OptionGroup var connection: Connection
        @ParentCommand var parent: AdminCommand

        var request: AdminRequest {
            let parts = (name ?? "").split(separator: ".", maxSplits: 1).map { String($0) }
            return .tables("tablestats", parts.first, Array(parts.dropFirst()))
        }

        func text(_ answer: TableStatistics) -> String { AnswerText.tablestats(answer, isHuman: humanReadable) }
    }
}

extension AdminRequest {
    /// Of a command that takes tables.
    static func tables(
        _ command: String,
        _ keyspace: String?,
        _ tables: [String]
    ) -> AdminRequest {
        var request = AdminRequest(command: command)
        if let keyspace { request.arguments["keyspace"] = .text(keyspace) }
        if !tables.isEmpty { request.arguments["tables"] = .texts(tables) }
        return request
    }
}
