// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// What a node has of a run of keys, as a mutation that another node can merge with what others have:
/// rows, static rows, partition deletions and the range deletions that reach into the run.
///
/// Deletions past the table's grace period are left out, as are cells of dropped columns, so that replicas of
/// which one has compacted them away already don't differ. The digest covers everything that is in the
/// mutation, in one form whatever form the fragments have.
package struct ReplicaRead: ~Copyable {
    /// What to read, and when it is enough.
    package struct Run: Sendable {
        package var bounds: KeyBounds
        /// Backward, both bounds are of one partition.
        package var isReversed: Bool
        /// Whether the static row is wanted of the partition in which the run begins.
        package var wantsStatic: Bool
        /// How many live rows, bytes and steps are enough, each.
        package var rowsMax: Int
        package var bytesMax: Int
        package var workMax: Int
        /// Seconds since 1970: what has expired by then isn't live.
        package var now: Int64

        package init(
            bounds: KeyBounds,
            isReversed: Bool = false,
            wantsStatic: Bool = false,
            rowsMax: Int = Int.max,
            bytesMax: Int = Int.max,
            workMax: Int = Int.max,
            now: Int64
        ) {
            self.bounds = bounds
            self.isReversed = isReversed
            self.wantsStatic = wantsStatic
            self.rowsMax = rowsMax
            self.bytesMax = bytesMax
            self.workMax = workMax
            self.now = now
        }
    }

    /// What came of it.
    package struct Result: Sendable {
        /// The last key that was looked at if there may be more behind it.
        package var horizon: [UInt8]?
        package var rowCount: Int
        /// Empty when there is nothing.
        package var mutation: [UInt8]
        package var digest: (UInt64, UInt64)
        package var cost: ReadCost
    }

    private let run: Run
    private let purge: RowPurge
    private var writer: MutationWriter
    private var scratch = ByteWriter(capacity: 512)
    private var canonical = ByteWriter(capacity: 512)
    private var digest: (UInt64, UInt64) = (0, 0)
    private var rowCount = 0
    private var isEmpty = true
    /// The range deletion that is open behind the last entry, and where it opened.
    private var open: Deletion?
    private var openEdge: [UInt8] = []

    private init(_ run: Run, _ table: TableSchema) {
        self.run = run
        purge = RowPurge(graceHorizon: table.options.graceHorizon(now: run.now), table: table)
        writer = MutationWriter(capacity: 512)
        writer.begin(table: table.storageID)
    }

    /// Reads a run of a table's keys on its shard.
    ///
    /// - Throws: `.wouldBlock` when a block has to come from the disk (`ShardStore.read`).
    package static func read(_ run: Run, of table: TableStore) throws(StorageError) -> Result {
        var reader = ReplicaRead(run, table.schema)
        if run.wantsStatic { try reader.takeStatic(of: table) }
        let cursor = try table.cursor(
            lower: run.bounds.lower,
            upper: run.bounds.upper,
            isReversed: run.isReversed,
            emitsDeletions: true
        )
        return try reader.finish(cursor)
    }

    /// Reads all of a memtable's keys in `run`: what several answers came to.
    package static func read(
        _ run: Run,
        of memtable: Memtable,
        _ table: TableSchema
    ) throws(StorageError) -> Result {
        let reader = ReplicaRead(run, table)
        let cursor = MergeCursor(
            sources: [.memtable(MemtableCursor(memtable), memtable)],
            lower: run.bounds.lower,
            upper: run.bounds.upper,
            isReversed: run.isReversed,
            emitsDeletions: true
        )
        return try reader.finish(cursor)
    }

    // MARK: Entries

    private consuming func finish(_ cursor: MergeCursor) throws(StorageError) -> Result {
        cursor.workMax = run.workMax
        var horizon: [UInt8]?
        var hasBegun = false
        while true {
            let hasEntry = try cursor.next()
            if !hasBegun {
                hasBegun = true
                begin(cursor)
            }
            guard hasEntry else {
                if cursor.isPaused { horizon = cursor.resumeKey }
                break
            }
            do throws(MalformedBytes) {
                try take(cursor)
            } catch {
                throw cursor.malformedEntry(error)
            }
            let isFull = rowCount >= run.rowsMax || writer.bytes.count >= run.bytesMax
            if isFull || cursor.cost.work >= run.workMax {
                horizon = cursor.key.array
                break
            }
        }
        if open != nil { close(at: end(horizon)) }
        return Result(
            horizon: horizon,
            rowCount: rowCount,
            mutation: isEmpty ? [] : writer.bytes.array,
            digest: digest,
            cost: cursor.cost
        )
    }

    /// Takes what holds where the run begins, if that is inside of a partition.
    private mutating func begin(_ cursor: MergeCursor) {
        let (partition, range) = cursor.deletionsAtStart
        let start = run.isReversed ? run.bounds.upper : run.bounds.lower
        if let partition {
            let key = start.withView { Key.partition(of: $0).array } + [Key.partitionDeletion]
            key.withView { take(partition, at: $0) }
        }
        open = range
        if range != nil { openEdge = RangeEdge.at(start) }
    }

    private mutating func take(_ cursor: MergeCursor) throws(MalformedBytes) {
        let value = cursor.value
        guard value.count > 0 else { throw MalformedBytes(offset: 0, expected: "an entry's value") }
        if value[0] & EntryHeader.marker != 0 {
            let marker = try RangeMarker(value)
            let key = cursor.key.array
            close(at: key)
            open = marker.after
            openEdge = key
        } else if value[0] & EntryHeader.partitionDeletion != 0 {
            take(try EntryHeader.readPartitionDeletion(value), at: cursor.key)
        } else {
            if try add(row: cursor.key, value), !cursor.isStaticRow { rowCount += 1 }
        }
    }

    private mutating func takeStatic(of table: TableStore) throws(StorageError) {
        let start = run.isReversed ? run.bounds.upper : run.bounds.lower
        let key = start.withView { Key.partition(of: $0).array } + [Key.staticRow]
        try key.withView { (view) throws(StorageError) in
            guard let value = try table.get(view, partitionLength: view.count - 1) else { return }
            do throws(MalformedBytes) {
                _ = try add(row: view, value)
            } catch {
                invariantFailure("a row that was merged is malformed: \(error)")
            }
        }
    }

    private mutating func take(_ deletion: Deletion, at key: ByteView) {
        guard !isPurgeable(deletion) else { return }
        scratch.removeAll()
        EntryHeader.appendPartitionDeletion(deletion, to: &scratch)
        add(key, scratch.view)
        note(key, scratch.view)
    }

    private func isPurgeable(_ deletion: Deletion) -> Bool {
        purge.canDrop(
            timestamp: deletion.timestamp,
            localTime: deletion.localTime,
            olderThan: .max
        )
    }

    /// Adds what is left of a row; returns whether it is live.
    private mutating func add(row key: ByteView, _ value: ByteView) throws(MalformedBytes) -> Bool {
        scratch.removeAll()
        if purge.keepsAll(value) {
            scratch.append(value)
        } else {
            try purge.purge(value, olderThan: .max, into: &scratch)
            if RowMerge.isEmpty(scratch.view) { return false }
        }
        add(key, scratch.view)
        // The same content has one form here: without a base timestamp.
        var fragment = try RowFragment(scratch.view)
        var isLive = fragment.liveness?.isLive(at: run.now) ?? false
        canonical.removeAll()
        RowEncoder.begin(liveness: fragment.liveness, deletion: fragment.deletion, to: &canonical)
        while let cell = try fragment.nextCell() {
            if cell.isLive(at: run.now) { isLive = true }
            var plain = cell
            plain.flags.drop(.baseTimestamp)
            RowEncoder.append(plain, base: 0, to: &canonical)
        }
        note(key, canonical.view)
        return isLive
    }

    private mutating func add(_ key: ByteView, _ value: ByteView) {
        writer.add(key: key, value: value)
        isEmpty = false
    }

    private mutating func note(_ key: ByteView, _ value: ByteView) {
        digest.0 = Checksum.xxh3(value, seed: Checksum.xxh3(key, seed: digest.0))
        digest.1 = Checksum.xxh3(value, seed: Checksum.xxh3(key, seed: ~digest.1))
    }

    // MARK: Range deletions

    /// Where the run ends, inside of a partition, as a place for the end of a range deletion.
    private func end(_ horizon: [UInt8]?) -> [UInt8] {
        guard let horizon else {
            let bound = run.isReversed ? run.bounds.lower : run.bounds.upper
            return RangeEdge.at(bound)
        }
        return run.isReversed ? RangeEdge.before(horizon) : RangeEdge.after(horizon)
    }

    /// Adds the range deletion that is open, as far as `edge`.
    private mutating func close(at edge: [UInt8]) {
        guard let deletion = open else { return }
        open = nil
        guard !isPurgeable(deletion) else { return }
        let (start, end) = run.isReversed ? (edge, openEdge) : (openEdge, edge)
        let isProper = start.withView { start in end.withView { start.compare($0) < 0 } }
        guard isProper else { return }
        scratch.removeAll()
        end.withView { RangeDeletion.append(end: $0, deletion: deletion, to: &scratch) }
        start.withView { key in
            add(key, scratch.view)
            note(key, scratch.view)
        }
    }
}

