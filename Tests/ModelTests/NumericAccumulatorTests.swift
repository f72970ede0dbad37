// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@Suite("Sums and averages")
struct NumericAccumulatorTests {
    private func accumulate(_ type: CQLType, _ texts: [String]) throws -> NumericAccumulator {
        var accumulator = try #require(NumericAccumulator(type))
        for text in texts { try type.parse(text: text).withView { accumulator.add($0) } }
        accumulator.add(.empty)
        return accumulator
    }

    @Test(
        "Known sums and averages",
        arguments: [
            (CQLType.int, ["1", "2"], "3", "1"), (.int, ["-1", "-2"], "-3", "-1"),
            (.int, ["2147483647", "1"], "-2147483648", "1073741824"),
            (.tinyint, ["127", "127"], "-2", "127"),
            (.smallint, ["32767", "1"], "-32768", "16384"),
            (.bigint, ["9223372036854775807", "9223372036854775807"], "-2", "9223372036854775807"),
            (.counter, [], "0", "0"), (.double, [], "0.0", "0.0"), (.varint, [], "0", "0"),
            (.decimal, [], "0", "0"), (.double, ["1.5", "2"], "3.5", "1.75"),
            (.float, ["0.1", "0.2"], "0.3", "0.15"),
            (.double, ["1.7e308", "1.7e308"], "Infinity", "1.7e+308"),
            (.double, ["Infinity", "1"], "Infinity", "Infinity"),
            (.double, ["Infinity", "-Infinity"], "NaN", "NaN"),
            (.double, ["1", "1e100", "1", "-1e100"], "0.0", "0.0"),
            (
                .varint, ["18446744073709551615", "1"], "18446744073709551616",
                "9223372036854775808"
            ),
            (
                .varint, ["-7", "-18446744073709551616"], "-18446744073709551623",
                "-9223372036854775811"
            ),
            (.decimal, ["1", "2"], "3", "1"), (.decimal, ["1.0", "2.0"], "3.0", "1.5"),
            (.decimal, ["1.25", "2", "3.5"], "6.75", "2.25"),
            (.decimal, ["1E+3", "1"], "1001", "500"),
            (.decimal, ["10", "11", "12"], "33", "11"),
        ] as [(CQLType, [String], String, String)]
    )
    func results(type: CQLType, numbers: [String], sum: String, average: String) throws {
        let accumulator = try accumulate(type, numbers)
        #expect(accumulator.count == numbers.count)
        #expect(try accumulator.sum().withView { type.display($0) } == sum)
        #expect(try accumulator.average().withView { type.display($0) } == average)
    }

    @Test("Small numbers aren't lost beside each other")
    func compensation() throws {
        let accumulator = try accumulate(.double, [String](repeating: "0.1", count: 1_000_000))
        #expect(try accumulator.sum() == ValueCoding.double(100_000))
    }

    @Test("Decimals too far apart are refused instead of expanded")
    func overflow() throws {
        let accumulator = try accumulate(.decimal, ["1E+2000000000", "1E-2000000000"])
        #expect(throws: NumericOverflow.self) { try accumulator.sum() }
        #expect(throws: NumericOverflow.self) { try accumulator.average() }
    }

    @Test("Only numbers add up")
    func types() {
        for type in RandomValues.types {
            let isNumber: Bool =
                switch type {
                case .tinyint, .smallint, .int, .bigint, .counter, .varint, .decimal, .float,
                    .double:
                    true
                default: false
                }
            #expect((NumericAccumulator(type) != nil) == isNumber)
        }
    }
}

@Suite("Big integers")
struct BigIntegerTests {
    @Test("Bytes, digits and arithmetic agree with 128-bit integers")
    func agreesWithInt128() {
        var random = RandomValues(seed: 10)
        for _ in 0..<5_000 {
            let a = Int128(random.integer(Int64.self)) << Int128(random.below(56))
            let b = Int128(random.integer(Int64.self))
            let left = big(a)
            let right = big(b)
            #expect(left.description == a.description)
            #expect((left + right).description == (a + b).description)
            #expect((left - right).description == (a - b).description)
            #expect((left < right) == (a < b))
            #expect(left.twosComplement.withView { BigInteger(twosComplement: $0) } == left)
            let divisor = UInt64(1 + random.below(Int.max - 1)) >> UInt64(random.below(60))
            guard divisor > 0 else { continue }
            let (quotient, remainder) = left.divided(by: divisor)
            #expect(quotient.description == (a / Int128(divisor)).description)
            #expect(Int128(remainder) == (a % Int128(divisor)).magnitude)
        }
    }

    private func big(_ value: Int128) -> BigInteger {
        ValueCoding.bigEndian(value).withView { BigInteger(twosComplement: $0) }
    }

    @Test("Rounding at a half goes to the even number")
    func halfEven() {
        let rounded = [5, 15, 25, 24, 26, -5, -15, -25].map {
            BigInteger($0).dividedHalfEven(by: 10).description
        }
        #expect(rounded == ["0", "2", "2", "2", "3", "0", "-2", "-2"])
    }
}
