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

    /// Whether a fragment is of the common kind, of which everything stays: no deletion, no TTL, and only
    /// cells of columns that are there, with values of less than 128 bytes and the base timestamp.
    private func isPlain(_ fragment: RowFragment) -> Bool {
        guard fragment.deletion == nil, (fragment.liveness?.ttl ?? 0) == 0 else { return false }
        let cells = fragment.cells
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
        if isPlain(fragment) { return writer.append(view) }
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
