// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("SSTables and failing disks")
struct SSTableFaultTests {
    private static let entries = TestEntries.mixture(
        seed: 20,
        partitionCount: 300,
        rowsMax: 60,
        valueMax: 90
    )

    private static func write(_ fileSystem: any FileSystem) throws {
        var options = SSTableWriterOptions()
        options.codec = .none
        try writeSSTable(fileSystem, "/t/1", entries, options: options)
    }

    @Test("The n-th operation fails: no file is published and none is left")
    func nthOperation() throws {
        var n = 1
        while true {
            let memory = MemoryFileSystem()
            try memory.createDirectory("/t")
            let faulty = FaultInjectingFileSystem(wrapping: memory, plan: .transient(n))
            do {
                try SSTableFaultTests.write(faulty)
                break
            } catch {
                #expect(error is StorageError)
                #expect(try memory.list("/t") == [])
            }
            n += 1
        }
        // Create, some appends, sync, rename, sync of the folder; close may count or not.
        #expect(n > 6)
    }

    @Test("A disk that dies leaves at most the temporary file")
    func deadDisk() throws {
        var n = 1
        while true {
            let memory = MemoryFileSystem()
            try memory.createDirectory("/t")
            let faulty = FaultInjectingFileSystem(wrapping: memory, plan: .persistent(n))
            do {
                try SSTableFaultTests.write(faulty)
                break
            } catch {
                // A name that may not be durable could not be removed either.
                let left = try memory.list("/t")
                #expect(left.isEmpty || left == ["1.tmp"] || left == ["1"])
                if left == ["1"] {
                    #expect(SSTableVerifier.verify(fileSystem: memory, path: "/t/1").isSound)
                }
            }
            n += 1
        }
        #expect(n > 6)
    }

    @Test("A full disk is an error that says so")
    func fullDisk() throws {
        let memory = MemoryFileSystem()
        try memory.createDirectory("/t")
        memory.capacity = 300_000
        let error = #expect(throws: StorageError.self) { try SSTableFaultTests.write(memory) }
        guard case .file(let file) = error else {
            Issue.record("expected a file error, not \(String(describing: error))")
            return
        }
        #expect(file.reason == .diskFull)
        #expect(try memory.list("/t") == [])
        #expect(memory.usedBytes == 0)
    }

    @Test("A file that was finished survives a crash")
    func crash() throws {
        let memory = MemoryFileSystem()
        try memory.createDirectory("/t")
        try memory.syncDirectory("/")
        try SSTableFaultTests.write(memory)
        let after = memory.crashClone(keepUnsynced: .none)
        #expect(try after.list("/t") == ["1"])
        #expect(SSTableVerifier.verify(fileSystem: after, path: "/t/1").isSound)
    }

    @Test("A failing read is an error of the file, not of its content")
    func failingReads() throws {
        let memory = MemoryFileSystem()
        try memory.createDirectory("/t")
        try SSTableFaultTests.write(memory)
        let faulty = FaultInjectingFileSystem(wrapping: memory)
        let reader = try SSTableReader.open(fileSystem: faulty, path: "/t/1")
        let cursor = SSTableCursor(reader, source: UncachedBlocks())
        try cursor.seekToFirst()
        faulty.plan = .matching { operation, _ in operation == .read }
        let error = #expect(throws: StorageError.self) {
            while cursor.isValid { try cursor.next() }
        }
        guard case .file = error else {
            Issue.record("expected a file error, not \(String(describing: error))")
            return
        }
        #expect(!cursor.isValid)
        faulty.plan = .none
        let last = SSTableFaultTests.entries[SSTableFaultTests.entries.count - 1]
        try cursor.seekToLast()
        #expect(current(cursor) == last)
    }
}
