// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Testing

/// What a fragment says, however it is encoded.
private struct Fragment: Equatable, CustomStringConvertible {
    struct Name: Hashable, Comparable {
        var column: UInt32
        var isElement: Bool
        var path: [UInt8]

        static func < (a: Name, b: Name) -> Bool {
            if a.column != b.column { return a.column < b.column }
            if a.isElement != b.isElement { return b.isElement }
            return a.path.lexicographicallyPrecedes(b.path)
        }
    }

    struct Value: Equatable {
        var flags: UInt8
        var timestamp: Int64
        var ttl: UInt32 = 0
        var localTime: Int64 = 0
        var bytes: [UInt8] = []

        var isCollectionDeletion: Bool { flags & Cell.Flags.collectionDeletion.rawValue != 0 }

        /// The order in which one beats another of the same name.
        func beats(_ other: Value) -> Bool {
            if timestamp != other.timestamp { return timestamp > other.timestamp }
            for flag in [Cell.Flags.tombstone.rawValue, Cell.Flags.expiring.rawValue]
            where flags & flag != other.flags & flag {
                return flags & flag != 0
            }
            if localTime != other.localTime { return localTime > other.localTime }
            if bytes != other.bytes { return other.bytes.lexicographicallyPrecedes(bytes) }
            return ttl > other.ttl
        }
    }

    var liveness: Liveness?
    var deletion: Deletion?
    var cells: [Name: Value] = [:]

    var description: String { "\(liveness as Any) \(deletion as Any) \(cells)" }

    init() {}

    init(_ bytes: [UInt8]) throws {
        self = try bytes.withView { view in try Fragment.decode(view) }
    }

    private static func decode(_ view: ByteView) throws -> Fragment {
        var result = Fragment()
        var fragment = try RowFragment(view)
        result.liveness = fragment.liveness
        result.deletion = fragment.deletion
        var last: Name?
        while let cell = try fragment.nextCell() {
            let isDeletion = cell.flags.contains(.collectionDeletion)
            let name = Name(
                column: cell.column,
                isElement: cell.column >= 8 && !isDeletion,
                path: cell.path.array
            )
            if let last { #expect(last < name, "cells stand in order") }
            last = name
            result.cells[name] = Value(
                flags: cell.flags.subtracting(.baseTimestamp).rawValue,
                timestamp: cell.timestamp,
                ttl: cell.ttl,
                localTime: cell.localTime,
                bytes: cell.value.array
            )
        }
        return result
    }

    /// Encodes it, with one of the possible base timestamps.
    func encoded(base: Int64?) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: liveness, deletion: deletion, base: base, to: &writer)
        for (name, value) in cells.sorted(by: { $0.key < $1.key }) {
            name.path.withView { path in
                value.bytes.withView { bytes in
                    let cell = Cell(
                        column: name.column,
                        flags: Cell.Flags(rawValue: value.flags),
                        timestamp: value.timestamp,
                        ttl: value.ttl,
                        localTime: value.localTime,
                        path: path,
                        value: bytes
                    )
                    RowEncoder.append(cell, base: base ?? liveness?.timestamp ?? 0, to: &writer)
                }
            }
        }
        return writer.array
    }

    /// What several fragments say together under a deletion from outside, without pairwise merging.
    static func together(_ fragments: [Fragment], shadow: Deletion?) -> Fragment {
        var result = Fragment()
        for fragment in fragments {
            result.deletion = Deletion.stronger(result.deletion, fragment.deletion)
        }
        if let shadow, let own = result.deletion, own.timestamp <= shadow.timestamp {
            result.deletion = nil
        }
        let horizon = max(shadow?.timestamp ?? .min, result.deletion?.timestamp ?? .min)
        for liveness in fragments.compactMap(\.liveness) where liveness.timestamp > horizon {
            if let old = result.liveness, !liveness.supersedes(old) { continue }
            result.liveness = liveness
        }
        for (name, value) in fragments.flatMap(\.cells) where value.timestamp > horizon {
            if let old = result.cells[name], !value.beats(old) { continue }
            result.cells[name] = value
        }
        for (name, value) in result.cells where value.isCollectionDeletion {
            result.cells = result.cells.filter { other in
                other.key.column != name.column || !other.key.isElement
                    || other.value.timestamp > value.timestamp
            }
        }
        return result
    }
}

/// Fragments in which everything collides: few columns, few timestamps.
private struct Fragments {
    private var numbers: SeededGenerator

