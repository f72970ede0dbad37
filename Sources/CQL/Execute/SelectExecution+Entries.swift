// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model
internal import Node
internal import Storage

/// What a read does with what its cursor comes to: it enters partitions, decodes rows, filters them, and
/// gives out those that pass.
extension SelectExecution {
    /// Makes the partition current in whose middle, or before whose rows, a piece goes on.
    ///
    /// Its static row is looked up when the cursor won't come by it.
    func reenter(_ piece: Piece, _ shard: Shard?) throws(CQLError) {
        let inside = resumeKey.flatMap(Self.partition)
        guard let current = piece.partition ?? inside else { return }
        if current != partition {
            partition = current
            inPartition = 0
            partitionHasRow = false
        }
        try current.withView { (view) throws(CQLError) in
            try malformed { () throws(MalformedBytes) in try decoder.enterPartition(view) }
        }
        staticIsPending = false
        let passesStatic =
            resumeKey == nil && piece.bounds.lower == current + [Key.staticRow]
            && !plan.isReversed
        guard !plan.table.statics.isEmpty, !passesStatic else { return }
        try enterStatic(current + [Key.staticRow], shard)
        staticIsPending =
            decoder.hasLiveStatic && inPartition == 0 && !partitionHasRow
            && !plan.restrictions.restrictsClustering
    }

    /// The partition of the last key; nil where a shard's tokens end, which is no key.
    static func partition(of lastKey: [UInt8]) -> [UInt8]? {
        guard lastKey.count > 8 else { return nil }
        return lastKey.withView { Key.partition(of: $0).array }
    }

    private func enterStatic(_ key: [UInt8], _ shard: Shard?) throws(CQLError) {
        if let virtual {
            let cursor = MergeCursor(
                sources: [.memtable(MemtableCursor(virtual), virtual)],
                lower: key,
                upper: key + [0]
            )
            let isThere = try storage { () throws(StorageError) in try cursor.next() }
            guard isThere else { return }
            return try malformed { () throws(MalformedBytes) in
                try decoder.enterStatic(cursor.value, now: now)
            }
        }
        guard let table = shard?.store.table(storageID: plan.table.storageID) else { return }
        try key.withView { (view) throws(CQLError) in
            let fragment = try storage { () throws(StorageError) in
                try table.get(view, partitionLength: view.count - 1)
            }
            guard let fragment else { return }
            try malformed { () throws(MalformedBytes) in
                try decoder.enterStatic(fragment, now: now)
            }
        }
    }

    /// Gives out the row of a partition that has only static columns, if that is still to be done.
    func leavePartition() throws(CQLError) -> Outcome? {
        guard staticIsPending else { return nil }
        staticIsPending = false
        decoder.decodeStaticOnly()
        guard try passesFilters() else { return nil }
        let key = partition + [Key.staticRow]
        return try key.withView { (view) throws(CQLError) in try emit(view) }
    }

    // MARK: Entries

    /// Takes an entry; an outcome ends the reading for now.
    func take(_ cursor: RowCursor) throws(CQLError) -> Outcome? {
        let key = cursor.key
        let isSame =
            !partition.isEmpty && cursor.partitionLength == partition.count
            && partition.withView { key.hasPrefix($0) }
        if !isSame {
            if let outcome = try leavePartition() {
                // The entry is not taken yet: the next page begins with it.
                return outcome
            }
            partition = key.prefix(cursor.partitionLength).array
            inPartition = 0
            partitionHasRow = false
            try malformed { () throws(MalformedBytes) in
                try decoder.enterPartition(key.prefix(cursor.partitionLength))
            }
        }
        if cursor.isStaticRow {
            try malformed { () throws(MalformedBytes) in
                try decoder.enterStatic(cursor.value, now: now)
            }
            staticIsPending = decoder.hasLiveStatic && !plan.restrictions.restrictsClustering
            return nil
        }
        let isLive = try malformed { () throws(MalformedBytes) in
            try decoder.decode(
                key: key,
                partitionLength: cursor.partitionLength,
                fragment: cursor.value,
                now: now
            )
        }
        guard isLive else {
            // Expired, or nothing but deleted cells.
            cost.tombstones += 1
            return nil
        }
        staticIsPending = false
        partitionHasRow = true
        guard isWithinEndings(key, cursor.partitionLength), try passesFilters() else { return nil }
        // A page may end with the last row that its partition may give.
        if !plan.isGrouped, inPartition >= perPartitionLimit { return skipPartition() }
        if let outcome = try emit(key) { return outcome }
        guard plan.isGrouped ? partitionIsFull : inPartition >= perPartitionLimit else {
            return nil
        }
        partitionIsFull = false
        return skipPartition()
    }

    /// Goes on behind the current partition.
    private func skipPartition() -> Outcome {
        if plan.isReversed || pieces[pieceIndex].partition != nil { return .pieceDone }
        // On to the next partition: its keys are above all of this one's. The byte is above every kind
        // and below 0xFF, with which the partition's terminator would read as an escaped zero.
        resumeKey = partition + [Key.clustered + 1]
        return .reseek
    }

    /// A scan over all partitions that restricts clustering columns checks each row's ending.
    private func isWithinEndings(_ key: ByteView, _ partitionLength: Int) -> Bool {
        guard let endings = scanEndings else { return true }
        let ending = key.dropFirst(partitionLength + 1)
        return endings.contains { range in
            range.lower.withView { ending.compare($0) >= 0 }
                && range.upper.withView { ending.compare($0) < 0 }
        }
    }

    private func passesFilters() throws(CQLError) -> Bool {
        for (slot, filter) in filters where try !filter.passes(decoder.values[slot]) {
            return false
        }
        return true
    }

    /// Gives out the decoder's row.
    private func emit(_ key: ByteView) throws(CQLError) -> Outcome? {
        if plan.isAggregate {
            try aggregate()
            inPartition += 1
            return nil
        }
        if plan.isGrouped { return try emitGrouped(key) }
        // A row beyond a full page only shows that there is one.
        if rowCount == pageSize, !plan.isMerged { return .pageFull }
        if plan.isMerged {
            merged.append((key.dropFirst(partition.count + 1).array, cells.count))
        }
        for selector in selectors { try evaluator.append(selector, to: &cells) }
        rowCount += 1
        inPartition += 1
        remaining -= 1
        lastKey.removeAll()
        lastKey.append(key)
        lastInPartition = inPartition
        return remaining == 0 ? .limitReached : nil
    }
}
