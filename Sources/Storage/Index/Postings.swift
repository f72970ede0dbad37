// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// What a query asks of one index: rows with one of some terms, or with a term in one of some ranges.
package struct IndexCondition: Sendable {
    /// The index's id.
    package let index: UInt32
    /// Whether its postings name partitions.
    package let namesPartitions: Bool
    /// Terms, each with the index and its end (`PostingKey`).
    package var terms: [[UInt8]] = []
    /// Runs of posting keys.
    package var ranges: [KeyBounds] = []

    package init(index: UInt32, namesPartitions: Bool) {
        self.index = index
        self.namesPartitions = namesPartitions
    }
}

/// The places that satisfy one condition, from all sources, in order and each once.
final class Postings {
    /// Whether places are partitions and not rows.
    let namesPartitions: Bool
    private let streams: [PostingStream]
    /// The numbers of the valid streams, the one with the least place first: a binary heap.
    private var heap: [Int] = []
    private var last = ByteWriter(capacity: 64)

    init(_ streams: [PostingStream], namesPartitions: Bool) {
        self.streams = streams
        self.namesPartitions = namesPartitions
    }

    /// Whether it stands at a place.
    var isValid: Bool { !heap.isEmpty }

    /// The place at which it stands; valid until it moves.
    var place: ByteView { streams[heap[0]].place }

    /// Moves to the first place of all that is not below `place`, and counts what it costs.
    func start(atOrAfter place: ByteView, _ cost: inout ReadCost) throws(StorageError) {
        heap.removeAll(keepingCapacity: true)
        for number in streams.indices {
            cost.seeks += 1
            try streams[number].seek(atOrAfter: place)
            if streams[number].isValid { heap.append(number) }
        }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    /// Moves forward to the first place that is not below `place`.
    func seek(atOrAfter place: ByteView, _ cost: inout ReadCost) throws(StorageError) {
        while isValid, self.place.compare(place) < 0 {
            cost.seeks += 1
            try streams[heap[0]].seek(atOrAfter: place)
            settleFirst()
        }
    }

    /// Moves to the next place.
    func next() throws(StorageError) {
        last.removeAll()
        last.append(place)
        while isValid, place.equals(last.view) {
            try streams[heap[0]].next()
            settleFirst()
        }
    }

    private func settleFirst() {
        if !streams[heap[0]].isValid {
            heap[0] = heap[heap.count - 1]
            heap.removeLast()
        }
        sink(0)
    }

    private func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
                if streams[heap[child]].place.compare(streams[heap[least]].place) < 0 {
                    least = child
                }
            }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}

extension TableStore {
    /// Whether all that the table has here is in the postings of an index: it is built.
    package func covers(_ index: UInt32) -> Bool {
        unreadable.isEmpty && memtables.allSatisfy { $0.postings?.covered.contains(index) ?? false }
            && sstables.allSatisfy { $0.reader.indexes?.entry(index) != nil }
    }

    /// How many postings an index has here.
    func postingCount(_ index: UInt32) -> Int {
        let inMemory = memtables.reduce(0) { sum, memtable in
            sum + (memtable.postings?.maps.reduce(0) { $0 + $1.count } ?? 0)
        }
        return sstables.reduce(inMemory) {
            $0 + ($1.reader.indexes?.entry(index)?.postingCount ?? 0)
        }
    }

    /// About how many postings satisfy the ranges of a condition.
    func estimatedCount(_ condition: IndexCondition) throws(StorageError) -> Int {
        var count = 0
        for range in condition.ranges {
            for source in postingSources {
                count += try PostingCursor(source).estimatedCount(in: range)
            }
        }
        return count
    }

    /// The places that satisfy a condition; nil when too many terms do.
    func postings(_ condition: IndexCondition) throws(StorageError) -> Postings? {
        let sources = postingSources
        var streams: [PostingStream] = []
        guard condition.terms.count * sources.count <= indexLimits.streamsMax else { return nil }
        for term in condition.terms {
            for source in sources { streams.append(PostingStream(source, term: term)) }
        }
        for range in condition.ranges {
            for source in sources {
                guard try append(range, source, &streams) else { return nil }
            }
        }
        return Postings(streams, namesPartitions: condition.namesPartitions)
    }

    var postingSources: [PostingSource] {
        var sources: [PostingSource] = []
        for memtable in memtables {
            guard let postings = memtable.postings else { continue }
            for map in postings.maps.indices { sources.append(.memtable(postings, map: map)) }
        }
        for sstable in sstables { sources.append(.sstable(sstable.reader, blocks)) }
        return sources
    }

    /// Adds a stream for each term of a range that the source has; false when they are too many.
    private func append(
        _ range: KeyBounds,
        _ source: PostingSource,
        _ streams: inout [PostingStream]
    ) throws(StorageError) -> Bool {
        let cursor = PostingCursor(source)
        try range.lower.withView { (lower) throws(StorageError) in
            try cursor.seek(atOrAfter: lower)
        }
        while cursor.isValid, range.upper.withView({ cursor.key.compare($0) < 0 }) {
            guard streams.count < indexLimits.streamsMax else { return false }
            let term = cursor.key.prefix(try cursor.placeOffset()).array
            streams.append(PostingStream(source, term: term))
            var behind = term
            behind[behind.count - 1] = PostingKey.aboveTerm
            try behind.withView { (key) throws(StorageError) in try cursor.seek(atOrAfter: key) }
        }
        return true
    }
}
