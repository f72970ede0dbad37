// SPDX-License-Identifier: Apache-2.0

import CQLProtocol
import Model
import Shell
import Testing

/// Whole conversations, against a database that answers from a script.
@Suite struct SessionTests {
    private let syntaxError = ShellError(
        code: 0x2000,
        message: "line 1:7 expected FROM, found 'FORM'"
    )

    @Test func promptsForTheKeyspaceAndForTheRestOfAStatement() async {
        let backend = ScriptedBackend()
        let console = ScriptedConsole(typed: "USE ks;", "INSERT INTO t", "VALUES (1);", "exit")
        let code = await session(backend, console).runInteractive()
        #expect(code == 0)
        #expect(console.shownPrompts == ["tholos> ", "tholos:ks> ", "   ... ", "tholos:ks> "])
        #expect(backend.statements == ["USE ks", "INSERT INTO t\nVALUES (1)"])
        #expect(console.remembered == ["USE ks;", "INSERT INTO t\nVALUES (1);", "exit"])
        #expect(backend.lastOptions?.keyspace == "ks")
    }

    @Test func controlCDropsWhatIsTyped() async {
        let backend = ScriptedBackend()
        let lines: [ConsoleInput] = [.line("SELECT 'x"), .interrupted, .line("SELECT 1;"), .end]
        let console = ScriptedConsole(lines, isInteractive: true)
        let code = await session(backend, console).runInteractive()
        #expect(code == 0)
        #expect(backend.statements == ["SELECT 1"])
    }