    init(seed: UInt64) { numbers = SeededGenerator(seed: seed) }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &numbers) }

    mutating func deletion() -> Deletion? {
        pick(3) > 0 ? nil : Deletion(timestamp: Int64(pick(8)) - 1, localTime: Int64(pick(3)))
    }

    private mutating func value() -> Fragment.Value {
        let timestamp = Int64(pick(8)) - 1
        switch pick(4) {
        case 0:
            let flags = Cell.Flags.tombstone.rawValue
            return Fragment.Value(flags: flags, timestamp: timestamp, localTime: Int64(pick(3)))
        case 1:
            return Fragment.Value(
                flags: Cell.Flags.expiring.rawValue,
                timestamp: timestamp,
                ttl: UInt32(1 + pick(2)),
                localTime: Int64(pick(3)),
                bytes: [UInt8(pick(2))]
            )
        default:
            let bytes = pick(3) == 0 ? [] : [UInt8(pick(3))]
            return Fragment.Value(flags: 0, timestamp: timestamp, bytes: bytes)
        }
    }

    mutating func fragment() -> Fragment {
        var result = Fragment()
        if pick(2) == 0 {
            let ttl = UInt32(pick(2))
            let expiry = ttl == 0 ? 0 : Int64(pick(3))
            result.liveness = Liveness(timestamp: Int64(pick(8)) - 1, ttl: ttl, expiry: expiry)
        }
        result.deletion = deletion()
        for column in UInt32(2)..<5 where pick(2) == 0 {
            let name = Fragment.Name(column: column, isElement: false, path: [])
            result.cells[name] = value()
        }
        for column in UInt32(8)..<10 where pick(2) == 0 {
            if pick(3) == 0 {
                result.cells[Fragment.Name(column: column, isElement: false, path: [])] =
                    Fragment.Value(
                        flags: Cell.Flags.collectionDeletion.rawValue,
                        timestamp: Int64(pick(8)) - 1,
                        localTime: Int64(pick(3))
                    )
            }
            for path in 0..<3 where pick(2) == 0 {
                var value = value()
                value.flags |= Cell.Flags.path.rawValue
                let path = path == 0 ? [] : [UInt8(path)]
                result.cells[Fragment.Name(column: column, isElement: true, path: path)] = value
            }
        }
        return result
    }

    mutating func base() -> Int64? { pick(2) == 0 ? nil : Int64(pick(8)) - 1 }
}

@Suite struct RowMergeTests {
    private static let empty: [UInt8] = [0]

    private func merge(
        _ a: [UInt8],
        _ b: [UInt8],
        shadow: Deletion? = nil
    ) throws -> [UInt8] {
        var writer = ByteWriter()
        try a.withView { a in
            try b.withView { b in
                try RowMerge.mergeRows(a, b, shadow: shadow, into: &writer)
            }
        }
        return writer.array
    }

    @Test func mergingKeepsWhatWinsAndIsNotDeleted() throws {
        var fragments = Fragments(seed: 1)
        for _ in 0..<800 {
            let one = fragments.fragment()
            let two = fragments.fragment()
            let shadow = fragments.deletion()
            let (a, b) = (one.encoded(base: fragments.base()), two.encoded(base: fragments.base()))
            #expect(try Fragment(a) == one)
            let merged = try Fragment(try merge(a, b, shadow: shadow))
            #expect(merged == Fragment.together([one, two], shadow: shadow))
        }
    }

    @Test func plainCellsArePassedOverAndNoOthers() throws {
        var fragments = Fragments(seed: 17)
        for _ in 0..<2000 {
            let bytes = fragments.fragment().encoded(base: fragments.base())
            try bytes.withView { view in
                var one = try RowFragment(view)
                var all: [Int64] = []
                var isPlain: [Bool] = []
                while let cell = try one.nextCell() {
                    all.append(cell.timestamp)
                    isPlain.append(cell.flags.rawValue == Cell.Flags.baseTimestamp.rawValue)
                }
                var two = try RowFragment(view)
                let skipped = isPlain.prefix { $0 }.count
                #expect(two.skipPlainCells() == (skipped > 0))
                #expect(all.prefix(skipped).allSatisfy { $0 == two.base })
                var rest: [Int64] = []
                while let cell = try two.nextCell() { rest.append(cell.timestamp) }
                #expect(rest == Array(all.dropFirst(skipped)))
            }
        }
    }

    @Test func mergingIsCommutativeAssociativeAndIdempotent() throws {
        var fragments = Fragments(seed: 2)
        for _ in 0..<800 {
            let a = fragments.fragment().encoded(base: fragments.base())
            let b = fragments.fragment().encoded(base: fragments.base())
            let c = fragments.fragment().encoded(base: fragments.base())
            let ab = try merge(a, b)
            #expect(try Fragment(ab) == Fragment(try merge(b, a)))
            let left = try Fragment(try merge(ab, c))
            #expect(try left == Fragment(try merge(a, try merge(b, c))))
            #expect(try Fragment(try merge(ab, ab)) == Fragment(ab))
            #expect(try Fragment(try merge(ab, a)) == Fragment(ab))
            #expect(try Fragment(try merge(ab, RowMergeTests.empty)) == Fragment(ab))
        }
    }

