// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Model

/// Merges memtables and SSTables into one ordered run of rows, with all deletions applied.
///
/// Forward or backward over the keys in [lower, upper), an empty upper bound being above all keys. Rows and static rows come out merged, without
/// what row, range and partition deletions hide; a row of which nothing is left is passed over. For a
/// compaction, the deletions themselves come out too (`emitsDeletions`).
///
/// The state for each source is the range deletion that is open at its place: sources hold step
/// functions (`RangeMarker`), and what covers a row is the strongest of all sources' and the
/// partition's deletion. Backward reads stay within one partition. The sources must not change while
/// the cursor is used.
package final class MergeCursor {
    private var sources: [SourceCursor]
    /// The range deletion that is open at each source's place, and whether there may be any.
    private var open: [Deletion?]
    private var hasOpen = false
    private let lower: [UInt8]
    private let upper: [UInt8]
    private let isReversed: Bool
    private let emitsDeletions: Bool
    private var hasStarted = false

    /// Where a source stands.
    private struct Head {
        /// Whether it stands within the bounds.
        var isLive = false
        /// Whether it was moved to its first entry. A file that begins behind the start of the read is
        /// only opened when the read gets there; until then its first key stands for it.
        var isOpen = true
        /// The eight bytes of its key behind those that all keys of the read have in common
        /// (`commonCount`), as a number; backward its complement. The least comes next, and only equal
        /// ones have to be compared as keys.
        var word: UInt64 = 0
        var key = ByteView.empty
    }

    private var heads: [Head]
    private var unopenedCount = 0
    private let commonCount: Int
    /// The first `pendingCount` are the sources that stand at the entry given out last and have to move
    /// on.
    private var pending: [Int]
    private var pendingCount = 0
    /// The only pending source, or -1; as long as its head is below `limit`, the least of all others,
    /// these need not be looked at.
    private var leader = -1
    private var limit: UInt64 = 0
    /// The partition part of the current key; empty before the first.
    private var partition = ByteWriter(capacity: 64)
    private var partitionDeletion: Deletion?
    private var rangeDeletion: Deletion?
    private var merged = ByteWriter(capacity: 512)
    private var spare = ByteWriter(capacity: 512)

    /// The key of the current entry; valid until `next`.
    package private(set) var key = ByteView.empty
    /// The value of the current entry; valid until `next`.
    package private(set) var value = ByteView.empty
    /// After an error of `next`: the last key that the cursor is done with, behind which (backward:
    /// before which) another cursor can go on; nil when it is at its start.
    package private(set) var resumeKey: [UInt8]?
    /// The key of all sources that move on, before one does that may change it without coming to rest.
    private var keyBeforePass = ByteWriter(capacity: 0)
    /// Whether the last `next` ended since it had done `workMax`, and not at the end.
    package private(set) var isPaused = false
    /// How much one `next` may look at before it pauses: row fragments and deletions.
    package var workMax = Int.max
    /// Whether the last entry was a row of which there was nothing but its deletion.
    private var isInDeletedRun = false
    /// A source that has passed over entries and may have another range deletion open than is noted.
    private var passedSource: Int?
    /// Where cursors are taken back.
    private let blocks: ShardBlocks?
    /// How far a source may pass over.
    private var passLimit = ByteWriter(capacity: 0)
    /// What the cursor has cost so far.
    package private(set) var cost = ReadCost()
    /// After the first `next`: the deletions that hold where the read begins, if that is inside of a
    /// partition.
    private(set) var deletionsAtStart: (partition: Deletion?, range: Deletion?) = (nil, nil)

    /// A cursor over [lower, upper). Backward, both bounds are of one partition. Cursors over SSTables
    /// are given back to `blocks` in the end.
    package init(
        sources: [SourceCursor],
        lower: [UInt8],
        upper: [UInt8],
        isReversed: Bool = false,
        emitsDeletions: Bool = false,
        blocks: ShardBlocks? = nil
    ) {
        self.sources = sources
        self.blocks = blocks
        self.open = Array(repeating: nil, count: sources.count)
        heads = Array(repeating: Head(), count: sources.count)
        pending = Array(repeating: 0, count: sources.count)
        commonCount = lower.withView { a in upper.withView { a.commonPrefixCount($0) } }
        self.lower = lower
        self.upper = upper
        self.isReversed = isReversed
        self.emitsDeletions = emitsDeletions
    }

    deinit {
        guard let blocks else { return }
        for source in sources {
            switch source {
            case .memtable: break
            case .sstable(let cursor, _), .partial(let cursor, _, _): blocks.takeBack(cursor)
            }
        }
    }

    /// The length of the current key's partition part.
    package var partitionLength: Int { partition.count }

    /// Whether the current entry is the partition's static row.
    package var isStaticRow: Bool { key[partition.count] == Key.staticRow }

    /// Moves to the next entry; false when there is none, or when the work for one call is done
    /// (`isPaused`).
    package func next() throws(StorageError) -> Bool {
        invariant(!isPaused, "next of a cursor that has paused")
        let (sum, isBeyond) = cost.work.addingReportingOverflow(workMax)
        let workEnd = isBeyond ? Int.max : sum
        if !hasStarted { try start() }
        try advancePending()
        while try gather() {
            let key = heads[pending[0]].key
            guard isWithinBounds(key) else {
                // They stay where they are.
                pendingCount = 0
                return false
            }
            if partition.count == 0 || !key.hasPrefix(partition.view) { enterPartition(of: key) }
            if let source = passedSource { try synchronize(source) }
            if try take(key) { return true }
            if cost.work >= workEnd {
                isPaused = true
                resumeKey = key.array
                return false
            }
            try advancePending()
        }
        return false
    }

    // MARK: Moving

    private func start() throws(StorageError) {
        hasStarted = true
        var isBlocked = false
        for index in sources.indices {
            if putOff(index) { continue }
            do throws(StorageError) {
                try seek(index)
                noteHead(index, sources[index].currentKey)
            } catch .wouldBlock {
                // The others say what they want too, so that all of it is read at once.
                isBlocked = true
            }
        }
        if isBlocked { throw .wouldBlock }
        try startInsidePartition()
    }

    /// Leaves a source closed for now if it is a file that begins behind the start of the read.
    private func putOff(_ index: Int) -> Bool {
        guard !isReversed, let first = sources[index].firstKey else { return false }
        return first.withView { first in
            guard lower.withView({ first.compare($0) > 0 }) else { return false }
            noteHead(index, first)
            guard heads[index].isLive else { return true }
            heads[index].isOpen = false
            heads[index].key = .empty
            unopenedCount += 1
            return true
        }
    }

    /// Moves a source to its first entry that was put off.
    private func open(_ index: Int) throws(StorageError) {
        do throws(StorageError) {
            try seek(index)
        } catch {
            if keyBeforePass.count > 0 { resumeKey = keyBeforePass.array }
            throw error
        }
        unopenedCount -= 1
        heads[index].isOpen = true
        noteHead(index, sources[index].currentKey)
    }

    private func seek(_ index: Int) throws(StorageError) {
        if isReversed {
            try upper.withView { (key) throws(StorageError) in
                try sources[index].seek(before: key)
            }
        } else {
            try lower.withView { (key) throws(StorageError) in
                try sources[index].seek(atOrAfter: key)
            }
        }
    }

    /// Finds what is open where the read begins, if that is inside of a partition.
    private func startInsidePartition() throws(StorageError) {
        let start = lower.withView { Key.partitionLength(of: $0) }
        guard isReversed || start < lower.count else { return }
        partition.removeAll()
        lower.withView { partition.append($0.prefix(start)) }
        // What is put off begins behind the start, with entries and deletions alike.
        for index in sources.indices where heads[index].isOpen {
            let deletion = try sources[index].partitionDeletion(of: partition.view)
            partitionDeletion = Deletion.stronger(partitionDeletion, deletion)
            guard sources[index].isValid, sources[index].key.hasPrefix(partition.view) else {
                continue
            }
            open[index] = sources[index].openDeletion
            if isReversed, let marker = try marker(at: index) { open[index] = marker.after }
        }
        refreshRangeDeletion()
        deletionsAtStart = (partitionDeletion, visible(rangeDeletion))
    }

    private func advancePending() throws(StorageError) {
        if unopenedCount > 0, pendingCount > 0 { keepKey(of: pending[0]) }
        for place in 0..<pendingCount { try advance(pending[place]) }
        pendingCount = 0
    }

    private func advance(_ index: Int) throws(StorageError) {
        var isKeyKept = false
        do throws(StorageError) {
            if isInDeletedRun || rangeDeletion != nil || partitionDeletion != nil {
                keepKey(of: index)
                isKeyKept = true
                if try passOver(index) { return noteHead(index, sources[index].currentKey) }
            } else if case .partial = sources[index] {
                keepKey(of: index)
                isKeyKept = true
            }
            noteHead(index, try sources[index].step(isReversed: isReversed))
        } catch {
            // All sources that have to move on stand, or stood, at one key.
            resumeKey = isKeyKept ? keyBeforePass.array : sources[index].keyBeforeStep.array
            throw error
        }
    }

    private func keepKey(of index: Int) {
        keyBeforePass.removeAll()
        keyBeforePass.append(sources[index].key)
    }

    private func noteHead(_ index: Int, _ key: ByteView?) {
        // A key that doesn't begin as all others do is beyond the bounds, and so is what comes after it.
        guard let key, commonCount == 0 || beginsAsAll(key) else {
            heads[index].isLive = false
            return
        }
        let word = key.leadingWord(from: commonCount)
        heads[index] = Head(isLive: true, word: isReversed ? ~word : word, key: key)
    }

    private func beginsAsAll(_ key: ByteView) -> Bool {
        key.count >= commonCount
            && lower.withView { key.prefix(commonCount).equals($0.prefix(commonCount)) }
    }

    /// Finds the next key in the direction of the read, and makes the sources that have it pending;
    /// false when there is none.
    private func gather() throws(StorageError) -> Bool {
        if leader >= 0, heads[leader].isLive, heads[leader].word < limit {
            pending[0] = leader
            pendingCount = 1
            return true
        }
        let best = try nearest()
        guard best >= 0 else { return false }
        let first = heads[best]
        limit = .max
        for index in heads.indices where heads[index].isLive {
            let isFirst = heads[index].word == first.word && heads[index].key.equals(first.key)
            if isFirst {
                pending[pendingCount] = index
                pendingCount += 1
            } else {
                limit = min(limit, heads[index].word)
            }
        }
        leader = pendingCount == 1 ? best : -1
        return true
    }

    /// The source with the next key in the direction of the read; -1 when none is live.
    private func nearest() throws(StorageError) -> Int {
        while true {
            var best = -1
            for index in heads.indices where heads[index].isLive {
                if best < 0 || comesBefore(index, best) { best = index }
            }
            guard best >= 0, !heads[best].isOpen else { return best }
            try open(best)
        }
    }

    /// Whether a source's key comes before that of another, or is not known and could.
    @inline(__always)
    private func comesBefore(_ index: Int, _ other: Int) -> Bool {
        if heads[index].word != heads[other].word { return heads[index].word < heads[other].word }
        guard heads[index].isOpen, heads[other].isOpen else { return heads[other].isOpen }
        let order = heads[index].key.compare(heads[other].key)
        return isReversed ? order > 0 : order < 0
    }

    private func isWithinBounds(_ key: ByteView) -> Bool {
        isReversed
            ? lower.withView { key.compare($0) >= 0 }
            : upper.isEmpty || upper.withView { key.compare($0) < 0 }
    }

    private func enterPartition(of key: ByteView) {
        partition.removeAll()
        partition.append(Key.partition(of: key))
        partitionDeletion = nil
        rangeDeletion = nil
        if hasOpen {
            for index in open.indices { open[index] = nil }
            hasOpen = false
        }
    }

    // MARK: Passing over what a read needn't see

    /// Moves a source on, past what a deletion of another source hides or what is deleted anyway; false
    /// if it has to be moved step by step.
    private func passOver(_ index: Int) throws(StorageError) -> Bool {
        guard case .sstable(let cursor, _) = sources[index], let rule = passRule(index, cursor) else {
            return false
        }
        if isReversed {
            cost.tombstones += try cursor.previous(passing: rule, above: passLimit.view)
        } else {
            let hasLimit = passLimit.count > 0
            cost.tombstones += try cursor.next(passing: rule, below: hasLimit ? passLimit.view : nil)
        }
        passedSource = index
        return true
    }

    /// What a source may pass over, up to `passLimit`; nil for nothing.
    private func passRule(_ index: Int, _ cursor: SSTableCursor) -> PassRule? {
        let shadow = Deletion.stronger(partitionDeletion, rangeDeletion)
        if let shadow, PassRule.writtenBy(shadow.timestamp).passes(cursor.block) {
            // As far as the deletion is open for certain: to the next entry of its source.
            setLimit(toPartition: true)
            if shadow == partitionDeletion { return .writtenBy(shadow.timestamp) }
            guard let owner = open.firstIndex(where: { $0 == shadow }), owner != index else {
                return nil
            }
            tightenLimit(to: owner)
            return .writtenBy(shadow.timestamp)
        }
        guard isInDeletedRun, !emitsDeletions else { return nil }
        // A row's deletion hides nothing of its own source: as far as no other source has anything.
        setLimit(toPartition: false)
        for other in sources.indices where other != index { tightenLimit(to: other) }
        return .deleted
    }

    /// Makes the limit the end of the read, or also of the partition.
    private func setLimit(toPartition: Bool) {
        passLimit.removeAll()
        if isReversed {
            passLimit.append(lower)
            guard toPartition else { return }
            tighten { $0.append(Key.clustered) }
        } else {
            passLimit.append(upper)
            guard toPartition else { return }
            tighten { $0.append(Key.clustered + 1) }
        }
    }

    /// Brings the limit nearer, to a place in the partition.
    private func tighten(_ appendEnding: (inout ByteWriter) -> Void) {
        spare.removeAll()
        spare.append(partition.view)
        appendEnding(&spare)
        tightenLimit(to: spare.view)
    }

    /// Brings the limit nearer, to where a source stands.
    private func tightenLimit(to source: Int) {
        if heads[source].isOpen {
            if sources[source].isValid { tightenLimit(to: sources[source].key) }
        } else if let first = sources[source].firstKey {
            first.withView { tightenLimit(to: $0) }
        }
    }

    private func tightenLimit(to key: ByteView) {
        let order = key.compare(passLimit.view)
        guard isReversed ? order > 0 : (order < 0 || passLimit.count == 0) else { return }
        passLimit.removeAll()
        passLimit.append(key)
    }

    /// Takes note of what is open in a source that has passed over entries.
    private func synchronize(_ index: Int) throws(StorageError) {
        passedSource = nil
        open[index] = nil
        if sources[index].isValid, sources[index].key.hasPrefix(partition.view) {
            open[index] = sources[index].openDeletion
            if isReversed, let marker = try marker(at: index) { open[index] = marker.after }
        }
        refreshRangeDeletion()
    }

    // MARK: Taking an entry

    /// Takes the entries of the pending sources, all of one key; true when something comes out.
    private func take(_ key: ByteView) throws(StorageError) -> Bool {
        guard key.count > partition.count else {
            throw malformed("a kind after the partition key")
        }
        self.key = key
        let kind = key[partition.count]
        if kind == Key.partitionDeletion { return try takePartitionDeletion() }
        if kind == Key.clustered, Key.isMarker(key) { return try takeMarkers() }
        return try takeRow(shadow: shadow(kind))
    }

    private func shadow(_ kind: UInt8) -> Deletion? {
        kind == Key.staticRow
            ? partitionDeletion : Deletion.stronger(partitionDeletion, rangeDeletion)
    }

    private func takePartitionDeletion() throws(StorageError) -> Bool {
        var strongest: Deletion?
        for index in pending[..<pendingCount] {
            do throws(MalformedBytes) {
                let deletion = try EntryHeader.readPartitionDeletion(sources[index].value)
                strongest = Deletion.stronger(strongest, deletion)
            } catch {
                throw sources[index].corrupt(error)
            }
        }
        partitionDeletion = Deletion.stronger(partitionDeletion, strongest)
        cost.tombstones += 1
        guard emitsDeletions, let strongest else { return false }
        merged.removeAll()
        EntryHeader.appendPartitionDeletion(strongest, to: &merged)
        value = merged.view
        return true
    }

    private func takeMarkers() throws(StorageError) -> Bool {
        let before = visible(rangeDeletion)
        for index in pending[..<pendingCount] {
            guard let marker = try marker(at: index) else { continue }
            open[index] = isReversed ? marker.before : marker.after
        }
        refreshRangeDeletion()
        cost.tombstones += 1
        let after = visible(rangeDeletion)
        guard emitsDeletions, before != after else { return false }
        merged.removeAll()
        RangeMarker(before: before, after: after).append(to: &merged)
        value = merged.view
        return true
    }

    /// A range deletion that the partition's deletion doesn't make pointless.
    private func visible(_ deletion: Deletion?) -> Deletion? {
        guard let deletion, let partitionDeletion else { return deletion }
        return deletion.timestamp > partitionDeletion.timestamp ? deletion : nil
    }

    private func marker(at index: Int) throws(StorageError) -> RangeMarker? {
        let value = sources[index].value
        guard value.count > 0, value[0] & EntryHeader.marker != 0 else { return nil }
        do throws(MalformedBytes) {
            return try RangeMarker(value)
        } catch {
            throw sources[index].corrupt(error)
        }
    }

    private func refreshRangeDeletion() {
        rangeDeletion = nil
        for deletion in open where deletion != nil {
            rangeDeletion = Deletion.stronger(rangeDeletion, deletion)
        }
        hasOpen = rangeDeletion != nil
    }

    private func takeRow(shadow: Deletion?) throws(StorageError) -> Bool {
        cost.fragments += pendingCount
        let first = pending[0]
        isInDeletedRun = false
        if pendingCount == 1, shadow == nil {
            value = sources[first].value
            if !emitsDeletions, SSTableCursor.isDeletedRow(value) {
                isInDeletedRun = true
                cost.tombstones += 1
                return false
            }
            cost.rows += 1
            return true
        }
        do throws(MalformedBytes) {
            merged.removeAll()
            if pendingCount == 1, let shadow {
                try RowMerge.filter(sources[first].value, shadow: shadow, into: &merged)
            } else {
                let second = sources[pending[1]].value
                try RowMerge.mergeRows(sources[first].value, second, shadow: shadow, into: &merged)
                for index in pending[2..<pendingCount] {
                    spare.removeAll()
                    let other = sources[index].value
                    try RowMerge.mergeRows(merged.view, other, shadow: shadow, into: &spare)
                    swap(&merged, &spare)
                }
            }
        } catch {
            throw sources[first].corrupt(error)
        }
        value = merged.view
        // What is left of a row may be its deletion, which only a compaction needs.
        if RowMerge.isEmpty(value) || !emitsDeletions && SSTableCursor.isDeletedRow(value) {
            cost.tombstones += 1
            return false
        }
        cost.rows += 1
        return true
    }

    private func malformed(_ expected: String) -> StorageError {
        malformedEntry(MalformedBytes(offset: 0, expected: expected))
    }

    /// What to throw when the current entry can't be decoded.
    func malformedEntry(_ error: MalformedBytes) -> StorageError { sources[pending[0]].corrupt(error) }
}
