// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Testing

@Suite("Fault injection")
struct FaultInjectionTests {
    /// Six operations: create folder, create, append, sync, open, read.
    private func work(_ files: any FileSystem) throws {
        try files.createDirectory("/d")
        let file = try files.create("/d/a")
        try [1, 2, 3, 4].withView { try file.append($0) }
        try file.sync()
        let reader = try files.open("/d/a")
        var bytes = [UInt8](repeating: 0, count: 4)
        #expect(try bytes.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) } == 4)
    }

    @Test("each n-th operation fails until there is none left to fail")
    func everyOperation() throws {
        var operations: [FileError.Operation] = []
        for n in 1... {
            let files = FaultInjectingFileSystem(wrapping: MemoryFileSystem(), plan: .transient(n))
            do {
                try work(files)
            } catch let error as FileError {
                #expect(error.reason == .injected)
                #expect(files.fired)
                #expect(files.operations == n)
                operations.append(error.operation)
                continue
            }
            #expect(!files.fired)
            break
        }
        #expect(operations == [.createDirectory, .create, .append, .sync, .open, .read])
    }

    @Test("a transient fault goes away, a persistent one stays")
    func transience() throws {
        let transient = FaultInjectingFileSystem(
            wrapping: MemoryFileSystem(),
            plan: .transient(1),
            reason: .diskFull
        )
        #expect(throws: FileError(operation: .createDirectory, path: "/d", reason: .diskFull)) {
            try work(transient)
        }
        try work(transient)
        #expect(transient.faults == 1)
        let persistent = FaultInjectingFileSystem(
            wrapping: MemoryFileSystem(),
            plan: .persistent(2)
        )
        #expect(throws: FileError.self) { try work(persistent) }
        #expect(throws: FileError.self) { try work(persistent) }
        #expect(persistent.faults == 2)
    }

    @Test("a predicate picks by operation and path")
    func predicate() throws {
        let files = FaultInjectingFileSystem(
            wrapping: MemoryFileSystem(),
            plan: .matching { $0 == .sync && $1.hasSuffix("/a") }
        )
        #expect(throws: FileError(operation: .sync, path: "/d/a", reason: .injected)) {
            try work(files)
        }
        files.plan = .none
        try work(files)
    }

    @Test("a failed append leaves half of its bytes")
    func tornAppend() throws {
        let memory = MemoryFileSystem()
        let files = FaultInjectingFileSystem(wrapping: memory, plan: .transient(3))
        #expect(throws: FileError.self) { try work(files) }
        #expect(try memory.contents("/d/a") == [1, 2])
    }
}
