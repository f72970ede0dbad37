// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import Shell
import Testing

/// Where statements end, and where the shell believes they began.
@Suite struct InputSplitterTests {
    /// The statements of a text, and what its rest waits for.
    private func split(_ text: String) -> (texts: [String], pending: InputSplitter.Pending) {
        var splitter = InputSplitter()
        var texts: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            texts += splitter.append(line: String(line)).map(\.text)
        }
        return (texts, splitter.pending)
    }

    @Test(arguments: [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT *\n  FROM t\n;", ["SELECT *\n  FROM t"]),
        ("INSERT INTO t (a) VALUES ('x;y');", ["INSERT INTO t (a) VALUES ('x;y')"]),
        ("INSERT INTO t (a) VALUES ('it''s;');", ["INSERT INTO t (a) VALUES ('it''s;')"]),
        ("SELECT \"a;b\" FROM t;", ["SELECT \"a;b\" FROM t"]),
        ("SELECT \"a\"\";b\" FROM t;", ["SELECT \"a\"\";b\" FROM t"]),
        ("INSERT INTO t (a) VALUES ($$x'; y$$);", ["INSERT INTO t (a) VALUES ($$x'; y$$)"]),
        ("INSERT INTO t (a) VALUES ('two\nlines');", ["INSERT INTO t (a) VALUES ('two\nlines')"]),
        ("-- one; two\nSELECT 1;", ["SELECT 1"]),
        ("// one; two\nSELECT 1;", ["SELECT 1"]),
        ("/* one;\n two; */ SELECT 1;", ["SELECT 1"]),
        ("SELECT 1 -- it's;\n;", ["SELECT 1 -- it's;"]),
        ("SELECT /* ; ' */ 1;", ["SELECT /* ; ' */ 1"]),
        (";;  ;SELECT 1;;", ["SELECT 1"]),
        ("SELECT 'ü;'; SELECT 'β';", ["SELECT 'ü;'", "SELECT 'β'"]),
        (
            "BEGIN BATCH INSERT INTO t (a) VALUES (1); DELETE FROM t WHERE a=2; APPLY BATCH; SELECT 1;",
            [
                "BEGIN BATCH INSERT INTO t (a) VALUES (1); DELETE FROM t WHERE a=2; APPLY BATCH",
                "SELECT 1",
            ]
        ),
        (
            "begin unlogged batch\nupdate t set a=';apply batch;' where b=1;\napply batch;",
            ["begin unlogged batch\nupdate t set a=';apply batch;' where b=1;\napply batch"]
        ),
        ("HELP\nSELECT 1;", ["HELP", "SELECT 1"]),
        ("? select\nEXIT;", ["? select", "EXIT"]),
        ("USE ks\nDESCRIBE TABLES\nSELECT 1;", ["USE ks", "DESCRIBE TABLES", "SELECT 1"]),
        ("USE\n  ks;", ["USE\n  ks"]),
        ("consistency quorum -- more\nSELECT 1;", ["consistency quorum -- more", "SELECT 1"]),
    ])
    func endsStatementsAtTheirSemicolons(input: String, expected: [String]) {
        let result = split(input)
        #expect(result.texts == expected)
        #expect(result.pending == .nothing)
    }

    @Test(arguments: [
        ("", InputSplitter.Pending.nothing),
        ("-- only a comment", .nothing),
        ("SELECT 1", .semicolon),
        ("SELECT 1;\n\nSELECT 'x\ny", .string(line: 3)),
        ("SELECT $$x'", .string(line: 1)),
        ("SELECT \"x", .name(line: 1)),
        ("SELECT 1;\n/* x", .comment(line: 2)),
        ("SELECT 1; BEGIN BATCH INSERT INTO t (a) VALUES (1);", .batch(line: 1)),
    ])
    func saysWhatIsMissing(input: String, expected: InputSplitter.Pending) {
        #expect(split(input).pending == expected)
    }

    @Test func knowsWhereAStatementBegan() {
        var splitter = InputSplitter()
        #expect(splitter.append(line: "-- first").isEmpty)
        let two = splitter.append(line: "ü'x'; /* y */ SELECT 1; SELECT")
        #expect(two.map(\.line) == [2, 2])
        #expect(two.map(\.column) == [0, 14])
        let three = splitter.append(line: "2;")
        #expect(three.map(\.line) == [2])
        #expect(three.map(\.column) == [24])
        #expect(splitter.lineCount == 3)
    }

    /// The parser's own splitter sees a whole text at once; both have to agree on it.
    @Test(arguments: [
        "SELECT 1; SELECT 'a;''b' ; -- x;\nSELECT \"q;\" FROM t;",
        "/* ; */ SELECT $$ ; ' $$; // y;\n;;SELECT 2;",
        "BEGIN UNLOGGED BATCH INSERT INTO t (a) VALUES (1); APPLY BATCH; SELECT 3;",
        "BEGIN BATCH UPDATE t SET batch = 1; -- ; apply batch;\n APPLY BATCH ; SELECT 'ü';",
        "SELECT 1.5e-3, -2, 0xff, ?, :name FROM \"k\".t WHERE a >= 'x' AND b IN (1, 2);",
    ])
    func agreesWithTheParser(input: String) {
        var expected: [String] = []
        let bytes = Array(input.utf8)
        bytes.withView { view in
            var start = 0
            while case .statement(let range, let rest) = StatementSplitter.first(
                in: view,
                from: start
            ) {
                let text = String(decoding: bytes[range], as: UTF8.self)
                let isBlank = text.allSatisfy { $0.isWhitespace }
                if !isBlank { expected.append(text) }
                start = rest
            }
        }
        let trimmed = expected.map { text in
            String(text.reversed().drop { $0.isWhitespace }.reversed())
        }
        #expect(split(input).texts == trimmed)
        #expect(!trimmed.isEmpty)
    }

    @Test func forgetsWhatIsCancelled() {
        var splitter = InputSplitter()
        _ = splitter.append(line: "BEGIN BATCH INSERT 'x")
        splitter.cancel()
        #expect(splitter.pending == .nothing)
        #expect(splitter.append(line: "SELECT 1;").map(\.text) == ["SELECT 1"])
    }

    @Test func returnsARestWithoutASemicolon() {
        var splitter = InputSplitter()
        _ = splitter.append(line: "SELECT 1; SELECT 2  ")
        #expect(splitter.finishRest()?.text == "SELECT 2")
        #expect(splitter.finishRest() == nil)
    }
}
