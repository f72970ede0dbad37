// SPDX-License-Identifier: Apache-2.0

import Foundation
import Import
import Model
import Synchronization
import Testing

@Suite("Proposed tables, gzip and real data")
struct ProposalTests {
    private static func testdata(_ name: String) throws -> [UInt8] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: folder.appending(path: "testdata/\(name)")))
    }

    /// What a dry run says about a text.
    private func proposal(_ text: String, path: String = "in.csv") async throws -> String {
        let fixture = Fixture()
        try fixture.write(path, text)
        var options = fixture.options(path)
        options.dryRun = true
        _ = try await fixture.job(options, nil).run()
        return fixture.said.text
    }

    @Test("Each column gets the narrowest type that all its values have")
    func types() async throws {
        let said = try await proposal(
            """
            i,big,d,b,ts,day,u,zip,Mixed Case!,empty,huge,order
            1,3000000000,1.5,true,2013-01-01T10:00:00Z,2013-01-01,\
            123e4567-e89b-12d3-a456-426614174000,00501,x,,123456789012345678901,1
            NA,1,2,false,2013-01-01 10:00,2013-01-02,\
            123e4567-e89b-12d3-a456-426614174001,10001,1,NA,1,2
            """
        )
        for line in [
            "i int,  -- no value in 1 of 2", "big bigint,", "d double,", "b boolean,",
            "ts timestamp,", "day date,", "u uuid,", "zip text,", "mixed_case text,",
            "empty text,  -- no value in 2 of 2", "huge text,", "c_order int,",
        ] {
            #expect(said.contains("    \(line)\n"), "\(line) in \(said)")
        }
    }

    @Test("NDJSON fields that come late or nested are proposed too")
    func objects() async throws {
        let said = try await proposal(
            "{\"id\": 1, \"tags\": [1]}\n{\"id\": 2, \"late\": 1.5}\n",
            path: "in.ndjson"
        )
        #expect(said.contains("id int,\n"))
        #expect(said.contains("tags text,  -- no value in 1 of 2"))
        #expect(said.contains("late double,  -- no value in 1 of 2"))
    }

    @Test("Flights: types as in the data, and a key that tells all records apart")
    func flights() async throws {
        let fixture = Fixture()
        try fixture.write("flights.csv", try Self.testdata("flights.csv"))
        var options = fixture.options("flights.csv")
        options.create = true
        let error = await importError { () throws(ImportError) in try await fixture.run(options) }
        let text = try #require(error?.description)
        #expect(error?.exitCode == ImportExit.usage)
        #expect(text.contains("--create needs the primary key"))
        #expect(text.contains("    dep_time int,  -- no value in"))
        #expect(text.contains("    tailnum text,"))
        #expect(text.contains("    time_hour timestamp,\n"))
        #expect(text.contains("--   --key '("))
    }

    @Test("With --create and --key, the keyspace and the table are created and filled")
    func create() async throws {
        let fixture = Fixture()
        try fixture.write("in.csv", "A,b c,d\n1,x,2.5\n1,y,NA\n")
        var options = fixture.options("in.csv")
        options.create = true
        options.key = "((a), b_c)"
        let summary = try await fixture.run(options)
        #expect(summary == ImportJob.Summary(read: 2, written: 2, rejected: 0))
        #expect(
            fixture.target.state.withLock { $0.statements } == [
                "CREATE KEYSPACE demo WITH replication = "
                    + "{'class': 'SimpleStrategy', 'replication_factor': 1}",
                "CREATE TABLE demo.t (\n    a int,\n    b_c text,\n    d double,\n"
                    + "    PRIMARY KEY (a, b_c)\n)",
            ]
        )
        #expect(fixture.rows == ["a=1 b_c='x' d=2.5", "a=1 b_c='y'"])
        #expect(fixture.target.state.withLock { $0.syncs } == 1)
    }

    @Test("A key that names no field, a field without values, or is no key, is refused")
    func badKeys() async throws {
        for (key, part) in [
            ("((a), zz)", "--key names zz, which is no field"),
            ("(d)", "which has no value in 1 of 2"), ("((a)", "is not a primary key"),
            ("(a, a)", "names the column a twice"), ("", "is not a primary key"),
        ] {
            let fixture = Fixture()
            try fixture.write("in.csv", "a,b,d\n1,x,2.5\n1,y,NA\n")
            var options = fixture.options("in.csv")
            options.create = true
            options.key = key
            let error = await importError { () throws(ImportError) in try await fixture.run(options)
            }
            #expect(error?.exitCode == ImportExit.usage)
            #expect(
                error?.description.contains(part) == true,
                "\(key): \(String(describing: error))"
            )
        }
    }

    @Test("Gzip is recognised by its magic, in several members; damage and a cut are failures")
    func gzip() async throws {
        let whole = try Self.testdata("people.csv.gz")
        func run(_ bytes: [UInt8]) async throws -> (ImportError?, Int) {
            let fixture = Fixture(Fixture.table(["id": .int, "name": .text]))
            try fixture.write("people", bytes)
            let error = await importError { () throws(ImportError) in
                try await fixture.run(fixture.options("people"))
            }
            return (error, fixture.target.rowCount)
        }
        let good = try await run(whole)
        #expect(good.0 == nil)
        #expect(good.1 == 300)
        let cut = try await run(Array(whole.dropLast(30)))
        #expect(cut.0?.exitCode == ImportExit.failure)
        #expect(cut.0?.description.contains("is cut off at byte") == true)
        var damaged = whole
        damaged[whole.count - 6] ^= 1
        let broken = try await run(damaged)
        #expect(broken.0?.description.contains("the gzip data is damaged near byte") == true)
    }

    @Test("A gzip import that stops resumes to the exact rows")
    func gzipResume() async throws {
        let fixture = Fixture(Fixture.table(["id": .int, "name": .text]))
        try fixture.write("people.csv.gz", try Self.testdata("people.csv.gz"))
        let options = fixture.options("people.csv.gz")
        fixture.target.state.withLock { $0.failAt = 40 }
        let error = await importError { () throws(ImportError) in try await fixture.run(options) }
        #expect(error?.exitCode == ImportExit.failure)
        #expect(try await fixture.run(options).written == 300)
        #expect(fixture.target.rowCount == 300)
        #expect(fixture.target.state.withLock { $0.rowWrites } < 320)
    }
}
