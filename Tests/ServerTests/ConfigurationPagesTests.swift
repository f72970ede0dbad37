// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Server

/// The pages that are made from the table of settings say what the table says.
///
/// After a change, `REWRITE=1 swift test --filter ConfigurationPages` writes them anew.
@Suite struct ConfigurationPagesTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func sampleFileIsMadeFromTheTable() throws {
        try expectFile("conf/tholos.yaml", toHold: Configuration.sampleFile)
    }

    @Test func pageIsMadeFromTheTable() throws {
        try expectFile("docs/configuration.md", toHold: Configuration.page)
    }

    private func expectFile(_ path: String, toHold expected: String) throws {
        let file = Self.root.appendingPathComponent(path)
        if ProcessInfo.processInfo.environment["REWRITE"] == "1" {
            try Data(expected.utf8).write(to: file)
        }
        let found = try String(contentsOf: file, encoding: .utf8)
        let isCurrent = found == expected
        #expect(isCurrent, "\(path) is out of date: run the tests with REWRITE=1")
    }

    @Test func sampleFileWithEveryLineUncommentedIsTheDefaults() throws {
        var lines: [Substring] = []
        for line in Configuration.sampleFile.split(separator: "\n") {
            let setting = line.dropFirst(2).prefix { $0 != ":" }
            if Setting.named(String(setting)) != nil { lines.append(line.dropFirst(2)) }
        }
        #expect(lines.count == Setting.all.count)
        let yaml = lines.joined(separator: "\n")
        #expect(try Configuration(yaml: yaml, file: "tholos.yaml") == Configuration())
    }

    @Test func sampleFileAsItIsIsTheDefaults() throws {
        let sample = Configuration.sampleFile
        #expect(try Configuration(yaml: sample, file: "tholos.yaml") == Configuration())
    }
}
