// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A sum or average needs more digits than are kept.
package struct NumericOverflow: Error, Equatable, CustomStringConvertible {
    package var description: String {
        "the decimal needs more than \(BigInteger.digitsMax) digits"
    }
}

/// Adds up numbers of one type for `sum` and `avg`, whose results have that type too, as in Cassandra.
///
/// - the sum of integers of fixed width wraps around; the average is of the true sum, cut towards zero;
/// - floating-point numbers are added with compensation (Kahan), as `double` for `float` too; the
///   average doesn't overflow when the sum does;
/// - the average of a `varint` is cut towards zero;
/// - the sum of a `decimal` has the greatest scale seen; so has the average, which is adjusted number
///   by number and rounded half to even at each: avg(1, 2) is 1, avg(1.0, 2.0) is 1.5.
///
/// Values of no bytes don't count.
package struct NumericAccumulator: Sendable {
    private enum Kind { case integer, floating, varint, decimal }

    private let type: CQLType
    private let kind: Kind
    /// How many numbers have been added.
    package private(set) var count = 0
    /// 2^64 numbers of 64 bits fit.
    private var integerSum: Int128 = 0
    private var floating = FloatingSum()
    private var varintSum = BigInteger.zero
    private var decimalSum: CQLDecimal? = .zero
    private var decimalAverage: CQLDecimal? = .zero

    /// An accumulator of numbers of `type`; nil if it isn't a type of numbers.
    package init?(_ type: CQLType) {
        switch type {
        case .tinyint, .smallint, .int, .bigint, .counter: kind = .integer
        case .float, .double: kind = .floating
        case .varint: kind = .varint
        case .decimal: kind = .decimal
        default: return nil
        }
        self.type = type
    }

    /// Adds a serialized number; of a wrong length, it doesn't count.
    package mutating func add(_ value: ByteView) {
        guard !value.isEmpty else { return }
        switch kind {
        case .integer:
            guard value.count <= 8, let number = Int64(twosComplement: value) else { return }
            integerSum += Int128(number)
        case .floating:
            let number = type == .double ? Double(cql: value) : Float(cql: value).map { Double($0) }
            guard let number else { return }
            floating.add(number)
        case .varint:
            addVarint(value)
        case .decimal:
            guard let number = CQLDecimal(value) else { return }
            count += 1
            addDecimal(number)
            return
        }
        count += 1
    }

    /// Small numbers are gathered in `integerSum`.
    private mutating func addVarint(_ value: ByteView) {
        if let small = Int64(twosComplement: value) {
            integerSum += Int128(small)
        } else {
            varintSum = varintSum + BigInteger(twosComplement: value)
        }
    }

    private mutating func addDecimal(_ number: CQLDecimal) {
        decimalSum = decimalSum.flatMap { CQLDecimal.sum($0, number) }
        decimalAverage = decimalAverage.flatMap { average in
            let negated = CQLDecimal(unscaled: average.unscaled.negated, scale: average.scale)
            return CQLDecimal.sum(number, negated).flatMap { difference in
                let step = difference.unscaled.dividedHalfEven(by: UInt64(count))
                return CQLDecimal.sum(
                    average,
                    CQLDecimal(unscaled: step, scale: difference.scale)
                )
            }
        }
    }

    /// The serialized sum; that of no numbers is 0.
    package func sum() throws(NumericOverflow) -> [UInt8] {
        switch kind {
        case .integer: return serialized(integerSum)
        case .floating: return serialized(floating.sum)
        case .varint: return (varintSum + BigInteger(integerSum)).twosComplement
        case .decimal:
            guard let decimalSum else { throw NumericOverflow() }
            return decimalSum.bytes
        }
    }

    /// The serialized average; that of no numbers is 0.
    package func average() throws(NumericOverflow) -> [UInt8] {
        switch kind {
        case .integer: return serialized(count == 0 ? 0 : integerSum / Int128(count))
        case .floating: return serialized(count == 0 ? 0 : floating.average(of: count))
        case .varint:
            let sum = varintSum + BigInteger(integerSum)
            return sum.divided(by: UInt64(max(count, 1))).quotient.twosComplement
        case .decimal:
            guard let decimalAverage else { throw NumericOverflow() }
            return decimalAverage.bytes
        }
    }

    private func serialized(_ number: Int128) -> [UInt8] {
        switch type {
        case .tinyint: ValueCoding.int8(Int8(truncatingIfNeeded: number))
        case .smallint: ValueCoding.int16(Int16(truncatingIfNeeded: number))
        case .int: ValueCoding.int32(Int32(truncatingIfNeeded: number))
        default: ValueCoding.int64(Int64(truncatingIfNeeded: number))
        }
    }

    private func serialized(_ number: Double) -> [UInt8] {
        type == .double ? ValueCoding.double(number) : ValueCoding.float(Float(number))
    }
}

/// A compensated sum of floating-point numbers, also of ones whose sum is beyond the greatest.
private struct FloatingSum: Sendable {
    private var total = CompensatedSum()
    /// The sum of the numbers divided by 2^64, which can't overflow.
    private var scaled = CompensatedSum()
    private var plain = 0.0

    private static let scale = 0x1p64

    mutating func add(_ number: Double) {
        plain += number
        total.add(number)
        scaled.add(number / FloatingSum.scale)
    }

    /// Compensation makes NaN of infinities of one sign; the plain sum is right then.
    var sum: Double { total.value.isNaN && plain.isInfinite ? plain : total.value }

    func average(of count: Int) -> Double {
        let sum = sum
        guard !sum.isFinite, scaled.value.isFinite else { return sum / Double(count) }
        return scaled.value / Double(count) * FloatingSum.scale
    }
}

private struct CompensatedSum: Sendable {
    private var sum = 0.0
    private var compensation = 0.0

    mutating func add(_ number: Double) {
        let corrected = number - compensation
        let rounded = sum + corrected
        compensation = (rounded - sum) - corrected
        sum = rounded
    }

    var value: Double { sum - compensation }
}

extension BigInteger {
    /// The number `value`.
    fileprivate init(_ value: Int128) {
        let magnitude = value.magnitude
        let high = BigInteger(
            magnitude: UInt64(truncatingIfNeeded: magnitude >> 64),
            isNegative: value < 0
        )
        let low = BigInteger(
            magnitude: UInt64(truncatingIfNeeded: magnitude),
            isNegative: value < 0
        )
        self = high.shifted64 + low
    }
}
