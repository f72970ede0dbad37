// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Storage
import Testing

@Suite("Memtable")
struct MemtableTests {
    static func key(_ partition: String, _ rest: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        Array(partition.utf8).withView { Key.appendPartition($0, to: &writer) }
        return writer.array + rest
    }

    /// A row with one cell of `count` bytes.
    static func row(column: UInt32, timestamp: Int64, count: Int) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: nil, base: timestamp, to: &writer)
        [UInt8](repeating: 7, count: count).withView { bytes in
            let cell = Cell(column: column, flags: [], timestamp: timestamp, value: bytes)
            RowEncoder.append(cell, base: timestamp, to: &writer)
        }
        return writer.array
    }

    @Test("A row that grows by merging is refused before it overflows, and overwriting takes no room")
    func growingRow() throws {
        let memtable = Memtable(capacity: 1 << 20)
        let key = Self.key("p", [Key.clustered, Key.endRow])
        let write = { (column: UInt32, timestamp: Int64) throws -> Bool in
            try key.withView { (key) throws(MalformedBytes) in
                try Self.row(column: column, timestamp: timestamp, count: 10_000)
                    .withView { (row) throws(MalformedBytes) in
                        try memtable.apply(key: key, value: row)
                    }
            }
        }
        #expect(try write(0, 1))
        let before = memtable.byteCount
        for timestamp in 2..<500 as Range<Int64> { #expect(try write(0, timestamp)) }
        // Later timestamps take a byte more.
        #expect(memtable.byteCount <= before + 8)
        var columns: UInt32 = 1
        while try write(columns, 1) { columns += 1 }
        // The old row stands until the merged one is written.
        #expect(columns > 45)
        #expect(memtable.byteCount <= 1 << 20)
    }

    @Test("Overlapping range deletions give each position the strongest that covers it")
    func rangeDeletions() throws {
        var random = SplitMix(state: 99)
        for _ in 0..<200 {
            let memtable = Memtable(capacity: 1 << 26)
            var model = [Int64](repeating: -1, count: 40)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let start = Int.random(in: 0..<39, using: &random)
                let end = Int.random(in: (start + 1)..<40, using: &random)
                let timestamp = Int64.random(in: 0..<5, using: &random)
                var value = ByteWriter()
                let deletion = Deletion(timestamp: timestamp, localTime: 0)
                let bound = { (at: Int) in
                    Self.key("p", [Key.clustered, Key.component, UInt8(at), Key.endBefore])
                }
                bound(end).withView {
                    RangeDeletion.append(end: $0, deletion: deletion, to: &value)
                }
                let fits = try bound(start).withView { (view) throws(MalformedBytes) in
                    try memtable.apply(key: view, value: value.view)
                }
                #expect(fits)
                for at in start..<end { model[at] = max(model[at], timestamp) }
            }
            let partition = Self.key("p", [])
            for at in 0..<40 {
                let row = Self.key("p", [Key.clustered, Key.component, UInt8(at), Key.endRow])
                let open = row.withView { row in
                    partition.withView { memtable.openDeletion(before: row, in: $0) }
                }
                #expect((open?.timestamp ?? -1) == model[at])
            }
            let cursor = MemtableCursor(memtable)
            partition.withView { cursor.seek(atOrAfter: $0) }
            var before: Deletion?
            while cursor.isValid {
                let marker = try RangeMarker(cursor.value)
                #expect(marker.before == before)
                #expect(cursor.openDeletion == before)
                before = marker.after
                cursor.next()
            }
            #expect(before == nil)
        }
    }
}
