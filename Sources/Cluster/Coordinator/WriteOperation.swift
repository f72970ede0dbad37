// SPDX-License-Identifier: Apache-2.0

package import Model

/// One mutation of one partition on its way to its replicas: the coordinator's part, without clock or
/// network.
///
///     start ── too few alive ──> unavailable
///       │ send to all that are alive, hint for all that are not
///       ├── enough answers ──> success ──┐ goes on listening: whoever is silent at
///       ├── too many failures ─> failure ─┤ the deadline gets a hint, whatever the
///       └── deadline ──────────> timeout ─┘ client was told
///
/// A replica that will own the partition (`isPending`) gets the write like all others, and the level asks for
/// one answer more for each of them: so that a quorum of the old owners and one of the new have it, whichever
/// counts in the end. The driver performs the actions in their order and feeds back what comes of them.
package struct WriteOperation: Sendable {
    package enum Action: Hashable, Sendable {
        /// Send the mutation to a replica.
        case send(NodeID)
        /// Keep a hint for a replica. `hinted` is to be called when it is durable.
        case hint(NodeID)
        /// Answer the client. Comes once.
        case complete(ReplicaOutcome)
    }

    private enum Answer: Hashable, Sendable {
        case missing, done, failed, down
    }

    private let rule: ConsistencyRule
    private let replicas: [Replica]
    /// The data centers of those that will own the range.
    private let pending: [String]
    private var answers: [Answer]
    private var failures: [ReplicaFailure] = []
    private var hintCount = 0
    /// Whether the client was answered.
    package private(set) var isComplete = false

    package init(_ rule: ConsistencyRule, replicas: [Replica]) {
        self.rule = rule
        self.replicas = replicas
        pending = replicas.filter(\.isPending).map(\.dataCenter)
        answers = Array(repeating: .missing, count: replicas.count)
    }

    /// How many answers the level asks for.
    package var required: Int { rule.required + pending.count(where: rule.counts) }

    /// Whether nothing is left to wait for.
    package var isOver: Bool { isComplete && !answers.contains(.missing) }

    /// Why it isn't begun, if too few replicas are alive.
    package var unavailable: ReplicaOutcome? {
        let alive = replicas.filter(\.isAlive)
        if rule.level == .any || rule.isMet(by: alive.map(\.dataCenter), pending: pending) { return nil }
        return .unavailable(required: required, alive: alive.count { rule.counts($0.dataCenter) })
    }

    /// Begins.
    package mutating func start() -> [Action] {
        if let unavailable {
            isComplete = true
            answers = answers.map { _ in .down }
            return [.complete(unavailable)]
        }
        var actions: [Action] = []
        for index in replicas.indices {
            let id = replicas[index].id
            if replicas[index].isAlive {
                actions.append(.send(id))
            } else {
                answers[index] = .down
                actions.append(.hint(id))
            }
        }
        return actions
    }

    /// A replica has written the mutation.
    package mutating func answered(by id: NodeID) -> [Action] {
        guard let index = waiting(id) else { return [] }
        answers[index] = .done
        return conclude()
    }

    /// A replica couldn't.
    package mutating func failed(_ failure: ReplicaFailure) -> [Action] {
        guard let index = waiting(failure.id) else { return [] }
        answers[index] = .failed
        failures.append(failure)
        // It may be able to later, as with a full disk.
        return [.hint(failure.id)] + conclude()
    }

    /// A hint is durable: enough for ANY.
    package mutating func hinted() -> [Action] {
        hintCount += 1
        return conclude()
    }

    /// The deadline has come.
    package mutating func timedOut() -> [Action] {
        var actions: [Action] = []
        let received = receivedCount
        for index in replicas.indices where answers[index] == .missing {
            answers[index] = .down
            actions.append(.hint(replicas[index].id))
        }
        guard !isComplete else { return actions }
        isComplete = true
        let outcome: ReplicaOutcome = failures.isEmpty
            ? .timeout(received: received, required: required, hasData: false)
            : failure(received)
        return actions + [.complete(outcome)]
    }

    private func waiting(_ id: NodeID) -> Int? {
        replicas.indices.first { replicas[$0].id == id && answers[$0] == .missing }
    }

    private var receivedCount: Int {
        replicas.indices.count { answers[$0] == .done && rule.counts(replicas[$0].dataCenter) }
    }

    private func failure(_ received: Int) -> ReplicaOutcome {
        .failure(received: received, required: required, failures: failures, hasData: false)
    }

    private mutating func conclude() -> [Action] {
        guard !isComplete else { return [] }
        let done = replicas.indices.filter { answers[$0] == .done }.map { replicas[$0].dataCenter }
        if rule.isMet(by: done, pending: pending) || (rule.level == .any && hintCount > 0) {
            isComplete = true
            return [.complete(.success)]
        }
        let possible = replicas.indices.filter { answers[$0] == .done || answers[$0] == .missing }
        guard !failures.isEmpty, rule.level != .any,
            !rule.isMet(by: possible.map { replicas[$0].dataCenter }, pending: pending)
        else { return [] }
        isComplete = true
        return [.complete(failure(receivedCount))]
    }
}