    @Test func aShadowMayFallBeforeOrAfterMerging() throws {
        var fragments = Fragments(seed: 3)
        for _ in 0..<500 {
            let a = fragments.fragment().encoded(base: fragments.base())
            let b = fragments.fragment().encoded(base: fragments.base())
            let shadow = fragments.deletion()
            let during = try Fragment(try merge(a, b, shadow: shadow))
            let after = try merge(try merge(a, b), RowMergeTests.empty, shadow: shadow)
            #expect(try during == Fragment(after))
            let filteredA = try merge(a, RowMergeTests.empty, shadow: shadow)
            let filteredB = try merge(b, RowMergeTests.empty, shadow: shadow)
            #expect(try during == Fragment(try merge(filteredA, filteredB, shadow: shadow)))
        }
    }
}

@Suite struct RowPurgeTests {
    private static let table = TableSchema(
        id: UUID(random: 1, 1),
        keyspace: "k",
        name: "t",
        columns: [
            ColumnSchema(id: 0, name: "p", type: .int, kind: .partitionKey),
            ColumnSchema(id: 2, name: "a", type: .blob, kind: .regular),
            ColumnSchema(id: 8, name: "m", type: .map(.blob, .blob, frozen: false), kind: .regular),
        ],
        nextColumnID: 9
    )

    private func purge(
        _ fragment: Fragment,
        graceHorizon: Int64,
        olderThan: Int64
    ) throws -> Fragment {
        let purge = RowPurge(graceHorizon: graceHorizon, table: RowPurgeTests.table)
        var writer = ByteWriter()
        try fragment.encoded(base: nil).withView { view in
            try purge.purge(view, olderThan: olderThan, into: &writer)
        }
        return try Fragment(writer.array)
    }

    /// A row of which every part is a deletion at timestamp 10 that was made, or ended, at second 100.
    private var deletions: Fragment {
        var fragment = Fragment()
        fragment.deletion = Deletion(timestamp: 10, localTime: 100)
        fragment.liveness = Liveness(timestamp: 10, ttl: 5, expiry: 100)
        fragment.cells[Fragment.Name(column: 2, isElement: false, path: [])] = Fragment.Value(
            flags: Cell.Flags.tombstone.rawValue,
            timestamp: 10,
            localTime: 100
        )
        fragment.cells[Fragment.Name(column: 8, isElement: false, path: [])] = Fragment.Value(
            flags: Cell.Flags.collectionDeletion.rawValue,
            timestamp: 10,
            localTime: 100
        )
        fragment.cells[Fragment.Name(column: 8, isElement: true, path: [1])] = Fragment.Value(
            flags: Cell.Flags.path.union(.expiring).rawValue,
            timestamp: 10,
            ttl: 5,
            localTime: 100,
            bytes: [1]
        )
        return fragment
    }

    @Test func whatIsCertainToStayDoesStay() throws {
        var fragments = Fragments(seed: 23)
        let rules = RowPurge(graceHorizon: .max, table: RowPurgeTests.table)
        var stayed = 0
        for _ in 0..<20_000 {
            let fragment = fragments.fragment()
            guard fragment.encoded(base: nil).withView({ rules.keepsAll($0) }) else { continue }
            stayed += 1
            #expect(fragment != Fragment())
            #expect(try purge(fragment, graceHorizon: .max, olderThan: .max) == fragment)
        }
        #expect(stayed > 20)
    }

    @Test func deletionsGoAfterTheirGracePeriodWhenNothingOlderIsElsewhere() throws {
        #expect(try purge(deletions, graceHorizon: 101, olderThan: 11) == Fragment())
        #expect(try purge(deletions, graceHorizon: 101, olderThan: .max) == Fragment())
    }

    @Test func deletionsStayInTheirGracePeriod() throws {
        #expect(try purge(deletions, graceHorizon: 100, olderThan: .max) == deletions)
    }

    @Test func deletionsStayWhenSomethingOlderMayBeElsewhere() throws {
        #expect(try purge(deletions, graceHorizon: 101, olderThan: 10) == deletions)
        #expect(try purge(deletions, graceHorizon: .max, olderThan: .min) == deletions)
    }

    @Test func valuesStayAndThoseOfDroppedColumnsGo() throws {
        var fragment = Fragment()
        fragment.liveness = Liveness(timestamp: 1)
        let value = Fragment.Value(flags: 0, timestamp: 1, bytes: [7])
        fragment.cells[Fragment.Name(column: 2, isElement: false, path: [])] = value
        let wanted = fragment
        fragment.cells[Fragment.Name(column: 3, isElement: false, path: [])] = value
        fragment.cells[Fragment.Name(column: 9, isElement: true, path: [])] = value
        #expect(try purge(fragment, graceHorizon: .max, olderThan: .max) == wanted)
        #expect(try purge(fragment, graceHorizon: 0, olderThan: .min) == wanted)
    }
}
