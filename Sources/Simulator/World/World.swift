// SPDX-License-Identifier: Apache-2.0

package import Environment

/// A whole cluster's outside in one thread: one virtual time, the machines with their clocks, disks and
/// executors, and the network between them.
///
/// Whatever is to happen waits in one queue. Time stands still while something happens and then jumps to
/// the next thing, so that nothing waits for real. What happens at one moment happens in an order that the
/// seed decides: the same seed and the same program give the same run, and `log.hash` says whether they
/// did.
package final class World: @unchecked Sendable {  // Owner: the thread that runs it.
    package let seed: UInt64
    package let log: EventLog
    /// Nanoseconds of virtual time since the world began.
    package private(set) var now: UInt64 = 0
    package private(set) var machines: [Machine] = []
    /// The way between the machines.
    package private(set) lazy var network = SimulatedNetwork(self)
    /// The executor whose job runs.
    var current: SimulatedExecutor?
    private var queue = EventQueue()
    private var ties: SplitMix64
    private var numbers: UInt64 = 0
    private var streams: UInt64 = 0

    package init(seed: UInt64, trace: ((String) -> Void)? = nil) {
        self.seed = seed
        log = EventLog(seed: seed, trace: trace)
        ties = SplitMix64(seed: SplitMix64.mixed(seed ^ 0x7469_6573))
    }

    /// Random numbers of their own for one purpose, so that what one part draws doesn't change what
    /// another gets. Asked for in a fixed order.
    package func makeRandom() -> SplitMix64 {
        streams += 1
        return SplitMix64(seed: SplitMix64.mixed(seed &+ streams &* 0x9e37_79b9_7f4a_7c15))
    }

    /// Adds a machine, which is switched off.
    package func addMachine(_ settings: Machine.Settings = Machine.Settings()) -> Machine {
        let machine = Machine(self, index: machines.count, settings)
        machines.append(machine)
        return machine
    }

    // MARK: What happens

    /// Lets something happen in `nanoseconds`, unless the life that it belongs to is over then.
    package func after(_ nanoseconds: UInt64, life: Life? = nil, _ action: @escaping () -> Void) {
        numbers += 1
        queue.insert(
            EventQueue.Event(
                time: now &+ min(nanoseconds, .max - now),
                tie: ties.next(),
                number: numbers,
                life: life,
                action: action
            )
        )
    }

    /// Lets the next thing happen.
    ///
    /// - Returns: false when nothing is left that happens until `end`; then it is `end`.
    package func step(until end: UInt64) -> Bool {
        while let next = queue.next {
            guard next.time <= end else { break }
            _ = queue.popFirst()
            if next.life?.isOver == true { continue }
            now = max(now, next.time)
            next.action()
            return true
        }
        now = max(now, end)
        return false
    }

    /// Lets everything happen that happens in the next `nanoseconds`.
    package func run(for nanoseconds: UInt64) {
        let end = now + nanoseconds
        while step(until: end) {}
    }

    /// Lets things happen until `condition` holds, for `nanoseconds` at most.
    ///
    /// - Returns: whether it holds.
    package func run(for nanoseconds: UInt64, until condition: () -> Bool) -> Bool {
        let end = now + nanoseconds
        while !condition() {
            guard step(until: end) else { return condition() }
        }
        return true
    }

    /// Gives back what belonged to lives that are over.
    func forgetDead() { queue.removeDead() }
}
