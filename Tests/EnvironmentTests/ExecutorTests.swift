// SPDX-License-Identifier: Apache-2.0

import Environment
import Testing

@Suite("Executors, clocks and random numbers")
struct ExecutorTests {
    @Test("a thread runs its jobs in order and stops after the last")
    func threadOrder() {
        let executor = ThreadExecutor(name: "test")
        let seen = Box<[Int]>([])
        let current = Box<[Bool]>([])
        for index in 0..<1000 {
            executor.execute { seen.update { $0.append(index) } }
        }
        executor.execute { current.update { $0.append(executor.isCurrent) } }
        executor.stop()
        #expect(seen.value == Array(0..<1000))
        #expect(current.value == [true])
        #expect(!executor.isCurrent)
        executor.execute { seen.update { $0.append(-1) } }
        #expect(seen.value.count == 1000, "after the stop nothing runs")
    }

    @Test("timers run on the thread, the earlier one first")
    func threadTimers() async {
        let executor = ThreadExecutor(name: "test")
        let seen = Box<[Int]>([])
        await withCheckedContinuation { done in
            executor.schedule(after: 20_000_000) {
                seen.update { $0.append(2) }
                done.resume()
            }
            executor.schedule(after: 1_000_000) { seen.update { $0.append(1) } }
            executor.schedule(after: .max) { seen.update { $0.append(3) } }
        }
        executor.stop()
        #expect(seen.value == [1, 2])
    }

    @Test("a pool runs every job, on its threads")
    func pool() {
        let pool = ThreadPoolExecutor(threads: 3)
        let count = Box(0)
        for _ in 0..<500 {
            pool.execute { if pool.isCurrent { count.update { $0 += 1 } } }
        }
        pool.stop()
        #expect(count.value == 500)
    }

    @Test("async code stays on the thread that it prefers")
    func asyncOnThread() async {
        let executor = ThreadExecutor(name: "test")
        let isCurrent = await Task(executorPreference: executor) {
            await Task.yield()
            return executor.isCurrent
        }.value
        #expect(isCurrent)
        executor.stop()
    }

    /// Two tasks that take turns; the order of what they note down.
    private func turns(_ executor: ManualExecutor) -> [String] {
        let seen = Box<[String]>([])
        for name in ["a", "b", "c"] {
            Task(executorPreference: executor) {
                for turn in 0..<3 {
                    seen.update { $0.append("\(name)\(turn)\(executor.isCurrent ? "" : "!")") }
                    await Task.yield()
                }
            }
        }
        #expect(seen.value == [], "nothing runs by itself")
        executor.runUntilIdle()
        return seen.value
    }

    @Test("async code on a manual executor runs when told, in the same order each time")
    func asyncOnManual() {
        let expected = ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]
        for _ in 0..<20 { #expect(turns(ManualExecutor()) == expected) }
    }

    @Test("a seed decides the order, and the same seed decides the same")
    func shuffled() {
        let runs = (0..<10).map { seed in
            let once = turns(ManualExecutor(shuffledBy: UInt64(seed)))
            #expect(once == turns(ManualExecutor(shuffledBy: UInt64(seed))))
            #expect(once.sorted() == ["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"])
            return once
        }
        #expect(Set(runs).count > 1)
    }

    @Test("virtual time runs timers at their moment, equal ones in their order")
    func virtualTime() {
        let executor = ManualExecutor()
        let seen = Box<[String]>([])
        let note: @Sendable (String) -> Void = { name in
            let now = executor.clock.monotonicNanoseconds()
            seen.update { $0.append("\(name)@\(now)") }
        }
        executor.schedule(after: 50) { note("c") }
        executor.schedule(after: 10) {
            note("a")
            executor.schedule(after: 5) { note("b") }
        }
        executor.schedule(after: 50) { note("d") }
        executor.schedule(after: 101) { note("never") }
        executor.runUntilIdle()
        #expect(seen.value == [])
        executor.advance(nanoseconds: 100)
        #expect(seen.value == ["a@10", "b@15", "c@50", "d@50"])
        #expect(executor.clock.monotonicNanoseconds() == 100)
        #expect(executor.nextDeadline == 101)
    }

    @Test("a manual clock moves only when it is moved")
    func manualClock() {
        let clock = ManualClock(microsecondsSinceEpoch: 5_000_000)
        #expect(clock.secondsSinceEpoch() == 5)
        for _ in 0..<10 { clock.advance(nanoseconds: 150) }
        #expect(clock.microsecondsSinceEpoch() == 5_000_001)
        #expect(clock.monotonicNanoseconds() == 1500)
        clock.set(microsecondsSinceEpoch: 1)
        #expect(clock.microsecondsSinceEpoch() == 1)
        #expect(clock.monotonicNanoseconds() == 1500)
    }

    @Test("the system's clock is of this century and does not go back")
    func systemClock() {
        let clock = SystemClock()
        #expect(clock.secondsSinceEpoch() > 1_600_000_000)
        let first = clock.monotonicNanoseconds()
        #expect(clock.monotonicNanoseconds() >= first)
    }

    @Test("seeded random numbers repeat; the system's do not")
    func random() {
        let one = SeededRandom(seed: 1)
        let again = SeededRandom(seed: 1)
        let other = SeededRandom(seed: 2)
        let numbers = (0..<8).map { _ in one.next() }
        #expect(numbers == (0..<8).map { _ in again.next() })
        #expect(numbers != (0..<8).map { _ in other.next() })
        let system = SystemRandom()
        #expect(system.next() != system.next())
    }
}
