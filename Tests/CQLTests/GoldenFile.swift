// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A file of commands with the answers that are expected:
///
///     command
///     input
///     ----
///     expected
///
/// and an empty line; lines with `#` between these are comments. With `REWRITE=1` in the
/// environment the answers are written instead of compared.
struct GoldenFile {
    struct Directive {
        var line: Int
        var comments: [String]
        var command: String
        var input: String
        var expected: String
    }

    let path: String
    private(set) var directives: [Directive] = []

    init(_ name: String, testFile: String = #filePath) throws {
        let folder = URL(fileURLWithPath: testFile).deletingLastPathComponent()
        path = folder.appendingPathComponent("testdata/\(name)").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var index = 0
        var comments: [String] = []
        while index < lines.count {
            let line = lines[index]
            index += 1
            if line.isEmpty || line.hasPrefix("#") {
                if !line.isEmpty { comments.append(String(line)) }
                continue
            }
            var directive = Directive(
                line: index, comments: comments, command: String(line), input: "", expected: "")
            comments = []
            while index < lines.count, lines[index] != "----" {
                directive.input += lines[index] + "\n"
                index += 1
            }
            index += 1
            while index < lines.count, !lines[index].isEmpty {
                directive.expected += lines[index] + "\n"
                index += 1
            }
            directives.append(directive)
        }
    }

    /// Compares what `body` answers to each directive, or rewrites the file.
    func check(_ body: (Directive) -> String) throws {
        let rewrites = ProcessInfo.processInfo.environment["REWRITE"] == "1"
        var output = ""
        for directive in directives {
            let answer = body(directive)
            if rewrites {
                let head = (directive.comments + [directive.command]).joined(separator: "\n")
                output += "\(head)\n\(directive.input)----\n\(answer)\n"
            } else {
                #expect(answer == directive.expected, "\(path):\(directive.line)")
            }
        }
        if rewrites { try output.write(toFile: path, atomically: true, encoding: .utf8) }
    }
}
