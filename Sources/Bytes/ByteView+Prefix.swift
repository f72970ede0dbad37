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
}
