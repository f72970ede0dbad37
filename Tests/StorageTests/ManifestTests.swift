// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage
import Testing

@Suite("Manifest")
struct ManifestTests {
    private let directory = "/data/manifest"
    private let tableA = UUID(high: 1, low: 2)
    private let tableB = UUID(high: 3, low: 4)

    private func open(
        _ files: any FileSystem,
        rewriteSize: Int = 4 << 20
    ) throws(StorageError) -> Manifest {
        let environment = Environment(
            fileSystem: files,
            clock: ManualClock(),
            random: SeededRandom(seed: 1),
            background: ManualExecutor()
        )
        return try Manifest(
            directory: directory,
            environment: environment,
            rewriteSize: rewriteSize
        )
    }

    private func range(_ first: Int64, _ last: Int64) -> TokenRange {
        TokenRange(Token(first), Token(last))
    }

    /// The live files in a form that reads well in a failure.
    private func text(_ manifest: Manifest) -> [String] {
        manifest.allLiveFiles.map { "\($0.number) \($0.table.high) \($0.ranges)" }
    }

    @Test("edits add up, and a reopened manifest tells the same")
    func addsUp() throws {
        let files = MemoryFileSystem()
        let manifest = try open(files)
        #expect(manifest.takeFileNumber() == 1)
        #expect(manifest.takeFileNumber() == 2)
        try manifest.append([
            .add(file: 1, table: tableA, range: range(0, 99)),
            .add(file: 1, table: tableA, range: range(200, 299)),
            .add(file: 2, table: tableB, range: .all),
        ])
        #expect(try manifest.append([.remove(file: 1, range: range(50, 250))]) == [])
        let expected = ["1 1 [[0, 49], [251, 299]]", "2 3 [\(TokenRange.all)]"]
        #expect(text(manifest) == expected)
        #expect(manifest.liveFiles(of: tableB).map(\.number) == [2])
        for _ in 0..<3 {
            let again = try open(files.crashClone(keepUnsynced: .none))
            #expect(text(again) == expected)
            #expect(again.takeFileNumber() == 3)
            #expect(again.tornTail == nil)
        }
        #expect(try manifest.append([.remove(file: 1, range: .all)]) == [1])
        #expect(try manifest.append([.remove(file: 1, range: .all)]) == [], "dead only once")
        #expect(try manifest.append([.dropTable(tableB)]) == [2])
        #expect(text(try open(files)) == [])
    }

