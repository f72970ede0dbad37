// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// Between what the values of a column lie, in a file or a part of it.
package struct ColumnRange: Equatable, Sendable {
    /// How many cells have a value: all but tombstones.
    package var valueCount = 0
    /// The least and the greatest value, as `ColumnOrder.bytes` of at most `bytesMax`.
    package var least: [UInt8] = []
    package var greatest: [UInt8] = []
    /// Whether all values lie between them; else some had no order.
    package var isBounded = true

    /// Longer values are known by their first bytes.
    static let bytesMax = 32

    package init() {}

    mutating func add(_ other: ColumnRange) {
        guard other.valueCount > 0 else { return }
        if valueCount == 0 || other.least.lexicographicallyPrecedes(least) { least = other.least }
        if valueCount == 0 || greatest.lexicographicallyPrecedes(other.greatest) {
            greatest = other.greatest
        }
        isBounded = isBounded && other.isBounded
        valueCount += other.valueCount
    }

    /// Whether there may be a value that meets the bounds.
    func meets(_ bounds: ColumnBounds) -> Bool {
        guard valueCount > 0 else { return false }
        guard isBounded else { return true }
        if let low = bounds.low, greatest.lexicographicallyPrecedes(low) { return false }
        if let high = bounds.high, high.lexicographicallyPrecedes(least) { return false }
        return true
    }

    /// Appends the range: values (varint), flags (01 bounded), least and greatest with their lengths.
    func append(to writer: inout ByteWriter) {
        writer.appendVarint(valueCount)
        writer.append(isBounded ? 1 : 0)
        least.withView { writer.appendLengthPrefixed($0) }
        greatest.withView { writer.appendLengthPrefixed($0) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        valueCount = try reader.readCount(max: (1 << 62) - 1)
        isBounded = try reader.readByte() & 1 != 0
        least = try reader.readLengthPrefixed().array
        greatest = try reader.readLengthPrefixed().array
    }
}

/// The ranges of columns, by column id.
package struct ColumnRanges: Equatable, Sendable {
    package var columns: [UInt32: ColumnRange] = [:]

    package init() {}

    /// Appends a column id (varint) and a range for each, in the order of the ids.
    func append(to writer: inout ByteWriter) {
        for (column, range) in columns.sorted(by: { $0.key < $1.key }) {
            writer.appendVarint(UInt64(column))
            range.append(to: &writer)
        }
    }

    init(_ view: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(view)
        while !reader.isAtEnd {
            let column = UInt32(try reader.readCount(max: Int(UInt32.max)))
            columns[column] = try ColumnRange(from: &reader)
        }
    }
}

/// What a column's value must lie between for a row to be in an answer, both ends included.
package struct ColumnBounds: Sendable {
    let column: UInt32
    /// `ColumnOrder.bytes`; nil without an end.
    let low: [UInt8]?
    let high: [UInt8]?

    /// Bounds of a regular column by serialized values; nil when its type has no order that is kept, or
    /// an end is no ordinary value of it.
    package init?(_ column: ColumnSchema, low: [UInt8]?, high: [UInt8]?) {
        let order = ColumnOrder(column.type)
        guard column.kind == .regular else { return nil }
        if case .none = order { return nil }
        func bytes(_ value: [UInt8]?) -> [UInt8]?? {
            guard let value else { return .some(nil) }
            let found = value.withView { order.bytes($0, limit: ColumnRange.bytesMax) }
            return found.map { .some($0) } ?? .none
        }
        guard let least = bytes(low), let greatest = bytes(high) else { return nil }
        self.column = column.id
        self.low = least
        self.high = greatest
    }
}

/// Gathers the ranges of a table's regular columns while cells pass.
struct ColumnRangeBuilder {
    /// By column id.
    private var columns: [Gathering] = []
    /// Of all that has passed up to the last `endPart`.
    private(set) var total = ColumnRanges()

    /// Without a table: gathers nothing.
    init() {}

    /// For the columns of a table, as `TableSchema.encode` writes it; of other bytes nothing is gathered.
    init(schema: [UInt8]) {
        let table = schema.withView { view -> TableSchema? in
            var reader = ByteReader(view)
            return try? TableSchema.decode(from: &reader)
        }
        for column in table?.regulars ?? [] where column.id < ColumnRangeBuilder.columnsMax {
            let order = ColumnOrder(column.type)
            if case .none = order { continue }
            while columns.count <= Int(column.id) { columns.append(Gathering(order: .none)) }
            columns[Int(column.id)] = Gathering(order: order)
            total.columns[column.id] = ColumnRange()
        }
    }

    /// Columns with greater ids have no ranges.
    private static let columnsMax: UInt32 = 4096

    /// Whether nothing is gathered.
    var isEmpty: Bool { columns.isEmpty }

    @inline(__always)
    mutating func add(_ column: Int, _ value: ByteView) {
        guard column < columns.count else { return }
        columns[column].add(value)
    }

    /// The ranges since the last call, of columns that have values.
    mutating func endPart() -> ColumnRanges {
        var part = ColumnRanges()
        for column in columns.indices {
            let range = columns[column].range
            guard range.valueCount > 0 else { continue }
            part.columns[UInt32(column)] = range
            total.columns[UInt32(column), default: ColumnRange()].add(range)
            columns[column] = Gathering(order: columns[column].order)
        }
        return part
    }

    /// What was seen of one column.
    private struct Gathering {
        let order: ColumnOrder
        private var valueCount = 0
        private var isBounded = true
        /// The extremes as words; of bytes, their first eight.
        private var leastWord = UInt64.max
        private var greatestWord = UInt64.min
        private var least: [UInt8] = []
        private var greatest: [UInt8] = []

        init(order: ColumnOrder) { self.order = order }

        @inline(__always)
        mutating func add(_ value: ByteView) {
            switch order {
            case .none: return
            case .bytes:
                let word = Gathering.leadingWord(value)
                // Most values lie between the extremes already in their first bytes.
                if word <= leastWord || word >= greatestWord { addBytes(value, word) }
            default:
                guard let word = order.word(value) else {
                    isBounded = false
                    break
                }
                if word < leastWord { leastWord = word }
                if word > greatestWord { greatestWord = word }
            }
            valueCount += 1
        }

        @inline(__always)
        private static func leadingWord(_ value: ByteView) -> UInt64 {
            if value.count >= 8 { return value.loadBigEndian(0, as: UInt64.self) }
            var word: UInt64 = 0
            for index in 0..<value.count { word |= UInt64(value[index]) << UInt64(56 - 8 * index) }
            return word
        }

        @inline(never)
        private mutating func addBytes(_ value: ByteView, _ word: UInt64) {
            let bytes = value.prefix(min(value.count, ColumnRange.bytesMax))
            if valueCount == 0 || least.withView({ bytes.compare($0) < 0 }) {
                least = bytes.array
                leastWord = word
            }
            if valueCount == 0 || greatest.withView({ bytes.compare($0) > 0 }) {
                greatest = bytes.array
                greatestWord = word
            }
        }

        var range: ColumnRange {
            var range = ColumnRange()
            range.valueCount = valueCount
            range.isBounded = isBounded
            guard valueCount > 0 else { return range }
            if case .bytes = order {
                range.least = least
                range.greatest = greatest
            } else if leastWord <= greatestWord {
                range.least = ValueCoding.bigEndian(leastWord)
                range.greatest = ValueCoding.bigEndian(greatestWord)
            }
            return range
        }
    }
}
