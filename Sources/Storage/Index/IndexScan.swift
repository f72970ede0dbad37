// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// What one read of indexes knows beside its cursors: the places of a range that has more terms than
/// can be merged.
///
/// Postings of a range come in the order of terms, and rows are wanted in the order of keys. So all
/// postings of the range are gone through, in steps, and the least places are kept, up to a bound;
/// when the rows there have been read, the range is gone through again for the next. A range of M
/// postings in an index of E costs M / `placesMax` for each row that comes out, testing all rows costs
/// E / M: the cheaper is done, so that a row never costs more than √(E / `placesMax`).
///
/// It holds on to the memtables and SSTables that it goes through, so that nothing that was there at
/// its start is missed. Used on one shard's executor at a time.
package final class IndexScan: @unchecked Sendable {  // Handed on with the read that it is of.
    private var collection: Collection?
    /// Indexes of which too much of the table satisfies the condition.
    private var unselective: Set<UInt32> = []

    package init() {}

    /// The places of one condition, as far as they are known.
    private final class Collection {
        let table: TableStore
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
        var postingCount = 0
        /// The places in order, when all have been gone through.
        var list: PlaceList?

        init(
            _ table: TableStore,
            _ condition: IndexCondition,
            _ lower: [UInt8],
            _ upper: [UInt8]
        ) {
            self.table = table
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
        /// Too many: all rows had better be tested.
        case unselective
    }

    /// Goes on with finding the places of a condition within [lower, upper).
    func places(
        of condition: IndexCondition,
        in table: TableStore,
        lower: [UInt8],
        upper: [UInt8]
    ) throws(StorageError) -> Outcome {
        if unselective.contains(condition.index) { return .unselective }
        let start = condition.namesPartitions ? Self.firstPartition(lower) : lower
        let collection = collection(condition, table, start, upper)
        if collection.list == nil {
            guard try advance(collection) else { return .pending }
            let found = collection.postingCount
            let all = table.postingCount(condition.index)
            if collection.places.isFull, found / table.indexLimits.placesMax > all / max(found, 1) {
                unselective.insert(condition.index)
                self.collection = nil
                return .unselective
            }
            collection.list = collection.places.sorted()
        }
        guard let list = collection.list else { return .pending }
        guard collection.places.isFull, let last = list.last else {
            return .places(list, horizon: nil)
        }
        let behind = condition.namesPartitions ? last + [Key.clustered + 1] : last
        return .places(list, horizon: behind)
    }

    /// The first partition that has keys from `lower` on, or what is just below it.
    private static func firstPartition(_ lower: [UInt8]) -> [UInt8] {
        let length = lower.withView { Key.partitionLength(of: $0) }
        return length < lower.count && lower[length] > Key.clustered ? lower : Array(lower[..<length])
    }

    private func collection(
        _ condition: IndexCondition,
        _ table: TableStore,
        _ start: [UInt8],
        _ upper: [UInt8]
    ) -> Collection {
        if let collection, collection.table === table, collection.upper == upper,
            collection.condition.index == condition.index, collection.knows(start)
        {
            return collection
        }
        let fresh = Collection(table, condition, start, upper)
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
            if isWithin {
                collection.postingCount += 1
                collection.places.add(place)
            }
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

    package init() {}
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

/// Places in order. Views of them are valid as long as it is.
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
