// SPDX-License-Identifier: Apache-2.0

import CQL
import Shell
import Testing

/// What HELP says is true: its examples are CQL, and every topic can be asked for.
@Suite struct HelpTests {
    @Test func theExamplesAreStatementsOfTheirTopic() throws {
        for topic in HelpTopics.statements where topic.name != "TYPES" {
            var splitter = InputSplitter()
            var examples: [String] = []
            for line in topic.examples.split(separator: "\n", omittingEmptySubsequences: false) {
                examples += splitter.append(line: String(line)).map(\.text)
            }
            #expect(!examples.isEmpty, "\(topic.name) has no example")
            #expect(splitter.pending == .nothing, "\(topic.name)")
            let opening = topic.name == "BATCH" ? "BEGIN" : topic.name
            for example in examples {
                #expect(example.hasPrefix(opening))
                #expect(throws: Never.self, "\(example)") { try CQLParser.parse(example) }
            }
        }
    }

    @Test func everyTopicIsListedAndExplained() {
        let overview = HelpTopics.overview(width: 80)
        for name in HelpTopics.names {
            #expect(overview.contains("  \(name) "))
            #expect(HelpTopics.text(of: name.lowercased())?.hasPrefix("\n\(name): ") == true)
        }
        for line in overview.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        #expect(HelpTopics.text(of: "nothing") == nil)
    }
}
