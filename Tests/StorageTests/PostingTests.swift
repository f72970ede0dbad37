// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

/// Postings in files: what the rows have, in order, however much memory there is for sorting.
@Suite struct PostingTests {
    private static let table = TableSchema(
        id: UUID(high: 1, low: 2),
        keyspace: "k",
        name: "t",
        columns: [
            ColumnSchema(id: 1, name: "p", type: .text, kind: .partitionKey),
            ColumnSchema(id: 2, name: "c", type: .int, kind: .clustering),
            ColumnSchema(id: 3, name: "v", type: .blob, kind: .regular),
        ],
        nextColumnID: 4,
        indexes: [
            IndexSchema(id: 1, name: "i", column: 3, part: .whole, implementation: "sai"),
            IndexSchema(id: 3, name: "j", column: 2, part: .whole, implementation: "sai"),
        ],
        nextIndexID: 4
    )

    private func options(memory: Int) -> SSTableWriterOptions {
        var schema = ByteWriter()
        Self.table.encode(to: &schema)
        var options = SSTableWriterOptions()
        options.schema = schema.array
        options.table = Self.table
        options.postingMemory = memory
        options.identity = 7
        return options
    }

    private func entries(_ seed: UInt64) -> [TestEntry] {
        TestEntries.mixture(seed: seed, partitionCount: 60, rowsMax: 40, valueMax: 30)
    }

    @Test("sorted in memory or in runs, files are the same", arguments: [64, 4096, 1 << 20])
    func spilling(memory: Int) throws {
        let entries = entries(5)
        let fileSystem = MemoryFileSystem()
        try fileSystem.createDirectory("/t")
        try writeSSTable(fileSystem, "/t/1", entries, options: options(memory: memory))
        try writeSSTable(fileSystem, "/t/2", entries, options: options(memory: 1 << 24))
        #expect(try fileSystem.list("/t") == ["1", "2"])
        let one = try SSTableReader.open(fileSystem: fileSystem, path: "/t/1")
        let two = try SSTableReader.open(fileSystem: fileSystem, path: "/t/2")
        #expect(one.indexes?.entries == two.indexes?.entries)
        #expect(one.count == two.count)
        #expect((one.indexes?.entry(1)?.postingCount ?? 0) > 100)
        #expect((one.indexes?.entry(3)?.termCount ?? 0) > 10)
        for path in ["/t/1", "/t/2"] {
            let report = SSTableVerifier.verify(fileSystem: fileSystem, path: path)
            #expect(report.isSound, "\(report.problems)")
        }
    }

    @Test func aFileThatFailsLeavesNothing() throws {
        let entries = entries(6)
        var n = 1
        while true {
            let fileSystem = MemoryFileSystem()
            try fileSystem.createDirectory("/t")
            let faults = FaultInjectingFileSystem(wrapping: fileSystem, plan: .transient(n))
            let isWritten = (try? writeSSTable(faults, "/t/1", entries, options: options(memory: 2048))) != nil
            guard faults.fired else { break }
            let names = try fileSystem.list("/t")
            // A removal may be what failed.
            #expect(isWritten || names.filter { !$0.hasSuffix(".tmp") }.isEmpty, "operation \(n)")
            n += 3
        }
        #expect(n > 20)
    }

    @Test("a flipped bit in postings is found", arguments: 0..<40)
    func damage(number: Int) throws {
        let fileSystem = MemoryFileSystem()
        try writeSSTable(fileSystem, "1", entries(8), options: options(memory: 1 << 20))
        let reader = try SSTableReader.open(fileSystem: fileSystem, path: "1")
        let size = reader.count
        var bytes = ByteWriter(capacity: size)
        let file = try fileSystem.open("1")
        try bytes.append(upTo: size) { (buffer) throws(FileError) in
            try file.read(at: 0, into: buffer)
        }
        // The sections of postings lie between the region and the filter.
        let place = SSTableFixtureBounds.place(number, of: 40, reader)
        var damaged = bytes.array
        damaged[place] ^= 1 << UInt8(number % 8)
        let copy = try fileSystem.create("2")
        try damaged.withView { (view) throws(FileError) in try copy.append(view) }
        copy.close()
        let report = SSTableVerifier.verify(fileSystem: fileSystem, path: "2")
        #expect(!report.isSound, "byte \(place)")
    }
}

/// Where in a file the postings are.
private enum SSTableFixtureBounds {
    static func place(_ number: Int, of count: Int, _ reader: SSTableReader) -> Int {
        let start = 32 + reader.statistics.regionCount
        let length = max(1, (reader.count - start) / 3)
        return start + number * length / count
    }
}
