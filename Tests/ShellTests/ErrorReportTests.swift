// SPDX-License-Identifier: Apache-2.0

import Shell
import Testing

/// Where the caret of an error stands.
@Suite struct ErrorReportTests {
    private func render(_ message: String, _ statement: String) -> [String] {
        let error = ShellError(code: 0x2000, message: message)
        return ErrorReport.render(error, statement: statement, place: "")
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func standsBelowTheCharacterInItsLine() {
        let lines = render("line 2:5 expected a name", "SELECT *\nFROM WHERE a = 1")
        #expect(
            lines == [
                "SyntaxException: line 2:5 expected a name", "  FROM WHERE a = 1", "       ^", "",
            ]
        )
    }

    @Test func countsWideCharactersAndTabsAsTheScreenDoes() {
        #expect(render("line 1:3 x", "'日本' x")[2] == "       ^")
        #expect(render("line 1:1 x", "\tx")[1] == "   x")
        #expect(render("line 1:1 x", "\tx")[2] == "   ^")
    }

    @Test func staysInsideALongLine() {
        let lines = render("line 1:500 x", String(repeating: "a", count: 500) + "!" + "bbbb")
        #expect(lines[1].count <= 104)
        let caret = lines[2].firstIndex(of: "^").map {
            lines[2].distance(from: lines[2].startIndex, to: $0)
        }
        #expect(caret.map { Array(lines[1])[$0] } == "!")
    }

    @Test func pointsBehindTheEndWhenInputIsMissing() {
        #expect(render("line 1:99 unexpected end", "SELECT")[2] == "        ^")
    }

    @Test(arguments: ["no position", "line x:1 y", "line 0:1 y", "line 7:1 beyond the statement"])
    func isLeftOutWithoutAPlace(message: String) {
        #expect(render(message, "SELECT") == ["SyntaxException: " + message, ""])
    }

    @Test func namesTheErrorByItsCode() {
        #expect(ShellError(code: 0x2400, message: "x").description == "AlreadyExists: x")
        #expect(ShellError(code: 0x1100, message: "x").description == "WriteTimeout: x")
        #expect(ShellError(code: 0x7777, message: "x").description == "Error 0x7777: x")
    }
}
