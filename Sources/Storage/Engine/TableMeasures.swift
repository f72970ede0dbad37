// SPDX-License-Identifier: Apache-2.0

/// What a table's data comes to in one shard, or in several together: for tools.
package struct TableMeasures: Sendable, Equatable {
    /// A live SSTable. One that shards share is counted once.
    package struct File: Sendable, Equatable {
        package let size: Int
        package let statistics: SSTableStatistics
    }

    /// The live SSTables by their numbers.
    package private(set) var files: [UInt64: File] = [:]
    /// Live SSTables that can't be opened.
    package private(set) var unreadableFiles: Set<UInt64> = []
    /// The bytes of all memtables, and how many of these wait to be flushed.
    package private(set) var memtableBytes = 0
    package private(set) var waitingMemtables = 0
    /// Compactions of the table that run or wait.
    package private(set) var compactions = 0

    package init() {}

    /// Adds what another shard has.
    package mutating func add(_ other: TableMeasures) {
        files.merge(other.files) { own, _ in own }
        unreadableFiles.formUnion(other.unreadableFiles)
        memtableBytes += other.memtableBytes
        waitingMemtables += other.waitingMemtables
        compactions += other.compactions
    }

    /// The bytes of the SSTables.
    package var size: Int { files.values.reduce(0) { $0 + $1.size } }

    /// The sum of a number of each SSTable's statistics. A partition or row that is in several is counted
    /// in each.
    package func sum(_ number: (SSTableStatistics) -> Int) -> Int {
        files.values.reduce(0) { $0 + number($1.statistics) }
    }
}

extension ShardStore {
    /// What a table's data comes to in this shard. On the executor.
    package func measures(_ table: TableStore) -> TableMeasures {
        var measures = TableMeasures()
        measures.note(table, compactions: compactionCount(of: table))
        return measures
    }
}

extension TableMeasures {
    fileprivate mutating func note(_ table: TableStore, compactions: Int) {
        for sstable in table.sstables {
            files[sstable.number] = File(
                size: sstable.reader.count,
                statistics: sstable.reader.statistics
            )
        }
        unreadableFiles = Set(table.unreadable.map(\.number))
        memtableBytes = table.memtableBytes
        waitingMemtables = table.flushing.count
        self.compactions = compactions
    }
}
