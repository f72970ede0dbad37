// SPDX-License-Identifier: Apache-2.0

/// A place in a shard's commit log: the start of a record.
package struct CommitLogPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The segment's id; later segments have greater ones.
    package let segment: UInt64
    /// Bytes from the segment's start.
    package let offset: Int

    package init(segment: UInt64, offset: Int) {
        self.segment = segment
        self.offset = offset
    }

    package static func < (a: CommitLogPosition, b: CommitLogPosition) -> Bool {
        a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset
    }

    package var description: String { "\(segment):\(offset)" }
}
