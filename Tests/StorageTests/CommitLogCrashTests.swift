// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Storage
import Testing

/// Power loss at every sync and a fault in every file operation: what was acknowledged is there, in
/// order, and nothing is made up.
@Suite("Commit log: crashes and faults")
struct CommitLogCrashTests {
    /// Writes in bursts over several segments and discards some. Stops at the first refusal.
    private func work(_ bench: LogBench) {
        do throws(CommitLogError) {
            for burst in 0..<12 {
                for index in 0..<(burst % 5 + 1) { try bench.append(size: index * 300 % 1100) }
                if burst % 3 == 0 { bench.shard.runUntilIdle() } else { bench.run() }
            }
            bench.run()
        } catch {
            bench.run()
        }
    }

    private let options = CommitLogOptions(segmentSize: 4096)

    /// What a replay must give: 0 up to some number that is not below what was acknowledged.
    private func check(_ files: MemoryFileSystem, acknowledged: Int, _ place: String) {
        do throws(StorageError) {
            let (numbers, _) = try LogBench.replay(files)
            #expect(numbers == Array(0..<numbers.count), "\(place)")
            #expect(numbers.count >= acknowledged, "\(place)")
        } catch {
            Issue.record("\(place): \(error)")
        }
    }

    @Test("a power loss at any sync keeps every acknowledged record")
    func everySync() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: options)
        let points = Shared(0)
        let acknowledged = bench.acknowledged
        files.onSync = { files in
            points.update { $0 += 1 }
            let count = acknowledged.value.count
            let place = "sync \(points.value)"
            check(files.crashClone(keepUnsynced: .none), acknowledged: count, place)
            check(files.crashClone(keepUnsynced: .all), acknowledged: count, place)
            for seed in 0..<20 {
                let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                check(clone, acknowledged: count, "\(place), seed \(seed)")
            }
        }
        work(bench)
        #expect(bench.close() == .some(nil))
        #expect(points.value > 20)
        #expect(bench.acknowledged.value == Array(0..<bench.appended))
    }

    @Test("a power loss while segments are discarded or the log is closed leaves a log that opens")
    func whileDiscarding() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: options)
        work(bench)
        files.onSync = { files in
            for seed in 0..<20 {
                let clone = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
                #expect(throws: Never.self) { _ = try LogBench.replay(clone) }
            }
        }
        bench.log.discard(before: bench.log.position.segment - 1)
        bench.run()
        #expect(bench.close(keepingRecords: false) == .some(nil))
    }

    @Test("a power loss, a new log, another power loss: still everything")
    func twice() throws {
        for seed in 0..<40 {
            let files = MemoryFileSystem()
            let bench = try LogBench(files, options: options)
            work(bench)
            try bench.append(size: 900)
            bench.shard.runUntilIdle()
            bench.background.runOne()
            let first = files.crashClone(keepUnsynced: .seeded(UInt64(seed)))
            let before = try LogBench.replay(first).0.count
            let again = try LogBench(first, options: options, seed: 2)
            work(again)
            let second = first.crashClone(keepUnsynced: .seeded(UInt64(seed)))
            let (numbers, _) = try LogBench.replay(second)
            #expect(numbers.count >= before + again.acknowledged.value.count)
        }
    }

    @Test("each n-th operation fails: nothing acknowledged is lost, later writes are refused", arguments: [
        false, true,
    ])
    func everyFault(persistent: Bool) throws {
        for n in 1... {
            let memory = MemoryFileSystem()
            let files = FaultInjectingFileSystem(
                wrapping: memory,
                plan: persistent ? .persistent(n) : .transient(n)
            )
            let bench: LogBench
            do {
                bench = try LogBench(files, options: options)
            } catch {
                #expect(error is FileError)
                continue
            }
            work(bench)
            let acknowledged = bench.acknowledged.value
            #expect(acknowledged == Array(0..<acknowledged.count))
            #expect(bench.failed.value == Array(acknowledged.count..<bench.appended))
            if bench.log.failed != nil {
                #expect(throws: CommitLogError.self) { try bench.append() }
            }
            #expect(bench.close() == .some(bench.log.failed), "it closes, and says what failed")
            for seed in 0..<4 {
                check(
                    memory.crashClone(keepUnsynced: .seeded(UInt64(seed))),
                    acknowledged: acknowledged.count,
                    "operation \(n)"
                )
            }
            guard files.fired else { break }
        }
    }

    @Test("a full disk refuses records, and the log goes on when there is room", arguments: [
        CommitLogOptions.Sync.group, .periodic(milliseconds: 10),
    ])
    func diskFull(sync: CommitLogOptions.Sync) throws {
        for capacity in stride(from: 0, to: 7_000, by: 333) {
            let files = MemoryFileSystem()
            let bench = try LogBench(
                files,
                options: CommitLogOptions(sync: sync, segmentSize: 4096),
                seed: UInt64(capacity)
            )
            files.capacity = files.usedBytes + capacity
            for index in 0..<60 {
                try bench.append(size: 100)
                if index % 7 == 0 { bench.run() }
            }
            bench.run()
            #expect(bench.log.failed == nil)
            if sync == .group { #expect(!bench.failed.value.isEmpty) }
            let full = bench.acknowledged.value
            if sync == .group { try checkKept(files, full, "full at \(capacity)") }
            files.capacity = .max
            let last = bench.appended
            for _ in 0..<20 { try bench.append(size: 100) }
            bench.run()
            #expect(bench.acknowledged.value.suffix(20) == Array(last..<last + 20)[...])
            let acknowledged = bench.acknowledged.value
            if sync == .group { try checkKept(files, acknowledged, "after \(capacity)") }
            bench.shard.advance(nanoseconds: 20_000_000)
            bench.run()
            let (kept, _) = try LogBench.replay(files.crashClone(keepUnsynced: .none))
            #expect(Set(kept.compactMap(\.self)) == Set(0..<bench.appended), "durable by itself")
            #expect(bench.close() == .some(nil))
            // Those that found no room are in memtables: the log gets them too.
            let (numbers, _) = try LogBench.replay(files)
            #expect(Set(numbers.compactMap(\.self)) == Set(0..<bench.appended))
        }
    }

    /// Whatever a power loss takes, what was acknowledged is there, whole, and in its order.
    private func checkKept(
        _ files: MemoryFileSystem,
        _ acknowledged: [Int],
        _ place: String
    ) throws {
        for mode in [MemoryFileSystem.Unsynced.none, .seeded(1), .seeded(2), .all] {
            let (numbers, _) = try LogBench.replay(files.crashClone(keepUnsynced: mode))
            #expect(!numbers.contains(nil), "\(place), \(mode)")
            let known = Set(acknowledged)
            let found = numbers.compactMap(\.self).filter { known.contains($0) }
            #expect(found == acknowledged, "\(place), \(mode)")
        }
    }

    @Test("after a failed sync on a full disk all that was written is written anew, and so becomes durable")
    func fullAtSync() throws {
        for sync in [CommitLogOptions.Sync.group, .periodic(milliseconds: 10)] {
            let memory = MemoryFileSystem()
            let files = FaultInjectingFileSystem(wrapping: memory, reason: .diskFull)
            let bench = try LogBench(files, options: CommitLogOptions(sync: sync))
            let noRoom = Shared(0)
            bench.log.onNoRoom = { _ in noRoom.update { $0 += 1 } }
            try bench.append()
            bench.run()
            files.plan = .matching { operation, path in operation == .sync && path.hasSuffix(".log") }
            try bench.append()
            bench.run()
            let told = Shared<[CommitLogError?]>([])
            bench.log.whenDurable { error in told.update { $0.append(error) } }
            bench.shard.advance(nanoseconds: 20_000_000)
            bench.run()
            #expect(noRoom.value > 0, "whoever writes next is told, though nobody waited")
            #expect(told.value.count == 1 && told.value[0] != nil, "not durable yet")
            files.plan = .none
            #expect(bench.log.failed == nil)
            try bench.append()
            bench.run()
            bench.shard.advance(nanoseconds: 20_000_000)
            bench.run()
            let kept = try LogBench.replay(memory.crashClone(keepUnsynced: .none)).0
            #expect(Set(kept.compactMap(\.self)) == [0, 1, 2])
            #expect(bench.close() == .some(nil))
        }
    }

    @Test("in periodic mode a sync comes before much is written without one")
    func unsyncedIsBounded() throws {
        let files = MemoryFileSystem()
        let bench = try LogBench(files, options: CommitLogOptions(sync: .periodic(milliseconds: 100_000)))
        for _ in 0..<20 {
            try bench.append(size: 1 << 20)
            bench.run()
        }
        let (kept, _) = try LogBench.replay(files.crashClone(keepUnsynced: .none))
        #expect(kept.count >= 10)
    }

    @Test("what a recovery was given after the end of the process is there after a power loss")
    func recoveredIsDurable() throws {
        for unsynced in 0..<3 {
            let memory = MemoryFileSystem()
            let files = FaultInjectingFileSystem(wrapping: memory, reason: .diskFull)
            let bench = try LogBench(files, options: options)
            for _ in 0..<5 { try bench.append() }
            bench.run()
            files.plan = .matching { operation, _ in operation == .sync }
            for _ in 0..<unsynced { try bench.append() }
            bench.run()
            files.plan = .none
            #expect(try LogBench.replay(memory.crashClone(keepUnsynced: .none)).0.count == 5)
            var found: [Int?] = []
            let report = try CommitLog.recover(
                directory: LogBench.directory,
                environment: bench.environment
            ) { (_, payload) throws(StorageError) in
                let kept = try LogBench.replay(memory.crashClone(keepUnsynced: .none)).0
                let number = LogBench.number(payload)
                #expect(kept.contains(number), "before anything is made of it")
                found.append(number)
            }
            #expect(found == Array(0..<5 + unsynced))
            #expect(report.segments == (try CommitLog.segments(memory, directory: LogBench.directory)))
            #expect(report.records == 5 + unsynced)
        }
    }
}
