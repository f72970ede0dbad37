// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// An SSTable that is live in a shard.
package struct LiveSSTable: Sendable {
    package let number: UInt64
    package let reader: SSTableReader
    /// The tokens for which it is live, if those aren't all that the shard owns: a compaction that is
    /// under way, or another shard before their number changed, has taken the rest. What the file says of
    /// other tokens must not be read: the deletions that hid it may have been purged.
    package let ranges: [TokenRange]?
    /// From the first to the last token of its keys; nil without any.
    let tokens: TokenRange?

    package init(number: UInt64, reader: SSTableReader, ranges: [TokenRange]? = nil) {
        self.number = number
        self.reader = reader
        self.ranges = ranges
        tokens = reader.statistics.tokens
    }

    /// Whether a partition with this token may be in it.
    func mayHold(_ token: Token) -> Bool {
        guard let tokens, tokens.contains(token) else { return false }
        return ranges?.contains { $0.contains(token) } ?? true
    }

    /// A source of a merge that gives what is live.
    func cursor(_ blocks: any BlockSource) -> SourceCursor {
        let cursor = SSTableCursor(reader, source: blocks)
        guard let ranges else { return .sstable(cursor, blocks) }
        return .partial(cursor, blocks, ranges)
    }
}

/// One table's data in one shard: the active memtable, those being flushed, and the SSTables.
///
/// Used on the shard's executor only. Reads are synchronous and don't wait for the disk: where they
/// would have to, they throw `.wouldBlock`, which `ShardStore.read` deals with. What they return is
/// valid until the next call.
package final class TableStore: @unchecked Sendable {  // Owner: the shard's executor.
    /// The table as the shard knows it now.
    package internal(set) var schema: TableSchema
    let blocks: ShardBlocks
    private let memtableCapacity: Int
    let indexLimits: IndexLimits

    /// Takes the writes; made with the first one.
    private(set) var active: Memtable?
    /// Rotated memtables that are not in an SSTable yet, oldest first.
    private(set) var flushing: [Memtable] = []
    /// The live SSTables, newest first.
    package private(set) var sstables: [LiveSSTable]

    /// Of flushed memtables, the last commit-log segment and the smallest write timestamp: as long as
    /// the segment is there, a restart may write them once more.
    private var replayable: [(segment: UInt64, minTimestamp: Int64)] = []

    var isFlushRunning = false
    /// The numbers of the SSTables that compactions are reading.
    var busy: Set<UInt64> = []
    /// What part of what was merged into the largest level replaced something there; see
    /// `CompactionConditions`.
    var replacedShare: Double?
    /// How far compactions are behind.
    var backlog = Backlog()
    var flushFailures = 0
    /// How often building an index has failed since it last succeeded.
    var buildFailures = 0
    /// Whom to tell when the memtables that exist now have been flushed.
    var flushWaiters: [(remaining: Int, done: @Sendable (StorageError?) -> Void)] = []

    // What `get` returned last points into these.
    private var merged = ByteWriter(capacity: 512)
    private var spare = ByteWriter(capacity: 512)
    private var held: [SSTableCursor] = []
    /// How many of `held` it points into; the others are there to be used again.
    private var heldCount = 0

    init(schema: TableSchema, sstables: [LiveSSTable], blocks: ShardBlocks, memtableCapacity: Int, indexLimits: IndexLimits) {
        self.schema = schema
        self.sstables = sstables.sorted { $0.number > $1.number }
        self.blocks = blocks
        self.memtableCapacity = memtableCapacity
        self.indexLimits = indexLimits
    }

    /// The bytes that memtables take.
    package var memtableBytes: Int {
        (active?.byteCount ?? 0) + flushing.reduce(0) { $0 + $1.byteCount }
    }

    /// The first commit-log segment that memtables still need.
    var firstNeededSegment: UInt64? {
        let positions = (flushing + [active].compactMap(\.self)).compactMap(\.firstPosition)
        return positions.min()?.segment
    }

    /// The smallest write timestamp that memtables have, or get when the commit log is replayed, whose
    /// oldest segment is `oldestSegment`.
    ///
    /// The second matters since the log may still have a write when the deletion that hid it, though
    /// written before it, is gone from there.
    func minTimestamp(oldestSegment: UInt64) -> Int64 {
        replayable.removeAll { $0.segment < oldestSegment }
        let memtables = flushing + [active].compactMap(\.self)
        return (memtables.map(\.minTimestamp) + replayable.map(\.minTimestamp)).min() ?? .max
    }

    /// Takes note that a restart may replay what memtables hold up to this place of the log.
    func noteReplay(upTo position: CommitLogPosition) {
        for memtable in flushing + [active].compactMap(\.self) where memtable.lastPosition != nil {
            memtable.lastPosition = position
        }
        if let index = replayable.indices.last {
            replayable[index].segment = max(replayable[index].segment, position.segment)
            replayable[index].minTimestamp = replayable.map(\.minTimestamp).min() ?? .max
        }
    }

    // MARK: Writing

    /// The memtable that takes an entry of these sizes, rotating a full one away.
    func memtable(forKey keyCount: Int, value valueCount: Int) -> Memtable {
        if let active {
            if active.hasRoom(keyCount: keyCount, valueCount: valueCount) { return active }
            rotate()
        }
        let fresh = Memtable(capacity: memtableCapacity, table: schema)
        active = fresh
        return fresh
    }

    /// Sets the active memtable aside to be flushed.
    func rotate() {
        guard let full = active, !full.isEmpty else { return }
        flushing.append(full)
        active = nil
    }

    /// Puts the SSTable in the place of the oldest rotated memtable, whose rows it has.
    func finishFlush(_ sstable: LiveSSTable?) {
        let memtable = flushing.removeFirst()
        if let position = memtable.lastPosition {
            replayable.append((position.segment, memtable.minTimestamp))
        }
        if let sstable { sstables.insert(sstable, at: 0) }
    }

    /// Takes tokens from SSTables and puts the one (or none) in their place that has their merged rows.
    func replace(
        _ removals: [TableFiles.Removal],
        with output: LiveSSTable?,
        in owned: [TokenRange]
    ) {
        for removal in removals {
            guard let index = sstables.firstIndex(where: { $0.number == removal.sstable.number })
            else { continue }
            let live = sstables[index]
            let left = removal.ranges.reduce(live.ranges ?? owned) {
                ManifestState.subtract($0, $1)
            }
            if left.isEmpty {
                sstables.remove(at: index)
                blocks.cache.removeFile(live.number)
            } else {
                sstables[index] = LiveSSTable(
                    number: live.number,
                    reader: live.reader,
                    ranges: left
                )
            }
        }
        // They would keep files open that are gone.
        held.removeAll()
        heldCount = 0
        guard let output else { return }
        sstables.append(output)
        sstables.sort { $0.number > $1.number }
    }

    // MARK: Reading

    /// The memtables, newest first.
    var memtables: [Memtable] { [active].compactMap(\.self) + flushing.reversed() }

    /// The merged fragment of one row, with the deletions that cover it applied; nil when no source
    /// knows anything of it. Valid until the next call.
    ///
    /// - Parameters:
    ///   - key: the row's or static row's whole key.
    ///   - partitionLength: the length of the partition part of `key`.
    package func get(_ key: ByteView, partitionLength: Int) throws(StorageError) -> ByteView? {
        heldCount = 0
        let partition = key.prefix(partitionLength)
        let isStatic = key[partitionLength] == Key.staticRow
        var shadow: Deletion?
        var result: ByteView?
        if let active {
            shadow = active.shadow(of: key, in: partition, isStatic: isStatic)
            result = active.row(key)
        }
        for memtable in flushing.reversed() {
            let other = memtable.shadow(of: key, in: partition, isStatic: isStatic)
            shadow = Deletion.stronger(shadow, other)
            if let value = memtable.row(key) { result = try merge(result, value) }
        }
        let token = Key.token(of: key)
        let hash = PartitionFilter.hash(partition: partition)
        for sstable in sstables {
            let reader = sstable.reader
            guard sstable.mayHold(token) else { continue }
            if let shadow, shadow.timestamp >= reader.statistics.maxTimestamp { continue }
            if !isStatic, !reader.statistics.hasPartitionDeletions,
                !reader.mayHold(row: key, partitionLength: partitionLength)
            {
                continue
            }
            guard try reader.mayContain(hash, through: blocks) else { continue }
            if reader.statistics.hasPartitionDeletions {
                let deletion = try reader.partitionDeletion(of: partition, through: blocks)
                shadow = Deletion.stronger(shadow, deletion)
            }
            let cursor = spareCursor(reader)
            try cursor.seek(atOrAfter: key)
            guard cursor.isValid, cursor.key.hasPrefix(partition) else { continue }
            if !isStatic { shadow = Deletion.stronger(shadow, cursor.openDeletion) }
            guard cursor.key.equals(key) else { continue }
            heldCount += 1
            result = try merge(result, cursor.value)
        }
        guard let found = result, let shadow else { return result }
        spare.removeAll()
        do throws(MalformedBytes) {
            try RowMerge.filter(found, shadow: shadow, into: &spare)
        } catch {
            throw corrupt(error)
        }
        return RowMerge.isEmpty(spare.view) ? nil : spare.view
    }

    /// A cursor of an earlier call, or a new one; it becomes one of those that are held when `heldCount`
    /// is raised.
    private func spareCursor(_ reader: SSTableReader) -> SSTableCursor {
        if heldCount < held.count {
            held[heldCount].reuse(for: reader)
        } else {
            held.append(SSTableCursor(reader, source: blocks))
        }
        return held[heldCount]
    }

    /// The merge of two fragments. `a` may point into `merged`.
    private func merge(_ a: ByteView?, _ b: ByteView) throws(StorageError) -> ByteView {
        guard let a else { return b }
        spare.removeAll()
        do throws(MalformedBytes) {
            try RowMerge.mergeRows(a, b, shadow: nil, into: &spare)
        } catch {
            throw corrupt(error)
        }
        swap(&merged, &spare)
        return merged.view
    }

    private func corrupt(_ error: MalformedBytes) -> StorageError {
        guard heldCount > 0 else {
            invariantFailure("a memtable holds a malformed entry: \(error)")
        }
        return SourceCursor.sstable(held[heldCount - 1], blocks).corrupt(error)
    }

    /// A cursor over the keys in [lower, upper). It must be used up before anything is written.
    ///
    /// Backward, both bounds must be of one partition. Rows that certainly don't meet `conditions` may be
    /// left out.
    package func cursor(
        lower: [UInt8],
        upper: [UInt8],
        isReversed: Bool = false,
        conditions: [ColumnBounds] = []
    ) throws(StorageError) -> MergeCursor {
        var sources: [SourceCursor] = []
        for memtable in memtables {
            sources.append(.memtable(MemtableCursor(memtable), memtable))
        }
        let first = Token(biased: TableStore.leadingWord(lower))
        let last = upper.isEmpty ? Token.max : Token(biased: TableStore.leadingWord(upper))
        let range = TokenRange(first, last)
        // A read within one partition is spared the files whose filter doesn't have it.
        let hash = lower.withView { lower in
            upper.withView { upper -> UInt64? in
                let partition = Key.partition(of: lower)
                guard partition.count > 8, upper.hasPrefix(partition) else { return nil }
                return PartitionFilter.hash(partition: partition)
            }
        }
        var readers: [SSTableReader] = []
        for sstable in sstables {
            let reader = sstable.reader
            guard reader.statistics.tokens?.intersection(range) != nil else { continue }
            if hash != nil, !reader.statistics.hasPartitionDeletions {
                let mayHold = lower.withView { lower in
                    upper.withView { upper in
                        let length = Key.partitionLength(of: lower)
                        return reader.mayHold(lower: lower, upper: upper, partitionLength: length)
                    }
                }
                guard mayHold else { continue }
            }
            if let hash, try !reader.mayContain(hash, through: blocks) { continue }
            sources.append(sstable.cursor(blocks))
            readers.append(reader)
        }
        var lower = lower
        if !conditions.isEmpty, !isReversed {
            guard let first = firstCandidate(conditions, from: lower, readers) else {
                return MergeCursor(sources: [], lower: lower, upper: upper)
            }
            lower = first
        }
        return MergeCursor(sources: sources, lower: lower, upper: upper, isReversed: isReversed)
    }

    /// The first eight bytes of a bound as a number; bytes that it lacks are 0.
    private static func leadingWord(_ bound: [UInt8]) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<8 { word = word << 8 | (index < bound.count ? UInt64(bound[index]) : 0) }
        return word
    }
}

extension Memtable {
    /// The row of a key; nil if there is none.
    fileprivate func row(_ key: ByteView) -> ByteView? {
        let position = rows.find(key)
        return position.isValid ? rows.value(position) : nil
    }

    /// The strongest deletion of the partition or a range that covers a key.
    fileprivate func shadow(
        of key: ByteView,
        in partition: ByteView,
        isStatic: Bool
    ) -> Deletion? {
        guard partitionDeletionCount > 0 || markers.count > 0 else { return nil }
        let whole = partitionDeletion(of: partition)
        return isStatic
            ? whole : Deletion.stronger(whole, openDeletion(before: key, in: partition))
    }
}
