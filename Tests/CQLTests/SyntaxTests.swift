// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import Testing

@Suite struct SyntaxTests {
    @Test(arguments: [
        "select.txt", "write.txt", "table.txt", "schema.txt", "access.txt", "describe.txt",
        "terms.txt", "errors.txt", "split.txt",
    ])
    func statementsReadAsWritten(file: String) throws {
        try GoldenFile(file).check { directive in
            switch directive.command {
            case "parse":
                let text = String(directive.input.dropLast())
                do {
                    return Outline.of(try CQLParser.parse(text)) + "\n"
                } catch {
                    return "\(error)\n"
                }
            case "split":
                return pieces(directive.input)
            default:
                return "unknown command\n"
            }
        }
    }

    /// Each statement in brackets on one line, then why the rest isn't one.
    private func pieces(_ text: String) -> String {
        let bytes = Array(text.utf8)
        return bytes.withView { view in
            var lines = ""
            var start = 0
            while true {
                switch StatementSplitter.first(in: view, from: start) {
                case .blank:
                    return lines + "blank\n"
                case .incomplete(let why):
                    return lines + "incomplete: \(why)\n"
                case .statement(let range, let rest):
                    let text = String(decoding: view[range].buffer, as: UTF8.self)
                    lines += "[" + text.split(separator: "\n").joined(separator: "⏎") + "]\n"
                    start = rest
                }
            }
        }
    }

    private func message(_ text: String, limits: SyntaxLimits = SyntaxLimits()) -> String {
        do {
            _ = try CQLParser.parse(text, limits: limits)
            return "parsed"
        } catch {
            return error.description
        }
    }

    /// Every way to nest is bounded; the stack never is what ends it.
    @Test func nestingIsBounded() {
        let count = 200_000
        func nest(_ open: String, _ middle: String, _ close: String, _ depth: Int) -> String {
            String(repeating: open, count: depth) + middle + String(repeating: close, count: depth)
        }
        let shapes: [(String, String, String, String, String)] = [
            ("SELECT * FROM t WHERE a = ", "[", "1", "]", ""),
            ("SELECT * FROM t WHERE a = ", "{", "1", "}", ""),
            ("SELECT * FROM t WHERE a = ", "(", "1", ")", ""),
            ("SELECT * FROM t WHERE a = ", "{a: ", "1", "}", ""),
            ("SELECT * FROM t WHERE a = ", "{1: ", "1", "}", ""),
            ("SELECT * FROM t WHERE a = ", "f(", "1", ")", ""),
            ("SELECT * FROM t WHERE a = ", "(int) ", "1", "", ""),
            ("SELECT * FROM t WHERE a = ", "- ", "f()", "", ""),
            ("SELECT * FROM t WHERE a = ", "1 + ", "1", "", ""),
            ("SELECT * FROM t WHERE a = ", "1 * ", "1", "", ""),
            ("SELECT * FROM t WHERE ", "(", "a = 1", ")", ""),
            ("SELECT a", ".b", "", "", " FROM t"),
            ("SELECT a", "[1]", "", "", " FROM t"),
            ("SELECT a[", "f(", "1", ")", "] FROM t"),
            ("SELECT ", "CAST(", "1", " AS int)", " FROM t"),
            ("CREATE TABLE t (a ", "list<", "int", ">", ")"),
            ("CREATE TABLE t (a ", "frozen<map<int, ", "int", ">>", ")"),
            ("CREATE TABLE t (a ", "tuple<", "int", ">", ")"),
        ]
        for (head, open, middle, close, tail) in shapes {
            let deep = message(head + nest(open, middle, close, count) + tail)
            #expect(deep.hasSuffix("nested deeper than 64 levels"), "\(head)\(open) \(deep)")
            let shallow = message(head + nest(open, middle, close, 20) + tail)
            #expect(shallow == "parsed", "\(head)\(open) \(shallow)")
        }
    }

