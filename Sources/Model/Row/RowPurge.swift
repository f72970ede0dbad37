// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Leaves out of a row fragment what no read can see any more and nothing older can need.
package struct RowPurge: Sendable {
    /// Deletions made before this moment (seconds since 1970) are past their grace period.
    package let graceHorizon: Int64
    /// The columns that the table has, by id; cells of others belong to dropped columns.
    package let columns: [Bool]

    package init(graceHorizon: Int64, table: TableSchema) {
        self.graceHorizon = graceHorizon
        var columns = [Bool](repeating: false, count: Int(table.nextColumnID))
        for column in table.columns where Int(column.id) < columns.count {
            columns[Int(column.id)] = true
        }
        self.columns = columns
    }

    /// Whether a deletion may go: past its grace period, and older than all that it could hide
    /// elsewhere (`olderThan`, the smallest write timestamp outside of the compaction).
    package func canDrop(timestamp: Int64, localTime: Int64, olderThan: Int64) -> Bool {
        localTime < graceHorizon && timestamp < olderThan
    }

    /// Whether a value is certain to stay as it is, whatever is elsewhere: a row of the common kind,
    /// without deletions and TTLs, with cells of columns that are there, whose values have less than 128
    /// bytes and whose timestamps are the base timestamp. Of others, `purge` decides.
    package func keepsAll(_ view: ByteView) -> Bool {
        guard let fragment = try? RowFragment(view), fragment.deletion == nil else { return false }
        if let liveness = fragment.liveness, liveness.ttl != 0 { return false }
        let cells = fragment.cells
        guard cells.count > 0 || fragment.liveness != nil else { return false }
        var offset = 0
        while offset + 3 <= cells.count {
            let column = Int(cells[offset])
            let length = Int(cells[offset + 2])
            guard cells[offset + 1] == Cell.Flags.baseTimestamp.rawValue, column | length < 0x80,
                column < columns.count, columns[column]
            else { return false }
            offset += 3 + length
        }
        return offset == cells.count
    }

    /// Appends what is left of a fragment.
    package func purge(
        _ view: ByteView,
        olderThan: Int64,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) {
        var fragment = try RowFragment(view)
        var liveness = fragment.liveness
        if let kept = liveness, kept.ttl != 0,
            canDrop(timestamp: kept.timestamp, localTime: kept.expiry, olderThan: olderThan)
        {
            liveness = nil
        }
        var deletion = fragment.deletion
        if let kept = deletion,
            canDrop(timestamp: kept.timestamp, localTime: kept.localTime, olderThan: olderThan)
        {
            deletion = nil
        }
        let base = fragment.usesBase ? fragment.base : nil
        RowEncoder.begin(liveness: liveness, deletion: deletion, base: base, to: &writer)
        while let cell = try fragment.nextCell() {
            let index = Int(cell.column)
            guard index < columns.count, columns[index] else { continue }
            if cell.flags.hasLocalTime,
                canDrop(
                    timestamp: cell.timestamp,
                    localTime: cell.localTime,
                    olderThan: olderThan
                )
            {
                continue
            }
            RowEncoder.append(cell, base: base ?? 0, to: &writer)
        }
    }
}
