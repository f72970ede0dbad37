// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Model

/// Reads the rows that indexes name, in key order: what `MergeCursor` does over all rows.
///
/// A place that postings name is looked up in the table, since its rows may have changed: the caller
/// tests each row. A place of which nothing is left comes out as a fragment that says nothing, so that
/// the caller can count what it costs. Must be used up before anything else runs on the shard.
///
/// Several conditions are intersected: each stands at its least place, and those behind the greatest
/// are sent there, until all agree. A partition agrees with each row in it. Since they may be long in
/// agreeing, the cursor pauses when it has done `workMax`: another goes on behind `resumeKey`.
package final class IndexedCursor {
    private let table: TableStore
    private let postings: [Postings]
    private let lower: [UInt8]
    private let upper: [UInt8]
    private let wantsStatics: Bool
    /// After the last entry: the key behind which the read goes on with another cursor; nil when
    /// this one had all there are.
    package let horizon: [UInt8]?
    private var hasStarted = false
    /// The place to which all that are behind it are sent.
    private var target = ByteWriter(capacity: 64)
    private var partition = ByteWriter(capacity: 64)
    private var current = ByteWriter(capacity: 64)
    /// The rows of a partition that is read whole.
    private var rows: MergeCursor?
    /// Whether `current` is a row whose partition's static row came out first.
    private var hasPendingRow = false
    /// The bounds of what is read of a partition.
    private var bound = ByteWriter(capacity: 64)

    /// The last key that the cursor is done with: an entry that came out, or a place on which not all
    /// agree.
    private var done = ByteWriter(capacity: 64)
    private var isSomethingDone = false

    /// How much the cursor may look at before it pauses, in the units of `ReadCost.work`.
    package var workMax = Int.max
    /// Whether the last `next` ended since it had done `workMax`, and not at the end.
    package private(set) var isPaused = false
    /// What has been looked at, but for what `rows` has.
    private var ownCost = ReadCost()

    /// The key of the current entry; valid until `next`.
    package private(set) var key = ByteView.empty
    /// The value of the current entry; valid until `next`.
    package private(set) var value = ByteView.empty
    /// The length of the current key's partition part.
    package private(set) var partitionLength = 0

    /// A row fragment that says nothing.
    private static let nothing: StaticString = "\u{0}"

    init(
        _ table: TableStore,
        _ postings: [Postings],
        lower: [UInt8],
        upper: [UInt8],
        horizon: [UInt8]? = nil,
        wantsStatics: Bool
    ) {
        self.horizon = horizon
        self.table = table
        self.postings = postings
        self.lower = lower
        self.upper = upper
        self.wantsStatics = wantsStatics
    }

    /// Whether the current entry is the partition's static row.
    package var isStaticRow: Bool { key[partitionLength] == Key.staticRow }

    /// After an error of `next`, or a pause: the key behind which another cursor can go on; nil when
    /// this one is done with none.
    package var resumeKey: [UInt8]? { rows?.resumeKey ?? (isSomethingDone ? done.array : nil) }

    /// What the cursor has cost so far.
    package var cost: ReadCost {
        guard let rows else { return ownCost }
        var cost = ownCost
        cost.add(rows.cost)
        return cost
    }

    /// Moves to the next entry; false when there is none, or when enough has been looked at
    /// (`isPaused`).
    package func next() throws(StorageError) -> Bool {
        invariant(!isPaused, "next of a cursor that has paused")
        guard try step() else { return false }
        done.removeAll()
        done.append(key)
        isSomethingDone = true
        return true
    }

    private func step() throws(StorageError) -> Bool {
        if hasPendingRow {
            hasPendingRow = false
            try look(up: current.view)
            return true
        }
        while true {
            if let rows {
                if try rows.next() {
                    key = rows.key
                    value = rows.value
                    partitionLength = rows.partitionLength
                    return true
                }
                if rows.isPaused {
                    isPaused = true
                    return false
                }
                ownCost.add(rows.cost)
                self.rows = nil
            }
            guard try advance() else { return false }
            guard current.count == Key.partitionLength(of: current.view) else {
                return try enterRow()
            }
            rows = try partitionRows()
        }
    }

    // MARK: Places

    /// Moves all postings to the next place on which they agree and puts it into `current`; false at
    /// the end, and when enough has been looked at.
    private func advance() throws(StorageError) -> Bool {
        if hasStarted { try leave() } else { try start() }
        while true {
            guard let greatest = greatest() else { return false }
            target.removeAll()
            target.append(greatest)
            guard upper.isEmpty || upper.withView({ target.view.compare($0) < 0 }) else {
                return false
            }
            if try align() {
                current.removeAll()
                current.append(target.view)
                return true
            }
            if refute() { return false }
        }
    }

    private func start() throws(StorageError) {
        hasStarted = true
        for posting in postings {
            try lower.withView { (lower) throws(StorageError) in
                try posting.start(
                    atOrAfter: posting.namesPartitions ? Key.partition(of: lower) : lower,
                    &ownCost
                )
            }
        }
    }

    /// Notes that not all agree on the target; whether it is time to pause.
    private func refute() -> Bool {
        // The partition in whose middle the read begins is below its bounds: nobody could go on there.
        guard lower.withView({ target.view.compare($0) >= 0 }) else { return false }
        swap(&target, &done)
        isSomethingDone = true
        isPaused = ownCost.work >= workMax
        return isPaused
    }

    /// Moves behind the place that came out last.
    private func leave() throws(StorageError) {
        for posting in postings where posting.isValid {
            let isRow = !posting.namesPartitions
            // A partition may have more rows that others name.
            let isWhole = current.count == Key.partitionLength(of: current.view)
            if isRow || isWhole, posting.place.equals(current.view) { try posting.next() }
        }
    }

    /// The greatest of the places; nil when a condition has none any more.
    private func greatest() -> ByteView? {
        var greatest = ByteView.empty
        for posting in postings {
            guard posting.isValid else { return nil }
            if posting.place.compare(greatest) > 0 { greatest = posting.place }
        }
        return greatest
    }

    /// Sends postings that are behind the target there; true when all agree with it.
    private func align() throws(StorageError) -> Bool {
        var agrees = true
        for posting in postings {
            let place = posting.place
            if place.equals(target.view) { continue }
            if posting.namesPartitions {
                if target.view.hasPrefix(place) { continue }
                try posting.seek(atOrAfter: Key.partition(of: target.view), &ownCost)
                guard posting.isValid, target.view.hasPrefix(posting.place) else { return false }
            } else {
                try posting.seek(atOrAfter: target.view, &ownCost)
                agrees = agrees && posting.isValid && posting.place.equals(target.view)
                if !agrees { return false }
            }
        }
        return agrees
    }

    // MARK: Rows

    /// The rows of the partition in `current` that are within the bounds.
    private func partitionRows() throws(StorageError) -> MergeCursor {
        let first = current.array + [Key.staticRow]
        let behind = current.array + [Key.clustered + 1]
        let start = first.lexicographicallyPrecedes(lower) ? lower : first
        let isWhole = upper.isEmpty || behind.lexicographicallyPrecedes(upper)
        ownCost.seeks += 1
        let rows = try table.cursor(lower: start, upper: isWhole ? behind : upper)
        rows.workMax = max(workMax - ownCost.work, 1)
        return rows
    }

    /// Gives out the row in `current`, after the static row of a partition that is new.
    private func enterRow() throws(StorageError) -> Bool {
        let row = current.view
        let length = Key.partitionLength(of: row)
        partitionLength = length
        let isNew = partition.count == 0 || !partition.view.equals(row.prefix(length))
        if isNew {
            partition.removeAll()
            partition.append(row.prefix(length))
        }
        guard isNew, wantsStatics else {
            try look(up: row)
            return true
        }
        bound.removeAll()
        bound.append(row.prefix(length))
        bound.append(Key.staticRow)
        guard lower.withView({ bound.view.compare($0) >= 0 }) else {
            try look(up: row)
            return true
        }
        hasPendingRow = true
        try look(up: bound.view)
        return true
    }

    private func look(up row: ByteView) throws(StorageError) {
        key = row
        ownCost.seeks += 1
        let found = try table.get(row, partitionLength: partitionLength)
        value = found ?? ByteView(UnsafeRawPointer(Self.nothing.utf8Start), count: 1)
    }
}

