// SPDX-License-Identifier: Apache-2.0

private import CXXHash
private import CZlib

/// Checksums and hashes, through the system's libraries.
package enum Checksum {
    /// XXH3, 64 bits: every block and record on disk carries it.
    package static func xxh3(_ view: ByteView) -> UInt64 { tholos_xxh3_64(view.base, view.count, 0) }

    /// XXH3, 64 bits, with a seed: the hash of filters.
    package static func xxh3(_ view: ByteView, seed: UInt64) -> UInt64 {
        tholos_xxh3_64(view.base, view.count, seed)
    }

    /// XXH3, 128 bits, most significant byte first: 16 bytes that identify a text.
    package static func xxh3Wide(_ view: ByteView) -> [UInt8] {
        let hash = tholos_xxh3_128(view.base, view.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        for word in [hash.high64, hash.low64] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return bytes
    }

    /// CRC-32 (IEEE 802.3) continued from `crc`.
    package static func crc32(_ view: ByteView, from crc: UInt32 = 0) -> UInt32 {
        UInt32(
            truncatingIfNeeded: crc32_z(
                UInt(crc),
                view.base.assumingMemoryBound(to: UInt8.self),
                view.count
            )
        )
    }

    /// The CRC-24 of the CQL protocol's segment headers: over the `count` low bytes of `header`,
    /// least significant first (native_protocol_v5.spec, section 2.3).
    package static func crc24(_ header: UInt64, count: Int) -> UInt32 {
        var crc: UInt32 = 0x87_5060
        for index in 0..<count {
            crc ^= UInt32(truncatingIfNeeded: (header >> UInt64(8 * index)) & 0xFF) << 16
            for _ in 0..<8 {
                crc <<= 1
                if crc & 0x100_0000 != 0 { crc ^= 0x197_4F0B }
            }
        }
        return crc & 0xFF_FFFF
    }
}
