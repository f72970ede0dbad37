// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model

/// A seeded generator of numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}

/// Makes valid serialized values that are often near each other, at limits, or of awkward bytes.
struct RandomValues {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The types that property tests go through.
    static let types: [CQLType] =
        scalars + [
            .list(.int, frozen: true), .set(.text, frozen: true), .list(.blob, frozen: true),
            .map(.text, .varint, frozen: true), .tuple([.int, .text, .double]),
            .list(.tuple([.boolean, .decimal]), frozen: true),
            .map(.timestamp, .list(.inet, frozen: true), frozen: true),
            .tuple([.timeuuid, .set(.date, frozen: true), .duration, .time]),
        ]
    static let scalars: [CQLType] = [
        .ascii, .bigint, .blob, .boolean, .counter, .date, .decimal, .double, .duration, .float,
        .inet, .int, .smallint, .text, .time, .timestamp, .timeuuid, .tinyint, .uuid, .varint,
    ]

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }
    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }

    /// A number that is small, near a limit, or anything.
    mutating func integer<I: FixedWidthInteger & SignedInteger>(_ type: I.Type) -> I {
        switch below(4) {
        case 0: I(below(7)) - 3
        case 1: I.max - I(below(3))
        case 2: I.min + I(below(3))
        default: I(truncatingIfNeeded: generator.next())
        }
    }

    mutating func bytes(_ count: Int, of choice: [UInt8]) -> [UInt8] {
        (0..<count).map { _ in choice[below(choice.count)] }
    }

    mutating func uuid(version: UInt64) -> [UInt8] {
        let isNear = chance(2)
        let mask: UInt64 = isNear ? 0x0000_0001_0001_0001 : .max
        let high = generator.next() & mask & ~0xF000 | version << 12
        let low = isNear ? generator.next() & 0x8000_0000_0000_0080 : generator.next()
        return ValueCoding.uuid(UUID(high: high, low: low))
    }

    mutating func bigInteger() -> BigInteger {
        if chance(2) { return BigInteger(integer(Int64.self)) }
        let limbs = bytes(1 + below(150), of: [0, 1, 0x7F, 0x80, 0xFF])
        return limbs.withView { BigInteger(twosComplement: $0) }
    }

    mutating func decimal() -> CQLDecimal {
        let scale: Int32 =
            switch below(8) {
            case 0: Int32.min + Int32(below(4))
            case 1: Int32.max - Int32(below(4))
            case 2: Int32(below(400)) - 200
            default: Int32(below(9)) - 4
            }
        let unscaled = chance(4) ? bigInteger() : BigInteger(Int64(below(2_001) - 1_000))
        return CQLDecimal(unscaled: unscaled, scale: scale)
    }

    mutating func float() -> Double {
        let special = [
            0.0, -0.0, .nan, -.nan, .infinity, -.infinity, 1, -1, 1.5, .leastNonzeroMagnitude,
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e30, 0.1,
        ]
        if chance(2) { return special[below(special.count)] }
        return Double(bitPattern: generator.next())
    }

    mutating func duration() -> [UInt8] {
        let isNegative = chance(2)
        let months = integer(Int32.self)
        let days = integer(Int32.self)
        let nanoseconds = integer(Int64.self)
        func signed<I: FixedWidthInteger & SignedInteger>(_ value: I) -> I {
            (value < 0) == isNegative || value == 0 ? value : value == I.min ? I.max : -value
        }
        let duration = CQLDuration(
            months: signed(months),
            days: signed(days),
            nanoseconds: signed(nanoseconds)
        )
        return duration?.bytes ?? [0, 0, 0]
    }

    mutating func text() -> [UInt8] {
        let parts = ["\0", "\u{1}", "a", "b", "'", "''", "é", "\u{7FF}", "漢", "🦊", ",", "]", " "]
        return ValueCoding.text((0..<below(6)).map { _ in parts[below(parts.count)] }.joined())
    }

    mutating func scalar(_ type: CQLType) -> [UInt8] {
        switch type {
        case .ascii: return bytes(below(6), of: Array("\0\u{1}ab',:}\u{7F}".utf8))
        case .bigint, .counter: return ValueCoding.int64(integer(Int64.self))
        case .blob: return bytes(below(6), of: [0, 1, 0x38, 0x40, 0x7F, 0xFE, 0xFF])
        case .boolean: return ValueCoding.boolean(chance(2))
        case .date: return ValueCoding.date(days: integer(Int32.self))
        case .decimal: return ValueCoding.decimal(decimal())
        case .double: return ValueCoding.double(float())
        case .duration: return duration()
        case .float: return ValueCoding.float(Float(float()))
        case .inet: return bytes(chance(2) ? 4 : 16, of: [0, 0, 0, 1, 127, 255])
        case .int: return ValueCoding.int32(integer(Int32.self))
        case .smallint: return ValueCoding.int16(integer(Int16.self))
        case .time:
            return ValueCoding.time(
                nanoseconds: chance(2) ? Int64(below(3)) : Int64(below(86_400_000_000_000))
            )
        case .timestamp: return ValueCoding.timestamp(milliseconds: integer(Int64.self))
        case .timeuuid: return uuid(version: 1)
        case .tinyint: return ValueCoding.int8(integer(Int8.self))
        case .uuid: return uuid(version: UInt64([1, 1, 4, 7, 0][below(5)]))
        case .varint: return ValueCoding.varint(bigInteger())
        default: return text()
        }
    }

    /// A valid value of the type.
    mutating func value(_ type: CQLType) -> [UInt8] {
        switch type {
        case .list(let element, _):
            return ValueCoding.collection((0..<below(4)).map { _ in value(element) })
        case .set(let element, _):
            let elements = ordered((0..<below(4)).map { _ in value(element) }, element)
            return ValueCoding.collection(elements)
        case .map(let key, let mapped, _):
            let keys = ordered((0..<below(4)).map { _ in value(key) }, key)
            return ValueCoding.map(keys.map { (key: $0, value: value(mapped)) })
        case .tuple(let types):
            return ValueCoding.tuple(types.map { chance(4) ? nil : value($0) })
        default: return scalar(type)
        }
    }

    private func ordered(_ elements: [[UInt8]], _ type: CQLType) -> [[UInt8]] {
        let sorted = elements.sorted { compare($0, $1, type) < 0 }
        return sorted.enumerated().filter { index, element in
            index == 0 || compare(sorted[index - 1], element, type) != 0
        }.map(\.element)
    }
}

/// The order of two serialized values.
func compare(_ a: [UInt8], _ b: [UInt8], _ type: CQLType) -> Int {
    a.withView { left in b.withView { right in type.compare(left, right) } }
}

/// A value's ordered encoding.
func encoded(_ value: [UInt8], _ type: CQLType, descending: Bool = false) -> [UInt8] {
    var writer = ByteWriter()
    value.withView {
        OrderedEncoding.append($0, type: type, descending: descending, to: &writer)
    }
    return writer.array
}

/// The value of an ordered encoding with a separator behind it, and how many bytes it took.
func decoded(
    _ bytes: [UInt8],
    _ type: CQLType,
    descending: Bool = false
) throws -> (value: [UInt8], used: Int) {
    try bytes.withView { view in
        var writer = ByteWriter()
        var reader = ByteReader(view)
        try OrderedEncoding.decode(
            type,
            descending: descending,
            from: &reader,
            into: &writer
        )
        return (writer.array, reader.offset)
    }
}
