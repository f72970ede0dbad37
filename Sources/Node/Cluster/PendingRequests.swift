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
/// A number's low 16 bits name the shard, so that an answer finds its way to it. One timer serves them all:
/// it ticks as long as anything waits.
final class PendingRequests: @unchecked Sendable {  // Owner: the shard's executor.
    typealias Handler = @Sendable (RequestEvent) -> Void

    private struct Entry {
        let deadline: UInt64
        var slowAt: UInt64
        let handler: Handler
    }

    private static let tickNanoseconds: UInt64 = 5_000_000
    private static let shardBits: UInt64 = 16

    private let shard: Int
    private let executor: any Executor
    private let clock: any Clock
    private var entries: [UInt64: Entry] = [:]
    private var lastNumber: UInt64
    private var isTicking = false

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
        let slowAt = slow.map { now + $0 } ?? UInt64.max
        entries[number] = Entry(deadline: now + timeout, slowAt: slowAt, handler: handler)
        tickLater()
        return number
    }

    /// Forgets a request: nothing more is heard of it.
    func remove(_ number: UInt64) { entries[number] = nil }

    /// Passes an answer on, if the request still waits.
    func answer(_ message: InternodeMessage, from address: NodeAddress) {
        entries[message.request]?.handler(.answer(message, from: address))
    }

    private func tickLater() {
        guard !isTicking else { return }
        isTicking = true
        executor.schedule(after: PendingRequests.tickNanoseconds) { [self] in tick() }
    }

    private func tick() {
        isTicking = false
        let now = clock.monotonicNanoseconds()
        let due = entries.filter { $0.value.deadline <= now || $0.value.slowAt <= now }.keys.sorted()
        for number in due {
            guard let entry = entries[number] else { continue }
            if entry.deadline <= now {
                entries[number] = nil
                entry.handler(.timeout)
            } else {
                entries[number]?.slowAt = UInt64.max
                entry.handler(.slow)
            }
        }
        if !entries.isEmpty { tickLater() }
    }
}
