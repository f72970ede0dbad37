// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// A half-open run of key endings within a partition: what follows the kind byte.
struct EndingRange: Hashable, Sendable {
    var lower: [UInt8]
    var upper: [UInt8]

    /// Every row of the partition.
    static let all = EndingRange(lower: [], upper: [0xFF])

    var isEmpty: Bool { !lower.lexicographicallyPrecedes(upper) }

    /// What is in both.
    func intersection(_ other: EndingRange) -> EndingRange {
        EndingRange(
            lower: lower.lexicographicallyPrecedes(other.lower) ? other.lower : lower,
            upper: upper.lexicographicallyPrecedes(other.upper) ? upper : other.upper
        )
    }

    /// What is in a range of each list, in order.
    static func intersection(_ a: [EndingRange], _ b: [EndingRange]) -> [EndingRange] {
        var result: [EndingRange] = []
        for one in a {
            for two in b {
                let both = one.intersection(two)
                if !both.isEmpty { result.append(both) }
            }
        }
        return sorted(result)
    }

    /// The ranges in order, without doubles; overlapping ones are joined.
    static func sorted(_ ranges: [EndingRange]) -> [EndingRange] {
        let ordered = ranges.sorted { $0.lower.lexicographicallyPrecedes($1.lower) }
        var joined: [EndingRange] = []
        for range in ordered {
            if let last = joined.last, range.lower.lexicographicallyPrecedes(last.upper) {
                if last.upper.lexicographicallyPrecedes(range.upper) {
                    joined[joined.count - 1].upper = range.upper
                }
            } else {
                joined.append(range)
            }
        }
        return joined
    }
}

/// Builds the endings of clustered keys from values; the layout stands at `Key`.
enum ClusteringEncoding {
    /// Appends one component.
    static func append(_ value: ByteView, _ column: ColumnSchema, to writer: inout ByteWriter) {
        Key.appendComponent(
            value,
            type: column.type,
            descending: column.isDescending,
            to: &writer
        )
    }

    /// The components of values for the first columns.
    static func prefix(_ values: [[UInt8]], _ columns: [ColumnSchema]) -> [UInt8] {
        var writer = ByteWriter()
        for (value, column) in zip(values, columns) {
            value.withView { append($0, column, to: &writer) }
        }
        return writer.array
    }

    /// All rows and markers whose ending begins with `prefix`. With all columns given, the one row.
    static func range(prefix: [UInt8], isWhole: Bool) -> EndingRange {
        isWhole
            ? EndingRange(lower: prefix + [Key.endRow], upper: prefix + [Key.endRow + 1])
            : EndingRange(lower: prefix + [Key.endBefore], upper: prefix + [Key.endAfter + 1])
    }

    /// What lies before or behind everything that has `prefix` and a component of `value`.
    static func slice(
        prefix: [UInt8],
        _ value: [UInt8],
        _ column: ColumnSchema,
        _ comparison: Comparison
    ) -> EndingRange {
        var writer = ByteWriter()
        writer.append(prefix)
        value.withView { append($0, column, to: &writer) }
        let component = writer.array
        var range = EndingRange(
            lower: prefix + [Key.endBefore],
            upper: prefix + [Key.endAfter + 1]
        )
        // Descending columns are inverted in the key: greater values come first.
        switch column.isDescending ? comparison.flipped : comparison {
        case .less: range.upper = component + [Key.endBefore]
        case .lessOrEqual: range.upper = component + [Key.endAfter + 1]
        case .greater: range.lower = component + [Key.endAfter]
        case .greaterOrEqual: range.lower = component + [Key.endBefore]
        }
        return range
    }

    /// The rows whose leading columns, taken together, compare so with `values`; one range for each
    /// column, since the columns' orders may differ.
    static func slices(
        prefix: [UInt8],
        _ values: [[UInt8]],
        _ columns: [ColumnSchema],
        _ comparison: Comparison
    ) -> [EndingRange] {
        var ranges: [EndingRange] = []
        var equal = prefix
        for (index, (value, column)) in zip(values, columns).enumerated() {
            let isLast = index == values.count - 1
            let strict = isLast ? comparison : comparison.strict
            ranges.append(slice(prefix: equal, value, column, strict))
            var writer = ByteWriter()
            writer.append(equal)
            value.withView { append($0, column, to: &writer) }
            equal = writer.array
        }
        return EndingRange.sorted(ranges)
    }
}

/// An inequality.
enum Comparison: Sendable {
    case less, lessOrEqual, greater, greaterOrEqual

    var flipped: Comparison {
        switch self {
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .greater: .less
        case .greaterOrEqual: .lessOrEqual
        }
    }

    var strict: Comparison {
        switch self {
        case .less, .lessOrEqual: .less
        case .greater, .greaterOrEqual: .greater
        }
    }

    /// Whether it bounds from below.
    var isLower: Bool { self == .greater || self == .greaterOrEqual }

    /// Whether a comparison's result satisfies it.
    func holds(_ order: Int) -> Bool {
        switch self {
        case .less: order < 0
        case .lessOrEqual: order <= 0
        case .greater: order > 0
        case .greaterOrEqual: order >= 0
        }
    }
}
