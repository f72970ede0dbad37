// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// Merges SSTables of one table in one shard into a new one, without what can be purged.
///
/// Runs in the background over immutable inputs. A deletion is purged when it is past the table's
/// grace period and nothing outside of the inputs can be older than it and in its partition.
struct CompactionJob: Sendable {
    let inputs: [LiveSSTable]
    /// The table's other SSTables in the shard.
    let others: [LiveSSTable]
    /// The smallest write timestamp in the shard's memtables of the table, those included that a
    /// replay of the commit log would make.
    let memtableMinTimestamp: Int64
    let schema: TableSchema
    let ranges: [TokenRange]
    /// Seconds since 1970.
    let now: Int64

    /// The new SSTable; nil when nothing was left.
    func run(_ files: TableFiles) throws(StorageError) -> LiveSSTable? {
        let output = try files.makeWriter(schema, origin: .compaction)
        do throws(StorageError) {
            for range in ranges { try merge(range, into: output.writer) }
        } catch {
            output.writer.abandon()
            throw error
        }
        return try files.publish(output, schema: schema, ranges: ranges, replacing: inputs)
    }

    private func merge(_ range: TokenRange, into writer: SSTableWriter) throws(StorageError) {
        let bounds = KeyBounds(range)
        let cursor = MergeCursor(
            sources: inputs.map { $0.cursor(SequentialBlocks()) },
            lower: bounds.lower,
            upper: bounds.upper,
            emitsDeletions: true
        )
        let purge = RowPurge(
            graceHorizon: now - Int64(schema.options.gcGraceSeconds),
            table: schema
        )
        var partition: [UInt8] = []
        var olderThan = Int64.min
        var purged = ByteWriter(capacity: 4096)
        while try cursor.next() {
            if partition.isEmpty || !partition.withView({ cursor.key.hasPrefix($0) }) {
                partition = cursor.key.prefix(cursor.partitionLength).array
                olderThan = try partition.withView { (view) throws(StorageError) in
                    try smallestTimestampElsewhere(of: view)
                }
            }
            purged.removeAll()
            let keeps: Bool
            do throws(MalformedBytes) {
                keeps = try Self.purge(cursor.value, purge, olderThan, into: &purged)
            } catch {
                let blocks = UncachedBlocks()
                let first = SSTableCursor(inputs[0].reader, source: blocks)
                throw SourceCursor.sstable(first, blocks).corrupt(error)
            }
            if keeps { try writer.add(key: cursor.key, value: purged.view) }
        }
    }

    /// Appends what is left of an entry; false when nothing is.
    private static func purge(
        _ value: ByteView,
        _ purge: RowPurge,
        _ olderThan: Int64,
        into writer: inout ByteWriter
    ) throws(MalformedBytes) -> Bool {
        let canDrop = { (deletion: Deletion) in
            purge.canDrop(
                timestamp: deletion.timestamp,
                localTime: deletion.localTime,
                olderThan: olderThan
            )
        }
        if value[0] & EntryHeader.marker != 0 {
            let marker = try RangeMarker(value)
            let before = marker.before.flatMap { canDrop($0) ? nil : $0 }
            let after = marker.after.flatMap { canDrop($0) ? nil : $0 }
            guard before != after else { return false }
            RangeMarker(before: before, after: after).append(to: &writer)
            return true
        }
        if value[0] & EntryHeader.partitionDeletion != 0 {
            let deletion = try EntryHeader.readPartitionDeletion(value)
            guard !canDrop(deletion) else { return false }
            writer.append(value)
            return true
        }
        try purge.purge(value, olderThan: olderThan, into: &writer)
        return !RowMerge.isEmpty(writer.view)
    }

    /// The smallest write timestamp that a partition can have outside of the inputs.
    private func smallestTimestampElsewhere(
        of partition: ByteView
    ) throws(StorageError) -> Int64 {
        let token = Key.token(of: partition)
        let hash = PartitionFilter.hash(partition: partition)
        let blocks = UncachedBlocks()
        var smallest = memtableMinTimestamp
        for other in others where other.mayHold(token) {
            guard try other.reader.mayContain(hash, through: blocks) else { continue }
            smallest = min(smallest, other.reader.statistics.minTimestamp)
        }
        return smallest
    }
}
