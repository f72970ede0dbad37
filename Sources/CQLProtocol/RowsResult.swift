// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Rows as a response carries them: cells one after the other, each [bytes], in one owned array.
package struct RowsResult: Sendable {
    package var metadata: ResultMetadata
    package var rowCount: Int
    private let storage: [UInt8]
    private let start: Int

    /// Rows whose cells were written by `appendCell`: `rowCount` times the columns of `metadata`.
    package init(metadata: ResultMetadata, rowCount: Int, cells: [UInt8]) {
        self.metadata = metadata
        self.rowCount = rowCount
        self.storage = cells
        self.start = 0
    }

    /// The length of the cells, in bytes.
    package var byteCount: Int { storage.count - start }

    /// The encoded cells.
    package var cells: [UInt8] { start == 0 ? storage : Array(storage[start...]) }

    /// Calls `body` with a cursor over the cells, row by row; views are valid during the call.
    package func withCells<R, E: Error>(
        _ body: (inout CellCursor) throws(E) -> R
    ) throws(E) -> R {
        try storage.withView { (view) throws(E) -> R in
            var cursor = CellCursor(
                view.dropFirst(start),
                cellCount: rowCount * metadata.columnCount
            )
            return try body(&cursor)
        }
    }

    /// All cells as arrays, for tests and small results.
    package var arrays: [[[UInt8]?]] {
        withCells { cursor in
            (0..<rowCount).map { _ in
                (0..<metadata.columnCount).map { _ in cursor.next()?.array }
            }
        }
    }

    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        metadata.append(to: &writer, version: version)
        writer.appendBigEndian(Int32(truncatingIfNeeded: rowCount))
        storage.withView { writer.append($0.dropFirst(start)) }
    }

    /// Reads rows; the cells stay in `storage`, the body being read. All are checked.
    init(
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        let metadata = try ResultMetadata(&reader, version: version)
        let rowCount = Int(try reader.int("the number of rows"))
        // A cell takes four bytes at least; rows without columns take none, so they are bounded by
        // what a page can hold.
        let cellCount = rowCount.multipliedReportingOverflow(by: metadata.columnCount)
        guard rowCount >= 0, !cellCount.overflow, cellCount.partialValue <= reader.remaining / 4
        else {
            throw ProtocolError(
                "a result has \(rowCount) rows of \(metadata.columnCount) columns in "
                    + "\(reader.remaining) bytes"
            )
        }
        self.metadata = metadata
        self.rowCount = rowCount
        self.storage = storage
        self.start = reader.offset
        for _ in 0..<cellCount.partialValue { _ = try reader.bytes("a cell") }
    }

    /// Walks over cells that are known to be well-formed.
    package struct CellCursor {
        private let view: ByteView
        private var offset = 0
        /// How many cells are left.
        package private(set) var left: Int

        init(_ view: ByteView, cellCount: Int) {
            self.view = view
            self.left = cellCount
        }

        /// The next cell; nil for a null. Not to be called when none is left.
        package mutating func next() -> ByteView? {
            invariant(left > 0, "no cell is left in the result")
            left -= 1
            let length = Int(view.loadBigEndian(offset, as: Int32.self))
            offset += 4
            guard length >= 0 else { return nil }
            let cell = view[offset..<(offset + length)]
            offset += length
            return cell
        }
    }
}
