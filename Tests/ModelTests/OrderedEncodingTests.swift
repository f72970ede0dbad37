// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@Suite("Ordered encoding of values")
struct OrderedEncodingTests {
    private static let separators: [UInt8] = [0x20, 0x38, 0x3F, 0x40, 0x60]

    private func sign(_ order: Int) -> Int { order.signum() }

    private func memoryOrder(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withView { left in b.withView { right in left.compare(right).signum() } }
    }

    @Test("Comparing encodings compares values, in both directions", arguments: RandomValues.types)
    func ordersAgree(type: CQLType) {
        var random = RandomValues(seed: 1)
        for _ in 0..<1_500 {
            let a = random.value(type)
            let b = random.chance(8) ? a : random.value(type)
            if !type.hasEmptyValue && (a.isEmpty || b.isEmpty) { continue }
            let order = sign(compare(a, b, type))
            // What follows in a key must not matter unless the values are equal.
            let tails = [0, 1].map { _ in Self.separators[random.below(5)] }
            for descending in [false, true] {
                let left = encoded(a, type, descending: descending)
                let right = encoded(b, type, descending: descending)
                let found = memoryOrder(left + [tails[0]], right + [tails[1]])
                if order == 0 {
                    #expect(left == right, "\(a) and \(b)")
                } else {
                    #expect(found == (descending ? -order : order), "\(a) and \(b)")
                }
            }
        }
    }

    @Test("An encoding decodes to an equal value and is canonical", arguments: RandomValues.types)
    func decodes(type: CQLType) throws {
        var random = RandomValues(seed: 2)
        for _ in 0..<1_000 {
            let value = random.value(type)
            if !type.hasEmptyValue && value.isEmpty { continue }
            for descending in [false, true] {
                let bytes = encoded(value, type, descending: descending)
                let tail = Self.separators[random.below(5)]
                let (back, used) = try decoded(
                    bytes + [tail, 0, 0xFF],
                    type,
                    descending: descending
                )
                #expect(used == bytes.count)
                #expect(compare(value, back, type) == 0, "\(value)")
                #expect(back.withView { type.validate($0) } == nil)
                #expect(encoded(back, type, descending: descending) == bytes)
                let skipped = try (bytes + [tail]).withView { view in
                    var reader = ByteReader(view)
                    try OrderedEncoding.skip(type, descending: descending, reader: &reader)
                    return reader.offset
                }
                #expect(skipped == bytes.count)
            }
        }
    }

    @Test(
        "Values with one spelling come back byte for byte",
        arguments: [
            CQLType.ascii, .bigint, .blob, .boolean, .counter, .date, .duration, .inet, .int,
            .smallint,
            .text, .time, .timestamp, .timeuuid, .tinyint, .uuid, .varint,
            .list(.int, frozen: true),
            .map(.text, .varint, frozen: true), .tuple([.int, .text]),
        ]
    )
    func roundTrips(type: CQLType) throws {
        var random = RandomValues(seed: 3)
        for _ in 0..<500 {
            let value = random.value(type)
            #expect(try decoded(encoded(value, type), type).value == value)
        }
    }

