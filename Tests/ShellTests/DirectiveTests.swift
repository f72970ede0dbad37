// SPDX-License-Identifier: Apache-2.0

import CQLProtocol
import Model
import Shell
import Testing

/// Which input the shell carries out by itself, and what it understands by it.
@Suite struct DirectiveTests {
    @Test(arguments: [
        ("help", Directive.help([])),
        ("HELP create table", .help(["create", "table"])),
        ("?", .help([])),
        ("?select", .help(["select"])),
        ("exit", .exit),
        ("Quit", .exit),
        ("CLS", .clear),
        ("consistency", .consistency(nil)),
        ("CONSISTENCY local_quorum", .consistency(.localQuorum)),
        ("serial consistency", .serialConsistency(nil)),
        ("SERIAL CONSISTENCY LOCAL_SERIAL", .serialConsistency(.localSerial)),
        ("PAGING", .paging(nil)),
        ("PAGING OFF", .paging(.off)),
        ("paging 25", .paging(.size(25))),
        ("EXPAND ON", .flag(.expand, true)),
        ("TRACING", .flag(.tracing, nil)),
        ("ELAPSED off", .flag(.timing, false)),
        ("FORMAT csv", .format(.csv)),
        ("SOURCE '~/a file.cql'", .source("~/a file.cql")),
        ("CAPTURE", .capture(nil)),
        ("CAPTURE off", .capture(.off)),
        ("CAPTURE 'off'", .capture(.file("off"))),
        ("SHOW VERSION", .show(.version)),
        ("show session 1-2", .show(.session("1-2"))),
        ("HISTORY 3", .history(3)),
        ("COPY t TO 'x.csv'", .copy),
    ])
    func understands(input: String, expected: Directive) {
        #expect(Directive.parse(input) == expected)
    }

    @Test(arguments: [
        "SELECT 1", "DESCRIBE TABLES", "USE ks", "\"HELP\"", "helper", "consistencyx",
    ])
    func leavesStatementsToTheDatabase(input: String) {
        #expect(Directive.parse(input) == nil)
    }

    @Test(arguments: [
        ("CONSISTENCY MOST", "there is no consistency level 'MOST'"),
        ("SERIAL", "expected SERIAL CONSISTENCY"),
        ("SERIAL CONSISTENCY ONE", "'ONE' is no serial consistency level"),
        ("PAGING 0", "expected PAGING [ON | OFF | rows of a page], found '0'"),
        ("PAGING 99999999999999999999", "found '99999999999999999999'"),
        ("EXPAND maybe", "expected EXPAND [ON | OFF], found 'maybe'"),
        ("SOURCE", "expected SOURCE 'file'"),
        ("SHOW TABLES", "expected SHOW VERSION"),
        ("FORMAT xml", "expected FORMAT [TABLE | JSON | CSV], found 'xml'"),
        ("EXIT now", "EXIT takes nothing like 'now'"),
    ])
    func saysWhatIsWrong(input: String, expected: String) {
        guard case .malformed(let message) = Directive.parse(input) else {
            Issue.record("\(input) was understood")
            return
        }
        #expect(message.contains(expected))
    }

    @Test func explainsEveryCommandThatEndsWithItsLine() {
        for word in Directive.lineWords.subtracting(["LOGIN"]) {
            #expect(HelpTopics.text(of: word) != nil, "no help on \(word)")
        }
    }
}
