// SPDX-License-Identifier: Apache-2.0

import Bytes
import Model
import Storage

/// What the files in `fixtures` were made of, for making those of the next version.
///
/// A fixture that is there is never written again: `SSTableFixtureTests` compares it with the text
/// beside it, not with this.
struct SSTableFixture {
    let name: String
    var options = SSTableWriterOptions()
    var entries: [TestEntry]

    private init(
        _ name: String,
        _ entries: [([UInt8], [UInt8])],
        _ change: (inout SSTableWriterOptions) -> Void = { _ in }
    ) {
        self.name = name
        var schema = ByteWriter()
        SSTableFixture.table.encode(to: &schema)
        options.schema = schema.array
        options.blockCount = 256
        options.createdAt = SSTableFixture.moment
        options.createdBy = "tholos fixtures"
        options.identity =
            0x5EED_0000_0000_0000 + UInt64(name.utf8.reduce(0) { $0 * 31 % 997 + Int($1) })
        change(&options)
        self.entries = entries.map { TestEntry(key: $0.0, value: $0.1) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// A write timestamp, in microseconds.
    private static let moment: Int64 = 1_750_000_000_000_000
    /// The local time of the same moment, in seconds.
    private static let second: Int64 = 1_750_000_000

    private static let table = schema(indexes: [])

    /// The table with an index of each kind of place and part.
    private static let indexed = schema(indexes: [
        IndexSchema(id: 1, name: "by_v", column: 5, part: .whole, implementation: "sai"),
        IndexSchema(id: 2, name: "by_k", column: 1, part: .whole, implementation: "sai"),
        IndexSchema(id: 3, name: "by_c", column: 2, part: .whole, implementation: "sai"),
        IndexSchema(id: 5, name: "by_s", column: 4, part: .whole, implementation: "sai"),
        IndexSchema(id: 6, name: "by_tag", column: 7, part: .values, implementation: nil),
        IndexSchema(id: 7, name: "by_key", column: 8, part: .keys, implementation: "sai"),
        IndexSchema(id: 8, name: "by_entry", column: 8, part: .entries, implementation: "sai"),
        IndexSchema(id: 300, name: "by_f", column: 9, part: .full, implementation: "sai"),
        IndexSchema(id: 301, name: "by_n", column: 6, part: .whole, implementation: "sai"),
    ])

    private static func schema(indexes: [IndexSchema]) -> TableSchema {
        TableSchema(
            id: UUID(high: 0x0102_0304_0506_4708, low: 0x890A_0B0C_0D0E_0F10),
            keyspace: "demo",
            name: "fixture",
            columns: [
                ColumnSchema(id: 1, name: "k", type: .text, kind: .partitionKey),
                ColumnSchema(id: 2, name: "c", type: .int, kind: .clustering),
                ColumnSchema(
                    id: 3,
                    name: "d",
                    type: .text,
                    kind: .clustering,
                    position: 1,
                    isDescending: true
                ),
                ColumnSchema(id: 4, name: "s", type: .text, kind: .static),
                ColumnSchema(id: 5, name: "v", type: .text, kind: .regular),
                ColumnSchema(id: 6, name: "n", type: .int, kind: .regular),
                ColumnSchema(id: 7, name: "tags", type: .set(.text, frozen: false), kind: .regular),
                ColumnSchema(
                    id: 8,
                    name: "m",
                    type: .map(.text, .int, frozen: false),
                    kind: .regular
                ),
                ColumnSchema(id: 9, name: "f", type: .list(.int, frozen: true), kind: .regular),
            ],
            nextColumnID: 10,
            indexes: indexes,
            nextIndexID: 302
        )
    }

    // MARK: Keys

    private static func clustered(
        _ name: String,
        _ c: Int32?,
        _ d: String? = nil,
        end: UInt8 = Key.endRow
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(TestEntries.partition(name))
        writer.append(Key.clustered)
        if let c {
            ValueCoding.int32(c).withView {
                Key.appendComponent($0, type: .int, descending: false, to: &writer)
            }
        }
        if let d {
            Array(d.utf8).withView {
                Key.appendComponent($0, type: .text, descending: true, to: &writer)
            }
        }
        writer.append(end)
        return writer.array
    }

    // MARK: Values

    /// A cell with its bytes.
    private struct CellBytes {
        var column: UInt32
        var flags: Cell.Flags = []
        var timestamp = SSTableFixture.moment
        var ttl: UInt32 = 0
        var localTime: Int64 = 0
        var path = ""
        var value: [UInt8] = []
    }

    private static func text(_ value: String, column: UInt32 = 5) -> CellBytes {
        CellBytes(column: column, value: Array(value.utf8))
    }

    private static func row(
        _ liveness: Liveness?,
        deletion: Deletion? = nil,
        _ cells: [CellBytes]
    ) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: liveness, deletion: deletion, to: &writer)
        for cell in cells {
            Array(cell.path.utf8).withView { path in
                cell.value.withView { value in
                    let encoded = Cell(
                        column: cell.column,
                        flags: cell.flags,
                        timestamp: cell.timestamp,
                        ttl: cell.ttl,
                        localTime: cell.localTime,
                        path: path,
                        value: value
                    )
                    RowEncoder.append(encoded, base: liveness?.timestamp ?? 0, to: &writer)
                }
            }
        }
        return writer.array
    }

