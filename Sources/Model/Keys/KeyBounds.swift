// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A half-open run of keys: [lower, upper). An empty `upper` is above every key.
package struct KeyBounds: Hashable, Sendable {
    package let lower: [UInt8]
    package let upper: [UInt8]

    package init(lower: [UInt8], upper: [UInt8]) {
        self.lower = lower
        self.upper = upper
    }

    /// All keys with tokens in `range`.
    package init(_ range: TokenRange) {
        var writer = ByteWriter()
        writer.appendBigEndian(range.first.biased)
        lower = writer.array
        writer.removeAll()
        if range.last == .max {
            upper = []
        } else {
            writer.appendBigEndian(range.last.biased + 1)
            upper = writer.array
        }
    }

    /// All keys of a partition, by the partition part of its keys.
    package init(partition: ByteView) {
        lower = partition.array
        // The kind that follows is always less than 4.
        upper = lower + [4]
    }
}
