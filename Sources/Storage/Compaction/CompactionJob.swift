// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model

/// What a compaction merges, and where to.
struct CompactionPlan: Sendable {
    let reason: CompactionChoice.Reason
    let inputs: [LiveSSTable]
    /// The table's other SSTables in the shard.
    let others: [LiveSSTable]
    /// The smallest write timestamp in the shard's memtables of the table, those included that a
    /// replay of the commit log would make.
    let memtableMinTimestamp: Int64
    let schema: TableSchema
    /// The tokens of the shard.
    let owned: [TokenRange]
    /// The tokens of the shard in the parts in which the output is written.
    let slices: [[TokenRange]]
    /// Seconds since 1970.
    let now: Int64
}

/// Merges SSTables of one table in one shard into new ones, without what can be purged: one output for
/// each slice of the tokens, which takes its slice from the inputs as soon as it is complete.
///
/// Runs in the background in steps, over immutable inputs. A deletion is purged when it is past the
/// table's grace period and nothing outside of the inputs can be older than it and in its partition.
final class CompactionJob: @unchecked Sendable {  // Owner: the background step that runs.
    /// What a step came to.
    enum Progress: Sendable {
        /// There is more to merge.
        case more
        /// A slice is complete and live.
        case published(CompactionOutput)
        /// All slices are.
        case finished
    }

    /// An input, and the tokens that were not yet taken from it.
    private struct Input {
        let sstable: LiveSSTable
        let blocks = SequentialBlocks()
        var ranges: [TokenRange]

        /// Whether it may still have keys in `part`.
        func holds(_ part: TokenRange) -> Bool {
            guard let common = sstable.tokens?.intersection(part) else { return false }
            return ranges.contains { $0.intersection(common) != nil }
        }
    }

    let plan: CompactionPlan
    private let purge: RowPurge
    /// Whether deletions are purged that may hide something elsewhere: a planted bug.
    private let purgesAll: Bool
    private var slices: ArraySlice<[TokenRange]>
    /// The parts of the slice that are still to be merged.
    private var parts: ArraySlice<TokenRange> = []
    private var isInSlice = false
    private var cursor: MergeCursor?
    private var output: TableFiles.Output?
    /// The slice that is being merged.
    private var current: [TokenRange] = []
    private var left: [Input]

    /// The last token that was merged; nil before the first.
    private(set) var lastToken: Token?
    /// The partition that was asked about last, and what can be older than it elsewhere.
    private var partition: [UInt8] = []
    private var olderThan = Int64.min
    private var purged = ByteWriter(capacity: 4096)
    /// Of all outputs: trained from the inputs when the first output begins; nil for none.
    private lazy var dictionary = DictionaryTrainer.train(
        from: plan.inputs.map(\.reader),
        CompressionSettings(plan.schema.options.compression, level: plan.reason.outputLevel)
    )

    init(_ plan: CompactionPlan, planted: PlantedBugs = []) {
        self.plan = plan
        purgesAll = planted.contains(.purgeTombstoneEarly)
        purge = RowPurge(
            graceHorizon: purgesAll ? .max : plan.schema.options.graceHorizon(now: plan.now),
            table: plan.schema
        )
        slices = plan.slices[...]
        left = plan.inputs.map { Input(sstable: $0, ranges: $0.ranges ?? plan.owned) }
    }

    /// The bytes of keys and values that the last step has handled.
    private(set) var stepBytes = 0

    /// Merges until about `budget` bytes of keys and values have passed or a slice is complete. After an
    /// error only `abandon` may follow.
    func step(_ files: TableFiles, budget: Int) throws(StorageError) -> Progress {
        stepBytes = 0
        if plan.reason == .expired { return try drop(files) }
        while stepBytes < budget {
            if cursor == nil {
                guard isInSlice || beginSlice() else { return .finished }
                guard let part = parts.popFirst() else { return .published(try endSlice(files)) }
                cursor = makeCursor(part)
            }
            stepBytes += try merge(files, budget: budget - stepBytes)
        }
        return .more
    }

    /// Removes the output that isn't complete.
    func abandon() {
        output?.writer.abandon()
        output = nil
    }

    // MARK: Slices

    /// Goes to the next slice in which an input has something; false when there is none.
    private func beginSlice() -> Bool {
        while let slice = slices.popFirst() {
            let isEmpty = !slice.contains { part in left.contains { $0.holds(part) } }
            if isEmpty { continue }
            parts = slice[...]
            current = slice
            isInSlice = true
            return true
        }
        return false
    }

