// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// What one read of indexes knows beside its cursors: which conditions have more terms than can be
/// merged, and the places of such a wide range.
///
/// Postings of a range come in the order of terms, and rows are wanted in the order of keys. So either
/// all postings of the range are gone through, in steps, and the least places are kept, up to a bound,
/// from which the rows are read; when these have been read, also for the next page, it is gone through
/// again. Or the range isn't asked, and rows are tested from where the read goes on. For a page of P
/// rows from a range of M postings in an index of E, the first costs M postings, the second P E / M
/// rows, each of them about four postings: the cheaper is done, by what the index's blocks say of M before
/// any posting is looked at. So no page goes through more than √(4 P E) postings (`IndexLimits.walkMax`).
///
/// It holds on to the memtables and SSTables that it goes through, so that nothing that was there at
/// its start is missed. Used on one shard's executor at a time.
package final class IndexScan: @unchecked Sendable {  // Handed on with the read that it is of.
    private var collection: Collection?
    /// The conditions, by their numbers in the read, that have more terms than can be merged.
    private var wide: Set<Int> = []
    /// Those of which going through the range costs more than testing rows.
    private var unselective: Set<Int> = []
    /// How many postings were gone through so far.
    package private(set) var walkedCount = 0

    package init() {}

    /// Whether a condition is known to have more terms than can be merged.
    func isWide(_ number: Int) -> Bool { wide.contains(number) }

    /// Notes that a condition has more terms than can be merged.
    func noteWide(_ number: Int) { wide.insert(number) }

    /// The places of one condition, as far as they are known.
    private final class Collection {
        let table: TableStore
        let number: Int
        let condition: IndexCondition
        let sources: [PostingSource]
        /// No place below it is wanted.
        let lower: [UInt8]
        let upper: [UInt8]
        var places: PlaceHeap
        // How far it has come: behind `last` in a range of a source.
        var source = 0
        var range = 0
        var last = ByteWriter(capacity: 64)
        /// How many postings it has gone through, and how many it may; nil as long as it isn't known
        /// whether it is worth it.
        var walkedCount = 0
        var walkMax: Int?
        /// The places in order, when all have been gone through.
        var list: PlaceList?

        init(
            _ table: TableStore,
            _ number: Int,
            _ condition: IndexCondition,
            _ lower: [UInt8],
            _ upper: [UInt8]
        ) {
            self.table = table
            self.number = number
            self.condition = condition
            sources = table.postingSources
            self.lower = lower
            self.upper = upper
            places = PlaceHeap(capacity: table.indexLimits.placesMax)
        }

        /// Whether it has, or will have, the places from `start` on.
        func knows(_ start: [UInt8]) -> Bool {
            guard !start.lexicographicallyPrecedes(lower) else { return false }
            guard let list, places.isFull, let last = list.last else { return true }
            return !last.lexicographicallyPrecedes(start)
        }
    }

    /// What is known of the places of a condition.
    enum Outcome {
        /// All places up to the horizon, behind which it is to be asked again; without one, all.
        case places(PlaceList, horizon: [UInt8]?)
        /// Another step is needed.
        case pending
        /// Too many: rows had better be tested.
        case unselective
    }

    /// Goes on with finding the places of a condition within [lower, upper).
    ///
    /// - Parameters:
    ///   - number: the condition's among those of the read.
    ///   - rowsWanted: how many rows the page still takes.
    func places(
        of condition: IndexCondition,
        _ number: Int,
        in table: TableStore,
        lower: [UInt8],
        upper: [UInt8],
        rowsWanted: Int
    ) throws(StorageError) -> Outcome {
        if unselective.contains(number) { return .unselective }
        let start = condition.namesPartitions ? Self.firstPartition(lower) : lower
        let collection = collection(number, condition, table, start, upper)
        if collection.list == nil {
            let limits = table.indexLimits
            let walkMax =
                collection.walkMax
                ?? limits.walkMax(rows: rowsWanted, all: table.postingCount(condition.index))
            if collection.walkMax == nil {
                let estimate = try table.estimatedCount(condition)
                guard estimate <= walkMax else { return giveUp(number) }
                collection.walkMax = walkMax
            }
            let isDone = try advance(collection)
            // The estimate may have been too low.
            guard collection.walkedCount <= 2 * walkMax else { return giveUp(number) }
            guard isDone else { return .pending }
            collection.list = collection.places.sorted()
        }
        guard let list = collection.list else { return .pending }
        guard collection.places.isFull, let last = list.last else {
            return .places(list, horizon: nil)
        }
        let behind = condition.namesPartitions ? last + [Key.clustered + 1] : last
        return .places(list, horizon: behind)
    }

    private func giveUp(_ number: Int) -> Outcome {
        unselective.insert(number)
        collection = nil
        return .unselective
    }

    /// The first partition that has keys from `lower` on, or what is just below it.
    private static func firstPartition(_ lower: [UInt8]) -> [UInt8] {
        let length = lower.withView { Key.partitionLength(of: $0) }
        return length < lower.count && lower[length] > Key.clustered
            ? lower : Array(lower[..<length])
    }

    private func collection(
        _ number: Int,
        _ condition: IndexCondition,
        _ table: TableStore,
        _ start: [UInt8],
        _ upper: [UInt8]
    ) -> Collection {
        if let collection, collection.table === table, collection.upper == upper,
            collection.number == number, collection.knows(start)
        {
            return collection
        }
        let fresh = Collection(table, number, condition, start, upper)
        collection = fresh
        return fresh
    }

    /// Goes through some postings; true when it has gone through all.
    private func advance(_ collection: Collection) throws(StorageError) -> Bool {
        var budget = collection.table.indexLimits.postingsPerStep
        while collection.source < collection.sources.count {
            let ranges = collection.condition.ranges
            guard collection.range < ranges.count else {
                collection.source += 1
                collection.range = 0
                continue
            }
            try advance(collection, ranges[collection.range], &budget)
            if budget <= 0 { return false }
            collection.range += 1
            collection.last.removeAll()
        }
        return true
    }

    /// Goes through a range of a source until it or the budget is at an end.
    private func advance(
        _ collection: Collection,
        _ range: KeyBounds,
        _ budget: inout Int
    ) throws(StorageError) {
        // A cursor doesn't outlive a step: a memtable's map changes between them.
        let cursor = PostingCursor(collection.sources[collection.source])
        if collection.last.count > 0 {
            try cursor.seek(atOrAfter: collection.last.view)
            if cursor.isValid, cursor.key.equals(collection.last.view) { try cursor.next() }
        } else {
            try range.lower.withView { (key) throws(StorageError) in
                try cursor.seek(atOrAfter: key)
            }
        }
        while cursor.isValid, range.upper.withView({ cursor.key.compare($0) < 0 }) {
            let place = cursor.key.dropFirst(try cursor.placeOffset())
            let isWithin =
                collection.lower.withView { place.compare($0) >= 0 }
                && (collection.upper.isEmpty
                    || collection.upper.withView { place.compare($0) < 0 })
            if isWithin { collection.places.add(place) }
            collection.walkedCount += 1
            walkedCount += 1
            collection.last.removeAll()
            collection.last.append(cursor.key)
            budget -= 1
            if budget <= 0 { return }
            try cursor.next()
        }
    }
}

