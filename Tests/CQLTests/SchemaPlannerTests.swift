// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQL
import CQLProtocol
import Model
import Testing

/// Statements that change the schema, one after the other, with what they did or why not.
@Suite("Schema statements")
struct SchemaPlannerTests {
    @Test("plans and errors are as written down", arguments: ["keyspaces", "tables", "options"])
    func golden(_ name: String) throws {
        var script = SchemaScript()
        try GoldenFile("schema-\(name).txt").check { directive in
            switch directive.command {
            case "plan": script.run(directive.input)
            case "describe": script.describe(directive.input)
            default: "unknown command \(directive.command)\n"
            }
        }
    }

    @Test("an added column never has the id of one that was dropped")
    func columnIdentity() throws {
        var script = SchemaScript()
        _ = script.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'}")
        _ = script.run("CREATE TABLE k.t (a int PRIMARY KEY, b int, c text)")
        let first = try #require(script.schema.table("k", "t"))
        #expect(first.columns.map(\.id) == [0, 1, 2])
        _ = script.run("ALTER TABLE k.t DROP b")
        _ = script.run("ALTER TABLE k.t ADD b int")
        let second = try #require(script.schema.table("k", "t"))
        #expect(second.id == first.id)
        #expect(second.column("b")?.id == 3)
        #expect(second.nextColumnID == 4)
        #expect(second.droppedColumns.map(\.name) == ["b"])
        #expect(second.droppedColumns.map(\.droppedTime) == [SchemaScript.now])
    }

    @Test("TRUNCATE keeps the table and gives its data another name")
    func truncation() throws {
        var script = SchemaScript()
        _ = script.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'}")
        _ = script.run("CREATE TABLE k.t (a int PRIMARY KEY)")
        let before = try #require(script.schema.table("k", "t"))
        _ = script.run("TRUNCATE k.t")
        let after = try #require(script.schema.table("k", "t"))
        #expect(after.id == before.id)
        #expect(after.storageID != before.storageID)
    }

    @Test("a table's id can be chosen, but not one that is taken")
    func chosenID() throws {
        var script = SchemaScript()
        let id = "11111111-2222-4333-8444-555555555555"
        _ = script.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'}")
        _ = script.run("CREATE TABLE k.t (a int PRIMARY KEY) WITH id = \(id)")
        #expect(script.schema.table("k", "t")?.id.description == id)
        let answer = script.run("CREATE TABLE k.u (a int PRIMARY KEY) WITH id = \(id)")
        #expect(answer == "error 2300: The table id \(id) is that of k.t already\n")
    }
}

/// A schema and the statements that are run on it.
struct SchemaScript {
    static let now: Int64 = 1_700_000_000_000_000

    private(set) var schema = Schema()
    private var counter: UInt64 = 0

    /// Plans and applies a statement; what it did, as text.
    mutating func run(_ text: String) -> String {
        do {
            let statement = try CQLParser.parse(text).statement
            var made = counter
            let plan = try SchemaPlanner.plan(
                statement,
                schema: schema,
                currentKeyspace: schema.keyspaces["current"] == nil ? nil : "current",
                now: Self.now
            ) {
                made += 1
                return UUID(high: 0, low: made)
            }
            counter = made
            for edit in plan.edits {
                counter += 1
                schema.apply(edit, version: UUID(high: 1, low: counter))
            }
            return describe(plan)
        } catch let error as CQLError {
            let code = String(error.code, radix: 16)
            return "error \(code): \(error.message)\n"
        } catch {
            return "\(error)\n"
        }
    }

    /// The statements that make a keyspace or a table of the schema.
    func describe(_ name: String) -> String {
        let parts = name.split(whereSeparator: \.isWhitespace).joined().split(separator: ".")
        guard let keyspace = schema.keyspaces[String(parts[0])] else { return "no keyspace\n" }
        guard parts.count > 1 else { return SchemaText.keyspace(keyspace) + "\n" }
        guard let table = keyspace.tables[String(parts[1])] else { return "no table\n" }
        return SchemaText.table(table, withInternals: true) + "\n"
    }

    private func describe(_ plan: SchemaPlan) -> String {
        var text = ""
        if plan.edits.isEmpty { text += "nothing to do\n" }
        if plan.change == nil, !plan.edits.isEmpty { text += "changed silently\n" }
        if let change = plan.change { text += "\(change.kind.rawValue) \(change.target)\n" }
        for warning in plan.warnings { text += "warning: \(warning)\n" }
        return text
    }
}