    private func makeCursor(_ part: TokenRange) -> MergeCursor {
        let bounds = KeyBounds(part)
        let sources = left.filter { $0.holds(part) }
        return MergeCursor(
            sources: sources.map { $0.sstable.cursor($0.blocks) },
            lower: bounds.lower,
            upper: bounds.upper,
            emitsDeletions: true
        )
    }

    /// Makes the slice's output live and takes the slice from the inputs. An input that has no key in
    /// the slices that follow is done with.
    private func endSlice(_ files: TableFiles) throws(StorageError) -> CompactionOutput {
        isInSlice = false
        var removals: [TableFiles.Removal] = []
        for index in left.indices where !left[index].ranges.isEmpty {
            let before = left[index].ranges
            let after = current.reduce(before) { ManifestState.subtract($0, $1) }
            left[index].ranges = after
            let isDone = !after.contains { left[index].holds($0) }
            if isDone { left[index].ranges = [] }
            let taken = isDone ? before : before.flatMap { range in
                current.compactMap { $0.intersection(range) }
            }
            guard !taken.isEmpty else { continue }
            removals.append(TableFiles.Removal(sstable: left[index].sstable, ranges: taken))
        }
        let written = output
        output = nil
        let result = try files.publish(
            written,
            schema: plan.schema,
            ranges: current,
            removing: removals
        )
        return CompactionOutput(sstable: result, removals: removals)
    }

    /// Takes everything from the inputs without having read them.
    private func drop(_ files: TableFiles) throws(StorageError) -> Progress {
        guard !left.isEmpty else { return .finished }
        let removals = left.map { TableFiles.Removal(sstable: $0.sstable, ranges: $0.ranges) }
        left = []
        _ = try files.publish(nil, schema: plan.schema, ranges: [], removing: removals)
        return .published(CompactionOutput(sstable: nil, removals: removals))
    }

    // MARK: Entries

    /// Merges entries of the part at hand; returns how many bytes they had.
    private func merge(_ files: TableFiles, budget: Int) throws(StorageError) -> Int {
        guard let cursor else { return 0 }
        var spent = 0
        while spent < budget {
            guard try cursor.next() else {
                self.cursor = nil
                return spent + 1
            }
            let key = cursor.key
            spent += key.count + cursor.value.count
            lastToken = Key.token(of: key)
            guard let value = try whatStays(of: cursor) else { continue }
            if output == nil {
                output = try files.makeWriter(
                    plan.schema,
                    origin: .compaction,
                    level: plan.reason.outputLevel,
                    dictionary: dictionary
                )
            }
            try output?.writer.add(key: key, value: value)
        }
        return spent
    }

    /// What is left of the cursor's entry, valid until the next call; nil when nothing is.
    private func whatStays(of cursor: MergeCursor) throws(StorageError) -> ByteView? {
        let value = cursor.value
        // Nearly every row: then nobody needs to know what is elsewhere.
        if purge.keepsAll(value) { return value }
        if partition.isEmpty || !partition.withView({ cursor.key.hasPrefix($0) }) {
            partition = cursor.key.prefix(cursor.partitionLength).array
            olderThan = try partition.withView { (view) throws(StorageError) in
                try smallestTimestampElsewhere(of: view)
            }
        }
        purged.removeAll()
        do throws(MalformedBytes) {
            let keeps = try Self.purge(value, purge, olderThan, into: &purged)
            return keeps ? purged.view : nil
        } catch {
            throw malformed(error)
        }
    }

    private func malformed(_ error: MalformedBytes) -> StorageError {
        let blocks = UncachedBlocks()
        let first = SSTableCursor(plan.inputs[0].reader, source: blocks)
        return SourceCursor.sstable(first, blocks).corrupt(error)
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
        guard value.count > 0 else { throw MalformedBytes(offset: 0, expected: "an entry's value") }
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
        if purgesAll { return .max }
        let token = Key.token(of: partition)
        let hash = PartitionFilter.hash(partition: partition)
        let blocks = UncachedBlocks()
        var smallest = plan.memtableMinTimestamp
        for other in plan.others where other.mayHold(token) {
            guard try other.reader.mayContain(hash, through: blocks) else { continue }
            smallest = min(smallest, other.reader.statistics.minTimestamp)
        }
        return smallest
    }
}

/// A slice that was merged: what is live now, and what isn't any more.
struct CompactionOutput: Sendable {
    /// Nil when nothing was left.
    let sstable: LiveSSTable?
    let removals: [TableFiles.Removal]
}
