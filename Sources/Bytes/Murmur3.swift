// SPDX-License-Identifier: Apache-2.0

/// The hash behind Murmur3Partitioner: MurmurHash3 x64 128, seed 0, first half.
///
/// Cassandra's variant differs from the published one in that the tail's bytes are sign-extended,
/// which drivers copy, so it is kept here.
package enum Murmur3 {
    /// The first 64 bits of the hash.
    package static func hash(_ view: ByteView) -> Int64 {
        let c1: UInt64 = 0x87c3_7b91_1142_53d5
        let c2: UInt64 = 0x4cf5_ad43_2745_937f
        var h1: UInt64 = 0
        var h2: UInt64 = 0
        let blocks = view.count / 16
        for index in 0..<blocks {
            var k1 = view.loadLittleEndian(index * 16, as: UInt64.self)
            var k2 = view.loadLittleEndian(index * 16 + 8, as: UInt64.self)
            k1 = rotated(k1 &* c1, 31) &* c2
            h1 = (rotated(h1 ^ k1, 27) &+ h2) &* 5 &+ 0x52dc_e729
            k2 = rotated(k2 &* c2, 33) &* c1
            h2 = (rotated(h2 ^ k2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
        }
        let tail = blocks * 16
        let rest = view.count - tail
        var k1: UInt64 = 0
        var k2: UInt64 = 0
        for index in stride(from: rest - 1, through: 0, by: -1) {
            let byte = UInt64(bitPattern: Int64(Int8(bitPattern: view[tail + index])))
            if index >= 8 {
                k2 ^= byte << UInt64(8 * (index - 8))
            } else {
                k1 ^= byte << UInt64(8 * index)
            }
        }
        if rest > 8 { h2 ^= rotated(k2 &* c2, 33) &* c1 }
        if rest > 0 { h1 ^= rotated(k1 &* c1, 31) &* c2 }
        h1 ^= UInt64(view.count)
        h2 ^= UInt64(view.count)
        h1 = h1 &+ h2
        h2 = h2 &+ h1
        h1 = mixed(h1)
        h2 = mixed(h2)
        return Int64(bitPattern: h1 &+ h2)
    }

    private static func rotated(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        (value << bits) | (value >> (64 - bits))
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var k = value
        k ^= k >> 33
        k = k &* 0xff51_afd7_ed55_8ccd
        k ^= k >> 33
        k = k &* 0xc4ce_b9fe_1a85_ec53
        k ^= k >> 33
        return k
    }
}
