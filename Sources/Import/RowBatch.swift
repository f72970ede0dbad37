// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Some hundreds of rows as serialized CQL values in one flat buffer: nothing is allocated per cell.
///
/// It is `@unchecked Sendable` because it has one owner at a time: the importer fills it, hands it to
/// `ImportTarget.write`, and reuses it only when that call has returned.
package final class RowBatch: @unchecked Sendable {
    /// How many cells each row has: one for each column given to `ImportTarget.begin`.
    package let columnCount: Int
    /// The write timestamp of the first row, in microseconds since 1970; each row's is one later
    /// than that of the row before it, so that of two rows with one key the later wins.
    package var firstTimestamp: Int64 = 0
    /// The rows, for the importer to fill.
    var rows: RowBuffer

    package init(columnCount: Int) {
        self.columnCount = columnCount
        self.rows = RowBuffer()
    }

    /// How many rows there are.
    package var rowCount: Int { columnCount == 0 ? 0 : rows.cellCount / columnCount }

    /// Whether a cell is not to be written.
    package func isUnset(row: Int, column: Int) -> Bool {
        if case .unset = cell(row: row, column: column) { return true }
        return false
    }

    /// How many bytes all values take.
    package var byteCount: Int { rows.data.count }

    /// The value of `column` in `row`; a view in it is valid as long as the batch is not refilled.
    package func cell(row: Int, column: Int) -> ImportCell {
        invariant(column >= 0 && column < columnCount, "column outside of the batch")
        return rows.cell(row * columnCount + column)
    }
}

/// A value to be written.
package enum ImportCell {
    /// Nothing is written: what the row has stays.
    case unset
    /// The column is emptied.
    case null
    /// The CQL value, serialized.
    case value(ByteView)
}

/// The growing content of a `RowBatch`.
struct RowBuffer: ~Copyable {
    /// The values' bytes, one after the other.
    var data = ByteWriter(capacity: 64 << 10)
    /// How many cells have been finished.
    private(set) var cellCount = 0
    private var ends: UnsafeMutablePointer<Int>
    private var capacity: Int

    /// A cell's end in `data` with its two lowest bits free for these marks.
    private static let valueMark = 0
    private static let unsetMark = 1
    private static let nullMark = 2

    init() {
        capacity = 4096
        ends = .allocate(capacity: capacity)
    }

    deinit { ends.deallocate() }

    mutating func removeAll() {
        data.removeAll()
        cellCount = 0
    }

    /// Ends a cell whose bytes are what was appended to `data` since the cell before.
    mutating func endValue() { end(RowBuffer.valueMark) }

    /// Ends a cell that is not to be written.
    mutating func endUnset() { end(RowBuffer.unsetMark) }

    /// Ends a cell that is to be emptied.
    mutating func endNull() { end(RowBuffer.nullMark) }

    private mutating func end(_ mark: Int) {
        if cellCount == capacity { grow() }
        ends[cellCount] = data.count << 2 | mark
        cellCount += 1
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<Int>.allocate(capacity: capacity * 2)
        larger.update(from: ends, count: cellCount)
        ends.deallocate()
        ends = larger
        capacity *= 2
    }

    /// Forgets the cells from `count` on: a row that turned out to be bad.
    mutating func truncate(toCells count: Int) {
        invariant(count >= 0 && count <= cellCount, "truncation beyond the cells")
        data.truncate(to: count == 0 ? 0 : ends[count - 1] >> 2)
        cellCount = count
    }

    func cell(_ index: Int) -> ImportCell {
        invariant(index >= 0 && index < cellCount, "cell outside of the batch")
        let start = index == 0 ? 0 : ends[index - 1] >> 2
        switch ends[index] & 3 {
        case RowBuffer.unsetMark: return .unset
        case RowBuffer.nullMark: return .null
        default: return .value(data.view[start..<(ends[index] >> 2)])
        }
    }
}
