// SPDX-License-Identifier: Apache-2.0

/// What `HELP` says.
package enum HelpTopics {
    /// A topic: its name, one line about it, how it is written, and statements to try.
    package struct Topic: Sendable {
        package let name: String
        let summary: String
        let text: String
        package var examples = ""
    }

    /// The topics about CQL.
    package static var statements: [Topic] { StatementTopics.all }

    /// The names of all topics.
    package static var names: [String] { (ShellTopics.all + StatementTopics.all).map(\.name) }

    /// All topics with a line each.
    package static func overview(width: Int) -> String {
        var text = "\nCommands of the shell (they end with the line):\n\n"
        text += list(ShellTopics.all)
        text += "\nStatements (they end with a semicolon):\n\n"
        text += list(StatementTopics.all)
        text +=
            "\nHELP topic says more, such as HELP SELECT. Tab completes, the arrow keys recall,\n"
        text += "Ctrl-C drops what is typed, Ctrl-D leaves.\n\n"
        return text
    }

    /// What is to be said of a topic; nil when there is none of that name.
    package static func text(of name: String) -> String? {
        let upper = name.uppercased()
        let aliases = [
            "?": "HELP", "QUIT": "EXIT", "DESC": "DESCRIBE", "CLS": "CLEAR", "ELAPSED": "TIMING",
            "BEGIN": "BATCH", "BEGIN BATCH": "BATCH", "APPLY": "BATCH",
            "SERIAL": "SERIAL CONSISTENCY",
            "CREATE": "CREATE TABLE", "ALTER": "ALTER TABLE", "DROP": "DROP TABLE",
            "DATA TYPES": "TYPES",
        ]
        let wanted = aliases[upper] ?? upper
        let all = ShellTopics.all + StatementTopics.all
        guard let topic = all.first(where: { $0.name == wanted }) else { return nil }
        let examples = topic.examples.isEmpty ? "" : indented(topic.examples) + "\n"
        return "\n\(topic.name): \(topic.summary)\n\n" + indented(topic.text) + "\n" + examples
    }

    private static func list(_ topics: [Topic]) -> String {
        let width = topics.map(\.name.count).max() ?? 0
        return topics.map { topic in
            let gap = String(repeating: " ", count: width - topic.name.count + 2)
            return "  \(topic.name)\(gap)\(topic.summary)\n"
        }.joined()
    }

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "\n" : "  \($0)\n" }.joined()
    }
}
