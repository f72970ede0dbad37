// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

@testable import Storage

extension TableStore {
    /// A table of a shard without a node.
    static func test(
        _ table: TableSchema,
        _ sstables: [LiveSSTable] = [],
        blocks: ShardBlocks = ShardBlocks(cache: BlockCache(capacity: 4 << 20))
    ) -> TableStore {
        TableStore(
            schema: table,
            sstables: sstables,
            unreadable: [],
            blocks: blocks,
            memtableCapacity: 8 << 20,
            indexLimits: IndexLimits()
        )
    }

    /// Applies an entry to the active memtable.
    func apply(_ entry: TestEntry) throws {
        let memtable = memtable(forKey: entry.key.count, value: entry.value.count)
        let isApplied = try entry.key.withView { (key) throws(MalformedBytes) in
            try entry.value.withView { (value) throws(MalformedBytes) in
                try memtable.apply(key: key, value: value)
            }
        }
        #expect(isApplied)
    }
}