    @Test("a compaction's edits happen together: the file that is replaced dies, the new one lives")
    func compaction() throws {
        let manifest = try open(MemoryFileSystem())
        try manifest.append([.add(file: 1, table: tableA, range: .all)])
        let dead = try manifest.append([
            .add(file: 2, table: tableA, range: range(0, 9)),
            .remove(file: 1, range: range(0, 9)),
        ])
        #expect(dead == [])
        #expect(manifest.allLiveFiles.count == 2)
        let rest = TokenRange(Token(10), .max)
        #expect(try manifest.append([
            .remove(file: 1, range: TokenRange(.min, Token(-1))), .remove(file: 1, range: rest),
        ]) == [1])
    }

    @Test("ranges behave as sets of tokens, at the ends of the ring too")
    func ranges() throws {
        // Tokens 0...7 stand for themselves, the two ends included.
        let low: [Int64] = [.min, .min + 1, .min + 2, -1]
        let high: [Int64] = [0, .max - 2, .max - 1, .max]
        let tokens: [Int64] = low + high
        var generator = SplitMix64(seed: 4)
        for _ in 0..<300 {
            let manifest = try open(MemoryFileSystem())
            var model: Set<Int64> = []
            for _ in 0..<6 {
                let one = tokens[Int(generator.next() % 8)]
                let other = tokens[Int(generator.next() % 8)]
                let range = range(min(one, other), max(one, other))
                let inside: [Int64] = tokens.filter { range.contains(Token($0)) }
                if generator.next() % 2 == 0 {
                    try manifest.append([.add(file: 7, table: tableA, range: range)])
                    model.formUnion(inside)
                } else {
                    try manifest.append([.remove(file: 7, range: range)])
                    model.subtract(inside)
                }
                let live = manifest.allLiveFiles.first?.ranges ?? []
                let found: [Int64] = tokens.filter { value in
                    live.contains { $0.contains(Token(value)) }
                }
                #expect(Set(found) == model)
                for (range, next) in zip(live, live.dropFirst()) {
                    #expect(range.last.value + 1 < next.first.value)
                }
            }
        }
    }

    /// Appends ten edits, each of two files; stops at the first that fails. Returns how many happened.
    private func work(_ manifest: Manifest) -> Int {
        for index in 0..<10 {
            do throws(StorageError) {
                let number = UInt64(index)
                try manifest.append([
                    .add(file: 100 + number, table: tableA, range: .all),
                    .add(file: 200 + number, table: tableA, range: .all),
                    .remove(file: 99 + number, range: .all),
                ])
            } catch { return index }
        }
        return 10
    }

    /// The live files after `count` edits of `work`.
    private func expected(_ count: Int) -> [UInt64] {
        count == 0 ? [] : [99 + UInt64(count)] + (0..<UInt64(count)).map { 200 + $0 }
    }

    private func check(_ files: MemoryFileSystem, atLeast count: Int, _ place: String) {
        do throws(StorageError) {
            let live = try open(files).allLiveFiles.map(\.number)
            #expect((count...10).contains { expected($0) == live }, "\(place): \(live)")
        } catch {
            Issue.record("\(place): \(error)")
        }
    }

    @Test("a power loss at any sync keeps every edit that was made, and none by half", arguments: [
        4 << 20, 100,
    ])
    func everySync(rewriteSize: Int) throws {
        let files = MemoryFileSystem()
        let manifest = Shared<Manifest?>(nil)
        let points = Shared(0)
        files.onSync = { files in
            points.update { $0 += 1 }
            for seed in 0..<15 {
                let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                check(clone, atLeast: 0, "sync \(points.value), seed \(seed)")
            }
        }
        let opened = try open(files, rewriteSize: rewriteSize)
        manifest.update { $0 = opened }
        for count in 0..<10 {
            files.onSync = { files in
                points.update { $0 += 1 }
                for seed in 0..<15 {
                    let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                    check(clone, atLeast: count, "edit \(count), seed \(seed)")
                }
                check(files.crashClone(keepUnsynced: .none), atLeast: count, "edit \(count)")
            }
            let number = UInt64(count)
            try opened.append([
                .add(file: 100 + number, table: tableA, range: .all),
                .add(file: 200 + number, table: tableA, range: .all),
                .remove(file: 99 + number, range: .all),
            ])
        }
        #expect(points.value > 10)
        files.onSync = nil
        check(files.crashClone(keepUnsynced: .none), atLeast: 10, "end")
    }

    @Test("each n-th operation fails: no edit that was made is lost, later ones are refused", arguments: [
        false, true,
    ])
    func everyFault(persistent: Bool) throws {
        for n in 1... {
            let memory = MemoryFileSystem()
            let files = FaultInjectingFileSystem(
                wrapping: memory,
                plan: persistent ? .persistent(n) : .transient(n)
            )
            var made = 0
            do throws(StorageError) {
                let manifest = try open(files, rewriteSize: 300)
                made = work(manifest)
                if made < 10 {
                    #expect(throws: StorageError.self) {
                        try manifest.append([.dropTable(tableB)])
                    }
                }
            } catch {
                #expect(files.fired)
            }
            for seed in 0..<5 {
                let clone = memory.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                check(clone, atLeast: made, "operation \(n)")
            }
            check(memory, atLeast: made, "operation \(n), process killed")
            guard files.fired else { break }
        }
    }

    @Test("a log that has grown is replaced, and the old one removed")
    func rewrites() throws {
        let files = MemoryFileSystem()
        let manifest = try open(files, rewriteSize: 500)
        for _ in 0..<20 { _ = work(manifest) }
        let names = try files.list(directory)
        #expect(names.count == 2)
        #expect(names[0] == "CURRENT")
        #expect(try files.kind("\(directory)/\(names[1])") != .file(size: 0))
        guard case .file(let size) = try files.kind("\(directory)/\(names[1])") else {
            Issue.record("no manifest")
            return
        }
        #expect(size < 2000)
        check(files, atLeast: 10, "after rewrites")
    }

    @Test("every flipped bit of a closed manifest is refused")
    func flips() throws {
        let files = MemoryFileSystem()
        let manifest = try open(files)
        _ = work(manifest)
        manifest.close()
        #expect(throws: StorageError.manifestClosed) { try manifest.append([.dropTable(tableA)]) }
        for name in try files.list(directory) {
            let path = "\(directory)/\(name)"
            let size = try files.contents(path).count
            // The seal itself is the one record that may be taken for a torn tail.
            for offset in 0..<(name == "CURRENT" ? size : size - 16) {
                let clone = files.crashClone(keepUnsynced: .all)
                try clone.flipBit(path, offset: offset, bit: offset % 8)
                #expect(throws: StorageError.self, "\(name) \(offset)") { _ = try open(clone) }
            }
        }
    }

    @Test("a manifest cut in its last edit opens without it; one cut in its snapshot is refused")
    func cut() throws {
        let files = MemoryFileSystem()
        var manifest = try open(files)
        _ = work(manifest)
        manifest = try open(files)
        let path = "\(directory)/MANIFEST-2"
        let snapshot = try files.contents(path)
        try manifest.append([.dropTable(tableA)])
        let bytes = try files.contents(path)
        for end in 0..<bytes.count {
            let clone = files.crashClone(keepUnsynced: .none)
            try clone.setContents(path, Array(bytes.prefix(end)))
            if end < snapshot.count {
                #expect(throws: StorageError.self) { _ = try open(clone) }
            } else {
                let cut = try open(clone)
                #expect(cut.allLiveFiles.map(\.number) == expected(10))
                #expect(cut.tornTail?.offset == (end == snapshot.count ? nil : snapshot.count))
            }
        }
    }

    @Test("manifests without the file that says which counts are refused")
    func missingCurrent() throws {
        let files = MemoryFileSystem()
        _ = try open(files)
        _ = try open(files)
        try files.remove("\(directory)/CURRENT")
        #expect(throws: StorageError.self) { _ = try open(files) }
    }
}
