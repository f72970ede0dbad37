// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A whole number of any size: what `varint` holds, and the digits of a `decimal`.
///
/// Conversion to and from decimal digits takes time in the square of the length, so text and
/// validation keep numbers under `digitsMax`.
package struct BigInteger: Hashable, Sendable {
    /// Whether the number is below zero.
    package private(set) var isNegative: Bool
    /// The absolute value in base 2^32, least significant limb first, without leading zeros; no
    /// limbs are zero.
    package private(set) var limbs: [UInt32]

    /// The most decimal digits that text may have.
    package static let digitsMax = 100_000
    /// The most bytes that a serialized number may have: enough for `digitsMax` digits and a sign.
    package static let bytesMax = 41_525
    /// Zero.
    package static let zero = BigInteger(0)

    private static let chunkDigits = 9
    private static let chunkBase: UInt32 = 1_000_000_000

    /// The number `value`.
    package init(_ value: Int64) {
        self.init(magnitude: value.magnitude, isNegative: value < 0)
    }

    /// The number of this absolute value and sign.
    package init(magnitude: UInt64, isNegative: Bool) {
        let low = UInt32(truncatingIfNeeded: magnitude)
        let high = UInt32(truncatingIfNeeded: magnitude >> 32)
        self.init(limbs: [low, high], isNegative: isNegative)
    }

    private init(limbs: [UInt32], isNegative: Bool) {
        self.limbs = limbs
        while self.limbs.last == 0 { self.limbs.removeLast() }
        self.isNegative = isNegative && !self.limbs.isEmpty
    }

    /// The number that big-endian two's complement bytes mean; no bytes are zero.
    package init(twosComplement view: ByteView) {
        if let small = Int64(twosComplement: view) {
            self.init(small)
            return
        }
        let isNegative = view[0] >= 0x80
        var limbs = [UInt32](repeating: 0, count: (view.count + 3) / 4)
        for index in 0..<view.count {
            let byte = view[view.count - 1 - index] ^ (isNegative ? 0xFF : 0)
            limbs[index / 4] |= UInt32(byte) << UInt32(8 * (index % 4))
        }
        if isNegative {
            BigInteger.addSmall(1, to: &limbs)
        }
        self.init(limbs: limbs, isNegative: isNegative)
    }

    /// The number as big-endian two's complement, in as few bytes as possible but at least one.
    package var twosComplement: [UInt8] {
        var limbs = limbs
        if isNegative { BigInteger.subtract([1], from: &limbs) }
        while limbs.last == 0 { limbs.removeLast() }
        let bits = limbs.count * 32 - (limbs.last?.leadingZeroBitCount ?? 0)
        let count = bits / 8 + 1
        var bytes = [UInt8](repeating: isNegative ? 0xFF : 0, count: count)
        for index in 0..<count where index / 4 < limbs.count {
            let byte = UInt8(truncatingIfNeeded: limbs[index / 4] >> UInt32(8 * (index % 4)))
            bytes[count - 1 - index] = isNegative ? ~byte : byte
        }
        return bytes
    }

    /// Whether the number is zero.
    package var isZero: Bool { limbs.isEmpty }

    /// The number, if 64 bits with a sign hold it.
    package var int64: Int64? {
        guard limbs.count <= 2 else { return nil }
        let low = UInt64(limbs.first ?? 0)
        let magnitude = limbs.count == 2 ? UInt64(limbs[1]) << 32 | low : low
        if isNegative {
            return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int64(exactly: magnitude)
    }

    // MARK: - Decimal digits

    /// The number whose absolute value has these digits (0 to 9 each, most significant first).
    package init(digits: some Collection<UInt8>, isNegative: Bool) {
        var limbs: [UInt32] = []
        limbs.reserveCapacity(digits.count / 9 + 1)
        var chunk: UInt32 = 0
        var factor: UInt32 = 1
        for digit in digits {
            chunk = chunk &* 10 &+ UInt32(digit)
            factor = factor &* 10
            if factor == BigInteger.chunkBase {
                BigInteger.multiply(&limbs, by: factor, adding: chunk)
                chunk = 0
                factor = 1
            }
        }
        if factor > 1 { BigInteger.multiply(&limbs, by: factor, adding: chunk) }
        self.init(limbs: limbs, isNegative: isNegative)
    }

    /// The digits of the absolute value (0 to 9 each, most significant first); zero has one.
    package var digits: [UInt8] {
        guard !limbs.isEmpty else { return [0] }
        var reversed: [UInt8] = []
        reversed.reserveCapacity(limbs.count * 10)
        var rest = limbs
        while !rest.isEmpty {
            var chunk = BigInteger.divide(&rest, by: BigInteger.chunkBase)
            for _ in 0..<BigInteger.chunkDigits {
                reversed.append(UInt8(truncatingIfNeeded: chunk % 10))
                chunk /= 10
            }
        }
        while reversed.last == 0 { reversed.removeLast() }
        return reversed.reversed()
    }

    // MARK: - Arithmetic

    /// The sum of two numbers.
    package static func + (a: BigInteger, b: BigInteger) -> BigInteger {
        if a.isNegative == b.isNegative {
            var limbs = a.limbs
            add(b.limbs, to: &limbs)
            return BigInteger(limbs: limbs, isNegative: a.isNegative)
        }
        let isLess = compareMagnitude(a.limbs, b.limbs) < 0
        var limbs = isLess ? b.limbs : a.limbs
        subtract(isLess ? a.limbs : b.limbs, from: &limbs)
        return BigInteger(limbs: limbs, isNegative: isLess ? b.isNegative : a.isNegative)
    }

    /// The difference of two numbers.
    package static func - (a: BigInteger, b: BigInteger) -> BigInteger { a + b.negated }

    /// The number with the other sign.
    package var negated: BigInteger { BigInteger(limbs: limbs, isNegative: !isNegative) }

    /// The number times 2^64.
    var shifted64: BigInteger { BigInteger(limbs: [0, 0] + limbs, isNegative: isNegative) }

    /// The number times ten to the power of `exponent`.
    package func timesPowerOfTen(_ exponent: Int) -> BigInteger {
        guard !isZero else { return self }
        var limbs = limbs
        var rest = exponent
        while rest > 0 {
            let step = min(rest, BigInteger.chunkDigits)
            var factor: UInt32 = 1
            for _ in 0..<step { factor *= 10 }
            BigInteger.multiply(&limbs, by: factor, adding: 0)
            rest -= step
        }
        return BigInteger(limbs: limbs, isNegative: isNegative)
    }

    /// The quotient, rounded towards zero, and the absolute remainder; `divisor` is above zero.
    package func divided(by divisor: UInt64) -> (quotient: BigInteger, remainder: UInt64) {
        invariant(divisor > 0, "division by zero")
        var limbs = limbs
        if let small = UInt32(exactly: divisor) {
            let remainder = BigInteger.divide(&limbs, by: small)
            return (BigInteger(limbs: limbs, isNegative: isNegative), UInt64(remainder))
        }
        var remainder: UInt128 = 0
        for index in limbs.indices.reversed() {
            let dividend = remainder << 32 | UInt128(limbs[index])
            limbs[index] = UInt32(truncatingIfNeeded: dividend / UInt128(divisor))
            remainder = dividend % UInt128(divisor)
        }
        let quotient = BigInteger(limbs: limbs, isNegative: isNegative)
        return (quotient, UInt64(truncatingIfNeeded: remainder))
    }

    /// The quotient rounded to the nearest number, at a tie to the even one.
    package func dividedHalfEven(by divisor: UInt64) -> BigInteger {
        let (quotient, remainder) = divided(by: divisor)
        let rest = divisor - remainder
        let isOdd = (quotient.limbs.first ?? 0) & 1 == 1
        guard remainder > rest || (remainder == rest && isOdd) else { return quotient }
        var limbs = quotient.limbs
        BigInteger.addSmall(1, to: &limbs)
        return BigInteger(limbs: limbs, isNegative: isNegative)
    }

    // MARK: - Limbs

    private static func addSmall(_ value: UInt32, to limbs: inout [UInt32]) {
        add([value], to: &limbs)
    }

    private static func add(_ other: [UInt32], to limbs: inout [UInt32]) {
        while limbs.count < other.count { limbs.append(0) }
        var carry: UInt64 = 0
        for index in limbs.indices {
            if index >= other.count, carry == 0 { return }
            let addend = index < other.count ? UInt64(other[index]) : 0
            let sum = UInt64(limbs[index]) + addend + carry
            limbs[index] = UInt32(truncatingIfNeeded: sum)
            carry = sum >> 32
        }
        if carry != 0 { limbs.append(UInt32(carry)) }
    }

    /// Subtracts a number that isn't greater.
    private static func subtract(_ other: [UInt32], from limbs: inout [UInt32]) {
        var borrow: Int64 = 0
        for index in limbs.indices {
            if index >= other.count, borrow == 0 { return }
            let subtrahend = index < other.count ? Int64(other[index]) : 0
            let difference = Int64(limbs[index]) - subtrahend - borrow
            limbs[index] = UInt32(truncatingIfNeeded: difference)
            borrow = difference < 0 ? 1 : 0
        }
        invariant(borrow == 0, "subtraction of a greater magnitude")
    }

    private static func multiply(_ limbs: inout [UInt32], by factor: UInt32, adding: UInt32) {
        var carry = UInt64(adding)
        for index in limbs.indices {
            let product = UInt64(limbs[index]) &* UInt64(factor) &+ carry
            limbs[index] = UInt32(truncatingIfNeeded: product)
            carry = product >> 32
        }
        if carry != 0 { limbs.append(UInt32(carry)) }
    }

    /// Divides in place, drops leading zeros and returns the remainder.
    private static func divide(_ limbs: inout [UInt32], by divisor: UInt32) -> UInt32 {
        var remainder: UInt64 = 0
        for index in limbs.indices.reversed() {
            let dividend = remainder << 32 | UInt64(limbs[index])
            limbs[index] = UInt32(truncatingIfNeeded: dividend / UInt64(divisor))
            remainder = dividend % UInt64(divisor)
        }
        while limbs.last == 0 { limbs.removeLast() }
        return UInt32(truncatingIfNeeded: remainder)
    }

    fileprivate static func compareMagnitude(_ a: [UInt32], _ b: [UInt32]) -> Int {
        if a.count != b.count { return a.count < b.count ? -1 : 1 }
        for index in a.indices.reversed() where a[index] != b[index] {
            return a[index] < b[index] ? -1 : 1
        }
        return 0
    }
}

extension BigInteger: Comparable, CustomStringConvertible {
    package static func < (a: BigInteger, b: BigInteger) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        let order = compareMagnitude(a.limbs, b.limbs)
        return a.isNegative ? order > 0 : order < 0
    }

    package var description: String {
        if let small = int64 { return String(small) }
        var text: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        text.append(contentsOf: digits.lazy.map { $0 + UInt8(ascii: "0") })
        return String(decoding: text, as: UTF8.self)
    }
}

extension Int64 {
    /// The number that at most eight big-endian two's complement bytes mean; nil for more bytes.
    package init?(twosComplement view: ByteView) {
        guard view.count <= 8 else { return nil }
        if view.isEmpty {
            self = 0
            return
        }
        var value = view[0] >= 0x80 ? Int64(-1) : 0
        for index in 0..<view.count { value = value << 8 | Int64(view[index]) }
        self = value
    }
}
