// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// A `duration`: months, days and nanoseconds are kept apart because months and days vary in length.
///
/// None is of another sign than the others.
package struct CQLDuration: Hashable, Sendable {
    /// Months, of 28 to 31 days.
    package let months: Int32
    /// Days, of 23 to 25 hours.
    package let days: Int32
    /// Nanoseconds.
    package let nanoseconds: Int64

    /// The duration of these parts; nil if their signs differ.
    package init?(months: Int32, days: Int32, nanoseconds: Int64) {
        let hasNegative = months < 0 || days < 0 || nanoseconds < 0
        let hasPositive = months > 0 || days > 0 || nanoseconds > 0
        if hasNegative && hasPositive { return nil }
        self.months = months
        self.days = days
        self.nanoseconds = nanoseconds
    }

    /// A serialized duration; nil if `validate` finds fault with it.
    package init?(_ view: ByteView) {
        var reader = ByteReader(view)
        guard let months = try? reader.readVInt(), let days = try? reader.readVInt(),
            let nanoseconds = try? reader.readVInt(), reader.isAtEnd,
            let months = Int32(exactly: months), let days = Int32(exactly: days)
        else { return nil }
        self.init(months: months, days: days, nanoseconds: nanoseconds)
    }

    /// The serialized form: three vints.
    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.appendVInt(Int64(months))
        writer.appendVInt(Int64(days))
        writer.appendVInt(nanoseconds)
        return writer.array
    }

    /// Why the bytes aren't a serialized duration; nil if they are.
    static func validate(_ view: ByteView) -> String? {
        var reader = ByteReader(view)
        guard let months = try? reader.readVInt(), let days = try? reader.readVInt(),
            let nanoseconds = try? reader.readVInt(), reader.isAtEnd
        else { return "expected three vints for duration but got \(view.count) bytes" }
        guard let months = Int32(exactly: months) else {
            return "the months of a duration must be a 32-bit integer but were \(months)"
        }
        guard let days = Int32(exactly: days) else {
            return "the days of a duration must be a 32-bit integer but were \(days)"
        }
        guard CQLDuration(months: months, days: days, nanoseconds: nanoseconds) != nil else {
            return "months, days and nanoseconds of a duration must have the same sign but were"
                + " \(months), \(days), \(nanoseconds)"
        }
        return nil
    }
}

// Cassandra's vint: zigzag, then big endian; the ones that the first byte leads with count the bytes
// that follow (native protocol, section 3).

extension ByteReader {
    /// Reads a signed vint.
    mutating func readVInt() throws(MalformedBytes) -> Int64 {
        let first = try readByte()
        let extra = (~first).leadingZeroBitCount
        var value = extra >= 7 ? 0 : UInt64(first & (0xFF >> UInt8(extra)))
        for byte in try readView(extra).buffer { value = value << 8 | UInt64(byte) }
        return Varint.unzigzag(value)
    }
}

extension ByteWriter {
    /// Appends a signed vint.
    mutating func appendVInt(_ value: Int64) {
        let bits = Varint.zigzag(value)
        let width = 64 - bits.leadingZeroBitCount
        let extra = width <= 7 ? 0 : width > 56 ? 8 : (width - 1) / 7
        let lead = extra == 8 ? 0xFF : ~(0xFF >> UInt8(extra)) as UInt8
        let high = extra >= 8 ? 0 : UInt8(truncatingIfNeeded: bits >> UInt64(8 * extra))
        append(lead | high)
        for index in stride(from: extra - 1, through: 0, by: -1) {
            append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index)))
        }
    }
}
