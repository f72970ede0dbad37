// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import SSTableTool
import Storage
import Testing

@Suite("tholos sstable")
struct SSTableToolTests {
    private static let path = "/data/demo/people/0000000001.sst"

    private static let table = table(indexes: [])

    private static func table(indexes: [IndexSchema]) -> TableSchema {
        TableSchema(
            id: UUID(high: 0x0102_0304_0506_4708, low: 0x890A_0B0C_0D0E_0F10),
            keyspace: "demo",
            name: "people",
            columns: [
                ColumnSchema(id: 1, name: "country", type: .text, kind: .partitionKey),
                ColumnSchema(id: 2, name: "year", type: .int, kind: .partitionKey, position: 1),
                ColumnSchema(id: 3, name: "id", type: .int, kind: .clustering, isDescending: true),
                ColumnSchema(id: 4, name: "motto", type: .text, kind: .static),
                ColumnSchema(id: 5, name: "name", type: .text, kind: .regular),
                ColumnSchema(id: 6, name: "tags", type: .set(.text, frozen: false), kind: .regular),
            ],
            nextColumnID: 7,
            indexes: indexes,
            nextIndexID: 9
        )
    }

    private static func partition(_ country: String, _ year: Int32) -> [UInt8] {
        var key = ByteWriter()
        ValueCoding.text(country).withView { Key.appendCompositePart($0, to: &key) }
        ValueCoding.int32(year).withView { Key.appendCompositePart($0, to: &key) }
        var writer = ByteWriter()
        Key.appendPartition(key.view, to: &writer)
        return writer.array
    }