    private static let live = Liveness(timestamp: moment)

    // MARK: The fixtures

    private static func plain() -> [([UInt8], [UInt8])] {
        var entries: [([UInt8], [UInt8])] = []
        for name in ["amber", "beryl", "citrine", "diamond", "emerald"] {
            for number in 0..<6 {
                let words = String(repeating: "\(name) \(number) ", count: number + 1)
                let cells = [
                    text(words), CellBytes(column: 6, value: ValueCoding.int32(Int32(number) - 2)),
                ]
                entries.append((clustered(name, Int32(number), name), row(live, cells)))
            }
        }
        return entries
    }

    private static func wide() -> [([UInt8], [UInt8])] {
        (0..<900).map { number in
            (clustered("w", Int32(number) * 3 - 900, ""), row(live, [text("\(number)")]))
        }
    }

    private static func deletions() -> [([UInt8], [UInt8])] {
        let first = Deletion(timestamp: moment + 1, localTime: second)
        let later = Deletion(timestamp: moment + 2, localTime: second + 1)
        var whole = ByteWriter()
        EntryHeader.appendPartitionDeletion(first, to: &whole)
        let lost = CellBytes(
            column: 5,
            flags: .tombstone,
            timestamp: moment + 3,
            localTime: second + 2
        )
        let emptied = CellBytes(
            column: 7,
            flags: .collectionDeletion,
            timestamp: moment - 1,
            localTime: second
        )
        let element = CellBytes(
            column: 7,
            flags: [.path, .tombstone],
            timestamp: moment,
            localTime: second,
            path: "x"
        )
        let marker = TestEntries.markerValue
        return [
            (TestEntries.partition("a") + [Key.partitionDeletion], whole.array),
            (clustered("a", 1, "kept"), row(Liveness(timestamp: moment + 9), [text("after")])),
            (TestEntries.partition("b") + [Key.partitionDeletion], whole.array),
            (clustered("c", nil, end: Key.endBefore), marker(nil, first)),
            (clustered("c", 1, "under"), row(live, [text("hidden")])),
            (clustered("c", 5, end: Key.endBefore), marker(first, later)),
            (clustered("c", 5, "x"), row(Liveness(timestamp: moment + 9), [])),
            (clustered("c", 5, end: Key.endAfter), marker(later, first)),
            (clustered("c", nil, end: Key.endAfter), marker(first, nil)),
            (clustered("d", 1, "row"), row(nil, deletion: first, [])),
            (clustered("d", 2, "row, then again"), row(live, deletion: later, [text("new")])),
            (clustered("d", 3, "cell"), row(live, [lost])),
            (clustered("d", 4, "collection"), row(nil, [emptied, element])),
            (clustered("d", 9, "bound"), row(live, [])),
        ]
    }

