// SPDX-License-Identifier: Apache-2.0

package import Model

/// A file and the tokens for which it is live: runs in order that neither overlap nor touch.
package struct LiveFile: Equatable, Sendable {
    package let number: UInt64
    /// The table's storage id.
    package let table: UUID
    package internal(set) var ranges: [TokenRange]
}

/// Which files are live: what a manifest's edits add up to.
struct ManifestState: Equatable {
    private(set) var files: [UInt64: LiveFile] = [:]
    /// The number of the next new file.
    var nextFile: UInt64 = 1

    /// Applies edits and returns the files that they leave without any live token.
    mutating func apply(_ edits: [ManifestEdit]) -> Set<UInt64> {
        var dead: Set<UInt64> = []
        for edit in edits {
            switch edit {
            case .add(let number, let table, let range):
                var file = files[number] ?? LiveFile(number: number, table: table, ranges: [])
                file.ranges = ManifestState.union(file.ranges, range)
                files[number] = file
                dead.remove(number)
                nextFile = max(nextFile, number == .max ? .max : number + 1)
            case .remove(let number, let range):
                guard var file = files[number] else { continue }
                file.ranges = ManifestState.subtract(file.ranges, range)
                files[number] = file.ranges.isEmpty ? nil : file
                if file.ranges.isEmpty { dead.insert(number) }
            case .dropTable(let table):
                for file in files.values where file.table == table {
                    files[file.number] = nil
                    dead.insert(file.number)
                }
            case .nextFile(let number): nextFile = max(nextFile, number)
            }
        }
        return dead
    }

    /// Edits that make this state out of nothing.
    var snapshot: [ManifestEdit] {
        var edits: [ManifestEdit] = [.nextFile(nextFile)]
        for file in files.values.sorted(by: { $0.number < $1.number }) {
            for range in file.ranges {
                edits.append(.add(file: file.number, table: file.table, range: range))
            }
        }
        return edits
    }

    /// The ranges with `added`, joined where they overlap or touch.
    static func union(_ ranges: [TokenRange], _ added: TokenRange) -> [TokenRange] {
        var result: [TokenRange] = []
        for range in (ranges + [added]).sorted(by: { $0.first < $1.first }) {
            if let last = result.last, touches(last, range) {
                result[result.count - 1] = TokenRange(last.first, max(last.last, range.last))
            } else {
                result.append(range)
            }
        }
        return result
    }

    /// Whether `b`, which does not begin before `a`, overlaps it or begins right behind it.
    private static func touches(_ a: TokenRange, _ b: TokenRange) -> Bool {
        b.first <= a.last || b.first.value == a.last.value + 1
    }

    /// The ranges without the tokens of `removed`.
    static func subtract(_ ranges: [TokenRange], _ removed: TokenRange) -> [TokenRange] {
        var result: [TokenRange] = []
        for range in ranges {
            guard range.intersection(removed) != nil else {
                result.append(range)
                continue
            }
            if range.first < removed.first {
                result.append(TokenRange(range.first, Token(removed.first.value - 1)))
            }
            if removed.last < range.last {
                result.append(TokenRange(Token(removed.last.value + 1), range.last))
            }
        }
        return result
    }
}
