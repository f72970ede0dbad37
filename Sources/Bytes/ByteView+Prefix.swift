// SPDX-License-Identifier: Apache-2.0

extension ByteView {
    /// How many bytes this view and `other` have in common from their starts.
    package func commonPrefixCount(_ other: ByteView) -> Int {
        let limit = min(count, other.count)
        var index = 0
        while index + 8 <= limit {
            let a = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let b = other.base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let difference = UInt64(littleEndian: a ^ b)
            if difference != 0 { return index + difference.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < limit {
            let a = base.load(fromByteOffset: index, as: UInt8.self)
            let b = other.base.load(fromByteOffset: index, as: UInt8.self)
            if a != b { return index }
            index += 1
        }
        return limit
    }

    /// The eight bytes from `start` on as a big-endian number, those that lack being 0: of two views
    /// with the same first `start` bytes, the one with the lower number sorts first.
    @inlinable
    package func leadingWord(from start: Int = 0) -> UInt64 {
        let rest = count - start
        if rest >= 8 {
            return UInt64(bigEndian: base.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        }
        var word: UInt64 = 0
        for index in 0..<max(rest, 0) {
            let byte = base.load(fromByteOffset: start + index, as: UInt8.self)
            word |= UInt64(byte) << UInt64(56 - 8 * index)
        }
        return word
    }
}
