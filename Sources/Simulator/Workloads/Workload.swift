// SPDX-License-Identifier: Apache-2.0

internal import Environment

/// Something that was not as it must be.
package struct Violation: Hashable, Sendable, CustomStringConvertible {
    /// The workload whose checker found it, or "start".
    package let workload: String
    package let sentence: String

    package var description: String { "\(workload): \(sentence)" }
}

/// Work for a cluster by several sessions, each of which does one thing after the other, and a checker that
/// knows what must be true of the answers.
protocol Workload: AnyObject {
    static var name: String { get }
    /// How many sessions work beside each other.
    var sessionCount: Int { get }
    /// The statements that make its tables, which are tried until they are done.
    var preparation: [String] { get }
    /// Does one thing and calls `done`.
    func step(_ session: Int, _ done: @escaping () -> Void)
    /// When all is well again: reads what is left, and calls `done` when it has an answer for everything.
    func finish(_ done: @escaping () -> Void)
    /// What was found wrong, at any time.
    var violations: [Violation] { get }
    /// Histories that the checker could not decide about.
    var undecided: Int { get }
}

extension Workload {
    var undecided: Int { 0 }

    func violation(_ sentence: String) -> Violation {
        Violation(workload: Self.name, sentence: sentence)
    }
}

/// What workloads are made with.
final class WorkloadContext {
    let world: World
    let client: SimulatedClient
    private let nodeCount: Int
    /// The machines that belong to the cluster, or have yet to join or to leave it.
    var members: [Machine] { operations.members }
    /// What changes them.
    let operations: ClusterOperations
    var random: SplitMix64
    private var lastTimestamp: Int64 = 0

    init(
        _ world: World,
        _ client: SimulatedClient,
        _ operations: ClusterOperations,
        nodeCount: Int
    ) {
        self.operations = operations
        self.nodeCount = nodeCount
        self.world = world
        self.client = client
        random = world.makeRandom()
    }

    var now: UInt64 { world.now }

    /// A grace period of deletions, in seconds: as short as `short` where there is one node. Where there are
    /// several, a replica may miss a deletion until it is repaired, and no run is longer than this.
    func grace(short: Int) -> Int { nodeCount > 1 ? 100_000 : short }

    /// A machine that any client may choose to talk to.
    func coordinator() -> Machine {
        let members = members
        return members[random.pick(0...members.count - 1)]
    }

    /// A timestamp above all that were given out before: the clients' clock is right.
    func timestamp() -> Int64 {
        lastTimestamp = max(lastTimestamp + 1, SimulatedClock.epoch + Int64(world.now / 1000))
        return lastTimestamp
    }

    /// Sends a request to any machine.
    func send(_ request: ClientRequest, _ completion: @escaping (RequestOutcome) -> Void) {
        client.send(request, to: coordinator(), completion)
    }

    /// Sends a request to any machine until it is answered.
    func insist(_ request: ClientRequest, _ completion: @escaping (Answer) -> Void) {
        insist(request, to: nil, completion)
    }

    /// Sends a request to `machine`, or any, until it is answered.
    func insist(
        _ request: ClientRequest,
        to machine: Machine?,
        _ completion: @escaping (Answer) -> Void
    ) {
        client.send(request, to: machine ?? coordinator()) { [self] outcome in
            if let answer = outcome.answer { return completion(answer) }
            world.after(200 * SimulatedTime.millisecond) { [self] in
                insist(request, to: machine, completion)
            }
        }
    }
}

/// Does things one after the other and then calls `done`.
func inSequence(
    _ count: Int,
    _ body: @escaping (Int, @escaping () -> Void) -> Void,
    done: @escaping () -> Void
) {
    func next(_ index: Int) {
        if index == count { return done() }
        body(index) { next(index + 1) }
    }
    next(0)
}
