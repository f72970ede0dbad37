// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// The outer framing of v5 (native_protocol_v5.spec, sections 2.1 and 2.2): a header with its CRC-24,
/// up to 128 KiB of payload, and the payload's CRC-32.
enum Segment {
    /// The most bytes of payload, compressed or not.
    static let payloadMax = (1 << 17) - 1
    /// The payload's checksum, in bytes.
    static let trailerLength = 4
    /// Where CRC-32 starts: after these four bytes, so that a run of zeros is not valid.
    private static let checksumStart: UInt32 = [0xFA, 0x2D, 0x55, 0xCA].withView {
        Checksum.crc32($0)
    }

    /// What a segment's header says.
    struct Header: Equatable {
        /// The length of the payload on the wire.
        var payloadCount: Int
        /// The length once decompressed; 0 when the payload is not compressed.
        var decompressedCount: Int
        /// Whether the payload holds whole envelopes alone.
        var isSelfContained: Bool
    }

    /// The length of a header, in bytes.
    static func headerLength(isCompressed: Bool) -> Int { isCompressed ? 8 : 6 }

    /// The checksum of a payload.
    static func checksum(_ payload: ByteView) -> UInt32 {
        Checksum.crc32(payload, from: checksumStart)
    }

    /// Reads a header of `headerLength` bytes; nil when its checksum is wrong.
    static func header(_ view: ByteView, isCompressed: Bool) -> Header? {
        if isCompressed {
            let low = UInt64(view.loadLittleEndian(0, as: UInt32.self))
            let word = low | UInt64(view[4]) << 32
            let sum = view.loadLittleEndian(4, as: UInt32.self) >> 8
            guard Checksum.crc24(word, count: 5) == sum else { return nil }
            return Header(
                payloadCount: Int(word & 0x1FFFF),
                decompressedCount: Int((word >> 17) & 0x1FFFF),
                isSelfContained: word >> 34 & 1 == 1
            )
        }
        let word = UInt64(view[0]) | UInt64(view[1]) << 8 | UInt64(view[2]) << 16
        let sum = UInt32(view[3]) | UInt32(view[4]) << 8 | UInt32(view[5]) << 16
        guard Checksum.crc24(word, count: 3) == sum else { return nil }
        return Header(
            payloadCount: Int(word & 0x1FFFF),
            decompressedCount: 0,
            isSelfContained: word >> 17 & 1 == 1
        )
    }

    /// Appends a header and its checksum.
    static func append(_ header: Header, isCompressed: Bool, to writer: inout ByteWriter) {
        var word = UInt64(header.payloadCount)
        if isCompressed {
            word |= UInt64(header.decompressedCount) << 17
            word |= header.isSelfContained ? 1 << 34 : 0
            let sum = UInt64(Checksum.crc24(word, count: 5))
            writer.appendLittleEndian(word | sum << 40)
            return
        }
        word |= header.isSelfContained ? 1 << 17 : 0
        let whole = word | UInt64(Checksum.crc24(word, count: 3)) << 24
        writer.appendLittleEndian(UInt32(truncatingIfNeeded: whole))
        writer.appendLittleEndian(UInt16(truncatingIfNeeded: whole >> 32))
    }

    /// Appends a whole segment of a payload of at most `payloadMax` bytes.
    static func append(
        payload: ByteView,
        isSelfContained: Bool,
        codec: Codec,
        scratch: inout ByteWriter,
        to writer: inout ByteWriter
    ) {
        invariant(payload.count <= payloadMax, "a segment's payload is at most 128 KiB")
        var header = Header(
            payloadCount: payload.count,
            decompressedCount: 0,
            isSelfContained: isSelfContained
        )
        var stored = payload
        if codec != .none {
            scratch.removeAll()
            codec.compress(payload, into: &scratch)
            if scratch.count < payload.count {
                header.payloadCount = scratch.count
                header.decompressedCount = payload.count
                stored = scratch.view
            }
        }
        append(header, isCompressed: codec != .none, to: &writer)
        writer.append(stored)
        writer.appendLittleEndian(checksum(stored))
    }
}
