// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// The postings of a memtable: an ordered map beside its rows, kept in step with its writes.
///
/// A posting is added and never taken out: that a row was written again is for readers to see. Memory
/// is taken in arenas, a new one when one is full, so that adding never fails. Used by its shard only.
package final class MemtablePostings {
    /// The indexes whose postings are all there.
    package let covered: Set<UInt32>
    private let builder: PostingBuilder
    private let arenaCapacity: Int
    private var arenas: [Arena] = []
    /// Maps with different parts of the postings; a posting is in one of them or more.
    private(set) var maps: [OrderedMap] = []
    private var value = ByteWriter(capacity: 16)

    /// No postings yet; nil for a table without indexes. Arenas are of `arenaCapacity` bytes.
    package init?(_ table: TableSchema, arenaCapacity: Int) {
        guard !table.indexes.isEmpty else { return nil }
        covered = Set(table.indexes.map(\.id))
        builder = PostingBuilder(table)
        self.arenaCapacity = arenaCapacity
    }

    /// The bytes that the postings take.
    var byteCount: Int { arenas.reduce(0) { $0 + $1.used } }

    /// Adds the postings of an entry of a mutation.
    func add(key: ByteView, value: ByteView) throws(MalformedBytes) {
        try builder.build(
            key: key,
            partitionLength: Key.partitionLength(of: key),
            value: value
        )
        for number in 0..<builder.count {
            add(builder.key(number), placeOffset: builder.placeOffset(number))
        }
    }

    private func add(_ key: ByteView, placeOffset: Int) {
        if let last = maps.last, last.find(key).isValid { return }
        let need = key.count + OrderedMap.insertionOverheadMax + 64
        if !(arenas.last?.hasRoom(for: need) ?? false) {
            let arena = Arena(capacity: max(arenaCapacity, 2 * need))
            arenas.append(arena)
            maps.append(OrderedMap(arena: arena))
        }
        value.removeAll()
        value.appendVarint(placeOffset)
        maps[maps.count - 1].insert(key, value.view)
    }
}
