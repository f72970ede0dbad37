// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Builds serialized CQL values (native protocol, section 6): what cells, keys and results hold.
package enum ValueCoding {
    /// A fixed-width integer, most significant byte first.
    package static func bigEndian<I: FixedWidthInteger>(_ value: I) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
    }

    /// A `tinyint`.
    package static func int8(_ value: Int8) -> [UInt8] { [UInt8(bitPattern: value)] }
    /// A `smallint`.
    package static func int16(_ value: Int16) -> [UInt8] { bigEndian(value) }
    /// An `int`.
    package static func int32(_ value: Int32) -> [UInt8] { bigEndian(value) }
    /// A `bigint` or `counter`.
    package static func int64(_ value: Int64) -> [UInt8] { bigEndian(value) }
    /// A `boolean`.
    package static func boolean(_ value: Bool) -> [UInt8] { [value ? 1 : 0] }
    /// A `float`.
    package static func float(_ value: Float) -> [UInt8] { bigEndian(value.bitPattern) }
    /// A `double`.
    package static func double(_ value: Double) -> [UInt8] { bigEndian(value.bitPattern) }
    /// A `text` or `ascii`.
    package static func text(_ value: String) -> [UInt8] { [UInt8](value.utf8) }
    /// A `uuid` or `timeuuid`.
    package static func uuid(_ value: UUID) -> [UInt8] { value.bytes }
    /// A `timestamp`, in milliseconds since 1970 UTC.
    package static func timestamp(milliseconds: Int64) -> [UInt8] { bigEndian(milliseconds) }
    /// A `date`, in days since 1970-01-01.
    package static func date(days: Int32) -> [UInt8] {
        bigEndian(UInt32(bitPattern: days) ^ 0x8000_0000)
    }
    /// A `time`, in nanoseconds since midnight.
    package static func time(nanoseconds: Int64) -> [UInt8] { bigEndian(nanoseconds) }
    /// A `varint`.
    package static func varint(_ value: BigInteger) -> [UInt8] { value.twosComplement }
    /// A `decimal`.
    package static func decimal(_ value: CQLDecimal) -> [UInt8] { value.bytes }

    /// A list or set of serialized elements, which a set has in order; nil is a null element.
    package static func collection(_ elements: [[UInt8]?]) -> [UInt8] {
        var writer = ByteWriter(capacity: 4 + elements.reduce(0) { $0 + 4 + ($1?.count ?? 0) })
        writer.appendBigEndian(Int32(truncatingIfNeeded: elements.count))
        for element in elements { append(element, to: &writer) }
        return writer.array
    }

    /// A map of serialized keys, in order, and their values.
    package static func map(_ entries: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        var writer = ByteWriter()
        writer.appendBigEndian(Int32(truncatingIfNeeded: entries.count))
        for entry in entries {
            append(entry.key, to: &writer)
            append(entry.value, to: &writer)
        }
        return writer.array
    }

    /// A tuple of serialized fields; nil is a null field.
    package static func tuple(_ fields: [[UInt8]?]) -> [UInt8] {
        var writer = ByteWriter()
        for field in fields { append(field, to: &writer) }
        return writer.array
    }

    private static func append(_ element: [UInt8]?, to writer: inout ByteWriter) {
        guard let element else {
            writer.appendBigEndian(Int32(-1))
            return
        }
        writer.appendBigEndian(Int32(truncatingIfNeeded: element.count))
        writer.append(element)
    }
}

extension FixedWidthInteger {
    /// The integer of a serialized value of just its width (`tinyint` to `bigint`, `date` as
    /// `UInt32`, `timestamp`, `time`); nil for any other length.
    package init?(cql view: ByteView) {
        guard view.count == MemoryLayout<Self>.size else { return nil }
        self = view.loadBigEndian(0, as: Self.self)
    }
}

extension Bool {
    /// A serialized `boolean`: any byte but 0 is true; nil unless there is one byte.
    package init?(cql view: ByteView) {
        guard view.count == 1 else { return nil }
        self = view[0] != 0
    }
}

extension Float {
    /// A serialized `float`; nil unless there are 4 bytes.
    package init?(cql view: ByteView) {
        guard let bits = UInt32(cql: view) else { return nil }
        self.init(bitPattern: bits)
    }
}

extension Double {
    /// A serialized `double`; nil unless there are 8 bytes.
    package init?(cql view: ByteView) {
        guard let bits = UInt64(cql: view) else { return nil }
        self.init(bitPattern: bits)
    }
}

extension String {
    /// A serialized `text` or `ascii`; what isn't UTF-8 becomes U+FFFD.
    package init(cql view: ByteView) {
        self.init(decoding: view.buffer, as: UTF8.self)
    }
}
