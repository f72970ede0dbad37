// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import ArgumentParser
import Testing

@testable import Admin

/// Command lines: what is asked of which node.
@Suite struct AdminCommandTests {
    private func parse(_ line: String) throws -> any AdminSubcommand {
        let command = try AdminCommand.parseAsRoot(line.split(separator: " ").map { String($0) })
        return try #require(command as? any AdminSubcommand)
    }

    private func request(_ line: String) throws -> AdminRequest { try parse(line).request }

    @Test func tablesAreAskedFor() throws {
        #expect(try request("flush") == AdminRequest(command: "flush"))
        #expect(
            try request("flush ks a b")
                == AdminRequest(
                    command: "flush",
                    arguments: ["keyspace": .text("ks"), "tables": .texts(["a", "b"])]
                )
        )
        #expect(
            try request("compact ks --no-wait")
                == AdminRequest(
                    command: "compact",
                    arguments: ["keyspace": .text("ks"), "wait": .flag(false)]
                )
        )
        #expect(
            try request("tablestats -H ks.t")
                == AdminRequest(
                    command: "tablestats",
                    arguments: ["keyspace": .text("ks"), "tables": .texts(["t"])]
                )
        )
    }

    @Test func snapshotsAreAskedFor() throws {
        #expect(
            try request("snapshot -t x --table a --cf b ks")
                == AdminRequest(
                    command: "snapshot",
                    arguments: [
                        "name": .text("x"), "tables": .texts(["a", "b"]), "keyspaces": .texts(["ks"]),
                    ]
                )
        )
        #expect(
            try request("clearsnapshot --all")
                == AdminRequest(command: "clearsnapshot", arguments: ["all": .flag(true)])
        )
        #expect(throws: (any Error).self) { try parse("clearsnapshot") }
        #expect(throws: (any Error).self) { try parse("clearsnapshot --all -t x") }
    }

    @Test func theNodeIsNamedBeforeOrBehindTheCommand() throws {
        for line in ["--host h --port 7 --json status", "status --host h --port 7 --json"] {
            let command = try parse(line)
            #expect(command.client.host == "h" && command.client.port == 7)
            #expect(command.isJSON)
        }
        let plain = try parse("info")
        #expect(plain.client.host == "127.0.0.1" && plain.client.port == 7780)
        #expect(!plain.isJSON)
        #expect(throws: (any Error).self) { try parse("--port 0 status") }
        #expect(throws: (any Error).self) { try parse("nonsense") }
    }

    @Test func whoDoesNotAnswerIsNamed() async throws {
        // Port 1 of the loopback address: nobody listens there.
        let client = AdminClient(host: "127.0.0.1", port: 1)
        do throws(AdminError) {
            _ = try await client.call(AdminRequest(command: "info"))
            Issue.record("somebody answers on port 1")
        } catch {
            #expect(error.exitCode == 3)
            let text = error.description
            #expect(text.hasPrefix("no node answers on 127.0.0.1:1 (connection refused); "), "\(text)")
        }
    }
}
