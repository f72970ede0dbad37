// SPDX-License-Identifier: Apache-2.0

internal import Model

/// Finds combinations of columns that tell all records of a sample apart.
struct KeyFinder {
    /// A primary key that would lose no record of the sample.
    struct Suggestion: Equatable {
        /// Places of the columns, the partition key's first.
        let columns: [Int]
        /// How many partitions the sample would have.
        let partitionCount: Int
    }

    private static let columnCountMax = 4
    private static let suggestionCountMax = 4
    /// How many hashes may be looked at; bounds the time to about a second.
    private static let workMax = 60_000_000

    private let sample: Sample
    private let distinct: [Int]
    private var table: [UInt64]
    private var work = 0

    init(_ sample: Sample) {
        self.sample = sample
        distinct = sample.columns.map { Set($0.hashes).count }
        var size = 16
        while size < sample.recordCount * 2 { size *= 2 }
        table = Array(repeating: 0, count: size)
    }

    /// The smallest combinations, in the order of the columns; none when records are repeated.
    mutating func suggestions() -> [Suggestion] {
        guard sample.recordCount > 1 else { return [] }
        let candidates = sample.columns.indices.filter { index in
            sample.nullCount(index) == 0 && distinct[index] > 1
                && sample.columns[index].type != .double && sample.columns[index].type != .boolean
        }
        var found: [[Int]] = []
        for size in 1...KeyFinder.columnCountMax where found.isEmpty || size <= found[0].count {
            search(candidates, size: size, chosen: [], from: 0, into: &found)
        }
        return found.map(suggestion)
    }

    private mutating func search(
        _ candidates: [Int],
        size: Int,
        chosen: [Int],
        from: Int,
        into found: inout [[Int]]
    ) {
        guard found.count < KeyFinder.suggestionCountMax, work < KeyFinder.workMax else { return }
        if chosen.count == size {
            if isUnique(chosen) { found.append(chosen) }
            return
        }
        guard from < candidates.count else { return }
        for index in from..<candidates.count {
            search(
                candidates,
                size: size,
                chosen: chosen + [candidates[index]],
                from: index + 1,
                into: &found
            )
        }
    }

    private mutating func isUnique(_ columns: [Int]) -> Bool {
        var combinations = 1.0
        for column in columns { combinations *= Double(distinct[column]) }
        guard combinations >= Double(sample.recordCount) else { return false }
        for index in table.indices { table[index] = 0 }
        work += table.count / 8
        let mask = table.count - 1
        for record in 0..<sample.recordCount {
            let hash = sample.combinedHash(record, columns) | 1
            var place = Int(truncatingIfNeeded: hash >> 8) & mask
            while table[place] != 0 {
                if table[place] == hash { return false }
                place = (place + 1) & mask
            }
            table[place] = hash
            work += 1
        }
        return true
    }

    /// The column with the fewest values makes the partitions, the others order the rows in them.
    private func suggestion(_ columns: [Int]) -> Suggestion {
        let ordered = columns.sorted { (distinct[$0], $0) < (distinct[$1], $1) }
        return Suggestion(columns: ordered, partitionCount: distinct[ordered[0]])
    }
}
