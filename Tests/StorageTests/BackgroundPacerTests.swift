// SPDX-License-Identifier: Apache-2.0

import Environment
import Storage
import Testing

/// Background work and foreground work, as machines without a clock.
@Suite struct BackgroundPacerTests {
    private static let second: UInt64 = 1_000_000_000

    @Test(arguments: [(0.0, 0), (0.25, 250), (0.5, 500), (1.0, 1_000), (7.0, 1_000)])
    func theBacklogSaysHowManyStepsRunAtNormalPriority(backlog: Double, wanted: Int) {
        var pacer = BackgroundPacer(bytesPerSecond: 0)
        let steps = (0..<1_000).map { _ in pacer.next(after: 1 << 20, backlog: backlog, now: 5) }
        #expect(steps.filter { $0.priority == .normal }.count == wanted)
        #expect(steps.allSatisfy { $0.pause == 0 })
    }

    /// Steps of no time at all, each after its pause: the cap alone says how much is done.
    @Test func theCapHolds() {
        let cap = 10 << 20
        var pacer = BackgroundPacer(bytesPerSecond: cap)
        var now: UInt64 = 17 * Self.second
        let start = now
        var done = 0
        while now < start + 10 * Self.second {
            done += 256 << 10
            now += pacer.next(after: 256 << 10, backlog: 1, now: now).pause
        }
        #expect(abs(Double(done) / Double(10 * cap) - 1) < 0.02)
    }

    @Test func aRestIsNotMadeUpFor() {
        var pacer = BackgroundPacer(bytesPerSecond: 1 << 20)
        _ = pacer.next(after: 1 << 20, backlog: 0, now: Self.second)
        let step = pacer.next(after: 1 << 20, backlog: 0, now: 100 * Self.second)
        #expect(step.pause >= 9 * Self.second / 10)
        #expect(step.pause <= Self.second)
    }

    @Test func severalJobsShareTheCap() {
        var pacer = BackgroundPacer(bytesPerSecond: 1 << 20)
        let first = pacer.next(after: 1 << 20, backlog: 0, now: 0).pause
        let second = pacer.next(after: 1 << 20, backlog: 0, now: 0).pause
        #expect(second >= first + Self.second * 9 / 10)
    }

    // MARK: Writes

    @Test func writesAreHeldUpSmoothly() {
        var last: UInt64 = 0
        for step in 0...1_000 {
            var backlog = Backlog()
            backlog.memory = Double(step) / 1_000
            let delay = backlog.delay
            #expect(delay >= last)
            // No step of a thousandth of the way adds more than a hundredth of the longest delay.
            #expect(delay - last <= Backlog.delayMax / 100)
            if step <= 500 { #expect(delay == 0) }
            #expect((delay > 0) == !backlog.reason.isEmpty)
            last = delay
        }
        #expect(last == Backlog.delayMax)
    }

    @Test func backgroundWorkIsAtFullPriorityBeforeWritesAreHeldUp() {
        var backlog = Backlog()
        backlog.files = 0.5
        #expect(backlog.share == 1)
        #expect(backlog.delay == 0)
    }

    @Test func theReasonIsTheLargest() {
        var backlog = Backlog()
        backlog.files = 0.8
        #expect(backlog.reason == "many SSTables wait to be compacted")
        backlog.replaced = 0.9
        #expect(backlog.reason == "overwritten rows wait to be compacted away")
        backlog.memory = 1
        #expect(backlog.reason == "memtables wait to be flushed")
    }

    @Test func measuresAreWithinTheirRange() {
        #expect(Backlog.memory(unflushed: 64, space: 64, limit: 192) == 0)
        #expect(Backlog.memory(unflushed: 128, space: 64, limit: 192) == 0.5)
        #expect(Backlog.memory(unflushed: 500, space: 64, limit: 192) == 1)
        #expect(Backlog.memory(unflushed: 2, space: 1, limit: 1) == 1)
        #expect(Backlog.files(depth: 16) == 0)
        #expect(Backlog.files(depth: 40) == 0.5)
        #expect(Backlog.files(depth: 1_000) == 1)
        #expect(Backlog.replaced(0.15, bound: 0.15) == 0)
        #expect(Backlog.replaced(10, bound: 0.15) == 1)
        #expect(Backlog.replaced(10, bound: 0) == 0)
    }

    /// A few clients that write without rest into memory that is drained at a fixed rate: they come to
    /// rest at that rate, and the delay doesn't jump.
    @Test func clientsFindTheRateOfTheDisk() {
        let drained = 50.0  // KiB a millisecond
        var unflushed = 0.0
        var sent = 0.0
        var ready = [Double](repeating: 0, count: 64)  // when each client's next write goes
        for millisecond in 0..<20_000 {
            unflushed = max(0, unflushed - drained)
            for client in ready.indices where ready[client] <= Double(millisecond) {
                unflushed += 4
                if millisecond > 10_000 { sent += 4 }
                var backlog = Backlog()
                backlog.memory = Backlog.memory(unflushed: Int(unflushed), space: 4_096, limit: 12_288)
                ready[client] = Double(millisecond) + max(0.1, Double(backlog.delay) / 1e6)
            }
            #expect(unflushed < 12_288, "memory is bounded")
        }
        #expect(abs(sent / 10_000 / drained - 1) < 0.1)
    }
}
