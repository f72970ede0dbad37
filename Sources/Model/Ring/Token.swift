// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A position on the ring: Murmur3Partitioner's 64-bit hash of a serialized partition key.
package struct Token: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The signed number that users see.
    package let value: Int64

    package init(_ value: Int64) { self.value = value }

    /// The token of a serialized partition key. `Int64.min` is never a key's token: Cassandra keeps
    /// it for the ring's start and moves such a key to `Int64.max`.
    package init(partitionKey: ByteView) {
        let hash = Murmur3.hash(partitionKey)
        self.value = hash == Int64.min ? Int64.max : hash
    }

    /// The smallest token.
    package static let min = Token(Int64.min)
    /// The largest token.
    package static let max = Token(Int64.max)

    /// The token with its sign bit flipped: sorts as an unsigned number.
    package var biased: UInt64 { UInt64(bitPattern: value) ^ (1 << 63) }

    /// The token of a biased number.
    package init(biased: UInt64) { self.value = Int64(bitPattern: biased ^ (1 << 63)) }

    package static func < (a: Token, b: Token) -> Bool { a.value < b.value }
    package var description: String { String(value) }
}

/// A run of tokens, both ends included.
package struct TokenRange: Hashable, Sendable, CustomStringConvertible {
    package let first: Token
    package let last: Token

    package init(_ first: Token, _ last: Token) {
        self.first = first
        self.last = last
    }

    /// All tokens.
    package static let all = TokenRange(.min, .max)

    /// Whether `token` is in the range.
    package func contains(_ token: Token) -> Bool { first <= token && token <= last }

    /// The tokens in both ranges; nil if there are none.
    package func intersection(_ other: TokenRange) -> TokenRange? {
        let low = Swift.max(first, other.first)
        let high = Swift.min(last, other.last)
        return low <= high ? TokenRange(low, high) : nil
    }

    package var description: String { "[\(first), \(last)]" }
}

/// Which shard of a node owns a token: the published biased-token rule, so that shard-aware drivers
/// find the owner by themselves.
///
/// shard = (((token + 2^63) << ignoredBits) mod 2^64) · count >> 64
package struct ShardMap: Hashable, Sendable {
    /// The number of shards, at least 1.
    package let count: Int
    /// How many high bits of a biased token are ignored. With 0, a shard owns one run of tokens.
    package let ignoredBits: Int

    package init(count: Int, ignoredBits: Int = 0) {
        invariant(count >= 1 && count <= 65_536, "shard count out of range")
        invariant(ignoredBits >= 0 && ignoredBits < 48, "ignored bits out of range")
        self.count = count
        self.ignoredBits = ignoredBits
    }

    /// The shard that owns `token`.
    package func shard(of token: Token) -> Int {
        Int((token.biased << UInt64(ignoredBits)).multipliedFullWidth(by: UInt64(count)).high)
    }

    /// The runs of tokens that `shard` owns, in order: 2^ignoredBits of them.
    package func ranges(of shard: Int) -> [TokenRange] {
        let span = ignoredBits == 0 ? 0 : UInt64(1) << UInt64(64 - ignoredBits)
        return (0..<(1 << ignoredBits)).map { window in
            let start = UInt64(window) &* span
            let low = firstOffset(of: shard)
            let next = shard + 1 == count ? span &- 1 : firstOffset(of: shard + 1) &- 1
            return TokenRange(Token(biased: start &+ low), Token(biased: start &+ next))
        }
    }

    /// The smallest x with ((x << ignoredBits) · count) >> 64 >= shard: where the shard begins in each
    /// window of tokens that differ in the ignored bits.
    private func firstOffset(of shard: Int) -> UInt64 {
        guard shard > 0 else { return 0 }
        let (quotient, remainder) = UInt64(count).dividingFullWidth((UInt64(shard), 0))
        let start = remainder == 0 ? quotient : quotient + 1
        let window = UInt64(1) << UInt64(ignoredBits)
        return start / window + (start % window == 0 ? 0 : 1)
    }
}
