// SPDX-License-Identifier: Apache-2.0

package import Bytes

extension CQLType {
    /// Whether no bytes are an ordinary value of the type (an empty string); of other types they are
    /// Cassandra's "empty" value, which sorts before all others.
    package var hasEmptyValue: Bool {
        switch self {
        case .text, .ascii, .blob: true
        default: false
        }
    }

    /// Negative, zero or positive as one serialized value sorts before, with or after another in the
    /// type's order, which is the order of `OrderedEncoding`.
    ///
    /// No bytes sort before all others.
    package func compare(_ a: ByteView, _ b: ByteView) -> Int {
        if a.isEmpty || b.isEmpty { return (a.isEmpty ? 0 : 1) - (b.isEmpty ? 0 : 1) }
        switch self {
        case .text, .ascii, .blob, .inet, .duration, .date: return a.compare(b)
        case .int: return CQLType.order(Int32(cql: a), Int32(cql: b))
        case .bigint, .counter, .time, .timestamp:
            return CQLType.order(Int64(cql: a), Int64(cql: b))
        case .smallint: return CQLType.order(Int16(cql: a), Int16(cql: b))
        case .tinyint: return CQLType.order(Int8(cql: a), Int8(cql: b))
        case .boolean: return (a[0] == 0 ? 0 : 1) - (b[0] == 0 ? 0 : 1)
        case .float:
            return CQLType.order(
                UInt32(cql: a).map(FloatOrder.sortable),
                UInt32(cql: b).map(FloatOrder.sortable)
            )
        case .double:
            return CQLType.order(
                UInt64(cql: a).map(FloatOrder.sortable),
                UInt64(cql: b).map(FloatOrder.sortable)
            )
        case .uuid:
            guard let left = UUID(a), let right = UUID(b) else { return a.compare(b) }
            let order = CQLType.order(
                UUIDOrder.sortable(uuid: left.high),
                UUIDOrder.sortable(uuid: right.high)
            )
            return order != 0 ? order : CQLType.order(left.low, right.low)
        case .timeuuid:
            guard let left = UUID(a), let right = UUID(b) else { return a.compare(b) }
            let order = CQLType.order(
                UUIDOrder.sortable(timeuuid: left.high),
                UUIDOrder.sortable(timeuuid: right.high)
            )
            if order != 0 { return order }
            let flip = UUIDOrder.signedBytes
            return CQLType.order(left.low ^ flip, right.low ^ flip)
        case .varint:
            if let left = Int64(twosComplement: a), let right = Int64(twosComplement: b) {
                return CQLType.order(left, right)
            }
            return CQLType.order(BigInteger(twosComplement: a), BigInteger(twosComplement: b))
        case .decimal:
            guard let left = CQLDecimal(a), let right = CQLDecimal(b) else { return a.compare(b) }
            return CQLDecimal.compare(left, right)
        case .list, .set, .map, .tuple: return compareElements(a, b)
        }
    }

    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a == b ? 0 : 1 }

    /// Values of a wrong length sort before the others.
    private static func order<T: Comparable>(_ a: T?, _ b: T?) -> Int {
        guard let a, let b else { return (a == nil ? 0 : 1) - (b == nil ? 0 : 1) }
        return order(a, b)
    }

    private func compareElements(_ a: ByteView, _ b: ByteView) -> Int {
        switch self {
        case .list(let element, _), .set(let element, _):
            return CQLType.compare(
                try? ElementReader(collection: a),
                try? ElementReader(collection: b),
                [element]
            )
        case .map(let key, let value, _):
            return CQLType.compare(
                try? ElementReader(map: a),
                try? ElementReader(map: b),
                [key, value]
            )
        case .tuple(let types): return CQLType.compareTuples(a, b, types)
        default: return a.compare(b)
        }
    }

    private static func compare(_ a: ElementReader?, _ b: ElementReader?, _ types: [CQLType]) -> Int
    {
        guard var a, var b else { return (a == nil ? 0 : 1) - (b == nil ? 0 : 1) }
        var index = 0
        while !a.isAtEnd, !b.isAtEnd {
            let left = try? a.next() as ByteView??
            let right = try? b.next() as ByteView??
            // Damage sorts first.
            guard let left, let right else { return (left == nil ? 0 : 1) - (right == nil ? 0 : 1) }
            let order = compareElement(left, right, types[index % types.count])
            if order != 0 { return order }
            index += 1
        }
        return (a.isAtEnd ? 0 : 1) - (b.isAtEnd ? 0 : 1)
    }

    /// Missing fields are null, and null sorts first.
    private static func compareTuples(_ a: ByteView, _ b: ByteView, _ types: [CQLType]) -> Int {
        var left = ElementReader(tuple: a)
        var right = ElementReader(tuple: b)
        for type in types {
            let fields = (left.nextField, right.nextField)
            let order = compareElement(fields.0, fields.1, type)
            if order != 0 { return order }
        }
        return 0
    }

    private static func compareElement(_ a: ByteView?, _ b: ByteView?, _ type: CQLType) -> Int {
        guard let a, let b else { return (a == nil ? 0 : 1) - (b == nil ? 0 : 1) }
        return type.compare(a, b)
    }
}

extension ElementReader {
    /// The next field of a tuple; nil if it is null, missing or damaged.
    fileprivate var nextField: ByteView? {
        mutating get { isAtEnd ? nil : (try? next()) ?? nil }
    }
}