    private static func expiring() -> [([UInt8], [UInt8])] {
        (0..<8).map { number in
            let ttl = UInt32(60 << number)
            let expiry = second + Int64(ttl)
            let liveness = Liveness(timestamp: moment, ttl: ttl, expiry: expiry)
            var cell = text("for \(ttl) s")
            cell.flags = .expiring
            cell.ttl = ttl
            cell.localTime = expiry
            var lasting = CellBytes(column: 6, value: ValueCoding.int32(Int32(ttl)))
            lasting.timestamp = moment + 7
            let isMixed = number % 2 == 0
            return (
                clustered("ttl", 8, "\(number)"),
                row(isMixed ? nil : liveness, isMixed ? [cell, lasting] : [cell])
            )
        }
    }

    private static func statics() -> [([UInt8], [UInt8])] {
        var entries: [([UInt8], [UInt8])] = []
        for name in ["alone", "both", "neither"] {
            if name != "neither" {
                let cells = [text("static of \(name)", column: 4)]
                entries.append((TestEntries.partition(name) + [Key.staticRow], row(nil, cells)))
            }
            if name != "alone" {
                entries.append((clustered(name, 0, ""), row(live, [text("row of \(name)")])))
            }
        }
        return entries
    }

    private static func collections() -> [([UInt8], [UInt8])] {
        (0..<4).map { number in
            let reset = CellBytes(
                column: 7,
                flags: .collectionDeletion,
                timestamp: moment - 1,
                localTime: second
            )
            let tags = (0...number).map { CellBytes(column: 7, flags: .path, path: "tag \($0)") }
            let pairs = (0...number).map {
                CellBytes(
                    column: 8,
                    flags: .path,
                    path: "key \($0)",
                    value: ValueCoding.int32(Int32($0) * 100)
                )
            }
            let frozen = ValueCoding.collection([ValueCoding.int32(1), ValueCoding.int32(2)])
            let cells = [reset] + tags + pairs + [CellBytes(column: 9, value: frozen)]
            return (clustered("set and map", Int32(number), "d"), row(live, cells))
        }
    }

    /// Rows of the other fixtures for an index on each kind of column, and a value that is longer than a
    /// term may be.
    private static func postings() -> [([UInt8], [UInt8])] {
        let long = String(repeating: "long ", count: 14_000)
        return plain() + statics() + collections() + deletions() + [
            (clustered("long", 1, "d"), row(live, [text(long + "a")])),
            (clustered("long", 2, "d"), row(live, [text(long + "b")])),
        ]
    }

    /// Trained from what the other fixtures hold.
    private static func dictionary() -> TrainedDictionary? {
        var samples = ByteWriter()
        var sizes: [Int] = []
        for number in 0..<64 {
            let names = (0..<12).map { "name \($0 * number % 17) of amber, beryl and citrine" }
            let sample = Array(names.joined(separator: "; ").utf8)
            samples.append(sample)
            sizes.append(sample.count)
        }
        let dictionary = ZstdDictionary.train(
            samples.view,
            sizes: sizes,
            count: 1024,
            compressionLevel: 3
        )
        return dictionary.map { TrainedDictionary(dictionary: $0, sampleCount: samples.count) }
    }

    /// All of them; a file is named `sstable-VERSION-NAME.sst`.
    static let all = [
        SSTableFixture("plain-none", plain()) { $0.codec = .none },
        SSTableFixture("plain-lz4", plain()) { $0.codec = .lz4 },
        SSTableFixture("plain-snappy", plain()) { $0.codec = .snappy },
        SSTableFixture("plain-zstd", plain()) {
            $0.codec = .zstd
            $0.origin = .compaction
            $0.level = 2
        },
        // A block a row, so that there are several index blocks.
        SSTableFixture("wide", wide()) { $0.blockCount = 1 },
        SSTableFixture("deletions", deletions()) { $0.blockCount = 64 },
        SSTableFixture("expiring", expiring()),
        SSTableFixture("static", statics()) { $0.blockCount = 1 },
        SSTableFixture("collections", collections()),
        SSTableFixture("no-filter", plain()) { $0.filterFalsePositiveChance = 1 },
        SSTableFixture("empty", []),
        SSTableFixture("dictionary", plain()) {
            $0.codec = .zstd
            $0.dictionary = dictionary()
        },
        SSTableFixture("postings", postings()) {
            $0.codec = .lz4
            $0.table = indexed
            var schema = ByteWriter()
            indexed.encode(to: &schema)
            $0.schema = schema.array
        },
    ]
}
