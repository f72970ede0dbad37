// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Which entries a read needn't see.
enum PassRule {
    /// All in blocks where nothing is later than a timestamp: a deletion of another source hides them.
    case writtenBy(Int64)
    /// Deleted rows, and blocks with nothing but deletions: there is nothing that they could hide.
    case deleted

    /// Whether no entry of a block has to be seen.
    func passes(_ block: IndexEntry) -> Bool {
        guard !block.hasPartitionDeletions else { return false }
        switch self {
        case .writtenBy(let timestamp): return !block.hasMarkers && block.maxTimestamp <= timestamp
        case .deleted: return block.deadEntryCount == block.entryCount
        }
    }
}

extension SSTableCursor {
    /// Moves to the next entry that the rule doesn't pass over, or to the first entry of a block that
    /// isn't passed as a whole: such blocks aren't read.
    ///
    /// Only entries below `limit` are passed. What is open at the new place is in `openDeletion` as
    /// always, also when markers were passed.
    ///
    /// - Returns: how many entries were passed one by one.
    func next(passing rule: PassRule, below limit: ByteView?) throws(StorageError) -> Int {
        invariant(isValid, "next of a cursor that stands nowhere")
        let passesAll = rule.passes(block)
        var passed = 0
        while true {
            try leaveMarker()
            guard data.next() else { break }
            if let limit, data.key.compare(limit) >= 0 { return passed }
            guard passesAll || Self.isDeletedRow(data.value) else { return passed }
            // A marker that is passed still says what is open behind it.
            passed += 1
        }
        isValid = false
        try checkData()
        guard try advanceIndex() else { return passed }
        while rule.passes(block) {
            // A block ends where the next one begins; of the last one here that isn't known.
            guard index.next() else {
                try checkIndex()
                _ = index.seekToLast()
                break
            }
            if let limit, index.key.compare(limit) > 0 {
                _ = index.previous()
                break
            }
            blocksPassed += 1
            block = try indexEntry()
        }
        try enterFirstOfBlock()
        return passed
    }

    /// As `next(passing:below:)`, backward: only entries above `limit` are passed.
    func previous(passing rule: PassRule, above limit: ByteView) throws(StorageError) -> Int {
        invariant(isValid, "previous of a cursor that stands nowhere")
        let passesAll = rule.passes(block)
        var passed = 0
        while data.previous() {
            try enterMarker()
            guard data.key.compare(limit) > 0, passesAll || Self.isDeletedRow(data.value) else {
                return passed
            }
            passed += 1
        }
        isValid = false
        try checkData()
        guard try retreatIndex() else { return passed }
        while rule.passes(block), index.key.compare(limit) > 0 {
            guard index.previous() else {
                try checkIndex()
                _ = index.seekToFirst()
                break
            }
            blocksPassed += 1
            block = try indexEntry()
        }
        try enterLastOfBlock()
        return passed
    }

    /// Whether an entry is a row of which there is nothing but its deletion.
    static func isDeletedRow(_ value: ByteView) -> Bool {
        let bits = RowFragment.hasDeletion | RowFragment.hasBase
        guard value.count > 0, value[0] | bits == bits, value[0] & RowFragment.hasDeletion != 0,
            let row = try? RowFragment(value)
        else { return false }
        return row.hasNoCells
    }
}
