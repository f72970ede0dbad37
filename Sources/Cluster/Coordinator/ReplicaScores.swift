// SPDX-License-Identifier: Apache-2.0

package import Model

/// What one shard has seen of the other nodes as replicas of reads: how fast they are, what they have to do for it, and
/// whether they fail. Chooses whom to ask.
///
/// Of two that are drawn the better one is asked ("The Power of Two Choices in Randomized Load Balancing", Mitzenmacher
/// 2001), so that not all coordinators go to the same best one. A replica that fails several times in a row is asked last
/// for a while (a circuit breaker): gossip still takes it for alive.
package struct ReplicaScores: Sendable {
    private let breaker: BreakerRule
    private var scores: [NodeID: NodeScore] = [:]

    package init(_ breaker: BreakerRule = BreakerRule()) { self.breaker = breaker }

    // MARK: What happens

    /// A replica was asked.
    package mutating func asked(_ id: NodeID) { scores[id, default: NodeScore()].asked() }

    /// It has answered after so many nanoseconds.
    package mutating func answered(_ id: NodeID, after nanoseconds: UInt64, at now: UInt64) {
        scores[id]?.answered(after: nanoseconds, at: now)
    }

    /// It said that it couldn't, or nothing in time.
    package mutating func failed(_ id: NodeID, at now: UInt64) { scores[id]?.failed(at: now, breaker) }

    /// Its answer isn't waited for any more.
    ///
    /// - Parameter nanoseconds: since it was asked: it is at least that slow.
    package mutating func abandoned(_ id: NodeID, after nanoseconds: UInt64, at now: UInt64) {
        scores[id]?.abandoned(after: nanoseconds, at: now)
    }

    // MARK: Choosing

    /// Whether a replica fails so often that others are asked before it.
    package func isOpen(_ id: NodeID, at now: UInt64) -> Bool { scores[id]?.isOpen(at: now) ?? false }

    /// Puts replicas that are equally near, those of `range`, in the order in which they should be asked.
    package func order(
        _ replicas: inout [Replica],
        in range: Range<Int>,
        at now: UInt64,
        using random: inout some RandomNumberGenerator
    ) {
        for position in range.dropLast() {
            let first = Int.random(in: position..<range.upperBound, using: &random)
            var second = Int.random(in: position..<(range.upperBound - 1), using: &random)
            if second >= first { second += 1 }
            let isSecond = isBetter(replicas[second].id, replicas[first].id, now)
            replicas.swapAt(position, isSecond ? second : first)
        }
    }

    private func isBetter(_ a: NodeID, _ b: NodeID, _ now: UInt64) -> Bool {
        let (openA, openB) = (isOpen(a, at: now), isOpen(b, at: now))
        if openA != openB { return openB }
        return (scores[a]?.cost(at: now) ?? 0) < (scores[b]?.cost(at: now) ?? 0)
    }
}
