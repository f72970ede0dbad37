// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Import
import Model
import Node
import Storage
import Testing

@Suite("Imports into an embedded database")
struct EmbeddedTests {
    private let files = MemoryFileSystem()
    private let background = ThreadPoolExecutor(threads: 1)

    private var environment: Environment {
        Environment(
            fileSystem: files,
            clock: SystemClock(),
            random: SeededRandom(seed: 7),
            background: background
        )
    }

    private func run(_ path: String, _ text: String, key: String) async throws -> ImportJob.Summary
    {
        let file = try files.create(path)
        try Array(text.utf8).withView { (view) throws(FileError) in try file.append(view) }
        var options = ImportOptions(table: Fixture.name, files: [path])
        options.create = true
        options.key = key
        options.batchRows = 7
        let target = try EmbeddedImportTarget(folder: "db", environment: environment)
        let job = ImportJob(
            options: options,
            environment: environment,
            target: target,
            output: ImportOutput(isTerminal: false, line: { _ in }, progress: { _ in })
        )
        let summary = try await job.run()
        try await target.close()
        return summary
    }

    /// Every live cell of `demo.t` as `column=text`, row by row in the order of the keys.
    private func cells() throws -> [[String]] {
        let executor = ManualExecutor()
        let node = try Node.open(
            environment: environment,
            options: NodeOptions(dataDirectory: "db", shardCount: 1),
            executors: [executor]
        )
        let table = try #require(node.schema.table("demo", "t"))
        let store = try #require(node.shards[0].store.table(storageID: table.storageID))
        let cursor = try store.cursor(lower: [], upper: [])
        var rows: [[String]] = []
        while try cursor.next() {
            var fragment = try RowFragment(cursor.value)
            var row: [String] = []
            while let cell = try fragment.nextCell() {
                let column = try #require(table.columns.first { $0.id == cell.column })
                row.append("\(column.name)=\(column.type.display(cell.value))")
            }
            rows.append(row.sorted())
        }
        return rows
    }

    @Test("Rows written through the engine are found after a restart with another number of shards")
    func rows() async throws {
        let lines = (0..<100).map { "\($0 % 5),\($0),name \($0),\($0 % 2 == 0 ? "NA" : "1.5")" }
        let summary = try await run(
            "in.csv",
            "p,c,name,x\n" + lines.joined(separator: "\n"),
            key: "((p), c)"
        )
        #expect(summary == ImportJob.Summary(read: 100, written: 100, rejected: 0))
        let found = try cells()
        #expect(found.count == 100)
        #expect(found.count { $0.contains("x=1.5") } == 50)
        #expect(Set(found.flatMap { $0 }.filter { $0.hasPrefix("name=") }).count == 100)
    }

    @Test("An empty text in a clustering column has the key that CQL gives it")
    func emptyClusteringText() async throws {
        _ = try await run("first.csv", "p,c,x\n1,b,3\n", key: "((p), c)")
        let summary = try await run("second.csv", "p,c,x\n1,,2\n", key: "((p), c)")
        #expect(summary.written == 1)
        let node = try Node.open(
            environment: environment,
            options: NodeOptions(dataDirectory: "db", shardCount: 1),
            executors: [ManualExecutor()]
        )
        let table = try #require(node.schema.table("demo", "t"))
        #expect(table.column("c")?.type == .text)
        var key = ByteWriter()
        ValueCoding.int32(1).withView { Key.appendPartition($0, to: &key) }
        let partitionLength = key.count
        key.append([Key.clustered, Key.component, 0, Key.endRow])
        let store = try #require(node.shards[0].store.table(storageID: table.storageID))
        #expect(try store.get(key.view, partitionLength: partitionLength) != nil)
    }

    @Test("Of records with the same key the last one wins, in one batch and over several")
    func lastWins() async throws {
        let lines = (0..<50).map { "1,\($0 % 2),v\(99 - $0)" }
        let summary = try await run(
            "in.csv",
            "p,c,v\n" + lines.joined(separator: "\n"),
            key: "((p), c)"
        )
        #expect(summary.written == 50)
        #expect(try cells() == [["v=v51"], ["v=v50"]])
    }
}
