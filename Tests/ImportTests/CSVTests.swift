// SPDX-License-Identifier: Apache-2.0

import Import
import Model
import Testing

@Suite("CSV files into rows")
struct CSVTests {
    private let people = Fixture.table(["id": .int, "name": .text, "note": .text])

    private func rows(
        _ text: String,
        _ change: (inout ImportOptions) -> Void = { _ in }
    ) async throws -> [String] {
        let fixture = Fixture(people)
        try fixture.write("in.csv", text)
        var options = fixture.options("in.csv")
        change(&options)
        let summary = try await fixture.run(options)
        #expect(summary.rejected == 0)
        #expect(summary.read == fixture.target.rowCount)
        return fixture.rows
    }

    @Test("Quotes hold delimiters, quotes and newlines")
    func quotes() async throws {
        let found = try await rows(
            "id,name,note\n1,\"a,b\",\"say \"\"hi\"\"\"\n2,\"two\nlines\",\"\"\n"
        )
        #expect(
            found == [
                "id=1 name='a,b' note='say \"hi\"'", "id=2 name='two\nlines' note=''",
            ]
        )
    }

    @Test(
        "Line ends of every kind give the same rows",
        arguments: [
            "id,name,note\n1,a,b\n2,c,d\n", "id,name,note\r\n1,a,b\r\n2,c,d\r\n",
            "id,name,note\r1,a,b\r2,c,d\r", "id,name,note\n1,a,b\n2,c,d",
            "\u{FEFF}id,name,note\n1,a,b\n2,c,d\n", "id,name,note\n\n1,a,b\n\n\n2,c,d\n\n",
            "id,name,note\r\n1,\"a\",b\r\n2,c,\"d\"",
        ]
    )
    func lineEnds(text: String) async throws {
        let found = try await rows(text)
        #expect(found == ["id=1 name='a' note='b'", "id=2 name='c' note='d'"])
    }

    @Test("Spaces belong to a text")
    func spaces() async throws {
        #expect(try await rows("id,name,note\n1, a ,b \n") == ["id=1 name=' a ' note='b '"])
    }

    @Test("Tabs, other delimiters and other quotes")
    func dialects() async throws {
        let wanted = ["id=1 name='a b' note='c'"]
        #expect(try await rows("id\tname\tnote\n1\ta b\tc\n") { $0.format = .tsv } == wanted)
        #expect(
            try await rows("id;name;note\n1;'a b';c\n") {
                $0.delimiter = UInt8(ascii: ";")
                $0.quote = UInt8(ascii: "'")
            } == wanted
        )
        #expect(
            try await rows("id,name,note\n1,\"a,b\n") { $0.quote = 0 } == [
                "id=1 name='\"a' note='b'"
            ]
        )
    }

    @Test("NA is no value; empty is none except in texts; --null replaces NA")
    func nulls() async throws {
        let text = "id,name,note\n1,NA,\n"
        #expect(try await rows(text) == ["id=1 note=''"])
        #expect(try await rows(text) { $0.nulls = [""] } == ["id=1 name='NA'"])
        #expect(try await rows(text) { $0.nulls = ["NA", ""] } == ["id=1"])
        #expect(try await rows(text) { $0.nulls = ["-"] } == ["id=1 name='NA' note=''"])
    }

    @Test(
        "Fields find their columns by name, in any order and case; - and unknown ones are left out"
    )
    func mapping() async throws {
        let wanted = ["id=1 name='a' note='b'"]
        #expect(try await rows("Note,ID,name\nb,1,a\n") == wanted)
        #expect(
            try await rows("x,note,id,name\n9,b,1,a\n") { $0.ignoreUnknown = true } == wanted
        )
        #expect(
            try await rows("1,9,a,b\n") { $0.columns = ["id", "-", "name", "note"] } == wanted
        )
    }

    @Test("A header that does not fit the table is refused before anything is written")
    func headers() async throws {
        for (text, part) in [
            ("id,nme\n1,a\n", "has no column for the field \"nme\""),
            ("name\na\n", "no field for the key column id"),
            ("id,name,Name\n1,a,b\n", "both name the column name"),
            ("", "has no header row"),
        ] {
            let fixture = Fixture(people)
            try fixture.write("in.csv", text)
            let error = await importError { () throws(ImportError) in
                try await fixture.run(fixture.options("in.csv"))
            }
            #expect(error?.exitCode == ImportExit.usage)
            #expect(error?.description.contains(part) == true, "\(String(describing: error))")
            #expect(fixture.target.rowCount == 0)
        }
    }

    @Test("A record longer than the read window is read whole")
    func longRecord() async throws {
        let long = String(repeating: "x\n", count: 1_500_000)
        let found = try await rows("id,name,note\n1,\"\(long)\",b\n2,c,d\n")
        #expect(found == ["id=1 name='\(long)' note='b'", "id=2 name='c' note='d'"])
    }

    @Test("Bad records are kept with file, line and reason; the others are written")
    func rejects() async throws {
        let fixture = Fixture(people)
        try fixture.write(
            "in.csv",
            """
            id,name,note
            1,a,b
            x7,"two
            lines",c
            3,only
            ,no,key
            5,"e",""
            99999999999,f,g
            7,h,i

            """
        )
        let summary = try await fixture.run(fixture.options("in.csv"))
        #expect(summary == ImportJob.Summary(read: 7, written: 3, rejected: 4))
        #expect(summary.exitCode == ImportExit.someRejected)
        #expect(
            try fixture.read("demo.t.rejects.csv") == #"""
                file,line,reason,record
                in.csv,3,"column id: ""x7"" is not an int","x7,""two
                lines"",c"
                in.csv,5,the record has 2 fields instead of 3,"3,only"
                in.csv,6,"key column id is null ("""")",",no,key"
                in.csv,8,"column id: ""99999999999"" is not an int","99999999999,f,g"

                """#
        )
        #expect(fixture.said.text.contains("read 7 = written 3 + rejected 4"))
    }

    @Test("A quote that is not closed costs its own line only")
    func unclosedQuote() async throws {
        let fixture = Fixture(people)
        try fixture.write("in.csv", "id,name,note\n1,\"a,b\n2,c,d\n3,e,f\n")
        let summary = try await fixture.run(fixture.options("in.csv"))
        #expect(summary == ImportJob.Summary(read: 3, written: 2, rejected: 1))
        #expect(fixture.rows == ["id=2 name='c' note='d'", "id=3 name='e' note='f'"])
        #expect(
            try fixture.read("demo.t.rejects.csv")?.contains("in.csv,2,a quote is opened") == true
        )
    }

    @Test("Too many rejected records stop the import")
    func maxRejects() async throws {
        let fixture = Fixture(people)
        try fixture.write("in.csv", "id,name,note\n1,a,b\nx,a,b\ny,a,b\nz,a,b\n5,a,b\n")
        var options = fixture.options("in.csv")
        options.maxRejects = 2
        let error = await importError { () throws(ImportError) in try await fixture.run(options) }
        #expect(error?.exitCode == ImportExit.failure)
        #expect(error?.description.contains("more than --max-rejects 2 allows") == true)
        options.maxRejects = 3
        let summary = try await fixture.run(options)
        #expect(summary == ImportJob.Summary(read: 5, written: 2, rejected: 3))
        #expect(try fixture.read("demo.t.rejects.csv")?.split(separator: "\n").count == 4)
    }
}
