// SPDX-License-Identifier: Apache-2.0

package import Model

/// What one shard has seen of the other nodes as replicas of reads: how fast they are, what they have to do for it, and
/// whether they fail. Chooses whom to ask.
///
/// Of two that are drawn the better one is asked ("The Power of Two Choices in Randomized Load Balancing", Mitzenmacher
/// 2001), so that not all coordinators go to the same best one. A replica that fails several times in a row is asked last
/// for a while (a circuit breaker): gossip still takes it for alive.
package struct ReplicaScores: Sendable {
    package struct Configuration: Hashable, Sendable {
        /// So many failures in a row open the breaker.
        package var failuresMax = 5
        /// How long it stays open, in nanoseconds; then the next request shows whether it closes.
        package var openTime: UInt64 = 2_000_000_000

        package init() {}
    }

    private struct Score {
        /// The mean of the last answers' times, later ones counting more; 0 before the first.
        var nanoseconds: UInt64 = 0
        var inFlight = 0
        var failuresInARow = 0
        var openUntil: UInt64 = 0

        /// Smaller is better.
        var cost: UInt64 { (nanoseconds + 50_000) * UInt64(inFlight + 1) }
    }

    private let configuration: Configuration
    private var scores: [NodeID: Score] = [:]

    package init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    // MARK: What happens

    /// A replica was asked.
    package mutating func asked(_ id: NodeID) { scores[id, default: Score()].inFlight += 1 }

    /// It has answered after so many nanoseconds.
    package mutating func answered(_ id: NodeID, after nanoseconds: UInt64) {
        end(id) { score in
            let old = score.nanoseconds
            score.nanoseconds = old == 0 ? nanoseconds : old - old / 8 + nanoseconds / 8
            score.failuresInARow = 0
            score.openUntil = 0
        }
    }

    /// It said that it couldn't, or nothing in time.
    package mutating func failed(_ id: NodeID, at now: UInt64) {
        let configuration = configuration
        end(id) { score in
            score.failuresInARow += 1
            if score.failuresInARow >= configuration.failuresMax {
                score.openUntil = now &+ configuration.openTime
            }
        }
    }

    /// Its answer isn't waited for any more.
    ///
    /// - Parameter nanoseconds: since it was asked: it is at least that slow.
    package mutating func abandoned(_ id: NodeID, after nanoseconds: UInt64) {
        end(id) { score in
            if nanoseconds > score.nanoseconds { score.nanoseconds += (nanoseconds - score.nanoseconds) / 8 }
        }
    }

    private mutating func end(_ id: NodeID, _ change: (inout Score) -> Void) {
        guard var score = scores[id] else { return }
        change(&score)
        score.inFlight = max(score.inFlight - 1, 0)
        scores[id] = score
    }

    // MARK: Choosing

    /// Whether a replica fails so often that others are asked before it.
    package func isOpen(_ id: NodeID, at now: UInt64) -> Bool { (scores[id]?.openUntil ?? 0) > now }

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
        return (scores[a]?.cost ?? 0) < (scores[b]?.cost ?? 0)
    }
}