    @Test("Damaged encodings throw and never trap", arguments: RandomValues.types)
    func survivesDamage(type: CQLType) {
        var random = RandomValues(seed: 4)
        var failures = 0
        for _ in 0..<1_000 {
            var bytes = encoded(random.value(type), type)
            if bytes.isEmpty { continue }
            if random.chance(2) { bytes.removeLast(1 + random.below(bytes.count)) }
            if !bytes.isEmpty { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
            for descending in [false, true]
            where (try? decoded(bytes, type, descending: descending)) == nil {
                failures += 1
            }
        }
        #expect(failures > 0)
    }

    @Test("Values of a wrong shape are encoded without a trap", arguments: RandomValues.types)
    func survivesInvalidValues(type: CQLType) throws {
        var random = RandomValues(seed: 5)
        for _ in 0..<1_000 {
            let value = random.bytes(random.below(24), of: [0, 1, 2, 4, 0x7F, 0x80, 0xFF])
            let other = random.bytes(random.below(24), of: [0, 1, 2, 4, 0x7F, 0x80, 0xFF])
            #expect(compare(value, other, type).signum() == -compare(other, value, type).signum())
            let bytes = encoded(value, type)
            #expect(try decoded(bytes + [0x40], type).used == bytes.count)
            _ = value.withView { type.display($0) + type.literal($0) }
        }
    }

    @Test("Encodings of known values")
    func vectors() {
        #expect(encoded(ValueCoding.int32(-1), .int) == [0x7F, 0xFF, 0xFF, 0xFF])
        #expect(encoded(ValueCoding.int32(-1), .int, descending: true) == [0x80, 0, 0, 0])
        #expect(encoded(ValueCoding.int16(1), .smallint) == [0x80, 1])
        #expect(encoded(ValueCoding.int8(-128), .tinyint) == [0])
        #expect(encoded(Array("a\0b".utf8), .text) == [0x61, 0, 0xFF, 0x62, 0])
        #expect(encoded(Array("a".utf8), .text, descending: true) == [0x9E, 0xFF])
        #expect(encoded([], .blob) == [0])
        #expect(encoded([0], .varint) == [0x81, 0])
        #expect(encoded([0xFF], .varint) == [0x7E, 0xFF])
        #expect(encoded([0, 0, 0, 1], .varint) == [0x81, 1])
        let collection = ValueCoding.collection([ValueCoding.int8(0), ValueCoding.int8(1)])
        let list = CQLType.list(.tinyint, frozen: true)
        #expect(encoded(collection, list) == [0x40, 0x80, 0x40, 0x81, 0x38])
        let tuple = ValueCoding.tuple([nil, ValueCoding.int8(0), nil])
        let type = CQLType.tuple([.int, .tinyint, .int])
        #expect(encoded(tuple, type) == [0x3E, 0x40, 0x80, 0x38])
    }

    @Test("Long varints sort by sign, length and magnitude")
    func longVarints() throws {
        let lengths = [1, 2, 118, 119, 120, 121, 300, 70_000]
        let positive = lengths.map { [0x01] + [UInt8](repeating: 0, count: $0) }
        let negative = lengths.reversed().map { [0xFE] + [UInt8](repeating: 0, count: $0) }
        let ascending = negative + [[0xFF], [0], [1]] + positive
        let encodings = ascending.map { encoded($0, .varint) }
        for (first, second) in zip(encodings, encodings.dropFirst()) {
            #expect(memoryOrder(first, second) < 0)
        }
        for (value, bytes) in zip(ascending, encodings) {
            #expect(try decoded(bytes, .varint).value == value)
            let descending = encoded(value, .varint, descending: true)
            #expect(try decoded(descending, .varint, descending: true).value == value)
        }
    }

    @Test("Numerically equal decimals have one encoding, and a readable canonical form")
    func canonicalDecimals() throws {
        let spellings = ["1", "1.0", "1.00", "10E-1", "0.1E1"].map { text in
            Result { try CQLType.decimal.parse(text: text) }
        }
        for spelling in spellings {
            let bytes = encoded(try spelling.get(), .decimal)
            let back = try decoded(bytes, .decimal).value
            #expect(back.withView { CQLType.decimal.display($0) } == "1")
        }
        let hundred = encoded(try CQLType.decimal.parse(text: "100.00"), .decimal)
        let back = try decoded(hundred, .decimal).value
        #expect(back.withView { CQLType.decimal.display($0) } == "100")
        let zero = encoded(try CQLType.decimal.parse(text: "-0.000"), .decimal)
        #expect(zero == encoded(try CQLType.decimal.parse(text: "0E+7"), .decimal))
    }

    @Test("UUIDs sort by version, then time; time UUIDs end in signed bytes")
    func uuids() throws {
        let ascending = [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-0000-1000-8000-000000000000",
            "00000000-0001-1000-8000-000000000000",
            "00000000-0000-1001-8000-000000000000",
            "00000000-0000-1001-9000-000000000000",
            "00000000-0000-4000-8000-000000000000",
            "00000001-0000-4000-8000-000000000000",
        ].map { UUID($0)?.bytes ?? [] }
        for (first, second) in zip(ascending, ascending.dropFirst()) {
            #expect(compare(first, second, .uuid) < 0)
            #expect(memoryOrder(encoded(first, .uuid), encoded(second, .uuid)) < 0)
        }
        let signed = try #require(UUID("00000000-0000-1000-8000-0000000000ff")).bytes
        let unsigned = try #require(UUID("00000000-0000-1000-8000-000000000000")).bytes
        #expect(compare(signed, unsigned, .timeuuid) < 0)
        #expect(compare(signed, unsigned, .uuid) > 0)
    }
}
