// SPDX-License-Identifier: Apache-2.0

/// The settings of a shard's store. Sizes are in bytes and a shard's own share.
package struct StoreOptions: Sendable {
    /// Memtables are flushed when together they take more than this.
    package var memtableSpace = 64 << 20
    /// Memtables that are being flushed and active ones together take at most about this: on the way there
    /// writes are held up more and more, and at last wait.
    package var unflushedSpaceMax = 256 << 20
    /// The most bytes of decompressed blocks that are kept.
    package var blockCacheSize = 64 << 20
    /// The largest mutation that is accepted.
    package var mutationSizeMax = 16 << 20
    /// Whether SSTables are compacted by themselves, as their table's strategy chooses.
    package var compactsAutomatically = true
    /// The most bytes a second that compactions may handle; 0 for no bound.
    package var compactionThroughput = 0
    /// Bytes of the disk that are kept free for deletions and compactions: with less, other writes are
    /// refused.
    package var diskReserve = 0
    /// How many compactions may run at once.
    package var concurrentCompactions = 2
    /// Seconds between two looks for SSTables that have expired or are full of old deletions.
    package var maintenanceInterval: UInt64 = 60

    /// The bounds of reads through secondary indexes.
    package var indexes = IndexLimits()

    package init() {}

    /// The address space of a memtable: room for what may come while a flush goes on.
    var memtableCapacity: Int { min(max(unflushedSpaceMax * 2, 64 << 20), 1 << 32) }
}
