// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import Shell
import Testing

/// The layout of results, against `Golden/tables.txt`.
///
/// A case is a line of options, the columns, the rows, `----`, what is printed and `====`. Set REWRITE
/// to print the cases as they come out now.
@Suite struct GoldenTableTests {
    private struct Case {
        var title = ""
        var options: Set<String> = []
        var columns: [(String, CQLType)] = []
        var rows: [[[UInt8]?]] = []
        var expected = ""
    }

    private func cases() throws -> [Case] {
        let file = try #require(
            Bundle.module.url(forResource: "tables", withExtension: "txt", subdirectory: "Golden")
        )
        var cases: [Case] = []
        var lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")[...]
        while let line = lines.popFirst() {
            guard line.hasPrefix("case ") else { continue }
            var found = Case(title: line)
            found.options = Set(line.components(separatedBy: " ").dropFirst())
            for column in lines.removeFirst().components(separatedBy: " ") {
                let parts = column.components(separatedBy: ":")
                found.columns.append((parts[0], try #require(CQLType.scalars[parts[1]])))
            }
            while let line = lines.popFirst(), line != "----" {
                let fields = line.components(separatedBy: "|")
                found.rows.append(zip(fields, found.columns).map { value($0, $1.1) })
            }
            while let line = lines.popFirst(), line != "====" { found.expected += line + "\n" }
            cases.append(found)
        }
        return cases
    }

    private func value(_ field: String, _ type: CQLType) -> [UInt8]? {
        if field == "null" { return nil }
        if type == .int { return int(Int32(field) ?? 0) }
        return text(field.replacingOccurrences(of: "\\n", with: "\n"))
    }

    @Test func resultsLookAsRecorded() async throws {
        let cases = try cases()
        #expect(cases.count >= 9)
        for golden in cases {
            let backend = ScriptedBackend(["SELECT 1": [rows(golden.columns, golden.rows)]])
            let console = ScriptedConsole(
                [.line("SELECT 1;")],
                isInteractive: golden.options.contains("person"),
                usesColour: golden.options.contains("colour")
            )
            var settings = ShellSettings()
            settings.isExpanded = golden.options.contains("expand")
            if golden.options.contains("json") { settings.format = .json }
            if golden.options.contains("csv") { settings.format = .csv }
            #expect(await session(backend, console, settings).runText("SELECT 1;") == 0)
            let actual = console.output.replacingOccurrences(of: "\u{1B}", with: "^")
            if ProcessInfo.processInfo.environment["REWRITE"] != nil {
                print("\(golden.title)\n\(actual)====")
            }
            #expect(actual == golden.expected, "\(golden.title)")
        }
    }
}
