// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A decimal number of any precision: `unscaled` times ten to the power of minus `scale`.
///
/// Equality is of the two parts: 1.0 and 1.00 differ, though `compare` finds them alike.
package struct CQLDecimal: Hashable, Sendable {
    /// All digits, as a whole number.
    package let unscaled: BigInteger
    /// How many of the digits are behind the point; negative adds zeros before it.
    package let scale: Int32

    /// Zero, with nothing behind the point.
    package static let zero = CQLDecimal(unscaled: .zero, scale: 0)

    /// The number of these parts.
    package init(unscaled: BigInteger, scale: Int32) {
        self.unscaled = unscaled
        self.scale = scale
    }

    /// A serialized decimal: the scale in 4 bytes, then the digits as a `varint`; nil if shorter
    /// than its scale.
    package init?(_ view: ByteView) {
        guard view.count >= 4 else { return nil }
        self.scale = view.loadBigEndian(0, as: Int32.self)
        self.unscaled = BigInteger(twosComplement: view.dropFirst(4))
    }

    /// The serialized form.
    package var bytes: [UInt8] {
        let scale = UInt32(bitPattern: scale)
        let prefix = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: scale >> UInt32($0)) }
        return prefix + unscaled.twosComplement
    }

    /// The number that stands for all that are numerically equal: without zeros at the end, unless
    /// a few are needed to write it without an exponent.
    package var canonical: CQLDecimal {
        let digits = unscaled.digits
        let kept = digits.count - CQLDecimal.trailingZeros(digits)
        return CQLDecimal(
            digits: digits[..<kept],
            exponent: Int64(digits.count) - Int64(scale),
            isNegative: unscaled.isNegative
        ) ?? self
    }

    /// The canonical number 0.DDD… × 10^`exponent`, of digits without a zero at either end; nil if
    /// no scale of 32 bits holds it.
    init?(digits: some Collection<UInt8>, exponent: Int64, isNegative: Bool) {
        let unscaled = BigInteger(digits: digits, isNegative: isNegative)
        guard !unscaled.isZero else {
            self = .zero
            return
        }
        let scale = Int64(digits.count) - exponent
        // Zeros at the end come back where they read better, and where the scale has no room.
        let target = scale < 0 && scale >= -40 ? 0 : max(scale, Int64(Int32.min))
        guard let result = Int32(exactly: target), target - scale <= BigInteger.digitsMax else {
            return nil
        }
        self.unscaled = unscaled.timesPowerOfTen(Int(target - scale))
        self.scale = result
    }

    /// How many digits at the end are zero.
    static func trailingZeros(_ digits: [UInt8]) -> Int {
        digits.reversed().prefix { $0 == 0 }.count
    }

    /// Negative, zero or positive as `a` is less than, numerically equal to or greater than `b`.
    ///
    /// Never expands a scale: numbers of very different size are told apart by their exponents.
    package static func compare(_ a: CQLDecimal, _ b: CQLDecimal) -> Int {
        if a.scale == b.scale {
            return a.unscaled == b.unscaled ? 0 : a.unscaled < b.unscaled ? -1 : 1
        }
        let signs = (a.sign, b.sign)
        if signs.0 != signs.1 { return signs.0 - signs.1 }
        guard signs.0 != 0 else { return 0 }
        return compareMagnitude(a, b) * signs.0
    }

    private var sign: Int { unscaled.isZero ? 0 : unscaled.isNegative ? -1 : 1 }

    private static func compareMagnitude(_ a: CQLDecimal, _ b: CQLDecimal) -> Int {
        let left = a.unscaled.digits
        let right = b.unscaled.digits
        let exponents = (Int64(left.count) - Int64(a.scale), Int64(right.count) - Int64(b.scale))
        if exponents.0 != exponents.1 { return exponents.0 < exponents.1 ? -1 : 1 }
        for index in 0..<max(left.count, right.count) {
            let digits = (
                index < left.count ? left[index] : 0, index < right.count ? right[index] : 0
            )
            if digits.0 != digits.1 { return digits.0 < digits.1 ? -1 : 1 }
        }
        return 0
    }

    /// The sum of two decimals, at the greater of their scales; nil if it would need more than
    /// `BigInteger.digitsMax` digits.
    package static func sum(_ a: CQLDecimal, _ b: CQLDecimal) -> CQLDecimal? {
        let scale = max(a.scale, b.scale)
        guard let left = a.unscaled(at: scale), let right = b.unscaled(at: scale) else {
            return nil
        }
        return CQLDecimal(unscaled: left + right, scale: scale)
    }

    /// The digits as a whole number at a scale that isn't less; nil if there would be too many.
    func unscaled(at target: Int32) -> BigInteger? {
        let shift = Int(target) - Int(scale)
        if unscaled.isZero || shift == 0 { return unscaled }
        // Each limb holds more than nine digits and less than ten.
        guard shift + unscaled.limbs.count * 10 <= BigInteger.digitsMax + 20 else { return nil }
        return unscaled.timesPowerOfTen(shift)
    }
}
