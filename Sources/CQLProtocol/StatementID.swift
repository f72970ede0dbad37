// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What names a prepared statement or a result's metadata: [short bytes]. Up to 16 bytes, which is
/// what servers use, are held in place.
package struct StatementID: Hashable, Sendable, CustomStringConvertible {
    private let count: UInt16
    private let high: UInt64
    private let low: UInt64
    /// All the bytes of a longer id; empty otherwise.
    private let long: [UInt8]

    /// The id of these bytes, at most 65,535.
    package init(_ view: ByteView) {
        invariant(view.count <= Int(UInt16.max), "a statement's id is at most 65535 bytes")
        count = UInt16(truncatingIfNeeded: view.count)
        if view.count == 16 {
            high = view.loadBigEndian(0, as: UInt64.self)
            low = view.loadBigEndian(8, as: UInt64.self)
            long = []
        } else {
            high = 0
            low = 0
            long = view.array
        }
    }

    /// The id of these bytes, at most 65,535.
    package init(_ bytes: [UInt8]) { self = bytes.withView { StatementID($0) } }

    /// The id of 16 bytes.
    package init(high: UInt64, low: UInt64) {
        self.count = 16
        self.high = high
        self.low = low
        self.long = []
    }

    /// The bytes.
    package var bytes: [UInt8] {
        guard count == 16 else { return long }
        var writer = ByteWriter(capacity: 16)
        writer.appendBigEndian(high)
        writer.appendBigEndian(low)
        return writer.array
    }

    /// Appends the id as [short bytes].
    package func append(to writer: inout ByteWriter) {
        writer.appendBigEndian(count)
        if count == 16 {
            writer.appendBigEndian(high)
            writer.appendBigEndian(low)
        } else {
            writer.append(long)
        }
    }

    /// The bytes in hexadecimal.
    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
