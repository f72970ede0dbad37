// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Foundation
import Storage
import Testing

@Suite("Commit log")
struct CommitLogTests {
    /// A file system that counts the syncs of segments.
    private func counting(
        _ files: MemoryFileSystem
    ) -> (FaultInjectingFileSystem, Shared<Int>) {
        let syncs = Shared(0)
        let counted = FaultInjectingFileSystem(
            wrapping: files,
            plan: .matching { operation, _ in
                if operation == .sync { syncs.update { $0 += 1 } }
                return false
            }
        )
        return (counted, syncs)
    }

    @Test("nothing is acknowledged before it is durable, then all in order")
    func group() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files)
        for _ in 0..<5 { try bench.append() }
        bench.shard.runUntilIdle()
        #expect(bench.acknowledged.value == [], "the background has not run")
        bench.background.runUntilIdle()
        #expect(bench.acknowledged.value == [], "the shard has not been told")
        bench.shard.runUntilIdle()
        #expect(bench.acknowledged.value == [0, 1, 2, 3, 4])
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [0, 1, 2, 3, 4])
    }

    @Test("writes that come while a sync runs share the next one")
    func sharedSync() throws {
        let (files, syncs) = counting(MemoryFileSystem())
        let bench = try LogBench(files)
        try bench.append()
        bench.run()
        let before = syncs.value
        try bench.append()
        bench.shard.runUntilIdle()
        for _ in 0..<100 { try bench.append() }
        bench.shard.runUntilIdle()
        #expect(bench.acknowledged.value == [0])
        bench.run()
        #expect(bench.acknowledged.value == Array(0..<102))
        #expect(syncs.value == before + 2)
    }

    @Test("who asks is told when all before is durable, in periodic mode too")
    func whenDurable() throws {
        for sync in [CommitLogOptions.Sync.group, .periodic(milliseconds: 10_000)] {
            let files = MemoryFileSystem()
            let bench = try LogBench(files, options: CommitLogOptions(sync: sync))
            let told = Shared<[CommitLogError?]>([])
            bench.log.whenDurable { error in told.update { $0.append(error) } }
            #expect(told.value == [nil], "nothing was written")
            try bench.append()
            bench.shard.runUntilIdle()
            // The first batch is being written now, in periodic mode without a sync.
            try bench.append()
            bench.log.whenDurable { error in told.update { $0.append(error) } }
            bench.shard.runUntilIdle()
            #expect(told.value == [nil])
            bench.run()
            #expect(told.value == [nil, nil])
            #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [0, 1])
            bench.log.whenDurable { error in told.update { $0.append(error) } }
            #expect(told.value == [nil, nil, nil], "nothing was written since")
        }
    }

    @Test("who asks is told that the log has failed")
    func whenDurableFails() throws {
        let files = FaultInjectingFileSystem(wrapping: MemoryFileSystem())
        let bench = try LogBench(files)
        files.plan = .matching { operation, _ in operation == .sync }
        let told = Shared<[CommitLogError?]>([])
        try bench.append()
        bench.log.whenDurable { error in told.update { $0.append(error) } }
        bench.run()
        #expect(bench.failed.value == [0])
        bench.log.whenDurable { error in told.update { $0.append(error) } }
        #expect(told.value.count == 2)
        #expect(told.value.allSatisfy { $0 != nil })
    }

    @Test("segments roll, positions grow, and a replay gives all records in order")
    func roll() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(segmentSize: 4096))
        var positions: [CommitLogPosition] = []
        for index in 0..<200 {
            positions.append(try bench.append(size: index * 7 % 1500))
            if index % 17 == 0 { bench.run() }
        }
        bench.run()
        #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
        #expect(bench.log.segmentCount > 30)
        let (numbers, report) = try LogBench.replay(files)
        #expect(numbers == Array(0..<200))
        #expect(report.segments.count == bench.log.segmentCount)
        #expect(report.records == 200)
        #expect(report.tornTails == [])
        var replayed: [CommitLogPosition] = []
        _ = try CommitLog.replay(directory: LogBench.directory, fileSystem: files) { position, _ in
            replayed.append(position)
        }
        #expect(replayed == positions)
    }

    @Test("a segment whose space was set aside takes its place, and zeros behind records are no loss")
    func preparedSegments() throws {
        let base = NSTemporaryDirectory() + "tholos-commitlog-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        let files = POSIXFileSystem()
        let options = CommitLogOptions(segmentSize: 64 << 10)
        let bench = try LogBench(files, options: options, directory: base)
        for _ in 0..<100 {
            try bench.append(size: 2000)
            bench.run()
        }
        #expect(bench.acknowledged.value == Array(0..<100))
        #expect(bench.log.segmentCount == 4)
        // The last segment has its space still, as after a crash; those before it gave it back.
        let sizes = try CommitLog.segments(files, directory: base).map { segment in
            try files.kind(CommitLog.path(directory: base, segment: segment))
        }
        #expect(sizes.last == .file(size: 64 << 10))
        #expect(sizes.dropLast().allSatisfy { $0 != .file(size: 64 << 10) })
        let (numbers, report) = try LogBench.replay(files, directory: base)
        #expect(numbers == Array(0..<100))
        #expect(report.tornTails == [])
        // What was set aside and never began goes with the next start.
        try POSIXFileSystem().create(base + "/commitlog-99.log.next").close()
        _ = try LogBench(files, options: options, directory: base)
        #expect(try files.list(base).allSatisfy { !$0.hasSuffix(".next") })
    }

    @Test("discarded segments go, the current one stays")
    func discard() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(segmentSize: 4096))
        for _ in 0..<50 { try bench.append(size: 500) }
        bench.run()
        let current = bench.log.position.segment
        bench.log.discard(before: current - 1)
        bench.run()
        let left = try LogBench.replay(files.crashClone(keepUnsynced: .none)).1.segments
        #expect(left == [current - 1, current])
        bench.log.discard(before: .max)
        bench.run()
        #expect(bench.log.segmentCount == 1)
        try bench.append()
        bench.run()
        #expect(bench.acknowledged.value.last == 50)
    }

    @Test("a payload above half a segment is refused by size and limit, one of that size is not")
    func tooLarge() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(segmentSize: 8192))
        #expect(throws: CommitLogError.tooLarge(size: 4097, limit: 4096)) {
            try bench.append(size: 4089)
        }
        for _ in 0..<3 { try bench.append(size: 4088) }
        bench.run()
        #expect(try LogBench.replay(files).0 == [0, 1, 2])
    }

    @Test("periodic: acknowledged at once, durable after the interval")
    func periodic() throws {
        let files = MemoryFileSystem()
        let options = CommitLogOptions(sync: .periodic(milliseconds: 10))
        let bench = try LogBench(files, options: options)
        try bench.append()
        #expect(bench.acknowledged.value == [], "never within the call")
        bench.run()
        #expect(bench.acknowledged.value == [0])
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [])
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .all)).0 == [0])
        bench.shard.advance(nanoseconds: 10_000_000)
        bench.run()
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [0])
        #expect(bench.shard.nextDeadline == nil, "an idle log sets no timer")
        try bench.append()
        bench.run()
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [0])
        bench.shard.advance(nanoseconds: 10_000_000)
        bench.run()
        #expect(try LogBench.replay(files.crashClone(keepUnsynced: .none)).0 == [0, 1])
    }

    @Test("closing makes everything durable, and damage to any part of a closed log is refused")
    func closing() throws {
        for sync in [CommitLogOptions.Sync.group, .periodic(milliseconds: 10)] {
            let files = MemoryFileSystem()
            let bench = try LogBench(files, options: CommitLogOptions(sync: sync))
            for _ in 0..<3 { try bench.append() }
            bench.run()
            for _ in 0..<3 { try bench.append() }
            #expect(bench.close() == .some(nil))
            #expect(bench.acknowledged.value == [0, 1, 2, 3, 4, 5])
            #expect(throws: CommitLogError.closed) { try bench.append() }
            let clone = files.crashClone(keepUnsynced: .none)
            #expect(try LogBench.replay(clone).0 == [0, 1, 2, 3, 4, 5])
            let size = try clone.contents(LogBench.path(1)).count
            for offset in 0..<size - 16 {
                try clone.flipBit(LogBench.path(1), offset: offset, bit: offset % 8)
                #expect(throws: StorageError.self) { _ = try LogBench.replay(clone) }
                try clone.flipBit(LogBench.path(1), offset: offset, bit: offset % 8)
            }
        }
    }

    @Test("closing without keeping the records leaves nothing to replay")
    func closingEmpty() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(segmentSize: 4096))
        for _ in 0..<20 { try bench.append(size: 900) }
        #expect(bench.close(keepingRecords: false) == .some(nil))
        let clone = files.crashClone(keepUnsynced: .none)
        #expect(try clone.list(LogBench.directory) == [])
        let unused = try LogBench(MemoryFileSystem())
        #expect(unused.close() == .some(nil), "a log that was never used closes too")
    }

    @Test("the end of a segment that has a successor in its run must be there")
    func missingEnd() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(segmentSize: 4096))
        for _ in 0..<8 { try bench.append(size: 900) }
        bench.run()
        let bytes = try files.contents(LogBench.path(1))
        for end in stride(from: bytes.count - 1, through: 0, by: -1) {
            try files.setContents(LogBench.path(1), Array(bytes.prefix(end)))
            #expect(throws: StorageError.self) { _ = try LogBench.replay(files) }
        }
    }

    @Test("the torn tail of an earlier run is tolerated however many runs follow")
    func tornRuns() throws {
        var files = MemoryFileSystem()
        var expected: [Int] = []
        for run in 1...4 {
            let bench = try LogBench(files, seed: UInt64(run))
            try bench.append()
            bench.run()
            expected.append(0)
            let path = LogBench.path(UInt64(run))
            let bytes = try files.contents(path)
            try files.setContents(path, bytes + [1, 2, 3])
            files = files.crashClone(keepUnsynced: .none)
            let (numbers, report) = try LogBench.replay(files)
            #expect(numbers == expected)
            #expect(report.tornTails.count == run)
            #expect(report.tornTails.last?.offset == bytes.count)
            #expect(report.tornTails.last?.length == 3)
        }
        let segments = try LogBench.replay(files).1.segments
        try CommitLog.remove(segments, fileSystem: files, directory: LogBench.directory)
        #expect(try files.crashClone(keepUnsynced: .none).list(LogBench.directory) == [])
    }

    @Test("an idle log gives the memory of a burst back")
    func memory() throws {
        let bench = try LogBench(MemoryFileSystem())
        for _ in 0..<20 {
            for _ in 0..<2000 { try bench.append(size: 1000) }
            bench.run()
        }
        #expect(bench.acknowledged.value.count == 40_000)
        #expect(bench.log.bufferBytes < 256 << 10)
    }

    @Test("a folder without segments, or none at all, replays to nothing; other files are passed over")
    func nothing() throws {
        let files = MemoryFileSystem()
        #expect(try LogBench.replay(files).1.segments == [])
        try files.setContents(LogBench.directory + "/notes.txt", [1])
        try files.setContents(LogBench.directory + "/commitlog-007.log", [1])
        #expect(try LogBench.replay(files).1.segments == [])
    }

    @Test("on the system's files with real threads, many writers are served in order")
    func threads() async throws {
        let base = "/tmp/tholos-commitlog-\(SystemRandom().next())"
        let files = POSIXFileSystem()
        let shard = ThreadExecutor(name: "shard")
        let background = ThreadPoolExecutor(threads: 2)
        let environment = Environment(
            fileSystem: files,
            clock: SystemClock(),
            random: SystemRandom(),
            background: background
        )
        let log = try CommitLog(
            directory: base,
            environment: environment,
            executor: shard,
            options: CommitLogOptions(segmentSize: 64 << 10)
        )
        let order = Shared<[Int]>([])
        let closed: CommitLogError? = await withCheckedContinuation { done in
            for number in 0..<3000 {
                shard.execute {
                    do throws(CommitLogError) {
                        try LogBench.payload(number, size: 50).withView {
                            (view) throws(CommitLogError) in
                            _ = try log.append(view) { error in
                                if error == nil { order.update { $0.append(number) } }
                            }
                        }
                    } catch { Issue.record(error) }
                }
            }
            shard.execute { log.close { done.resume(returning: $0) } }
        }
        #expect(closed == nil)
        #expect(order.value == Array(0..<3000))
        var numbers: [Int?] = []
        let report = try CommitLog.replay(directory: base, fileSystem: files) { _, payload in
            numbers.append(LogBench.number(payload))
        }
        #expect(numbers == Array(0..<3000))
        try CommitLog.remove(report.segments, fileSystem: files, directory: base)
        try files.removeDirectory(base)
        shard.stop()
        background.stop()
    }
}