/// The bounds of reads through secondary indexes.
package struct IndexLimits: Sendable {
    /// Ranges of more terms than this, times sources, are not merged term by term.
    package var streamsMax = 256
    /// The most places that are kept of a range.
    package var placesMax = 8192
    /// The most postings that are gone through in one step.
    package var postingsPerStep = 16_384
    /// A range of at most as many postings is gone through in any case.
    package var walkMin = 1024

    package init() {}

    /// The most postings of an index of `all` that are gone through for a page of `rows`: beyond that,
    /// testing rows costs less.
    func walkMax(rows: Int, all: Int) -> Int {
        let rows = min(max(rows, 1), placesMax)
        return max(walkMin, Int((4 * Double(rows) * Double(all)).squareRoot()))
    }
}

/// The least of the places that are added, as many as it may keep: a heap with the greatest on top.
struct PlaceHeap {
    private let capacity: Int
    private var places: [[UInt8]] = []

    init(capacity: Int) { self.capacity = max(capacity, 1) }

    /// Whether some may have been left out.
    var isFull: Bool { places.count == capacity }

    mutating func add(_ place: ByteView) {
        if places.count < capacity {
            places.append(place.array)
            rise()
        } else if places[0].withView({ place.compare($0) < 0 }) {
            places[0] = place.array
            sink()
        }
    }

    /// The places in order, each once.
    func sorted() -> PlaceList {
        let list = PlaceList()
        for place in places.sorted(by: { $0.lexicographicallyPrecedes($1) }) { list.append(place) }
        return list
    }

    private mutating func rise() {
        var index = places.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard places[parent].lexicographicallyPrecedes(places[index]) else { return }
            places.swapAt(parent, index)
            index = parent
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var greatest = index
            for child in [2 * index + 1, 2 * index + 2] where child < places.count {
                if places[greatest].lexicographicallyPrecedes(places[child]) { greatest = child }
            }
            if greatest == index { return }
            places.swapAt(index, greatest)
            index = greatest
        }
    }
}

/// Places in order; views of them are valid as long as it is.
final class PlaceList {
    private var bytes = ByteWriter(capacity: 4096)
    private var ends: [Int] = []
    private(set) var last: [UInt8]?

    /// Adds a place that isn't below the last.
    func append(_ place: [UInt8]) {
        if place == last { return }
        bytes.append(place)
        ends.append(bytes.count)
        last = place
    }

    var count: Int { ends.count }

    subscript(_ index: Int) -> ByteView {
        bytes.view[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// The number of the first place that isn't below `place`.
    func lowerBound(_ place: ByteView) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].compare(place) < 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
