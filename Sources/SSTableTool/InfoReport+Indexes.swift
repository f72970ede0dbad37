// SPDX-License-Identifier: Apache-2.0

internal import Model
internal import Storage

/// An index whose postings a file has.
struct IndexFacts {
    /// Nil when the file's schema doesn't have it or can't be read.
    let name: String?
    let target: String?
    let id: UInt32
    let termCount: Int
    let postingCount: Int
    /// What the postings take in the file; nil when that can't be read.
    let storedCount: Int?

    /// The indexes of a file, by id.
    static func of(_ reader: SSTableReader, _ table: TableSchema?) -> [IndexFacts] {
        guard let indexes = reader.indexes else { return [] }
        let sizes = try? reader.storedPostingCounts()
        return indexes.entries.sorted { $0.index < $1.index }.map { entry in
            let index = table?.indexes.first { $0.id == entry.index }
            return IndexFacts(
                name: index?.name,
                target: index.flatMap { index in table?.target(of: index) { $0 } },
                id: entry.index,
                termCount: entry.termCount,
                postingCount: entry.postingCount,
                storedCount: sizes?[entry.index]
            )
        }
    }

    /// As people read it: `i on v: 3 terms, 5 postings, 120 B`.
    var text: String {
        let size = storedCount.map { Text.size($0) } ?? "of unknown size"
        return "\(name ?? "#\(id)") on \(target ?? "?"): \(Text.number(termCount)) "
            + (termCount == 1 ? "term, " : "terms, ") + Text.number(postingCount)
            + (postingCount == 1 ? " posting, " : " postings, ") + size
    }

    var json: JSON {
        .object([
            ("id", .count(Int(id))), ("name", name.map { .text($0) } ?? .null),
            ("target", target.map { .text($0) } ?? .null), ("terms", .count(termCount)),
            ("postings", .count(postingCount)), ("stored", storedCount.map { .count($0) } ?? .null),
        ])
    }
}
