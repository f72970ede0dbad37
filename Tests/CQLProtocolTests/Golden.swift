// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Bytes that do not come from the code under test.
enum Golden {
    /// An OPTIONS of stream 1 as the Python driver's `SegmentCodec` frames it.
    static let plainSegment: [UInt8] = [
        9, 0, 2, 164, 200, 193, 5, 0, 0, 1, 5, 0, 0, 0, 0, 181, 85, 116, 134,
    ]

    /// The same on a connection with LZ4, not compressed because it would grow.
    static let compressibleSegment: [UInt8] = [
        9, 0, 0, 0, 4, 194, 184, 149, 5, 0, 0, 1, 5, 0, 0, 0, 0, 181, 85, 116, 134,
    ]

    /// A segment without compression, with the right checksums.
    static func segment(_ payload: [UInt8], isSelfContained: Bool) -> [UInt8] {
        let word = UInt64(payload.count) | (isSelfContained ? 1 << 17 : 0)
        let sum = Checksum.crc24(word, count: 3)
        var bytes = [0, 8, 16].map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        bytes += [0, 8, 16].map { UInt8(truncatingIfNeeded: sum >> UInt32($0)) }
        bytes += payload
        let checked = ([0xFA, 0x2D, 0x55, 0xCA] + payload).withView { Checksum.crc32($0) }
        return bytes + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: checked >> UInt32($0)) }
    }
}
