// SPDX-License-Identifier: Apache-2.0

package import Model
internal import Synchronization

/// How far indexes are built, for whoever asks: the shards say it, any thread may read it.
package final class IndexBuilds: Sendable {
    /// How much of a table's data has its postings.
    package struct Progress: Sendable, Equatable {
        /// The bytes of SSTables and memtables that have them.
        package var builtBytes = 0
        package var totalBytes = 0
        /// Whether every shard has all.
        package var isBuilt = true

        package init() {}
    }

    private struct Key: Hashable {
        let storageID: UUID
        let shard: Int
    }

    private let states = Mutex<[Key: [UInt32: Progress]]>([:])

    package init() {}

    /// Takes what a shard has built of a table's indexes.
    func set(_ storageID: UUID, shard: Int, _ progress: [UInt32: Progress]) {
        states.withLock { $0[Key(storageID: storageID, shard: shard)] = progress }
    }

    /// Forgets a table that is gone.
    func remove(_ storageID: UUID, shard: Int) {
        states.withLock { $0[Key(storageID: storageID, shard: shard)] = nil }
    }

    /// How far an index of a table is built in all of the node's shards.
    package func progress(
        of index: UInt32,
        table: TableSchema,
        shardCount: Int
    ) -> Progress {
        states.withLock { states in
            var sum = Progress()
            for shard in 0..<shardCount {
                let key = Key(storageID: table.storageID, shard: shard)
                guard let own = states[key]?[index] else {
                    sum.isBuilt = false
                    continue
                }
                sum.builtBytes += own.builtBytes
                sum.totalBytes += own.totalBytes
                sum.isBuilt = sum.isBuilt && own.isBuilt
            }
            return sum
        }
    }
}

extension ShardStore {
    /// Lets everybody know how far a table's indexes are built.
    func publishIndexes(_ table: TableStore) {
        let id = table.schema.storageID
        guard !table.schema.indexes.isEmpty else {
            return files.indexBuilds.remove(id, shard: index)
        }
        var states: [UInt32: IndexBuilds.Progress] = [:]
        for index in table.schema.indexes { states[index.id] = table.progress(index.id) }
        files.indexBuilds.set(id, shard: index, states)
    }
}

extension TableStore {
    /// How much of the table's data here has the postings of an index.
    fileprivate func progress(_ index: UInt32) -> IndexBuilds.Progress {
        var progress = IndexBuilds.Progress()
        progress.isBuilt = covers(index)
        for memtable in memtables {
            progress.totalBytes += memtable.byteCount
            let isBuilt = memtable.postings?.covered.contains(index) ?? false
            progress.builtBytes += isBuilt ? memtable.byteCount : 0
        }
        for sstable in sstables {
            progress.totalBytes += sstable.reader.count
            let isBuilt = sstable.reader.indexes?.entry(index) != nil
            progress.builtBytes += isBuilt ? sstable.reader.count : 0
        }
        return progress
    }
}
