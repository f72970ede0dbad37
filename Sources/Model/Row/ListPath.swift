// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The paths of a list's elements: 16 bytes that sort in the list's order.
///
///     path = time (8) sequence (4) index (4)      big endian
///
/// The time is the write's microseconds with the sign flipped, which puts what is appended later
/// behind. The sequence tells writes of one microsecond apart, in the order of a batch; the index
/// counts the elements of a write.
package struct ListPath: Sendable {
    private let time: UInt64
    private let sequence: UInt32

    /// Elements behind all that were written before `timestamp`.
    package init(appendedAt timestamp: Int64, sequence: UInt32) {
        time = UInt64(bitPattern: timestamp) ^ (1 << 63)
        self.sequence = sequence
    }

    /// Elements before all that were written before `timestamp`.
    package init(prependedAt timestamp: Int64, sequence: UInt32) {
        // The year 2000 is the mirror: prepended elements lie before it, appended ones behind.
        let mirror: Int64 = 946_684_800_000_000
        time = UInt64(bitPattern: mirror &- (timestamp &- mirror)) ^ (1 << 63)
        self.sequence = ~sequence
    }

    /// Appends the path of the element number `index` of the write.
    package func append(_ index: Int, to writer: inout ByteWriter) {
        writer.appendBigEndian(time)
        writer.appendBigEndian(sequence)
        writer.appendBigEndian(UInt32(truncatingIfNeeded: index))
    }
}
