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

    @Test("a full disk fails the log with that reason")
    func diskFull() throws {
        let files = MemoryFileSystem()
        files.capacity = 5000
        let bench = try LogBench(files, options: options)
        work(bench)
        let error = try #require(bench.log.failed)
        #expect(error.description.contains("no space left"))
        #expect(error.description.contains("restart the node"))
        check(files, acknowledged: bench.acknowledged.value.count, "full disk")
    }
}