/// How the rows that satisfy conditions are found.
package enum IndexAccess {
    case rows(IndexedCursor)
    /// The indexes need another step before rows come.
    case pending
    /// All rows have to be read and tested: no index is built, or too many rows satisfy it.
    case none
}

extension TableStore {
    /// The rows that conditions name with keys in [lower, upper), all of `conditions` together.
    ///
    /// `scan` keeps what is known from step to step of one read, which has the same conditions each time
    /// and still takes `rowsWanted` rows for its page.
    package func indexedRows(
        _ conditions: [IndexCondition],
        lower: [UInt8],
        upper: [UInt8],
        wantsStatics: Bool,
        rowsWanted: Int,
        scan: IndexScan
    ) throws(StorageError) -> IndexAccess {
        let built = conditions.enumerated().filter { covers($0.element.index) }
        var postings: [Postings] = []
        for (number, condition) in built where !scan.isWide(number) {
            if let found = try self.postings(condition) {
                postings.append(found)
            } else {
                scan.noteWide(number)
            }
        }
        var horizon: [UInt8]?
        if postings.isEmpty {
            // Only a range by itself is gone through: beside terms, testing the rows costs less.
            let range = built.first { !$0.element.ranges.isEmpty && $0.element.terms.isEmpty }
            guard let (number, condition) = range else { return .none }
            let outcome = try scan.places(
                of: condition,
                number,
                in: self,
                lower: lower,
                upper: upper,
                rowsWanted: rowsWanted
            )
            switch outcome {
            case .pending: return .pending
            case .unselective: return .none
            case .places(let list, let end):
                horizon = end
                gatheredReadCount += 1
                postings.append(
                    Postings(
                        [PostingStream(list)],
                        namesPartitions: condition.namesPartitions
                    )
                )
            }
        }
        indexedReadCount += 1
        return .rows(
            IndexedCursor(
                self,
                postings,
                lower: lower,
                upper: upper,
                horizon: horizon,
                wantsStatics: wantsStatics
            )
        )
    }
}