    private static func clustered(_ partition: [UInt8], _ id: Int32, _ end: UInt8) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(partition)
        writer.append(Key.clustered)
        writer.append(Key.component)
        ValueCoding.int32(id).withView { view in
            OrderedEncoding.append(view, type: .int, descending: true, to: &writer)
        }
        writer.append(end)
        return writer.array
    }

    private static func row(_ liveness: Liveness?, _ cells: [Cell]) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: liveness, to: &writer)
        for cell in cells {
            RowEncoder.append(cell, base: liveness?.timestamp ?? 0, to: &writer)
        }
        return writer.array
    }

    private static func cell(
        _ column: UInt32,
        _ flags: Cell.Flags,
        _ timestamp: Int64,
        path: String = "",
        value: String = "",
        ttl: UInt32 = 0,
        localTime: Int64 = 0,
        _ body: (Cell) -> [UInt8]
    ) -> [UInt8] {
        Array(path.utf8).withView { path in
            Array(value.utf8).withView { value in
                body(
                    Cell(
                        column: column,
                        flags: flags,
                        timestamp: timestamp,
                        ttl: ttl,
                        localTime: localTime,
                        path: path,
                        value: value
                    )
                )
            }
        }
    }

    /// One partition with every kind of entry, and one with a single row.
    private static func entries() -> [([UInt8], [UInt8])] {
        let moment: Int64 = 1_700_000_000_000_000
        let swiss = partition("CH", 2026)
        var deleted = ByteWriter()
        let deletion = Deletion(timestamp: moment, localTime: 1_700_000_000)
        EntryHeader.appendPartitionDeletion(deletion, to: &deleted)
        var begin = ByteWriter()
        RangeMarker(before: nil, after: deletion).append(to: &begin)
        var end = ByteWriter()
        RangeMarker(before: deletion, after: nil).append(to: &end)
        let live = Liveness(timestamp: moment + 1, ttl: 60, expiry: 1_700_000_060)
        let motto = cell(4, [], moment + 1, value: "all \"for\" one") { row(nil, [$0]) }
        let ada = cell(5, [.expiring], moment + 1, value: "Ada", ttl: 60, localTime: 1_700_000_060)
        {
            row(live, [$0])
        }
        let tags = cell(6, [.path], moment + 2, path: "x") { row(nil, [$0]) }
        let lost = cell(5, [.tombstone], moment + 3, localTime: 1_700_000_003) { row(nil, [$0]) }
        let lone = cell(5, [], moment, value: "Zoë") {
            row(Liveness(timestamp: moment), [$0])
        }
        let all = [
            (swiss + [Key.partitionDeletion], deleted.array),
            (swiss + [Key.staticRow], motto),
            (clustered(swiss, 9, Key.endRow), ada),
            (clustered(swiss, 8, Key.endBefore), begin.array),
            (clustered(swiss, 7, Key.endRow), tags),
            (clustered(swiss, 7, Key.endAfter), end.array),
            (clustered(swiss, 3, Key.endRow), lost),
            (clustered(partition("DE", 1999), 1, Key.endRow), lone),
        ]
        return all.sorted { $0.0.lexicographicallyPrecedes($1.0) }
    }

    private static func fileSystem(indexes: [IndexSchema] = []) throws -> MemoryFileSystem {
        let fileSystem = MemoryFileSystem()
        try fileSystem.createDirectory("/data/demo/people")
        var schema = ByteWriter()
        let table = table(indexes: indexes)
        table.encode(to: &schema)
        var options = SSTableWriterOptions()
        options.schema = schema.array
        options.table = table
        options.createdAt = 1_700_000_100_000_000
        options.createdBy = "tholos test"
        options.blockCount = 120
        let writer = try SSTableWriter(fileSystem: fileSystem, path: path, options: options)
        for (key, value) in entries() {
            try key.withView { key in try value.withView { try writer.add(key: key, value: $0) } }
        }
        _ = try writer.finish()
        return fileSystem
    }

    private static func dump(
        key: [String] = [],
        limit: Int? = nil,
        isJSON: Bool = false,
        isRaw: Bool = false
    ) throws -> String {
        let output = ReportOutput()
        var options = DumpReport.Options()
        options.key = key
        options.limit = limit
        options.isJSON = isJSON
        options.isRaw = isRaw
        let report = DumpReport(fileSystem: try fileSystem(), output: output, options: options)
        #expect(report.run([path]))
        return output.text
    }

    @Test("dump shows every kind of entry")
    func dumpText() throws {
        let text = try SSTableToolTests.dump()
        let expected = [
            "partition country='CH', year=2026  (token ",
            "  partition deleted 2023-11-14T22:13:20.000000Z (made 2023-11-14T22:13:20Z)",
            "  static row\n    motto = 'all \"for\" one'  2023-11-14T22:13:20.000001Z",
            "  row id=9  written 2023-11-14T22:13:20.000001Z, TTL 60 s until 2023-11-14T22:14:20Z",
            "    name = 'Ada'  TTL 60 s until 2023-11-14T22:14:20Z",
            "  range deletion begins, deleted 2023-11-14T22:13:20.000000Z "
                + "(made 2023-11-14T22:13:20Z), before id=8",
            "  row id=7\n    tags['x']  2023-11-14T22:13:20.000002Z",
            "  range deletion ends, after id=7",
            "  row id=3\n    name  deleted  2023-11-14T22:13:20.000003Z (made 2023-11-14T22:13:23Z)",
            "partition country='DE', year=1999  (token ",
            "  row id=1  written 2023-11-14T22:13:20.000000Z\n    name = 'Zoë'",
        ]
        for line in expected { #expect(text.contains(line), "\(line)\nin\n\(text)") }
    }

    @Test("dump --json writes an object a line")
    func dumpJSON() throws {
        let text = try SSTableToolTests.dump(key: ["CH", "2026"], isJSON: true)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 7)
        #expect(
            lines[1].hasSuffix(
                #""partition":{"country":"CH","year":2026},"kind":"staticRow","cells":["#
                    + #"{"column":"motto","value":"all \"for\" one","timestamp":1700000000000001}]}"#
            )
        )
        #expect(
            lines[2].hasSuffix(
                #""kind":"row","clustering":{"id":9},"liveness":{"timestamp":1700000000000001,"#
                    + #""ttl":60,"expiry":1700000060},"cells":[{"column":"name","value":"Ada","#
                    + #""timestamp":1700000000000001,"ttl":60,"expiry":1700000060}]}"#
            )
        )
    }

    @Test("dump --key, --limit and --raw narrow what is shown")
    func dumpNarrowed() throws {
        let one = try SSTableToolTests.dump(key: ["DE", "1999"])
        #expect(one.hasPrefix("partition country='DE', year=1999"))
        #expect(!one.contains("CH"))
        #expect(try SSTableToolTests.dump(key: ["FR", "1"]).isEmpty)
        let two = try SSTableToolTests.dump(limit: 2, isRaw: true)
        let expected = SSTableToolTests.entries().prefix(2).map { key, value in
            key.withView { CQLType.hex($0).dropFirst(2) } + " "
                + value.withView { CQLType.hex($0).dropFirst(2) } + "\n"
        }
        #expect(two == expected.joined())
    }

    @Test("info and ls tell the counts")
    func infoAndList() throws {
        let fileSystem = try SSTableToolTests.fileSystem()
        let files = try SSTableLocator.files(["/data"], fileSystem: fileSystem)
        #expect(files == [SSTableToolTests.path])
        let info = ReportOutput()
        #expect(InfoReport(fileSystem: fileSystem, output: info, isJSON: false).run(files))
        for part in [
            "demo.people", "rows                4, static rows 1", "2023-11-14T22:15:00.000000Z",
            "tombstones          4: cells 1, collections 0, rows 0, range bounds 2, partitions 1",
            "cells by column     motto 1, name 3, tags 1", "TTL 60 to 60 s", "from flush",
        ] {
            #expect(info.text.contains(part), "\(part)\nin\n\(info.text)")
        }
        let json = ReportOutput()
        #expect(InfoReport(fileSystem: fileSystem, output: json, isJSON: true).run(files))
        #expect(json.text.contains(#""keyspace":"demo","table":"people""#))
        #expect(json.text.contains(#""rows":4,"staticRows":1,"cells":5,"tombstones":4"#))
        let list = ReportOutput()
        #expect(ListReport(fileSystem: fileSystem, output: list, isJSON: false).run(files))
        #expect(list.text.split(separator: "\n").count == 2)
        #expect(list.text.contains("demo.people"))
    }

    @Test("info names the indexes, with what their postings are and take")
    func indexes() throws {
        let fileSystem = try SSTableToolTests.fileSystem(
            indexes: [
                IndexSchema(id: 2, name: "by_name", column: 5, part: .whole, implementation: "sai"),
                IndexSchema(id: 3, name: "by_tag", column: 6, part: .values, implementation: nil),
                IndexSchema(id: 4, name: "by_id", column: 3, part: .whole, implementation: "sai"),
            ]
        )
        let files = [SSTableToolTests.path]
        let info = ReportOutput()
        #expect(InfoReport(fileSystem: fileSystem, output: info, isJSON: false).run(files))
        for part in [
            "indexes             by_name on name: 2 terms, 2 postings, ",
            "by_tag on values(tags): 1 term, 1 posting, ", "by_id on id: 3 terms, 3 postings, ",
        ] {
            #expect(info.text.contains(part), "\(part)\nin\n\(info.text)")
        }
        let json = ReportOutput()
        #expect(InfoReport(fileSystem: fileSystem, output: json, isJSON: true).run(files))
        #expect(
            json.text.contains(
                #"{"id":3,"name":"by_tag","target":"values(tags)","terms":1,"postings":1,"#
            )
        )
        // All of it belongs to one of the three.
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: SSTableToolTests.path)
        let counts = try reader.storedPostingCounts()
        #expect(counts.keys.sorted() == [2, 3, 4])
        #expect(counts.values.allSatisfy { $0 > 10 })
        let none = try SSTableToolTests.fileSystem()
        let plain = ReportOutput()
        #expect(InfoReport(fileSystem: none, output: plain, isJSON: false).run(files))
        #expect(!plain.text.contains("indexes"))
    }

    @Test("verify tells sound files from damaged ones, with the keys in words")
    func verify() throws {
        let fileSystem = try SSTableToolTests.fileSystem()
        let clock = ManualClock()
        let sound = ReportOutput()
        let report = VerifyReport(
            fileSystem: fileSystem,
            output: sound,
            isJSON: false,
            clock: clock
        )
        #expect(report.run([SSTableToolTests.path]))
        #expect(sound.text.contains("all sound"))
        try fileSystem.flipBit(SSTableToolTests.path, offset: 40, bit: 1)
        let damaged = ReportOutput()
        let second = VerifyReport(
            fileSystem: fileSystem,
            output: damaged,
            isJSON: false,
            clock: clock
        )
        #expect(!second.run([SSTableToolTests.path]))
        #expect(damaged.text.contains("DAMAGED"))
        #expect(damaged.text.contains("offset 32, "))
        #expect(damaged.text.contains("country="))
        let json = ReportOutput()
        let third = VerifyReport(
            fileSystem: fileSystem,
            output: json,
            isJSON: true,
            clock: clock
        )
        #expect(!third.run([SSTableToolTests.path]))
        #expect(json.text.contains(#""sound":false"#))
        #expect(json.text.contains(#""kind":"damage","offset":32,"#))
    }

    @Test("dump goes on behind a damaged block and reports it")
    func dumpDamaged() throws {
        let fileSystem = try SSTableToolTests.fileSystem()
        let sound = ReportOutput()
        let options = DumpReport.Options()
        #expect(
            DumpReport(fileSystem: fileSystem, output: sound, options: options)
                .run([SSTableToolTests.path])
        )
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: SSTableToolTests.path)
        let count = reader.statistics.dataBlockCount
        #expect(count == 3)
        // One block after the other is damaged; the rows of the others are shown.
        var offsets = Set<Int>()
        for offset in stride(from: 33, to: 32 + reader.statistics.regionCount, by: 20) {
            try fileSystem.flipBit(SSTableToolTests.path, offset: offset, bit: 0)
            let report = SSTableVerifier.verify(
                fileSystem: fileSystem,
                path: SSTableToolTests.path
            )
            if case .corruption(let error) = report.problems[0], report.blockCount == count + 1 {
                offsets.insert(error.offset)
                let output = ReportOutput()
                let dump = DumpReport(fileSystem: fileSystem, output: output, options: options)
                #expect(!dump.run([SSTableToolTests.path]))
                #expect(output.text.contains("damaged file"))
                let shown = output.text.split(separator: "\n").filter { $0.hasPrefix("  ") }
                let all = sound.text.split(separator: "\n").filter { $0.hasPrefix("  ") }
                #expect(shown.count < all.count && shown.count > all.count / 3)
                #expect(Set(shown).isSubset(of: Set(all)))
            }
            try fileSystem.flipBit(SSTableToolTests.path, offset: offset, bit: 0)
        }
        #expect(offsets.count == count)
    }

    @Test("salvage names what is lost, and writes the rest when it is told where to")
    func salvage() throws {
        let fileSystem = try SSTableToolTests.fileSystem()
        func run(isJSON: Bool, target: String?) -> (isSound: Bool, text: String) {
            let output = ReportOutput()
            let report = SalvageReport(
                fileSystem: fileSystem,
                output: output,
                isJSON: isJSON,
                target: target,
                identity: 9
            )
            let isSound = report.run([SSTableToolTests.path])
            return (isSound, output.text)
        }
        let sound = run(isJSON: false, target: nil)
        #expect(sound.isSound && sound.text.hasPrefix("SOUND"))

        try fileSystem.flipBit(SSTableToolTests.path, offset: 40, bit: 1)
        let trial = run(isJSON: false, target: nil)
        #expect(!trial.isSound)
        for part in [
            "DAMAGED", "lost: offset 32, ", "keys from token",
            "a part is lost of partition country=",
            "nothing was written",
        ] {
            #expect(trial.text.contains(part), "\(part)\nin\n\(trial.text)")
        }
        let json = run(isJSON: true, target: "/saved.sst")
        #expect(!json.isSound)
        #expect(json.text.contains(#""lost":[{"offset":32,"#))
        #expect(json.text.contains(#""output":"/saved.sst"}"#))
        let verified = SSTableVerifier.verify(fileSystem: fileSystem, path: "/saved.sst")
        #expect(verified.problems == [])
        #expect(verified.entryCount > 0)
    }

    @Test("A path that means no SSTable is named")
    func wrongPaths() throws {
        let fileSystem = try SSTableToolTests.fileSystem()
        try fileSystem.createDirectory("/empty")
        #expect(throws: SSTableLocator.Failure.self) {
            try SSTableLocator.files(["/nowhere"], fileSystem: fileSystem)
        }
        #expect(throws: SSTableLocator.Failure.self) {
            try SSTableLocator.files(["/empty"], fileSystem: fileSystem)
        }
        let output = ReportOutput()
        var options = DumpReport.Options()
        options.key = ["CH"]
        let report = DumpReport(fileSystem: fileSystem, output: output, options: options)
        #expect(!report.run([SSTableToolTests.path]))
        #expect(report.hasUsageError)
    }
}
