// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Model

/// What a read of one row wants to know.
package struct WantedColumns: Sendable {
    /// The ids of the columns. None of them is a collection of cells.
    package let columns: [UInt32]
    /// When the read is, in seconds since 1970: what has expired by then doesn't count as there.
    package let now: Int64

    package init(_ columns: [UInt32], now: Int64) {
        self.columns = columns
        self.now = now
    }
}

extension TableStore {
    /// The memtables, newest first.
    var memtables: [Memtable] { [active].compactMap(\.self) + flushing.reversed() }

    /// The merged fragment of one row, with the deletions that cover it applied; nil when no source
    /// knows anything of it. Valid until the next call.
    ///
    /// - Parameters:
    ///   - key: the row's or static row's whole key.
    ///   - partitionLength: the length of the partition part of `key`.
    ///   - wanted: what the caller looks at, besides whether the row is there. Anything else may then be
    ///     out of date: the files that could only change that aren't read. Nil for everything.
    package func get(
        _ key: ByteView,
        partitionLength: Int,
        wanted: WantedColumns? = nil
    ) throws(StorageError) -> ByteView? {
        for cursor in held { blocks.takeBack(cursor) }
        held.removeAll(keepingCapacity: true)
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
        if !unreadable.isEmpty {
            let token = Key.token(of: key)
            try checkReadable(TokenRange(token, token))
        }
        if !byTimestamp.isEmpty {
            try getFromSSTables(key, partition, isStatic, wanted, &shadow, &result)
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

    private func getFromSSTables(
        _ key: ByteView,
        _ partition: ByteView,
        _ isStatic: Bool,
        _ wanted: WantedColumns?,
        _ shadow: inout Deletion?,
        _ result: inout ByteView?
    ) throws(StorageError) {
        let token = Key.token(of: key)
        let hash = PartitionFilter.hash(partition: partition)
        for index in spans.indices where spans[index].contains(token) {
            let sstable = byTimestamp[index]
            let reader = sstable.reader
            // All that come now are at most as late.
            let latest = reader.statistics.maxTimestamp
            if let shadow, shadow.timestamp >= latest { return }
            guard sstable.mayHold(token) else { continue }
            if !isStatic, !reader.statistics.hasPartitionDeletions,
                !reader.mayHold(row: key, partitionLength: partition.count)
            {
                continue
            }
            guard try reader.mayContain(hash, through: blocks) else { continue }
            if let result, try isSettled(result, shadow, after: latest, wanted) { return }
            if reader.statistics.hasPartitionDeletions {
                let deletion = try reader.partitionDeletion(of: partition, through: blocks)
                shadow = Deletion.stronger(shadow, deletion)
            }
            let cursor = blocks.cursor(reader)
            held.append(cursor)
            try cursor.seek(atOrAfter: key)
            guard cursor.isValid, cursor.key.hasPrefix(partition) else { continue }
            if !isStatic { shadow = Deletion.stronger(shadow, cursor.openDeletion) }
            guard cursor.key.equals(key) else { continue }
            result = try merge(result, cursor.value)
        }
    }

    /// Whether nothing that was written at or before `timestamp` can change what is wanted of a row.
    private func isSettled(
        _ fragment: ByteView,
        _ shadow: Deletion?,
        after timestamp: Int64,
        _ wanted: WantedColumns?
    ) throws(StorageError) -> Bool {
        do throws(MalformedBytes) {
            var row = try RowFragment(fragment)
            if let deletion = row.deletion, deletion.timestamp >= timestamp { return true }
            guard let wanted else { return false }
            let horizon = max(timestamp, shadow?.timestamp ?? Int64.min)
            // The row is there if any of it is live, whatever older files say.
            var isThere = row.liveness.map {
                $0.timestamp > horizon && $0.isLive(at: wanted.now)
            } ?? false
            var settledCount = 0
            while let cell = try row.nextCell() {
                // Cells of other columns prove nothing: their column may have been dropped.
                guard cell.timestamp > horizon, wanted.columns.contains(cell.column) else { continue }
                if cell.isLive(at: wanted.now) { isThere = true }
                settledCount += 1
            }
            return isThere && settledCount == wanted.columns.count
        } catch {
            throw corrupt(error)
        }
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
        guard let cursor = held.last else {
            invariantFailure("a memtable holds a malformed entry: \(error)")
        }
        return SourceCursor.sstable(cursor, blocks).corrupt(error)
    }

    /// A cursor over the keys in [lower, upper). It must be used up before anything is written.
    /// Deletions themselves come out too if it `emitsDeletions`.
    ///
    /// Backward, both bounds must be of one partition. Rows that certainly don't meet `conditions` may be
    /// left out.
    package func cursor(
        lower: [UInt8],
        upper: [UInt8],
        isReversed: Bool = false,
        emitsDeletions: Bool = false,
        conditions: [ColumnBounds] = []
    ) throws(StorageError) -> MergeCursor {
        var sources: [SourceCursor] = []
        for memtable in memtables {
            sources.append(.memtable(MemtableCursor(memtable), memtable))
        }
        let first = Token(biased: TableStore.leadingWord(lower))
        let last = upper.isEmpty ? Token.max : Token(biased: TableStore.leadingWord(upper))
        let range = TokenRange(first, last)
        if !unreadable.isEmpty { try checkReadable(range) }
        // A read within one partition is spared the files whose filter doesn't have it.
        let partitionLength = TableStore.commonPartitionLength(lower, upper)
        let hash = partitionLength.map { length in
            lower.withView { PartitionFilter.hash(partition: $0.prefix(length)) }
        }
        var readers: [SSTableReader] = []
        for sstable in sstables {
            let reader = sstable.reader
            guard sstable.tokens?.intersection(range) != nil else { continue }
            if let length = partitionLength, !reader.statistics.hasPartitionDeletions {
                let mayHold = lower.withView { lower in
                    upper.withView { upper in
                        reader.mayHold(lower: lower, upper: upper, partitionLength: length)
                    }
                }
                guard mayHold else { continue }
            }
            if let hash, try !reader.mayContain(hash, through: blocks) { continue }
            let cursor = blocks.cursor(reader)
            sources.append(
                sstable.ranges.map { .partial(cursor, blocks, $0) } ?? .sstable(cursor, blocks)
            )
            readers.append(reader)
        }
        var lower = lower
        if !conditions.isEmpty, !isReversed {
            guard let first = firstCandidate(conditions, from: lower, readers) else {
                return MergeCursor(sources: [], lower: lower, upper: upper)
            }
            lower = first
        }
        return MergeCursor(
            sources: sources,
            lower: lower,
            upper: upper,
            isReversed: isReversed,
            emitsDeletions: emitsDeletions,
            blocks: blocks
        )
    }

    /// Throws if something of `range` may be in a file that can't be opened.
    private func checkReadable(_ range: TokenRange) throws(StorageError) {
        for file in unreadable {
            if let failure = file.failure(of: range) { throw failure }
        }
    }

    /// The length of the partition part that both bounds have; nil if they are of several partitions.
    private static func commonPartitionLength(_ lower: [UInt8], _ upper: [UInt8]) -> Int? {
        lower.withView { lower in
            upper.withView { upper in
                let partition = Key.partition(of: lower)
                return partition.count > 8 && upper.hasPrefix(partition) ? partition.count : nil
            }
        }
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
