// SPDX-License-Identifier: Apache-2.0

import Import
import Model
import Testing

@Suite("NDJSON files into rows")
struct NDJSONTests {
    private func run(
        _ table: ImportTable,
        _ text: String,
        _ change: (inout ImportOptions) -> Void = { _ in }
    ) async throws -> (rows: [String], summary: ImportJob.Summary, rejects: String) {
        let fixture = Fixture(table)
        try fixture.write("in.ndjson", text)
        var options = fixture.options("in.ndjson")
        change(&options)
        let summary = try await fixture.run(options)
        return (fixture.rows, summary, try fixture.read("demo.t.rejects.csv") ?? "")
    }

    @Test("Fields in any order; missing and null ones are not written; strings are unescaped")
    func objects() async throws {
        let table = Fixture.table(["id": .int, "name": .text, "x": .double, "ok": .boolean])
        let found = try await run(
            table,
            """
            {"id": 1, "name": "a\\"\\u00e9\\ud83d\\ude00\\n", "x": 1.5, "ok": true}

            {"x": -2e3, "id": 2, "name": null}
            { "name" : "NA" , "id" : "3" }
            """
        )
        #expect(found.summary.rejected == 0)
        #expect(
            found.rows == [
                "id=1 name='a\"é😀\n' x=1.5 ok=true", "id=2 x=-2000.0", "id=3",
            ]
        )
    }

    @Test("Arrays and objects go into collections, or as JSON into texts")
    func nested() async throws {
        let table = Fixture.table([
            "id": .int, "l": .list(.int, frozen: false), "m": .map(.text, .int, frozen: false),
            "j": .text,
        ])
        let found = try await run(
            table,
            """
            {"id": 1, "l": [1, 2], "m": {"a": 7}, "j": {"k": [1, {"z": null}]}}
            {"id": 2, "l": [], "m": {}}
            {"id": 3, "l": [1, "x"]}
            {"id": 4, "l": [null]}
            """
        )
        #expect(found.summary == ImportJob.Summary(read: 4, written: 2, rejected: 2))
        #expect(
            found.rows == [
                "id=1 l=00000002000000040000000100000004" + "00000002 "
                    + "m=000000010000000161" + "0000000400000007 "
                    + "j='{\"k\": [1, {\"z\": null}]}'",
                "id=2 l=00000000 m=00000000",
            ]
        )
    }

    @Test("Lines that are no objects are rejected with the place of the mistake")
    func malformed() async throws {
        let table = Fixture.table(["id": .int])
        let found = try await run(
            table,
            """
            {"id": 1
            [1]
            {"id": 01}
            {"id": 1} x
            {"id": "\\x"}
            {"id": \(String(repeating: "[", count: 100))}
            {"id": tru}
            {"id": 8}
            """
        )
        #expect(found.summary == ImportJob.Summary(read: 8, written: 1, rejected: 7))
        #expect(found.rejects.contains("in.ndjson,1,\"not a JSON object: expected \"\"}\"\""))
        #expect(found.rejects.contains("nested deeper than 64"))
    }

    @Test("A field without a column rejects the record, or is left out when told so")
    func unknown() async throws {
        let table = Fixture.table(["id": .int])
        let text = "{\"id\": 1}\n{\"id\": 2, \"b\": 3}\n{\"id\": 3}\n"
        let strict = try await run(table, text)
        #expect(strict.rows == ["id=1", "id=3"])
        #expect(strict.rejects.contains("no column for the field \"\"b\"\""))
        let lenient = try await run(table, text) { $0.ignoreUnknown = true }
        #expect(lenient.rows == ["id=1", "id=2", "id=3"])
    }
}
