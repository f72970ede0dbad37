// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@Suite("Values as text")
struct ValueTextTests {
    private func display(_ value: [UInt8], _ type: CQLType) -> String {
        value.withView { type.display($0) }
    }

    private func literal(_ value: [UInt8], _ type: CQLType) -> String {
        value.withView { type.literal($0) }
    }

    @Test("What is shown is read back as the same value", arguments: RandomValues.types)
    func roundTrips(type: CQLType) throws {
        var random = RandomValues(seed: 6)
        for _ in 0..<1_000 {
            let value = random.value(type)
            let text = display(value, type)
            let back = try type.parse(text: text)
            // NaN has many bit patterns and one spelling.
            #expect(back == value || compare(back, value, type) == 0, "\(text)")
            if !text.contains("NaN") { #expect(back == value, "\(text)") }
        }
    }

    @Test("Literals inside of collections are read back", arguments: RandomValues.types)
    func literals(type: CQLType) throws {
        var random = RandomValues(seed: 7)
        let list = CQLType.list(type, frozen: true)
        for _ in 0..<300 {
            let value = ValueCoding.collection([random.value(type), random.value(type)])
            let back = try list.parse(text: literal(value, list))
            #expect(compare(back, value, list) == 0, "\(literal(value, list))")
        }
    }

    @Test(
        "Known texts of scalars",
        arguments: [
            (CQLType.int, "42", "42", "42"), (.int, " -2147483648 ", "-2147483648", "-2147483648"),
            (.tinyint, "+127", "127", "127"), (.boolean, "TRUE", "true", "true"),
            (.text, "it's", "it's", "'it''s'"), (.text, "", "", "''"),
            (.blob, "0xCAFE", "0xcafe", "0xcafe"), (.blob, "0x", "0x", "0x"),
            (.double, "1.5", "1.5", "1.5"), (.double, "1e30", "1e+30", "1e+30"),
            (.double, "nan", "NaN", "NaN"), (.double, "-infinity", "-Infinity", "-Infinity"),
            (.double, "42", "42.0", "42.0"), (.float, "0.1", "0.1", "0.1"),
            (.double, "1e999", "Infinity", "Infinity"),
            (.varint, "-18446744073709551616", "-18446744073709551616", "-18446744073709551616"),
            (.varint, "0007", "7", "7"), (.decimal, "1.00", "1.00", "1.00"),
            (.decimal, "1E3", "1E+3", "1E+3"), (.decimal, "-.5", "-0.5", "-0.5"),
            (.decimal, "0.0000001", "1E-7", "1E-7"), (.decimal, "0.000001", "0.000001", "0.000001"),
            (
                .decimal, "12345678901234567890.5e-2", "123456789012345678.905",
                "123456789012345678.905"
            ),
            (
                .timestamp, "2013-01-01T05:00:00Z", "2013-01-01 05:00:00.000+0000",
                "'2013-01-01T05:00:00.000Z'"
            ),
            (
                .timestamp, "2013-1-1 5:00:00.1239+0130", "2013-01-01 03:30:00.123+0000",
                "'2013-01-01T03:30:00.123Z'"
            ),
            (
                .timestamp, "2013-01-01", "2013-01-01 00:00:00.000+0000",
                "'2013-01-01T00:00:00.000Z'"
            ),
            (
                .timestamp, "2013-01-01-08:00", "2013-01-01 08:00:00.000+0000",
                "'2013-01-01T08:00:00.000Z'"
            ),
            (
                .timestamp, "2013-01-01 12:30 UTC", "2013-01-01 12:30:00.000+0000",
                "'2013-01-01T12:30:00.000Z'"
            ),
            (.timestamp, "-1", "1969-12-31 23:59:59.999+0000", "'1969-12-31T23:59:59.999Z'"),
            (
                .timestamp, "253402300800000", "+10000-01-01 00:00:00.000+0000",
                "'+10000-01-01T00:00:00.000Z'"
            ),
            (.date, "2000-02-29", "2000-02-29", "'2000-02-29'"),
            (.date, "2147483648", "1970-01-01", "'1970-01-01'"),
            (.date, "-5877641-06-23", "-5877641-06-23", "'-5877641-06-23'"),
            (.date, "+5881580-07-11", "+5881580-07-11", "'+5881580-07-11'"),
            (.time, "8:12:54.123", "08:12:54.123000000", "'08:12:54.123000000'"),
            (.time, "86399999999999", "23:59:59.999999999", "'23:59:59.999999999'"),
            (
                .duration, "1y2mo3w4d5h6m7s8ms9us10ns", "1y2mo25d5h6m7s8ms9us10ns",
                "1y2mo25d5h6m7s8ms9us10ns"
            ),
            (.duration, "-P1Y2M3DT4H5M6S", "-1y2mo3d4h5m6s", "-1y2mo3d4h5m6s"),
            (.duration, "P3W", "21d", "21d"),
            (
                .duration, "P0001-02-03T04:05:06", "1y2mo3d4h5m6s",
                "1y2mo3d4h5m6s"
            ),
            (.duration, "5µs", "5us", "5us"), (.duration, "0s", "0ns", "0ns"),
            (.duration, "90m", "1h30m", "1h30m"),
            (.inet, "127.0.0.1", "127.0.0.1", "'127.0.0.1'"),
            (.inet, "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "'2001:db8::1:0:0:1'"),
            (.inet, "::", "::", "'::'"), (.inet, "1::", "1::", "'1::'"),
            (.inet, "::1", "::1", "'::1'"),
            (.inet, "::ffff:1.2.3.4", "::ffff:1.2.3.4", "'::ffff:1.2.3.4'"),
            (.inet, "1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0", "'1:0:2:0:3:0:4:0'"),
            (
                .uuid, "5B6962DD-3f90-4c93-8f61-eabfa4a803e2",
                "5b6962dd-3f90-4c93-8f61-eabfa4a803e2",
                "5b6962dd-3f90-4c93-8f61-eabfa4a803e2"
            ),
            (.list(.text, frozen: true), "[ 'a' , 'it''s']", "['a', 'it''s']", "['a', 'it''s']"),
            (.set(.int, frozen: true), "{3, 1, 2, 1}", "{1, 2, 3}", "{1, 2, 3}"),
            (
                .map(.text, .time, frozen: true), "{'b': 01:02:03, a: '04:05:06'}",
                "{'a': '04:05:06.000000000', 'b': '01:02:03.000000000'}",
                "{'a': '04:05:06.000000000', 'b': '01:02:03.000000000'}"
            ),
            (
                .tuple([.int, .timestamp, .text]), "(1, '2013-01-01', null)",
                "(1, '2013-01-01 00:00:00.000+0000', null)", "(1, '2013-01-01T00:00:00.000Z', null)"
            ),
            (.list(.int, frozen: true), "[]", "[]", "[]"),
        ] as [(CQLType, String, String, String)]
    )
    func texts(type: CQLType, text: String, shown: String, written: String) throws {
        let value = try type.parse(text: text)
        #expect(value.withView { type.validate($0) } == nil)
        #expect(display(value, type) == shown)
        #expect(literal(value, type) == written)
    }

    @Test(
        "Serialized forms of known texts",
        arguments: [
            (CQLType.int, "-2", [0xFF, 0xFF, 0xFF, 0xFE]), (.varint, "128", [0, 0x80]),
            (.varint, "-128", [0x80]), (.varint, "0", [0]), (.decimal, "1.5", [0, 0, 0, 1, 15]),
            (.decimal, "-1E2", [0xFF, 0xFF, 0xFF, 0xFE, 0xFF]),
            (.date, "1970-01-02", [0x80, 0, 0, 1]),
            (.double, "1", [0x3F, 0xF0, 0, 0, 0, 0, 0, 0]),
            (.duration, "1mo2d3ns", [2, 4, 6]), (.duration, "-1mo", [1, 0, 0]),
            (.duration, "64ns", [0, 0, 0x80, 0x80]),
            (.duration, "100000ns", [0, 0, 0xC3, 0x0D, 0x40]),
            (.inet, "::1", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            (
                .set(.tinyint, frozen: true), "{2, -1}",
                [0, 0, 0, 2, 0, 0, 0, 1, 0xFF, 0, 0, 0, 1, 2]
            ),
            (.tuple([.tinyint, .text]), "(1, null)", [0, 0, 0, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF]),
            (
                .map(.tinyint, .text, frozen: true), "{7: 'x'}",
                [0, 0, 0, 1, 0, 0, 0, 1, 7, 0, 0, 0, 1, 0x78]
            ),
        ] as [(CQLType, String, [UInt8])]
    )
    func vectors(type: CQLType, text: String, bytes: [UInt8]) {
        #expect((try? type.parse(text: text)) ?? [] == bytes)
    }

    @Test(
        "Texts that aren't values are refused",
        arguments: [
            (CQLType.int, ""), (.int, "1.0"), (.int, "2147483648"), (.int, "-2147483649"),
            (.int, "-"),
            (.int, "0x10"), (.int, "１"), (.tinyint, "128"), (.boolean, "yes"), (.boolean, "truely"),
            (.double, ""), (.double, "."), (.double, "1e"), (.double, "0x1p3"), (.double, "infin"),
            (.double, "1_0"), (.varint, "1.0"), (.varint, "1e3"), (.decimal, "1e3000000000"),
            (.decimal, "--1"), (.blob, "cafe"), (.blob, "0xc"), (.blob, "0xzz"), (.ascii, "é"),
            (.uuid, "5b6962dd3f904c938f61eabfa4a803e2"),
            (.timeuuid, "5b6962dd-3f90-4c93-8f61-eabfa4a803e2"),
            (.timestamp, "2013-02-29"), (.timestamp, "2013-13-01"),
            (.timestamp, "2013-01-01T25:00"),
            (.timestamp, "2013-01-01T05"), (.timestamp, "2013-01-01x"),
            (.timestamp, "2013-01-0105:00"),
            (.timestamp, "2013-01-01 05:00+1"), (.timestamp, "999999999-01-01"),
            (.timestamp, "now"),
            (.timestamp, "9223372036854775808"), (.date, "2013-01-01 " + "x"),
            (.date, "4294967296"),
            (.date, "+5881580-07-12"), (.date, "-1"), (.time, "24:00:00"), (.time, "12:30"),
            (.time, "12:00:00."), (.time, "86400000000000"), (.time, "1:2:3.1234567890"),
            (.duration, ""), (.duration, "1"), (.duration, "1d1y"), (.duration, "1d1d"),
            (.duration, "P"),
            (.duration, "PT"), (.duration, "1d-2h"), (.duration, "178956971y"),
            (.duration, "99999999999999999999s"), (.inet, "1.2.3"), (.inet, "1.2.3.256"),
            (.inet, "1.2.3.4.5"), (.inet, ":::"), (.inet, "1::2::3"), (.inet, "1:2:3:4:5:6:7"),
            (.inet, "1:2:3:4:5:6:7:8:9"), (.inet, "12345::"), (.inet, "1:"), (.inet, "localhost"),
            (.inet, "1:2:3:4:5:6:7::8:9"), (.inet, "1:2:3:4:5:6:7:1.2.3.4"),
            (.list(.int, frozen: true), "[1"), (.list(.int, frozen: true), "[1,]"),
            (.list(.int, frozen: true), "[1] x"), (.list(.int, frozen: true), "[null]"),
            (.list(.text, frozen: true), "['a]"), (.set(.int, frozen: true), "[1]"),
            (.map(.int, .int, frozen: true), "{1, 2}"),
            (.map(.int, .int, frozen: true), "{1: null}"),
            (.tuple([.int]), "(1, 2)"), (.tuple([.int]), "1"), (.list(.int, frozen: true), ""),
        ] as [(CQLType, String)]
    )
    func refusals(type: CQLType, text: String) {
        #expect(throws: ValueParseError.self) { try type.parse(text: text) }
    }

    @Test("An error names the text, the type and what was expected")
    func errors() {
        let error = #expect(throws: ValueParseError.self) {
            try CQLType.tinyint.parse(text: "300")
        }
        #expect(error?.description == "\"300\" isn't a valid tinyint: expected -128 to 127")
        let list = CQLType.list(.int, frozen: true)
        let nested = #expect(throws: ValueParseError.self) { try list.parse(text: "[1 2]") }
        #expect(nested?.description == "\"1 2\" isn't a valid int: expected a whole number")
        let open = #expect(throws: ValueParseError.self) { try list.parse(text: "[1") }
        #expect(open?.description.hasSuffix("expected ',' or ']' at character 3") == true)
    }

    @Test("Numbers of many digits are read and shown, up to the limit")
    func longNumbers() throws {
        let long = "-" + String(repeating: "9876543210", count: 1_000)
        let value = try CQLType.varint.parse(text: long)
        #expect(value.withView { CQLType.varint.validate($0) } == nil)
        #expect(display(value, .varint) == long)
        let tooManyDigits = String(repeating: "9", count: BigInteger.digitsMax + 1)
        let error = #expect(throws: ValueParseError.self) {
            try CQLType.varint.parse(text: tooManyDigits)
        }
        #expect(error?.expected == "at most 100000 digits")
        let longest = [UInt8](repeating: 1, count: BigInteger.bytesMax)
        #expect(longest.withView { CQLType.varint.validate($0) } == nil)
        #expect((longest + [1]).withView { CQLType.varint.validate($0) } != nil)
    }
}

@Suite("The calendar")
struct CivilDateTests {
    @Test("Days and dates lead to each other, one day after the other")
    func successive() {
        var previous = CivilDate(daysSinceEpoch: -1_000_001)
        for days in -1_000_000...1_000_000 as ClosedRange<Int64> {
            let date = CivilDate(daysSinceEpoch: days)
            if date.daysSinceEpoch != days { Issue.record("\(date)") }
            let isNextDay = date.day == previous.day + 1 && date.month == previous.month
            let isNextMonth = date.day == 1 && date.month == previous.month % 12 + 1
            if !isNextDay && !isNextMonth { Issue.record("\(date) after \(previous)") }
            previous = date
        }
    }

    @Test("Known days")
    func vectors() throws {
        #expect(CivilDate(daysSinceEpoch: 0).description == "1970-01-01")
        #expect(CivilDate(daysSinceEpoch: 11_016).description == "2000-02-29")
        #expect(CivilDate(daysSinceEpoch: -719_528).description == "0000-01-01")
        #expect(CivilDate(daysSinceEpoch: -719_529).description == "-0001-12-31")
        #expect(CivilDate(year: 1900, month: 2, day: 29) == nil)
        #expect(CivilDate(year: 2000, month: 2, day: 29)?.daysSinceEpoch == 11_016)
        #expect(CivilDate(year: 2001, month: 4, day: 31) == nil)
    }
}
