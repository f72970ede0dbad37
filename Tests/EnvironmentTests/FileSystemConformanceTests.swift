// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Foundation
import Testing

/// What every `FileSystem` promises, asked of each of them alike.
@Suite("Every file system")
struct FileSystemConformanceTests {
    enum Kind: CaseIterable {
        case memory
        case posix
        case wrapped
    }

    /// Runs `body` with a file system and an empty folder in it, which is removed afterwards.
    private func with(_ kind: Kind, _ body: (any FileSystem, String) throws -> Void) throws {
        switch kind {
        case .memory, .wrapped:
            let memory = MemoryFileSystem()
            try memory.createDirectory("/base")
            let wrapper = FaultInjectingFileSystem(wrapping: memory)
            try body(kind == .memory ? memory : wrapper, "/base")
        case .posix:
            let base = NSTemporaryDirectory() + "/tholos-environment-\(UUID().uuidString)"
            try FileManager.default.createDirectory(
                atPath: base,
                withIntermediateDirectories: true
            )
            defer { try? FileManager.default.removeItem(atPath: base) }
            try body(POSIXFileSystem(), base)
        }
    }

    private func write(_ files: any FileSystem, _ path: String, _ text: String) throws {
        let file = try files.create(path)
        try Array(text.utf8).withView { try file.append($0) }
        try file.sync()
        file.close()
    }

