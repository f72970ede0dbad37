// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Where postings come from: one map of a memtable, or an SSTable.
enum PostingSource {
    case memtable(MemtablePostings, map: Int)
    case sstable(SSTableReader, any BlockSource)
}

/// A position among the postings of one source, moved forward.
///
/// Used from one thread; a memtable must not change meanwhile.
final class PostingCursor {
    private enum Place {
        case memtable(MemtablePostings, map: Int, OrderedMap.Position)
        case section(PostingSectionCursor)
        /// An SSTable without postings.
        case nowhere
    }
    private var place: Place

    init(_ source: PostingSource) {
        switch source {
        case .memtable(let postings, let map): place = .memtable(postings, map: map, .none)
        case .sstable(let reader, let blocks):
            place = PostingSectionCursor(reader, source: blocks).map { .section($0) } ?? .nowhere
        }
    }

    var isValid: Bool {
        switch place {
        case .memtable(_, _, let position): position.isValid
        case .section(let cursor): cursor.isValid
        case .nowhere: false
        }
    }

    /// The posting's key; valid until the cursor moves.
    var key: ByteView {
        switch place {
        case .memtable(let postings, let map, let position): postings.maps[map].key(position)
        case .section(let cursor): cursor.key
        case .nowhere: .empty
        }
    }

    /// Where in the key the place begins.
    func placeOffset() throws(StorageError) -> Int {
        let value: ByteView
        switch place {
        case .memtable(let postings, let map, let position):
            value = postings.maps[map].value(position)
        case .section(let cursor): value = cursor.value
        case .nowhere: value = .empty
        }
        var reader = ByteReader(value)
        guard let offset = try? reader.readCount(max: key.count), offset > 4,
            key[offset - 1] == PostingKey.endTerm
        else {
            if case .section(let cursor) = place { throw cursor.malformed() }
            invariantFailure("a posting of a memtable without a place")
        }
        return offset
    }

    func seek(atOrAfter key: ByteView) throws(StorageError) {
        switch place {
        case .memtable(let postings, let map, _):
            place = .memtable(postings, map: map, postings.maps[map].lowerBound(key))
        case .section(let cursor): try cursor.seek(atOrAfter: key)
        case .nowhere: break
        }
    }

    /// About how many postings of the source are in a range; the cursor then stands nowhere.
    func estimatedCount(in range: KeyBounds) throws(StorageError) -> Int {
        switch place {
        case .memtable(let postings, let map, _):
            let map = postings.maps[map]
            let upper = range.upper.withView { map.estimatedRank(of: $0) }
            return max(upper - range.lower.withView { map.estimatedRank(of: $0) }, 0)
        case .section(let cursor): return try cursor.estimatedCount(in: range)
        case .nowhere: return 0
        }
    }

    func next() throws(StorageError) {
        switch place {
        case .memtable(let postings, let map, let position):
            place = .memtable(postings, map: map, postings.maps[map].next(position))
        case .section(let cursor): try cursor.next()
        case .nowhere: break
        }
    }
}

/// Places in order: of one term in one source, or gathered before.
final class PostingStream {
    private enum Kind {
        /// The term with its index and its end.
        case term([UInt8], PostingCursor)
        case list(PlaceList)
    }
    private let kind: Kind
    private var number = 0
    private var target = ByteWriter(capacity: 128)
    private(set) var isValid = false

    init(_ source: PostingSource, term: [UInt8]) { kind = .term(term, PostingCursor(source)) }

    init(_ list: PlaceList) { kind = .list(list) }

    /// The place at which it stands; valid until it moves.
    var place: ByteView {
        switch kind {
        case .term(let term, let cursor): cursor.key.dropFirst(term.count)
        case .list(let list): list[number]
        }
    }

    /// Moves to the first place that is not below `place`.
    func seek(atOrAfter place: ByteView) throws(StorageError) {
        switch kind {
        case .term(let term, let cursor):
            target.removeAll()
            target.append(term)
            target.append(place)
            try cursor.seek(atOrAfter: target.view)
        case .list(let list): number = list.lowerBound(place)
        }
        settle()
    }

    func next() throws(StorageError) {
        switch kind {
        case .term(_, let cursor): try cursor.next()
        case .list: number += 1
        }
        settle()
    }

    private func settle() {
        switch kind {
        case .term(let term, let cursor):
            isValid = cursor.isValid && term.withView { cursor.key.hasPrefix($0) }
        case .list(let list): isValid = number < list.count
        }
    }
}
