// SPDX-License-Identifier: Apache-2.0

internal import Environment
internal import Model

/// Registers under conditional writes and serial reads: the history of each is linearizable.
final class ConditionalWorkload: Workload {
    static let name = "conditional"

    typealias Register = ConditionalRegister
    typealias Operation = HistoryOperation<Register.Input, Register.Output>

    private struct Key {
        var history: [Operation] = []
        /// What somebody has seen in it last.
        var lastSeen: Int64?
        var begun = 0
    }

    let sessionCount = 3
    private(set) var violations: [Violation] = []
    private(set) var undecided = 0
    private let context: WorkloadContext
    private var random: SplitMix64
    private var keys: [Key] = []
    /// The keys that are worked on.
    private var hot: [Int] = []
    private var nextValue: Int64 = 1

    private static let hotCount = 3
    /// A history that is too long is too hard to check: then another key takes the place.
    private static let operationsMax = 80

    init(_ context: WorkloadContext) {
        self.context = context
        random = context.world.makeRandom()
        for _ in 0..<ConditionalWorkload.hotCount { addKey() }
    }

    private func addKey() {
        hot.append(keys.count)
        keys.append(Key())
    }

    let preparation = [
        "CREATE TABLE IF NOT EXISTS simulation.conditional (k int PRIMARY KEY, v bigint)"
    ]

    func step(_ session: Int, _ done: @escaping () -> Void) {
        let place = random.pick(0...hot.count - 1)
        let key = hot[place]
        keys[key].begun += 1
        if keys[key].begun >= ConditionalWorkload.operationsMax {
            hot.remove(at: place)
            addKey()
        }
        perform(draw(key), on: key, done)
    }

    private func draw(_ key: Int) -> Register.Input {
        let choice = random.pick(0...9)
        if choice < 3 { return .read }
        nextValue += 1
        guard let last = keys[key].lastSeen else { return .insert(nextValue) }
        switch choice {
        case 3: return .insert(nextValue)
        case 4: return .delete(from: last)
        default: return .update(from: last, to: nextValue)
        }
    }

    private func perform(_ input: Register.Input, on key: Int, _ done: @escaping () -> Void) {
        let called = context.now
        let request: ClientRequest
        switch input {
        case .read:
            request = ClientRequest(
                "SELECT v FROM simulation.conditional WHERE k = \(key)",
                consistency: .serial
            )
        case .insert(let value):
            request = ClientRequest(
                "INSERT INTO simulation.conditional (k, v) VALUES (\(key), \(value)) IF NOT EXISTS"
            )
        case .update(let from, let to):
            request = ClientRequest(
                "UPDATE simulation.conditional SET v = \(to) WHERE k = \(key) IF v = \(from)"
            )
        case .delete(let from):
            request = ClientRequest("DELETE FROM simulation.conditional WHERE k = \(key) IF v = \(from)")
        }
        context.send(request) { [self] outcome in
            note(input, outcome, on: key, called: called)
            done()
        }
    }

    private func note(
        _ input: Register.Input,
        _ outcome: RequestOutcome,
        on key: Int,
        called: UInt64
    ) {
        switch outcome {
        case .refused: break
        case .unknown:
            guard input != .read else { return }
            keys[key].history.append(Operation(input, nil, called: called, returned: nil))
        case .answer(let answer):
            let output: Register.Output
            if input == .read {
                output = .value(answer.integer(0, "v"))
                keys[key].lastSeen = answer.integer(0, "v")
            } else if answer.isApplied == true {
                output = .applied
                keys[key].lastSeen =
                    switch input {
                    case .insert(let value), .update(_, let value): value
                    case .delete, .read: nil
                    }
            } else {
                output = .refused(answer.integer(0, "v"))
                keys[key].lastSeen = answer.integer(0, "v")
            }
            let returned = context.now
            keys[key].history.append(Operation(input, output, called: called, returned: returned))
        }
    }

    func finish(_ done: @escaping () -> Void) {
        inSequence(keys.count) { [self] key, next in
            let called = context.now
            let request = ClientRequest(
                "SELECT v FROM simulation.conditional WHERE k = \(key)",
                consistency: .serial
            )
            context.insist(request) { [self] answer in
                // The tries before this one don't matter, since a read changes nothing.
                note(.read, .answer(answer), on: key, called: called)
                next()
            }
        } done: { [self] in
            check()
            done()
        }
    }

    private func check() {
        for (key, state) in keys.enumerated() {
            switch Linearizability.check(Register.self, state.history) {
            case .linearizable: break
            case .undecided: undecided += 1
            case .violated:
                violations.append(
                    violation(
                        "the history of key \(key) is not linearizable:"
                            + ConditionalWorkload.text(state.history)
                    )
                )
            }
        }
    }

    private static func text(_ history: [Operation]) -> String {
        history.sorted { $0.called < $1.called }.map { operation in
            let end = operation.returned.map { SimulatedTime.text($0) } ?? "never"
            let output = operation.output.map { "\($0)" } ?? "?"
            return "\n    \(SimulatedTime.text(operation.called)) to \(end): \(operation.input) \(output)"
        }
        .joined()
    }
}
