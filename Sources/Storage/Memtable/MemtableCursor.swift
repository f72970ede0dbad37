// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Walks a memtable in key order, rows and markers together, in either direction.
///
/// The memtable must not change while a cursor is used.
package final class MemtableCursor {
    private let memtable: Memtable
    private var row = OrderedMap.Position.none
    private var marker = OrderedMap.Position.none
    private var isAtMarker = false

    /// A cursor that stands nowhere until it is sent somewhere.
    package init(_ memtable: Memtable) { self.memtable = memtable }

    /// Whether it stands at an entry.
    package var isValid: Bool { isAtMarker ? marker.isValid : row.isValid }

    /// The key at which it stands.
    package var key: ByteView {
        isAtMarker ? memtable.markers.key(marker) : memtable.rows.key(row)
    }

    /// The value at which it stands.
    package var value: ByteView {
        isAtMarker ? memtable.markers.value(marker) : memtable.rows.value(row)
    }

    /// The range deletion that is open just before the entry, within its partition.
    package var openDeletion: Deletion? {
        guard isValid else { return nil }
        let key = key
        return memtable.openDeletion(before: key, in: Key.partition(of: key))
    }

    /// Goes to the first entry whose key is not less than `key`.
    package func seek(atOrAfter key: ByteView) {
        row = memtable.rows.lowerBound(key)
        marker = memtable.markers.count == 0 ? .none : memtable.markers.lowerBound(key)
        chooseSmaller()
    }

    /// Goes to the last entry whose key is less than `key`.
    package func seek(before key: ByteView) {
        row = memtable.rows.lastBefore(key)
        marker = memtable.markers.count == 0 ? .none : memtable.markers.lastBefore(key)
        chooseGreater()
    }

    /// Goes to the next entry. Only after `seek(atOrAfter:)`.
    package func next() {
        if isAtMarker {
            marker = memtable.markers.next(marker)
        } else {
            row = memtable.rows.next(row)
        }
        chooseSmaller()
    }

    /// Goes to the previous entry. Only after `seek(before:)`.
    package func previous() {
        if isAtMarker {
            marker = memtable.markers.previous(marker)
        } else {
            row = memtable.rows.previous(row)
        }
        chooseGreater()
    }

    private func chooseSmaller() {
        guard row.isValid, marker.isValid else {
            isAtMarker = marker.isValid
            return
        }
        isAtMarker = memtable.markers.key(marker).compare(memtable.rows.key(row)) < 0
    }

    private func chooseGreater() {
        guard row.isValid, marker.isValid else {
            isAtMarker = marker.isValid
            return
        }
        isAtMarker = memtable.markers.key(marker).compare(memtable.rows.key(row)) > 0
    }
}
