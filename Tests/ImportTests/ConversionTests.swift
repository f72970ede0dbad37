// SPDX-License-Identifier: Apache-2.0

import Import
import Model
import Testing

@Suite("Texts into CQL values")
struct ConversionTests {
    /// What one text becomes in a column of a type; nil when it is rejected.
    private func value(_ text: String, _ type: CQLType) async throws -> String? {
        let fixture = Fixture(Fixture.table(["id": .int, "v": type]))
        try fixture.write("in.csv", "id,v\n1,\"\(text.replacing("\"", with: "\"\""))\"\n")
        let summary = try await fixture.run(fixture.options("in.csv"))
        guard summary.rejected == 0 else { return nil }
        return String(try #require(fixture.rows.first).dropFirst("id=1 v=".count))
    }

    @Test("Integers are exact up to their type's bounds and refused beyond")
    func integers() async throws {
        for (text, type, wanted) in [
            ("0", .int, "0"), ("-1", .int, "-1"), ("+7", .int, "7"), ("007", .int, "7"),
            ("2147483647", .int, "2147483647"), ("-2147483648", .int, "-2147483648"),
            ("2147483648", .int, nil), ("1.0", .int, nil), ("1 ", .int, "1"), ("-", .int, nil),
            ("9223372036854775807", .bigint, "9223372036854775807"),
            ("-9223372036854775808", .bigint, "-9223372036854775808"),
            ("9223372036854775808", .bigint, nil), ("-9223372036854775809", .bigint, nil),
            ("99999999999999999999", .bigint, nil),
            ("32767", .smallint, "7fff"), ("32768", .smallint, nil), ("-128", .tinyint, "80"),
            ("-129", .tinyint, nil),
        ] as [(String, CQLType, String?)] {
            #expect(try await value(text, type) == wanted, "\(text) as \(type)")
        }
    }

    @Test(
        "Doubles are rounded as the standard library does",
        arguments: [
            "0", "-0.0", "1", "-1.5", "39.02", "10.357019999999999", "0.1", "1e22", "1e-7", ".5",
            "5.", "123456789012345", "1234567890123456789", "4.9e-324", "1.7976931348623157e308",
            "0.000001234", "NaN", "Infinity", "-Infinity", " 1.5 ",
        ]
    )
    func doubles(text: String) async throws {
        let padded = text.hasPrefix(".") ? "0\(text)" : text.hasSuffix(".") ? "\(text)0" : text
        let exact: Double =
            switch text {
            case "NaN": Double.nan
            case "Infinity": Double.infinity
            case "-Infinity": -Double.infinity
            case " 1.5 ": 1.5
            default: try #require(Double(padded))
            }
        #expect(try await value(text, .double) == String(exact))
    }

    @Test(
        "What is no number is refused",
        arguments: ["", "1e", "e5", "0x10", "1,5", "--1", ".", "1e999"]
    )
    func notDoubles(text: String) async throws {
        guard !text.isEmpty else { return }
        #expect(try await value(text, .double) == nil)
    }

    @Test("Moments and days of ISO 8601")
    func times() async throws {
        for (text, type, wanted) in [
            ("1970-01-01T00:00:00Z", .timestamp, "0"),
            ("2013-01-01T10:00:00Z", .timestamp, "1357034400000"),
            ("2013-01-01 10:00", .timestamp, "1357034400000"),
            ("2013-01-01T10:00:00.5+01:00", .timestamp, "1357030800500"),
            ("2013-01-01T10:00:00.123456-0530", .timestamp, "1357054200123"),
            ("1969-12-31T23:59:59.999Z", .timestamp, "-1"),
            ("2000-02-29T00:00:00Z", .timestamp, "951782400000"),
            ("1900-02-29T00:00:00Z", .timestamp, nil), ("2013-13-01T00:00:00Z", .timestamp, nil),
            ("2013-01-01T25:00:00Z", .timestamp, nil), ("2013-01-01T10:00:00X", .timestamp, nil),
            ("1357034400000", .timestamp, "1357034400000"),
            ("2013-01-01", .timestamp, "1356998400000"),
            ("1970-01-01", .date, "80000000"), ("1969-12-31", .date, "7fffffff"),
            ("2013-02-30", .date, nil),
        ] as [(String, CQLType, String?)] {
            #expect(try await value(text, type) == wanted, "\(text) as \(type)")
        }
    }

    @Test("Truth values, UUIDs, blobs and texts")
    func others() async throws {
        for (text, type, wanted) in [
            ("true", .boolean, "true"), ("FALSE", .boolean, "false"), ("yes", .boolean, nil),
            (
                "123E4567-e89b-12d3-a456-426614174000", .uuid,
                "123e4567e89b12d3a456426614174000"
            ),
            ("123e4567e89b12d3a456426614174000", .uuid, nil),
            ("0xCAFE", .blob, "cafe"), ("0xCAF", .blob, nil), ("CAFE", .blob, nil),
            ("Zürich", .text, "'Zürich'"), ("Zürich", .ascii, nil), ("abc", .ascii, "'abc'"),
        ] as [(String, CQLType, String?)] {
            #expect(try await value(text, type) == wanted, "\(text) as \(type)")
        }
    }

    @Test("Bytes that are not UTF-8 are refused")
    func notUTF8() async throws {
        let fixture = Fixture(Fixture.table(["id": .int, "v": .text]))
        try fixture.write("in.csv", Array("id,v\n1,".utf8) + [0xFF, 0xFE, 0x0A])
        let summary = try await fixture.run(fixture.options("in.csv"))
        #expect(summary == ImportJob.Summary(read: 1, written: 0, rejected: 1))
    }
}