/// The places between rows at which range deletions begin and end.
enum RangeEdge {
    /// The marker at a bound of a run, inside of a partition: no row is between the two.
    static func at(_ bound: [UInt8]) -> [UInt8] {
        let length = bound.withView { Key.partitionLength(of: $0) }
        // The end of a partition: behind all of its rows.
        if bound.count == length + 1, bound[length] > Key.clustered {
            return bound[..<length] + [Key.clustered, Key.endAfter]
        }
        // Before the first row.
        if bound.count <= length + 1 { return bound[..<length] + [Key.clustered, Key.endBefore] }
        if bound.last == 0, bound.count >= 2, bound[bound.count - 2] == Key.endRow {
            return after(Array(bound.dropLast()))
        }
        if bound.last == Key.endRow { return before(bound) }
        return bound.withView { Key.isMarker($0) } ? bound : bound + [Key.endBefore]
    }

    /// The marker right behind a key of a clustered row; other keys stay.
    static func after(_ key: [UInt8]) -> [UInt8] {
        key.last == Key.endRow ? key.dropLast() + [Key.endAfter] : at(key)
    }

    /// The marker right before a key of a clustered row; other keys stay.
    static func before(_ key: [UInt8]) -> [UInt8] {
        key.last == Key.endRow ? key.dropLast() + [Key.endBefore] : at(key)
    }
}
