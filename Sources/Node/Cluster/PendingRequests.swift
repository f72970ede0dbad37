// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model

/// What comes of a message that was sent with a request number.
enum RequestEvent: Sendable {
    case answer(InternodeMessage, from: NodeAddress)
    /// Those that were asked are slower than usual.
    case slow
    /// The deadline has come. Nothing follows.
    case timeout
}

/// The requests of one shard that wait for other nodes, by their numbers. Used on its executor only.
///
/// A number's low 16 bits name the shard, so that an answer finds its way to it. One timer serves all deadlines: it ticks
/// as long as anything waits. Another is set for the next that becomes slow.
final class PendingRequests: @unchecked Sendable {  // Owner: the shard's executor.
    typealias Handler = @Sendable (RequestEvent) -> Void

    private struct Entry {
        let deadline: UInt64
        let handler: Handler
    }

    private static let tickNanoseconds: UInt64 = 5_000_000
    /// Timers for what is slow are at least so far apart.
    private static let slowNanoseconds: UInt64 = 500_000
    private static let shardBits: UInt64 = 16

    private let shard: Int
    private let executor: any Executor
    private let clock: any Clock
    private var entries: [UInt64: Entry] = [:]
    private var lastNumber: UInt64
    private var isTicking = false
    /// When requests become slow, ascending from `slowFirst` on; those before are done with.
    private var slow: [(at: UInt64, number: UInt64)] = []
    private var slowFirst = 0
    private var slowTimerAt = UInt64.max

    /// - Parameter seed: where the numbers begin: random, so that answers to requests of before a restart are
    ///   not taken for others.
    init(shard: Int, executor: any Executor, clock: any Clock, seed: UInt64) {
        self.shard = shard
        self.executor = executor
        self.clock = clock
        lastNumber = seed >> 20
    }

    /// The shard that a request's number names.
    static func shard(of number: UInt64) -> Int { Int(number & ((1 << shardBits) - 1)) }

    /// How many requests wait.
    var count: Int { entries.count }

    /// Notes a request; `handler` is called for what comes of it until it is removed.
    ///
    /// - Parameters:
    ///   - timeout: in nanoseconds from now.
    ///   - slow: when `.slow` comes, in nanoseconds from now; nil for never.
    func add(timeout: UInt64, slow: UInt64? = nil, _ handler: @escaping Handler) -> UInt64 {
        lastNumber &+= 1
        let number = lastNumber << PendingRequests.shardBits | UInt64(shard)
        let now = clock.monotonicNanoseconds()
        entries[number] = Entry(deadline: now + timeout, handler: handler)
        tickLater()
        if let slow, slow < timeout { noteSlow(number, at: now + slow, now) }
        return number
    }

    /// Forgets a request: nothing more is heard of it.
    func remove(_ number: UInt64) { entries[number] = nil }

    /// Passes an answer on, if the request still waits.
    func answer(_ message: InternodeMessage, from address: NodeAddress) {
        entries[message.request]?.handler(.answer(message, from: address))
    }

    // MARK: Deadlines

    private func tickLater() {
        guard !isTicking else { return }
        isTicking = true
        executor.schedule(after: PendingRequests.tickNanoseconds) { [self] in tick() }
    }

    private func tick() {
        isTicking = false
        let now = clock.monotonicNanoseconds()
        let due = entries.filter { $0.value.deadline <= now }.keys.sorted()
        for number in due { entries.removeValue(forKey: number)?.handler(.timeout) }
        if !entries.isEmpty { tickLater() }
    }

    // MARK: Slow ones

    private func noteSlow(_ number: UInt64, at time: UInt64, _ now: UInt64) {
        // Most tables have about the same delay, so it mostly comes last.
        var index = slow.count
        while index > slowFirst, slow[index - 1].at > time { index -= 1 }
        slow.insert((time, number), at: index)
        setSlowTimer(now)
    }

    private func setSlowTimer(_ now: UInt64) {
        guard slowFirst < slow.count else { return }
        let time = max(slow[slowFirst].at, now + PendingRequests.slowNanoseconds)
        guard time < slowTimerAt else { return }
        slowTimerAt = time
        executor.schedule(after: time - now) { [self] in
            // An earlier one may have taken its place.
            guard slowTimerAt == time else { return }
            slowTimerAt = .max
            tellSlow()
        }
    }

    private func tellSlow() {
        let now = clock.monotonicNanoseconds()
        while slowFirst < slow.count, slow[slowFirst].at <= now || entries[slow[slowFirst].number] == nil {
            let number = slow[slowFirst].number
            slowFirst += 1
            entries[number]?.handler(.slow)
        }
        if slowFirst > 1024, slowFirst > slow.count / 2 {
            slow.removeFirst(slowFirst)
            slowFirst = 0
        }
        setSlowTimer(now)
    }
}
