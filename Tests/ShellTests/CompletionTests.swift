// SPDX-License-Identifier: Apache-2.0

import Shell
import Testing

/// What Tab offers.
@Suite struct CompletionTests {
    private func matches(_ before: String, _ word: String, earlier: String = "") -> [String] {
        var names = Completion.Names()
        names.tables = ["shop": ["orders", "order_lines"], "system": ["local"]]
        names.columns = ["shop.orders": ["customer", "city"], "system.local": ["key"]]
        let completion = Completion(names: names, keyspace: "shop", earlier: earlier)
        return completion.matches(of: word, after: before)
    }

    @Test func beginsWithStatementsInThePersonsCase() {
        #expect(matches("", "SE") == ["SELECT", "SERIAL"])
        #expect(matches("", "sel") == ["select"])
    }

    @Test func offersTablesAndKeyspacesWhereTheyBelong() {
        #expect(matches("SELECT * FROM ", "") == ["order_lines", "orders", "shop", "system"])
        #expect(matches("SELECT * FROM ", "orders") == ["orders"])
        #expect(matches("SELECT * FROM system.", "l") == ["local"])
        #expect(matches("USE ", "sh") == ["shop"])
        #expect(matches("DESCRIBE ", "TAB") == ["TABLE", "TABLES"])
        #expect(matches("CONSISTENCY ", "local") == ["local_one", "local_quorum", "local_serial"])
    }

    @Test func offersTheColumnsOfTheTablesThatAreNamed() {
        #expect(matches("SELECT * FROM orders WHERE ", "c").starts(with: ["city", "customer"]))
        #expect(matches("WHERE ", "cu", earlier: "SELECT * FROM orders").first == "customer")
        #expect(matches("SELECT * FROM system.local WHERE ", "ke").first == "key")
    }

    @Test func putsADotAfterAKeyspaceWhereATableIsWanted() {
        var names = Completion.Names()
        names.tables = ["shop": ["orders"]]
        let completion = Completion(names: names, keyspace: nil, earlier: "")
        #expect(completion.isQualifier(["shop"], after: "SELECT * FROM "))
        #expect(!completion.isQualifier(["shop"], after: "USE "))
        #expect(!completion.isQualifier(["orders"], after: "SELECT * FROM shop."))
    }

    @Test func widthsAreThoseOfATerminal() {
        #expect(DisplayWidth.of("abc") == 3)
        #expect(DisplayWidth.of("日本") == 4)
        #expect(DisplayWidth.of("é") == 1)
        #expect(DisplayWidth.of("👍🏽") == 2)
        #expect(DisplayWidth.of("🇩🇪") == 2)
        #expect(DisplayWidth.of("e\u{301}") == 1)
    }
}
