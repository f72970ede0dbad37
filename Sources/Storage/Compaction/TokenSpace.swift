// SPDX-License-Identifier: Apache-2.0

package import Model

/// The tokens of a shard laid end to end, so that parts of them can be measured and cut.
package struct TokenSpace: Sendable {
    /// The tokens that the shard owns, in order.
    package let ranges: [TokenRange]
    /// How many tokens stand before each range.
    private let starts: [UInt64]
    /// The place of the last token.
    private let last: UInt64

    package init(_ ranges: [TokenRange]) {
        self.ranges = ranges
        var starts: [UInt64] = []
        var next: UInt64 = 0
        for range in ranges {
            starts.append(next)
            next = next &+ (range.last.biased - range.first.biased) &+ 1
        }
        self.starts = starts
        // All 2^64 tokens: the sum has come round to 0.
        last = next &- 1
    }

    /// The part of the space that a run of tokens takes, from 0 to 1.
    package func share(of range: TokenRange) -> Double {
        ranges.reduce(0) { sum, own in
            guard let common = own.intersection(range) else { return sum }
            return sum + TokenSpace.width(common)
        } / (Double(last) + 1)
    }

    /// The part of the space that lies before a token, from 0 to 1.
    package func position(of token: Token) -> Double {
        guard token > .min else { return 0 }
        return share(of: TokenRange(.min, Token(token.value - 1)))
    }

    /// The space cut into `count` slices of the same number of tokens, each one or more runs.
    ///
    /// The cuts of `count` slices are among those of `2 * count`.
    package func slices(_ count: Int) -> [[TokenRange]] {
        let count = UInt64(max(1, count))
        var result: [[TokenRange]] = []
        var first: UInt64 = 0
        for index in 1...count {
            let next = index == count ? last : cut(index, of: count) &- 1
            guard next >= first, next <= last else { continue }
            result.append(tokens(from: first, to: next))
            if next == last { break }
            first = next + 1
        }
        return result
    }

    private func cut(_ index: UInt64, of count: UInt64) -> UInt64 {
        let product = index.multipliedFullWidth(by: last)
        return count.dividingFullWidth(product).quotient
    }

    /// The tokens whose places are from `first` to `last`, both included.
    private func tokens(from first: UInt64, to last: UInt64) -> [TokenRange] {
        var result: [TokenRange] = []
        for (range, start) in zip(ranges, starts) {
            let end = start + (range.last.biased - range.first.biased)
            guard end >= first, start <= last else { continue }
            let low = range.first.biased + (max(first, start) - start)
            let high = range.first.biased + (min(last, end) - start)
            result.append(TokenRange(Token(biased: low), Token(biased: high)))
        }
        return result
    }

    /// How many tokens a run has.
    static func width(_ range: TokenRange) -> Double {
        Double(range.last.biased - range.first.biased) + 1
    }
}
