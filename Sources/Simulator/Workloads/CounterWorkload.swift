// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Counters that several sessions add to: what is read lies between what was acknowledged before the read began and what
/// was begun before it ended, also at the end, with what may or may not have been counted.
final class CounterWorkload: Workload {
    static let name = "counter"

    /// What was added to a counter: all increments are above 0.
    private struct Sums {
        var begun: Int64 = 0
        var acknowledged: Int64 = 0
        /// Of those that are known not to have happened.
        var refused: Int64 = 0
    }

    let sessionCount = 3
    private(set) var violations: [Violation] = []
    private let context: WorkloadContext
    private var random: SplitMix64
    private var sums = [Sums](repeating: Sums(), count: 4)

    let preparation = [
        "CREATE TABLE IF NOT EXISTS simulation.counters (k int PRIMARY KEY, c counter)"
    ]

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
    }

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let key = random.pick(0...sums.count - 1)
        guard random.pick(0...2) > 0 else {
            let before = sums[key].acknowledged
            return context.send(read(key)) { [self] outcome in
                if let answer = outcome.answer { check(answer, key, acknowledgedBefore: before) }
                done()
            }
        }
        let number = Int64(random.pick(1...9))
        sums[key].begun += number
        let statement = "UPDATE simulation.counters SET c = c + \(number) WHERE k = \(key)"
        context.send(ClientRequest(statement)) { [self] outcome in
            switch outcome {
            case .answer: sums[key].acknowledged += number
            case .refused: sums[key].refused += number
            case .unknown: break
            }
            done()
        }
    }

    private func read(_ key: Int) -> ClientRequest {
        ClientRequest("SELECT c FROM simulation.counters WHERE k = \(key)")
    }

    private func check(_ answer: Answer, _ key: Int, acknowledgedBefore low: Int64) {
        let value = answer.rows.isEmpty ? 0 : answer.integer(0, "c") ?? 0
        let high = sums[key].begun - sums[key].refused
        guard value < low || value > high else { return }
        violations.append(
            violation(
                "counter \(key) at \(SimulatedTime.text(context.now)) is \(value), and not from \(low), what was"
                    + " acknowledged, to \(high), what may have been added"
            )
        )
    }

    func finish(_ done: @escaping () -> Void) {
        inSequence(sums.count) { [self] key, next in
            context.insist(read(key)) { [self] answer in
                check(answer, key, acknowledgedBefore: sums[key].acknowledged)
                next()
            }
        } done: {
            done()
        }
    }
}