    private func read(_ files: any FileSystem, _ path: String) throws -> String {
        let file = try files.open(path)
        var bytes = [UInt8](repeating: 0, count: file.size)
        let count = try bytes.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }
        #expect(count == bytes.count)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func reason(_ body: () throws -> Void) -> FileError.Reason? {
        do {
            try body()
            return nil
        } catch {
            return (error as? FileError)?.reason
        }
    }

    @Test("space set aside reads as zeros until it is trimmed", arguments: Kind.allCases)
    func reserve(_ kind: Kind) throws {
        try with(kind) { files, base in
            let path = base + "/reserved"
            let file = try files.create(path)
            try Array("one".utf8).withView { try file.append($0) }
            try file.reserve(3 << 20)
            if kind == .posix { #expect(try files.kind(path) == .file(size: 3 << 20)) }
            try Array(" two".utf8).withView { try file.append($0) }
            try file.sync()
            #expect(file.size == 7)
            let text = try read(files, path)
            #expect(text.hasPrefix("one two"))
            #expect(text.dropFirst(7).utf8.allSatisfy { $0 == 0 })
            try file.trim()
            #expect(try files.kind(path) == .file(size: 7))
            try Array(" three".utf8).withView { try file.append($0) }
            try file.sync()
            file.close()
            #expect(try read(files, path) == "one two three")
        }
    }

    @Test("what it has in memory is read without waiting, or not at all", arguments: Kind.allCases)
    func readsWhatIsCached(kind: Kind) throws {
        try with(kind) { files, base in
            try write(files, base + "/a", "abcdefgh")
            let reader = try files.open(base + "/a")
            // The system may have dropped the bytes meanwhile, or not be able to tell.
            for (offset, expected) in [(0, "abcdef"), (5, "fgh"), (8, ""), (500, "")] {
                var part = [UInt8](repeating: 0, count: 6)
                let count = try part.withUnsafeMutableBytes {
                    try reader.readIfCached(at: offset, into: $0)
                }
                guard let count else { continue }
                #expect(String(decoding: part[..<count], as: UTF8.self) == expected)
            }
        }
    }

    @Test("reads back at any offset what was appended", arguments: Kind.allCases)
    func appendsAndReads(kind: Kind) throws {
        try with(kind) { files, base in
            let file = try files.create(base + "/a")
            try [1, 2, 3].withView { try file.append($0) }
            try [4, 5].withView { try file.append($0) }
            #expect(file.size == 5)
            try file.sync()
            let reader = try files.open(base + "/a")
            #expect(reader.size == 5)
            var part = [UInt8](repeating: 9, count: 4)
            #expect(try part.withUnsafeMutableBytes { try reader.read(at: 3, into: $0) } == 2)
            #expect(part == [4, 5, 9, 9])
            #expect(try part.withUnsafeMutableBytes { try reader.read(at: 5, into: $0) } == 0)
            #expect(try part.withUnsafeMutableBytes { try reader.read(at: 500, into: $0) } == 0)
            file.close()
            #expect(reason { try [1].withView { try file.append($0) } } != nil)
            #expect(reason { try file.sync() } != nil)
        }
    }

    @Test("a new file replaces the old one, whose readers keep their bytes", arguments: Kind.allCases)
    func createReplaces(kind: Kind) throws {
        try with(kind) { files, base in
            try write(files, base + "/a", "old")
            let reader = try files.open(base + "/a")
            try write(files, base + "/a", "newer")
            var bytes = [UInt8](repeating: 0, count: 8)
            #expect(try bytes.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) } == 3)
            #expect(try read(files, base + "/a") == "newer")
            try files.remove(base + "/a")
            #expect(try bytes.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) } == 3)
        }
    }

    @Test("names: create, rename over, list, remove", arguments: Kind.allCases)
    func names(kind: Kind) throws {
        try with(kind) { files, base in
            try files.createDirectory(base + "/x/y/z")
            try files.createDirectory(base + "/x/y/z")
            #expect(try files.kind(base + "/x/y/z") == .directory)
            try write(files, base + "/b", "b")
            try write(files, base + "/a", "aa")
            try files.rename(base + "/a", to: base + "/b")
            #expect(try files.list(base) == ["b", "x"])
            #expect(try files.kind(base + "/b") == .file(size: 2))
            #expect(try files.kind(base + "/a") == nil)
            #expect(try files.kind(base + "/b/c") == nil)
            try files.rename(base + "/b", to: base + "/x/c")
            #expect(try read(files, base + "/x/c") == "aa")
            try files.syncDirectory(base)
            try files.remove(base + "/x/c")
            try files.removeDirectory(base + "/x/y/z")
            #expect(try files.list(base + "/x") == ["y"])
            #expect(try files.freeSpace(base) > 0)
        }
    }

    @Test("a second name leads to the same file until one is removed", arguments: Kind.allCases)
    func links(kind: Kind) throws {
        try with(kind) { files, base in
            try write(files, base + "/a", "abc")
            try files.createDirectory(base + "/s")
            try files.link(base + "/a", to: base + "/s/a")
            try files.remove(base + "/a")
            #expect(try read(files, base + "/s/a") == "abc")
            try files.link(base + "/s/a", to: base + "/b")
            // A new file of the name leaves the other one alone.
            try write(files, base + "/b", "other")
            #expect(try read(files, base + "/s/a") == "abc")
            #expect(reason { try files.link(base + "/s/a", to: base + "/b") } == .exists)
            #expect(reason { try files.link(base + "/none", to: base + "/c") } == .notFound)
            #expect(reason { try files.link(base + "/b", to: base + "/none/c") } == .notFound)
            #expect(reason { try files.link(base + "/s", to: base + "/c") } != nil)
            #expect(try files.list(base) == ["b", "s"])
        }
    }

    @Test("failures have reasons", arguments: Kind.allCases)
    func reasons(kind: Kind) throws {
        try with(kind) { files, base in
            try write(files, base + "/f", "f")
            try files.createDirectory(base + "/d/e")
            #expect(reason { _ = try files.open(base + "/none") } == .notFound)
            #expect(reason { _ = try files.create(base + "/none/a") } == .notFound)
            #expect(reason { try files.remove(base + "/none") } == .notFound)
            #expect(reason { try files.rename(base + "/none", to: base + "/a") } == .notFound)
            #expect(reason { try files.removeDirectory(base + "/none") } == .notFound)
            #expect(reason { _ = try files.list(base + "/none") } == .notFound)
            #expect(reason { try files.syncDirectory(base + "/none") } == .notFound)
            #expect(reason { _ = try files.freeSpace(base + "/none") } == .notFound)
            #expect(reason { try files.createDirectory(base + "/f") } == .exists)
            #expect(reason { _ = try files.open(base + "/d") } != nil)
            #expect(reason { _ = try files.create(base + "/d") } != nil)
            #expect(reason { try files.remove(base + "/d") } != nil)
            #expect(reason { try files.removeDirectory(base + "/d") } != nil)
            #expect(try files.list(base + "/d") == ["e"])
            #expect(try read(files, base + "/f") == "f")
        }
    }

    @Test("a lock is exclusive until it is closed", arguments: Kind.allCases)
    func locks(kind: Kind) throws {
        try with(kind) { files, base in
            let first = try files.lock(base + "/LOCK")
            #expect(reason { _ = try files.lock(base + "/LOCK") } == .locked)
            first.close()
            let second = try files.lock(base + "/LOCK")
            #expect(reason { _ = try files.lock(base + "/LOCK") } == .locked)
            second.close()
        }
    }

    @Test("errors say what, where and why")
    func errorText() {
        let error = FileError(operation: .syncDirectory, path: "/a", reason: .diskFull)
        #expect(
            error.description
                == "cannot sync folder /a: no space left on the device; free some and try again"
        )
    }
}
