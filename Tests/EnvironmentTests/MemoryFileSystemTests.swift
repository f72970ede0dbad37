// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Testing

@Suite("Memory file system: power loss, bad and full disks")
struct MemoryFileSystemTests {
    private func append(_ file: any AppendableFile, _ bytes: [UInt8]) throws {
        try bytes.withView { try file.append($0) }
    }

    /// A folder with a durable file "a" whose bytes are durable, then ten more unsynced bytes.
    private func sample() throws -> (MemoryFileSystem, any AppendableFile) {
        let files = MemoryFileSystem()
        try files.createDirectory("/d")
        try files.syncDirectory("/")
        let file = try files.create("/d/a")
        try append(file, [1, 2, 3])
        try file.sync()
        try files.syncDirectory("/d")
        try append(file, [UInt8](repeating: 7, count: 10))
        return (files, file)
    }

    @Test("strict: only synced bytes under synced names survive")
    func strict() throws {
        let (files, _) = try sample()
        let other = try files.create("/d/b")
        try append(other, [9])
        try other.sync()
        let clone = files.crashClone(keepUnsynced: .none)
        #expect(try clone.list("/d") == ["a"])
        #expect(try clone.contents("/d/a") == [1, 2, 3])
        #expect(clone.usedBytes == 3)
        #expect(try files.list("/d") == ["a", "b"], "the original is untouched")
        try files.syncDirectory("/d")
        #expect(try files.crashClone(keepUnsynced: .none).contents("/d/b") == [9])
    }

    @Test("a folder that its parent does not hold durably is lost with its content")
    func lostFolder() throws {
        let files = MemoryFileSystem()
        try files.createDirectory("/d/e")
        try files.syncDirectory("/d/e")
        try files.syncDirectory("/d")
        #expect(try files.crashClone(keepUnsynced: .none).list("/") == [])
        try files.syncDirectory("/")
        #expect(try files.crashClone(keepUnsynced: .none).kind("/d/e") == .directory)
    }

    @Test("a killed process loses nothing")
    func killed() throws {
        let (files, _) = try sample()
        try files.rename("/d/a", to: "/d/b")
        let clone = files.crashClone(keepUnsynced: .all)
        #expect(try clone.list("/d") == ["b"])
        #expect(try clone.kind("/d/b") == .file(size: 13))
    }

    @Test("random: the synced prefix always survives, and every outcome of the rest occurs")
    func random() throws {
        let (files, _) = try sample()
        try files.rename("/d/a", to: "/d/b")
        _ = try files.create("/d/c")
        var lengths: Set<Int> = []
        var listings: Set<[String]> = []
        var sawGarbage = false
        var generator = SplitMix64(seed: 11)
        for _ in 0..<400 {
            let clone = files.crashClone(using: &generator)
            let names = try clone.list("/d")
            listings.insert(names)
            let name = names.contains("a") ? "/d/a" : "/d/b"
            let bytes = try clone.contents(name)
            #expect(Array(bytes.prefix(3)) == [1, 2, 3])
            #expect(bytes.count <= 13)
            lengths.insert(bytes.count)
            if bytes.dropFirst(3).contains(where: { $0 != 7 }) { sawGarbage = true }
        }
        #expect(lengths == Set(3...13))
        #expect(listings == [["a"], ["b"], ["a", "c"], ["b", "c"]])
        #expect(sawGarbage)
    }

    @Test("the same seed gives the same clone, another seed another one")
    func seeded() throws {
        let (files, file) = try sample()
        try append(file, [UInt8](repeating: 5, count: 5000))
        let contents = try (0..<20).map { seed in
            let once = try files.crashClone(keepUnsynced: .seeded(UInt64(seed))).contents("/d/a")
            let again = try files.crashClone(keepUnsynced: .seeded(UInt64(seed))).contents("/d/a")
            #expect(once == again)
            return once
        }
        #expect(Set(contents).count > 10)
    }

    @Test("a rename between folders happens whole or not at all")
    func renameAcross() throws {
        let files = MemoryFileSystem()
        try files.setContents("/x/a", [1])
        try files.createDirectory("/y")
        try files.syncDirectory("/")
        try files.rename("/x/a", to: "/y/a")
        for seed in 0..<50 {
            let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
            #expect(try clone.list("/x").count + clone.list("/y").count == 1)
        }
        try files.syncDirectory("/y")
        #expect(try files.crashClone(keepUnsynced: .none).contents("/y/a") == [1])
        #expect(try files.crashClone(keepUnsynced: .none).list("/x") == [])
    }

    @Test("a second name that isn't durable is lost, one that is stays the same file")
    func links() throws {
        let (files, file) = try sample()
        try files.createDirectory("/d/s")
        try files.syncDirectory("/d")
        try files.link("/d/a", to: "/d/s/a")
        #expect(files.usedBytes == 13)
        #expect(try files.crashClone(keepUnsynced: .none).list("/d/s") == [])
        try files.syncDirectory("/d/s")
        try files.remove("/d/a")
        #expect(files.usedBytes == 13)
        try files.syncDirectory("/d")
        let clone = files.crashClone(keepUnsynced: .none)
        #expect(try clone.contents("/d/s/a") == [1, 2, 3])
        try files.remove("/d/s/a")
        #expect(files.usedBytes == 0)
        try append(file, [1])
        // Both names, of a file with bytes that may or may not survive: they agree.
        try files.setContents("/x", [1])
        let other = try files.create("/y")
        try append(other, [UInt8](repeating: 5, count: 2000))
        try files.link("/y", to: "/z")
        try files.syncDirectory("/")
        for seed in 0..<20 as Range<UInt64> {
            let clone = files.crashClone(keepUnsynced: .seeded(seed))
            let bytes = try clone.contents("/y")
            #expect(try clone.contents("/z") == bytes)
            #expect(clone.usedBytes == 1 + bytes.count)
            try clone.remove("/y")
            #expect(clone.usedBytes == 1 + bytes.count)
        }
    }

    @Test("the sync hook sees the state before each sync")
    func hook() throws {
        let (files, file) = try sample()
        let seen = Box<[Int]>([])
        files.onSync = { files in
            let clone = files.crashClone(keepUnsynced: .none)
            seen.update { $0.append((try? clone.contents("/d/a").count) ?? -1) }
        }
        try file.sync()
        try files.syncDirectory("/d")
        #expect(seen.value == [3, 13])
    }

    @Test("a full disk takes what fits, says so, and has room again after a removal")
    func full() throws {
        let (files, file) = try sample()
        files.capacity = 15
        #expect(throws: FileError(operation: .append, path: "/d/a", reason: .diskFull)) {
            try append(file, [1, 2, 3])
        }
        #expect(file.size == 15)
        #expect(try files.freeSpace("/d") == 0)
        try files.remove("/d/a")
        #expect(try files.freeSpace("/d") == 15)
    }

    @Test("a flipped bit stays flipped after a crash")
    func flip() throws {
        let (files, _) = try sample()
        try files.flipBit("/d/a", offset: 1, bit: 7)
        #expect(try files.crashClone(keepUnsynced: .none).contents("/d/a") == [1, 130, 3])
        #expect(throws: FileError.self) { try files.flipBit("/d/a", offset: 13, bit: 0) }
    }
}
