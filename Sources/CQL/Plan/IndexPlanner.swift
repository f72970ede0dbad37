// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Model

/// A restriction that an index answers.
struct IndexedFilter: Sendable {
    let index: IndexSchema
    let filter: Filter
}

/// Finds the indexes that answer the restrictions of a SELECT, and whether they answer all of them.
struct IndexPlanner {
    private let table: TableSchema
    private let restrictions: Restrictions
    /// The restrictions that don't by themselves say where rows are.
    private let filters: [Filter]
    /// How many restrictions there are that no index can be asked about.
    private let unindexable: Int

    init(_ table: TableSchema, _ restrictions: Restrictions) {
        self.table = table
        self.restrictions = restrictions
        var filters = restrictions.filters
        var unindexable = 0
        if !restrictions.namesPartitions {
            for choice in restrictions.clustering {
                guard choice.columns.count == 1 else {
                    unindexable += 1
                    continue
                }
                filters.append(Filter(column: choice.columns[0], test: choice.choice.test))
            }
            for slice in restrictions.slices {
                guard slice.columns.count == 1 else {
                    unindexable += 1
                    continue
                }
                filters.append(
                    Filter(column: slice.columns[0], test: .compare(slice.comparison, slice.values[0]))
                )
            }
        }
        self.filters = filters
        self.unindexable = unindexable
    }

    /// The restrictions with an index for each that has one.
    var indexed: [IndexedFilter] {
        filters.compactMap { filter in
            index(for: filter).map { IndexedFilter(index: $0, filter: filter) }
        }
    }

    /// The restrictions' filters, which compare texts as the indexes do that answer them.
    var comparedFilters: [Filter] {
        restrictions.filters.map { filter in
            var filter = filter
            filter.analysis = index(for: filter).flatMap { TermAnalysis($0, filter.column.type) }
            return filter
        }
    }

    /// Whether rows have to be read that are not in the result: what ALLOW FILTERING is for.
    ///
    /// As in Cassandra, storage-attached indexes answer any number of restrictions together, an index
    /// of the first kind one of equality alone.
    var needsFiltering: Bool {
        let count = filters.count + unindexable
        guard count > 0 else { return false }
        let answered = filters.filter { filter in
            guard let index = index(for: filter) else { return false }
            return index.isAttached || (count == 1 && filter.test.isEquality)
        }
        return answered.count < count
    }

    /// An index that could be asked about a filter; an attached one if there is one.
    private func index(for filter: Filter) -> IndexSchema? {
        let able = table.indexes.filter { $0.column == filter.column.id && $0.answers(filter) }
        return able.first(where: \.isAttached) ?? able.first
    }
}

extension IndexSchema {
    /// Whether postings can tell which rows may pass a filter on the index's column.
    fileprivate func answers(_ filter: Filter) -> Bool {
        switch (filter.test, part) {
        case (.equal, .whole), (.equal, .full), (.in, .whole), (.in, .full), (.inList, .whole),
            (.inList, .full):
            return true
        case (.compare, .whole), (.compare, .full): return true
        case (.like, .whole): return isAttached
        case (.contains, .values), (.containsKey, .keys): return true
        case (.element(_, _, _), .entries): return true
        default: return false
        }
    }
}

extension Filter.Test {
    /// Whether it asks for one term.
    fileprivate var isEquality: Bool {
        switch self {
        case .equal, .contains, .containsKey: true
        case .element(_, let comparison, _): comparison == nil
        default: false
        }
    }
}

extension ValueChoice {
    /// The test that a choice of one column makes.
    fileprivate var test: Filter.Test {
        switch self {
        case .one(let values): .equal(values[0])
        case .many(let values): .in(values.map { $0[0] })
        case .list(let list): .inList(list)
        }
    }
}
