// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// How the values of a type are compared where only their extremes are kept: as a word of 64 bits, or as
/// bytes. Types that have neither, and types of several cells, have no order here.
package enum ColumnOrder: Sendable {
    case none
    case signed8, signed16, signed32, signed64
    case date, boolean, float, double
    case bytes

    package init(_ type: CQLType) {
        switch type {
        case .tinyint: self = .signed8
        case .smallint: self = .signed16
        case .int: self = .signed32
        case .bigint, .time, .timestamp: self = .signed64
        case .date: self = .date
        case .boolean: self = .boolean
        case .float: self = .float
        case .double: self = .double
        case .text, .ascii, .blob: self = .bytes
        default: self = .none
        }
    }

    /// A value as a word whose order is the type's; nil for a value of a wrong length (no bytes, which
    /// sort before all others, among them). Not for `none` and `bytes`.
    @inline(__always)
    package func word(_ value: ByteView) -> UInt64? {
        switch self {
        case .signed32:
            guard value.count == 4 else { return nil }
            return UInt64(value.loadBigEndian(0, as: UInt32.self) ^ 0x8000_0000)
        case .signed64:
            guard value.count == 8 else { return nil }
            return value.loadBigEndian(0, as: UInt64.self) ^ 1 << 63
        case .double:
            guard value.count == 8 else { return nil }
            return FloatOrder.sortable(value.loadBigEndian(0, as: UInt64.self))
        case .float:
            guard value.count == 4 else { return nil }
            return UInt64(FloatOrder.sortable(value.loadBigEndian(0, as: UInt32.self)))
        case .date:
            guard value.count == 4 else { return nil }
            return UInt64(value.loadBigEndian(0, as: UInt32.self))
        case .signed16:
            guard value.count == 2 else { return nil }
            return UInt64(value.loadBigEndian(0, as: UInt16.self) ^ 0x8000)
        case .signed8: return value.count == 1 ? UInt64(value[0] ^ 0x80) : nil
        case .boolean: return value.count == 1 ? (value[0] == 0 ? 0 : 1) : nil
        case .none, .bytes: return nil
        }
    }

    /// The bytes that stand for a value, of at most `limit`: they compare as values do, but that values
    /// which differ only behind `limit` bytes have the same. Nil for a value that has none.
    package func bytes(_ value: ByteView, limit: Int) -> [UInt8]? {
        if case .bytes = self { return value.prefix(min(value.count, limit)).array }
        return word(value).map { ValueCoding.bigEndian($0) }
    }
}
