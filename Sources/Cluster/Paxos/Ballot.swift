// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Names one attempt to change or read a partition by Paxos; of two, the later wins. Its time is the
/// timestamp of what the attempt writes.
///
/// The time alone doesn't make it one of a kind; `tag` does, which is drawn at random for each ballot,
/// so that a node that restarts, or whose clock jumps back, doesn't use a ballot a second time.
/// Acceptors promise only what has a later time than all before (not just a greater tag): so two
/// attempts that can both succeed never write with the same timestamp.
package struct Ballot: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Microseconds since 1970.
    package let micros: UInt64
    /// 62 random bits.
    package let tag: UInt64

    /// The latest time that fits in a UUID: in the year 5236.
    package static let microsMax: UInt64 = ((1 << 60) - 1 - epochOffset) / 10

    /// 100-nanosecond steps from 15 October 1582 to 1970.
    private static let epochOffset: UInt64 = 0x01B2_1DD2_1381_4000
    private static let tagMask: UInt64 = (1 << 62) - 1

    /// - Parameters:
    ///   - micros: Later than `microsMax` counts as that.
    ///   - tag: Its low 62 bits count.
    package init(micros: UInt64, tag: UInt64) {
        self.micros = min(micros, Self.microsMax)
        self.tag = tag & Self.tagMask
    }

    package static func < (a: Ballot, b: Ballot) -> Bool { (a.micros, a.tag) < (b.micros, b.tag) }

    /// The ballot as a version 1 UUID, which users see as a timeuuid.
    package var uuid: UUID {
        let ticks = micros * 10 + Self.epochOffset
        let high = ticks << 32 | (ticks >> 16) & 0xFFFF_0000 | 0x1000 | ticks >> 48
        return UUID(high: high, low: 1 << 63 | tag)
    }

    /// The ballot of a UUID; nil if it isn't one of `uuid`.
    package init?(_ uuid: UUID) {
        guard uuid.high & 0xF000 == 0x1000, uuid.low >> 62 == 2 else { return nil }
        let ticks = (uuid.high & 0xFFF) << 48 | (uuid.high & 0xFFFF_0000) << 16 | uuid.high >> 32
        guard ticks >= Self.epochOffset, (ticks - Self.epochOffset) % 10 == 0 else { return nil }
        self.init(micros: (ticks - Self.epochOffset) / 10, tag: uuid.low)
    }

    package var description: String { "\(micros).\(String(tag, radix: 16))" }
}

extension ByteWriter {
    mutating func append(_ ballot: Ballot) {
        let uuid = ballot.uuid
        appendBigEndian(uuid.high)
        appendBigEndian(uuid.low)
    }

    mutating func append(optional ballot: Ballot?) {
        append(ballot == nil ? 0 : 1)
        if let ballot { append(ballot) }
    }
}

extension ByteReader {
    /// Reads the 16 bytes of a ballot's UUID.
    package mutating func readBallot() throws(MalformedBytes) -> Ballot {
        let high: UInt64 = try readBigEndian()
        let uuid = UUID(high: high, low: try readBigEndian())
        guard let ballot = Ballot(uuid) else {
            throw MalformedBytes(offset: offset - 16, expected: "a ballot")
        }
        return ballot
    }

    mutating func readOptionalBallot() throws(MalformedBytes) -> Ballot? {
        try readByte() == 0 ? nil : try readBallot()
    }
}