    @Test func aPersonGoesOnAfterAnErrorThatPointsAtItsPlace() async {
        let backend = ScriptedBackend(["SELECT FORM t": [.failure(syntaxError)]])
        let console = ScriptedConsole(typed: "SELECT FORM t;", "SELECT 1;")
        let code = await session(backend, console).runInteractive()
        #expect(code == 0)
        #expect(
            console.errors == """
                SyntaxException: line 1:7 expected FROM, found 'FORM'
                  SELECT FORM t
                         ^

                """
        )
        #expect(backend.statements == ["SELECT FORM t", "SELECT 1"])
    }

    @Test func aScriptStopsAtItsFirstErrorAndNamesTheLine() async {
        let backend = ScriptedBackend(["SELECT FORM t": [.failure(syntaxError)]])
        let lines = ["-- setup", "SELECT 1;", "SELECT FORM t;", "SELECT 2;"]
        let console = ScriptedConsole(lines.map { .line($0) })
        let code = await session(backend, console).runScript(named: "setup.cql")
        #expect(code == 1)
        #expect(backend.statements == ["SELECT 1", "SELECT FORM t"])
        #expect(console.errors.hasPrefix("setup.cql:3: SyntaxException: line 1:7 expected FROM"))
        #expect(console.shownPrompts.joined().isEmpty)
    }

    @Test func anErrorInALaterLineOfAStatementNamesThatLine() async {
        let error = ShellError(code: 0x2000, message: "line 2:0 expected FROM, found 'FORM'")
        let backend = ScriptedBackend(["SELECT *\nFORM t": [.failure(error)]])
        let console = ScriptedConsole([.line("-- x"), .line("SELECT *"), .line("FORM t;")])
        #expect(await session(backend, console).runScript(named: "x.cql") == 1)
        #expect(console.errors.hasPrefix("x.cql:3: "))
        #expect(console.errors.hasSuffix("\n  FORM t\n  ^\n"))
    }

    @Test func aScriptThatKeepsGoingStillFails() async {
        let backend = ScriptedBackend(["SELECT FORM t": [.failure(syntaxError)]])
        var settings = ShellSettings()
        settings.keepsGoing = true
        let console = ScriptedConsole()
        let code = await session(backend, console, settings).runText("SELECT FORM t; SELECT 2")
        #expect(code == 1)
        #expect(backend.statements == ["SELECT FORM t", "SELECT 2"])
    }

    @Test func aLostConnectionEndsAScriptWithItsOwnCode() async {
        let lost = ShellError(connection: "127.0.0.1:9042 closed the connection")
        let backend = ScriptedBackend(["SELECT 1": [.failure(lost)]])
        var settings = ShellSettings()
        settings.keepsGoing = true
        let console = ScriptedConsole()
        let code = await session(backend, console, settings).runText("SELECT 1; SELECT 2;")
        #expect(code == 2)
        #expect(backend.statements == ["SELECT 1"])
    }

    @Test func aTextNeedsNoFinalSemicolonButAFileDoes() async {
        let backend = ScriptedBackend()
        #expect(await session(backend, ScriptedConsole()).runText("SELECT 1") == 0)
        let console = ScriptedConsole([.line("SELECT 2;"), .line("DELETE FROM t"), .end])
        #expect(await session(backend, console).runScript(named: "x.cql") == 1)
        #expect(backend.statements == ["SELECT 1", "SELECT 2"])
        #expect(
            console.errors
                == "x.cql:2: the file ends within a statement: its final ';' is missing\n"
        )
    }

    @Test func aMissingFileFails() async {
        let console = ScriptedConsole()
        let code = await session(ScriptedBackend(), console).runFile("/nowhere/x.cql")
        #expect(code == 1)
        #expect(console.errors == "cannot open /nowhere/x.cql: No such file or directory\n")
    }

    @Test func exitEndsAScriptEarlyAndWell() async {
        let backend = ScriptedBackend()
        let code = await session(backend, ScriptedConsole()).runText("SELECT 1; EXIT; SELECT 2;")
        #expect(code == 0)
        #expect(backend.statements == ["SELECT 1"])
    }

    @Test func aScriptStreamsAllPagesUnderOneHeader() async {
        let columns: [(String, CQLType)] = [("id", .int)]
        let backend = ScriptedBackend([
            "SELECT id FROM t": [
                rows(columns, [[int(1)]], next: 1), rows(columns, [[int(200)], [nil]]),
            ]
        ])
        let console = ScriptedConsole()
        #expect(await session(backend, console).runText("SELECT id FROM t") == 0)
        #expect(console.output == "\n id\n----\n  1\n  200\n null\n\n(3 rows)\n")
        #expect(backend.lastOptions?.pageSize == 5000)
    }

    @Test func aPersonIsAskedBetweenPagesAndMayStop() async {
        let columns: [(String, CQLType)] = [("id", .int)]
        let backend = ScriptedBackend([
            "SELECT id FROM t": [
                rows(columns, [[int(1)]], next: 1), rows(columns, [[int(2)]], next: 2),
                rows(columns, [[int(3)]]),
            ]
        ])
        let console = ScriptedConsole(typed: "PAGING 1", "SELECT id FROM t;")
        console.wantedPages = 1
        #expect(await session(backend, console).runInteractive() == 0)
        #expect(backend.lastOptions?.pageSize == 1)
        #expect(
            console.output.hasSuffix(
                "\n id\n----\n  1\n\n---MORE---\n id\n----\n  2\n\n---MORE---\n(2 rows so far)\n"
            )
        )
    }

    @Test func settingsReachTheStatements() async {
        let backend = ScriptedBackend()
        let console = ScriptedConsole()
        let text = "CONSISTENCY QUORUM; SERIAL CONSISTENCY LOCAL_SERIAL; TRACING ON; SELECT 1"
        #expect(await session(backend, console).runText(text) == 0)
        #expect(backend.lastOptions?.consistency == .quorum)
        #expect(backend.lastOptions?.serialConsistency == .localSerial)
        #expect(backend.lastOptions?.isTraced == true)
        #expect(console.errors.contains("does not record what a statement does yet"))
    }

    @Test func timingShowsMilliseconds() async {
        let console = ScriptedConsole()
        #expect(await session(ScriptedBackend(), console).runText("TIMING ON; SELECT 1") == 0)
        #expect(console.output == "TIMING set to ON\n1.5 ms\n")
    }

    @Test func unknownCommandsAndTopicsFail() async {
        let console = ScriptedConsole()
        #expect(await session(ScriptedBackend(), console).runText("HELP nothing") == 1)
        #expect(await session(ScriptedBackend(), console).runText("PAGING never") == 1)
        #expect(await session(ScriptedBackend(), console).runText("COPY t FROM 'x.csv'") == 1)
        #expect(console.errors.contains("tholos import"))
    }

    @Test func jsonKeepsTheShapeOfValues() throws {
        func bytes(_ literal: String, _ type: CQLType) throws -> [UInt8] {
            try type.parse(text: literal)
        }
        let map = CQLType.map(.text, .list(.int, frozen: true), frozen: false)
        #expect(
            ValueText.json(try bytes("{'a': [1, 2], 'b\"': []}", map), map)
                == #"{"a": [1, 2], "b\"": []}"#
        )
        let tuple = CQLType.tuple([.int, .text, .boolean])
        #expect(ValueText.json(try bytes("(1, 'x', true)", tuple), tuple) == #"[1, "x", true]"#)
        let moment = try bytes("2026-05-01 12:30:00+0000", .timestamp)
        #expect(ValueText.json(moment, .timestamp) == #""2026-05-01T12:30:00.000Z""#)
        #expect(ValueText.json(try bytes("NaN", .double), .double) == #""NaN""#)
        #expect(ValueText.json(try bytes("-1.5", .double), .double) == "-1.5")
        #expect(ValueText.json([0, 0, 0, 9, 1], .list(.int, frozen: true)) == "[]")
        #expect(ValueText.json(nil, .int) == "null")
    }

    @Test func responsesOfTheProtocolAreResults() throws {
        let trace = UUID(high: 1, low: 2)
        let keyspace = ResponseMessage(
            stream: 0,
            tracingID: trace,
            warnings: ["w"],
            response: .result(.setKeyspace("ks"))
        )
        let result = try ShellResult(keyspace)
        #expect(result.warnings == ["w"])
        #expect(result.traceID == trace)
        guard case .keyspace("ks") = result.body else {
            Issue.record("\(result.body)")
            return
        }
        let refusal = CQLError(.invalid, "no such table")
        #expect(throws: ShellError(code: 0x2200, message: "no such table")) {
            try ShellResult(ResponseMessage(stream: 0, response: .error(refusal)))
        }
        #expect(throws: ShellError.self) {
            try ShellResult(ResponseMessage(stream: 0, response: .ready))
        }
    }

    @Test func warningsAreNoResults() async {
        let warned = ShellResult(.void, warnings: ["the batch is large"])
        let backend = ScriptedBackend(["SELECT 1": [.success(warned)]])
        let console = ScriptedConsole()
        #expect(await session(backend, console).runText("SELECT 1") == 0)
        #expect(console.output.isEmpty)
        #expect(console.errors == "Warning: the batch is large\n")
    }
}