    /// The tallest tree that the limit allows: in each parenthesis as long a chain as may be.
    @Test func tallestTreeIsReadAndReleased() {
        var fields = "a"
        var sums = "1"
        for level in 1..<61 {
            fields = "(\(fields))" + String(repeating: ".b", count: level)
            sums = "(\(sums))" + String(repeating: " + 1", count: level)
        }
        #expect(message("SELECT \(fields) FROM t") == "parsed")
        #expect(message("SELECT * FROM t WHERE a = \(sums)") == "parsed")
    }

    @Test func depthIsCountedFromTheSetting() {
        var limits = SyntaxLimits()
        limits.nestingDepthMax = 3
        #expect(message("SELECT * FROM t WHERE a = [[1]]", limits: limits) == "parsed")
        #expect(
            message("SELECT * FROM t WHERE a = [[[1]]]", limits: limits)
                == "line 1:29 nested deeper than 3 levels")
    }

    @Test func sizeIsBounded() {
        var limits = SyntaxLimits()
        limits.statementSizeMax = 20
        #expect(message("SELECT * FROM ttttt;", limits: limits) == "parsed")
        #expect(
            message("SELECT * FROM tttttt;", limits: limits)
                == "line 1:0 the statement has 21 bytes; at most 20 are allowed")
    }

    @Test func bindMarkersAreBounded() throws {
        let most = String(repeating: "?,", count: 65_534) + "?"
        let parsed = try CQLParser.parse("SELECT * FROM t WHERE a IN (\(most))")
        #expect(parsed.markers.count == 65_535)
        let tooMany = message("SELECT * FROM t WHERE a IN (\(most), ?)")
        #expect(tooMany == "line 1:131099 more than 65535 bind markers")
    }

    /// Wide statements need no stack: many elements, conditions or statements side by side.
    @Test func widthIsNotBounded() throws {
        let elements = String(repeating: "1,", count: 50_000) + "1"
        #expect(message("INSERT INTO t (a) VALUES ([\(elements)])") == "parsed")
        let relations = String(repeating: "a = 1 AND ", count: 20_000) + "b = 2"
        #expect(message("SELECT * FROM t WHERE \(relations)") == "parsed")
    }

    @Test func everyPrefixAndEveryDamagedByteIsAnAnswer() throws {
        for file in ["select.txt", "write.txt", "table.txt", "terms.txt"] {
            for directive in try GoldenFile(file).directives {
                let bytes = Array(directive.input.utf8)
                for end in bytes.indices {
                    Array(bytes[..<end]).withView { CQLSyntaxFuzz.run($0) }
                    var damaged = bytes
                    damaged[end] = damaged[end] &* 167 &+ 13
                    damaged.withView { CQLSyntaxFuzz.run($0) }
                }
            }
        }
    }

    @Test func namesAreQuotedWhenTheyNeedIt() {
        let names: [(String, String)] = [
            ("users", "users"), ("a_1", "a_1"), ("key", "key"), ("ttl", "ttl"),
            ("select", "\"select\""), ("Users", "\"Users\""), ("1a", "\"1a\""),
            ("_a", "\"_a\""), ("", "\"\""), ("a b", "\"a b\""), ("a\"b", "\"a\"\"b\""),
            ("été", "\"été\""), ("nan", "\"nan\""), ("true", "\"true\""),
        ]
        for (name, written) in names {
            #expect(CQLIdentifier.quotedIfNeeded(name) == written)
        }
        #expect(CQLIdentifier.stringLiteral("it's") == "'it''s'")
    }

    @Test func quotedNamesReadBackAsTheyWere() throws {
        for name in ["users", "select", "Users", "a\"b", "a b", "été", "timeout", "unlogged"] {
            let parsed = try CQLParser.parse("USE " + CQLIdentifier.quotedIfNeeded(name))
            guard case .use(let identifier) = parsed.statement else {
                Issue.record("not a USE")
                continue
            }
            #expect(identifier.name == name)
        }
    }
}
