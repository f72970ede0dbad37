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
                try bound(start).withView { (view) throws(MalformedBytes) in
                    try memtable.apply(key: view, value: value.view)
                }
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
