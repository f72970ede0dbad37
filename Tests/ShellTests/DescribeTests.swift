// SPDX-License-Identifier: Apache-2.0

import CQLProtocol
import Model
import Shell
import Testing

/// What a person sees of `DESCRIBE`.
@Suite struct DescribeTests {
    private func output(_ answer: ScriptedBackend.Answer, keyspace: String? = nil) async -> String {
        let backend = ScriptedBackend(["DESC x": [answer]])
        let console = ScriptedConsole()
        var settings = ShellSettings()
        settings.keyspace = keyspace
        #expect(await session(backend, console, settings).runText("DESC x") == 0)
        #expect(backend.lastOptions?.consistency == .localOne)
        return console.output
    }

    private let named: [(String, CQLType)] = [
        ("keyspace_name", .text), ("type", .text), ("name", .text),
    ]

    @Test func statementsThatMakeAThingAgainArePlainText() async {
        let answer = rows(
            named + [("create_statement", .text)],
            [[text("ks"), text("table"), text("t"), text("CREATE TABLE ks.t (\n    a int\n);")]]
        )
        #expect(await output(answer) == "\nCREATE TABLE ks.t (\n    a int\n);\n\n")
    }

    @Test func keyspacesStandSideBySide() async {
        let names = ["shop", "system", "system_schema"]
        let answer = rows(named, names.map { [text($0), text("keyspace"), text($0)] })
        #expect(await output(answer) == "\nshop  system  system_schema\n\n")
    }

    @Test func tablesStandUnderTheirKeyspaces() async {
        let names = [("a", "one"), ("a", "two"), ("b", "three")]
        let answer = rows(named, names.map { [text($0), text("table"), text($1)] })
        #expect(
            await output(answer)
                == "\nKeyspace a\n----------\none  two\n\nKeyspace b\n----------\nthree\n\n"
        )
        #expect(await output(answer, keyspace: "a").hasPrefix("\none  two\n"))
    }

    @Test func manyNamesFillTheScreenDownwards() {
        let names = (1...9).map { "table_\($0)" }
        #expect(
            TableLayout.columns(names, width: 30) == """
                table_1  table_4  table_7
                table_2  table_5  table_8
                table_3  table_6  table_9

                """
        )
        #expect(TableLayout.columns(names, width: 5).split(separator: "\n").count == 9)
    }

    @Test func theClusterIsSummedUp() async {
        let columns: [(String, CQLType)] = [
            ("cluster", .text), ("partitioner", .text), ("snitch", .text),
        ]
        let answer = rows(columns, [[text("Test"), text("Murmur3"), text("Simple")]])
        #expect(
            await output(answer) == "\nCluster: Test\nPartitioner: Murmur3\nSnitch: Simple\n\n"
        )
    }
}
