// SPDX-License-Identifier: Apache-2.0

internal import Bytes
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

    /// A file as a shard sees it; nil if it has no keys.
    ///
    /// - Parameters:
    ///   - live: the tokens of the shard for which it is live.
    ///   - owned: all tokens of the shard.
    package init?(number: UInt64, reader: SSTableReader, live: [TokenRange], of owned: [TokenRange]) {
        guard let tokens = reader.statistics.tokens, !live.isEmpty else { return nil }
        let isWhole = owned.compactMap { $0.intersection(tokens) }.allSatisfy { wanted in
            live.contains { $0.contains(wanted.first) && $0.contains(wanted.last) }
        }
        self.init(number: number, reader: reader, ranges: isWhole ? nil : live)
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
    /// Live SSTables that couldn't be opened so far: none, if all is well.
    package private(set) var unreadable: [UnreadableSSTable]
    /// The live SSTables, newest first.
    package private(set) var sstables: [LiveSSTable] {
        didSet { byTimestamp = TableStore.byTimestamp(sstables) }
    }
    /// The same, those with the latest write first.
    private(set) var byTimestamp: [LiveSSTable] {
        didSet { spans = TableStore.spans(byTimestamp) }
    }
    /// The tokens of each of `byTimestamp`: a point read looks at these first, and at few of the files.
    private(set) var spans: [TokenRange]

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
    /// How often damaged files were looked at since a compaction last succeeded, and whether they will be.
    var damageRetries = 0
    var isDamageTimed = false
    /// How many reads went by indexes, and how many of them gathered the places of a wide range.
    package internal(set) var indexedReadCount = 0
    package internal(set) var gatheredReadCount = 0
    /// Whom to tell when the memtables that exist now have been flushed.
    var flushWaiters: [(remaining: Int, done: @Sendable (StorageError?) -> Void)] = []

    // What `get` returned last points into these.
    var merged = ByteWriter(capacity: 512)
    var spare = ByteWriter(capacity: 512)
    var held: [SSTableCursor] = []

    init(
        schema: TableSchema,
        sstables: [LiveSSTable],
        unreadable: [UnreadableSSTable] = [],
        blocks: ShardBlocks,
        memtableCapacity: Int,
        indexLimits: IndexLimits
    ) {
        self.schema = schema
        self.unreadable = unreadable
        self.sstables = sstables.sorted { $0.number > $1.number }
        byTimestamp = TableStore.byTimestamp(sstables)
        spans = TableStore.spans(byTimestamp)
        self.blocks = blocks
        self.memtableCapacity = memtableCapacity
        self.indexLimits = indexLimits
    }

    private static func byTimestamp(_ sstables: [LiveSSTable]) -> [LiveSSTable] {
        sstables.sorted {
            let (a, b) = ($0.reader.statistics.maxTimestamp, $1.reader.statistics.maxTimestamp)
            return a == b ? $0.number > $1.number : a > b
        }
    }

    private static func spans(_ sstables: [LiveSSTable]) -> [TokenRange] {
        // An empty file's holds no token.
        sstables.map { $0.tokens ?? TokenRange(.max, .min) }
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
    /// A file that can't be opened may have anything.
    func minTimestamp(oldestSegment: UInt64) -> Int64 {
        guard unreadable.isEmpty else { return .min }
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
        // Cursors would keep files open that are gone.
        held.removeAll()
        for removal in removals {
            guard let index = sstables.firstIndex(where: { $0.number == removal.sstable.number })
            else { continue }
            let live = sstables[index]
            let left = removal.ranges.reduce(live.ranges ?? owned) {
                ManifestState.subtract($0, $1)
            }
            if left.isEmpty {
                sstables.remove(at: index)
                blocks.removeFile(live.number)
            } else {
                sstables[index] = LiveSSTable(
                    number: live.number,
                    reader: live.reader,
                    ranges: left
                )
            }
        }
        guard let output else { return }
        add(output)
    }

    /// What has to be taken from the SSTables so that they have nothing of other tokens than `kept`.
    func removals(keeping kept: [TokenRange], of owned: [TokenRange]) -> [TableFiles.Removal] {
        sstables.compactMap { sstable in
            guard let tokens = sstable.tokens else { return nil }
            let live = sstable.ranges ?? owned
            let gone = kept.reduce(live) { ManifestState.subtract($0, $1) }
            guard gone.contains(where: { $0.intersection(tokens) != nil }) else { return nil }
            let isAnyLeft = live.contains { range in
                guard let own = range.intersection(tokens) else { return false }
                return kept.contains { $0.intersection(own) != nil }
            }
            return TableFiles.Removal(sstable: sstable, ranges: isAnyLeft ? gone : live)
        }
    }

    /// A file that couldn't be opened has been opened; it is nil if it has no keys.
    func open(_ number: UInt64, as sstable: LiveSSTable?) {
        guard unreadable.contains(where: { $0.number == number }) else { return }
        unreadable.removeAll { $0.number == number }
        if let sstable { add(sstable) }
    }

    private func add(_ sstable: LiveSSTable) {
        sstables.append(sstable)
        sstables.sort { $0.number > $1.number }
    }
}
