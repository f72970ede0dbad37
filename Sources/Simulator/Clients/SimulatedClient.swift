// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// A client outside of the cluster: its requests and their answers take their time, and it doesn't wait for
/// ever.
package final class SimulatedClient {
    /// After so many nanoseconds a request's outcome is unknown.
    package var timeout = 2 * SimulatedTime.second
    /// How many requests were answered, refused, and neither.
    package private(set) var answered = 0
    package private(set) var refused = 0
    package private(set) var unknown = 0
    private let world: World
    private var random: SplitMix64
    private var numbers: UInt64 = 0

    package init(_ world: World) {
        self.world = world
        random = world.makeRandom()
    }

    private final class Pending {
        var completion: ((RequestOutcome) -> Void)?
        init(_ completion: @escaping (RequestOutcome) -> Void) { self.completion = completion }
    }

    /// Sends a request to a machine. `completion` is called once, later.
    package func send(
        _ request: ClientRequest,
        to machine: Machine,
        _ completion: @escaping (RequestOutcome) -> Void
    ) {
        numbers += 1
        let number = numbers
        let pending = Pending(completion)
        world.log.note(.request, at: world.now, machine: machine.index, number) {
            "#\(number) \(request.statements.joined(separator: "; "))"
        }
        world.after(latency()) { [self] in
            guard let service = machine.process as? any ClientService, service.isReady else {
                return respond(number, pending, .refused("node \(machine.index) is not there"))
            }
            let responder = UncheckedBox<(RequestOutcome) -> Void> { [self] outcome in
                // A node that has lost its power within this job says nothing any more.
                if !machine.disk.isOff { respond(number, pending, outcome) }
            }
            service.answer(request) { responder.value($0) }
            machine.jobEnded()
        }
        world.after(timeout) { [self] in
            finish(number, pending, .unknown("no answer within \(SimulatedTime.text(timeout))"))
        }
    }

    /// Sends the answer on its way to the client.
    private func respond(_ number: UInt64, _ pending: Pending, _ outcome: RequestOutcome) {
        world.after(latency()) { [self] in finish(number, pending, outcome) }
    }

    private func finish(_ number: UInt64, _ pending: Pending, _ outcome: RequestOutcome) {
        guard let completion = pending.completion else { return }
        pending.completion = nil
        let text: String
        switch outcome {
        case .answer(let answer):
            answered += 1
            text = "#\(number) \(answer.rows)"
        case .refused(let why):
            refused += 1
            text = "#\(number) refused: \(why)"
        case .unknown(let why):
            unknown += 1
            text = "#\(number) unknown: \(why)"
        }
        world.log.note(.outcome, at: world.now, machine: -1, number, detail: text)
        completion(outcome)
    }

    private func latency() -> UInt64 {
        200_000 + random.next(upperBound: 800_000 as UInt64)
    }
}

/// Carries what only the world's thread touches through closures that could go to other threads.
struct UncheckedBox<Value>: @unchecked Sendable {  // Owner: the world's thread.
    let value: Value
    init(_ value: Value) { self.value = value }
}
