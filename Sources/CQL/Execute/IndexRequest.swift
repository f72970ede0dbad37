// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model
internal import Storage

extension IndexCondition {
    /// What an index is asked for a filter whose values are known.
    init?(_ index: IndexSchema, _ filter: RowFilter, _ table: TableSchema) {
        self.init(index: index.id, namesPartitions: table.namesPartitions(index))
        let builder = TermBuilder(index, filter.column.type)
        switch filter.test {
        case .equal(let value?): terms = [builder.term(value)]
        case .anyOf(let values):
            // Each place comes out once, whatever is listed twice.
            terms = Array(Set(values.compactMap { $0.map { builder.term($0) } })).sorted {
                $0.lexicographicallyPrecedes($1)
            }
        case .contains(let value), .containsKey(let value): terms = [builder.term(value)]
        case .compare(let comparison, let value?): ranges = [builder.range(comparison, value)]
        case .element(let key, nil, let value?): terms = [builder.term(value, of: key)]
        case .element(let key, let comparison?, let value?):
            ranges = [builder.range(comparison, value, of: key)]
        case .prefix(let value): ranges = [builder.range(prefix: value)]
        default: return nil
        }
    }

    /// The conditions with the bounds that are on one value put together: `v > 1 AND v < 5`.
    static func joined(_ conditions: [(IndexSchema, IndexCondition)]) -> [IndexCondition] {
        var joined: [IndexCondition] = []
        for (index, condition) in conditions {
            let isOneValue = index.part == .whole || index.part == .full
            let other = joined.firstIndex {
                $0.index == condition.index && $0.ranges.count == 1 && $0.terms.isEmpty
            }
            guard isOneValue, let other, let range = condition.ranges.first,
                let known = joined[other].ranges.first
            else {
                joined.append(condition)
                continue
            }
            let startsLater = known.lower.lexicographicallyPrecedes(range.lower)
            let endsSooner = range.upper.lexicographicallyPrecedes(known.upper)
            joined[other].ranges = [
                KeyBounds(
                    lower: startsLater ? range.lower : known.lower,
                    upper: endsSooner ? range.upper : known.upper
                )
            ]
        }
        return joined
    }
}

/// Makes the terms that a query asks an index for.
private struct TermBuilder {
    private let index: IndexSchema
    private let type: CQLType
    private let analysis: TermAnalysis?

    init(_ index: IndexSchema, _ type: CQLType) {
        self.index = index
        self.type = type
        analysis = TermAnalysis(index, type)
    }

    /// The term of a value, with index and end.
    func term(_ value: [UInt8], of key: [UInt8]? = nil) -> [UInt8] {
        start(value, key).bytes + [PostingKey.endTerm]
    }

    /// The posting keys of terms that compare so with a value; of a value whose term is cut, those that may.
    func range(_ comparison: Comparison, _ value: [UInt8], of key: [UInt8]? = nil) -> KeyBounds {
        let (bound, isCut) = start(value, key)
        var writer = ByteWriter()
        PostingKey.appendIndex(index.id, to: &writer)
        if let key { append(key: key, to: &writer) }
        let lower = writer.array
        // Components begin with bytes below 0xFF.
        let upper = lower + [0xFF]
        switch comparison {
        case .less where !isCut: return KeyBounds(lower: lower, upper: bound)
        case .less, .lessOrEqual:
            return KeyBounds(lower: lower, upper: bound + [PostingKey.aboveTerm])
        case .greater where !isCut:
            return KeyBounds(lower: bound + [PostingKey.aboveTerm], upper: upper)
        case .greater, .greaterOrEqual: return KeyBounds(lower: bound, upper: upper)
        }
    }

    /// The posting keys of texts that begin with a text.
    func range(prefix: [UInt8]) -> KeyBounds {
        // Without the terminator; what may follow is below 0xFF.
        let lower = Array(start(prefix, nil).bytes.dropLast())
        return KeyBounds(lower: lower, upper: lower + [0xFF])
    }

    /// Index id and term of a value, and whether they are cut.
    private func start(_ value: [UInt8], _ key: [UInt8]?) -> (bytes: [UInt8], isCut: Bool) {
        var writer = ByteWriter()
        PostingKey.appendIndex(index.id, to: &writer)
        if let key { append(key: key, to: &writer) }
        let analyzed = analysis.map { analysis in value.withView { analysis.apply($0) } } ?? value
        analyzed.withView { view in
            switch (index.part, type) {
            case (.keys, .map(let key, _, _)):
                PostingKey.appendComponent(asPath: view, type: key, to: &writer)
            case (.values, .set(let element, _)):
                PostingKey.appendComponent(asPath: view, type: element, to: &writer)
            default:
                PostingKey.appendComponent(view, type: type.indexedType(index.part), to: &writer)
            }
        }
        let isCut = PostingKey.cut(&writer, from: 0)
        return (writer.array, isCut)
    }

    private func append(key: [UInt8], to writer: inout ByteWriter) {
        guard let type = type.pathType else { return }
        key.withView { PostingKey.appendComponent(asPath: $0, type: type, to: &writer) }
    }
}

/// The rows of a piece of a SELECT: all of them, or those that indexes name.
enum RowCursor {
    case all(MergeCursor)
    case indexed(IndexedCursor)

    func next() throws(StorageError) -> Bool {
        switch self {
        case .all(let cursor): try cursor.next()
        case .indexed(let cursor): try cursor.next()
        }
    }

    /// Sets how much may be looked at before a `next` pauses.
    func limitWork(_ work: Int) {
        switch self {
        case .all(let cursor): cursor.workMax = work
        case .indexed(let cursor): cursor.workMax = work
        }
    }

    /// After the last entry: whether it is only the last of a step.
    var isPaused: Bool {
        switch self {
        case .all(let cursor): cursor.isPaused
        case .indexed(let cursor): cursor.isPaused
        }
    }

    /// What it has cost so far.
    var cost: ReadCost {
        switch self {
        case .all(let cursor): cursor.cost
        case .indexed(let cursor): cursor.cost
        }
    }

    /// After the last entry: the key behind which the read goes on, if it does.
    var horizon: [UInt8]? {
        switch self {
        case .all: nil
        case .indexed(let cursor): cursor.horizon
        }
    }

    /// After an error of `next`: the key behind which another cursor can go on, if there is one.
    var resumeKey: [UInt8]? {
        switch self {
        case .all(let cursor): cursor.resumeKey
        case .indexed(let cursor): cursor.resumeKey
        }
    }

    var key: ByteView {
        switch self {
        case .all(let cursor): cursor.key
        case .indexed(let cursor): cursor.key
        }
    }

    var value: ByteView {
        switch self {
        case .all(let cursor): cursor.value
        case .indexed(let cursor): cursor.value
        }
    }

    var partitionLength: Int {
        switch self {
        case .all(let cursor): cursor.partitionLength
        case .indexed(let cursor): cursor.partitionLength
        }
    }

    var isStaticRow: Bool {
        switch self {
        case .all(let cursor): cursor.isStaticRow
        case .indexed(let cursor): cursor.isStaticRow
        }
    }
}
