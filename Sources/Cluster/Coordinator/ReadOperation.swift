// SPDX-License-Identifier: Apache-2.0

package import Model

/// One read of a run of keys that all have the same replicas: the coordinator's part, without clock or
/// network.
///
///     start ── too few alive ──> unavailable
///       │ data from the first candidate, digests from as many more as the level asks for
///       ├── all digests alike ──────────────────────────────> success
///       ├── digests differ: data from all that were asked
///       │      └── merge ── repairs written ────────────────> success
///       ├── a replica fails or is slow: the next candidate is asked, too
///       └── too many failures ──> failure,  deadline ──> timeout
///
/// A read that has answered holds for all later reads at a quorum: before it answers, what the replicas that
/// were asked lack is written to them (blocking read repair).
package struct ReadOperation: Sendable {
    package enum Action: Hashable, Sendable {
        /// Ask a replica for its entries, or for their digest only.
        case read(NodeID, digest: Bool)
        /// Merge the data of these replicas and call `merged` with those that lack something.
        case merge([NodeID])
        /// Write to a replica what it lacks; `repaired` is to be called when it has.
        case repair(NodeID)
        /// Answer; with success, from the data of the replica, or from what was merged if it is nil.
        /// Comes once.
        case complete(ReplicaOutcome, from: NodeID?)
    }

    private enum Answer: Hashable, Sendable {
        case unasked
        case askedDigest, askedData
        case digest(ReadAnswer.Digest), data(ReadAnswer.Digest)
        case failed

        /// What the replica's entries come to, once it has answered.
        var digest: ReadAnswer.Digest? {
            switch self {
            case .digest(let digest), .data(let digest): digest
            default: nil
            }
        }

        var isData: Bool {
            if case .data = self { return true }
            return false
        }
    }

    private enum Phase: Hashable, Sendable {
        case comparing, reconciling, merging, repairing, over
    }

    private let rule: ConsistencyRule
    private let candidates: [Replica]
    private var answers: [Answer]
    private var phase = Phase.comparing
    private var failures: [ReplicaFailure] = []
    private var unrepaired: Set<NodeID> = []

    /// - Parameter candidates: the replicas whose answers count, the best first.
    package init(_ rule: ConsistencyRule, candidates: [Replica]) {
        self.rule = rule
        self.candidates = ReadOperation.order(
            candidates.filter { rule.counts($0.dataCenter) && $0.isAlive && !$0.isPending },
            rule
        )
        answers = Array(repeating: .unasked, count: self.candidates.count)
    }

    /// Those first who are asked first: of each data center as many as the level asks for there.
    private static func order(_ candidates: [Replica], _ rule: ConsistencyRule) -> [Replica] {
        guard !rule.requiredByDataCenter.isEmpty else { return candidates }
        var first: [Replica] = []
        for (name, count) in rule.requiredByDataCenter {
            first += candidates.filter { $0.dataCenter == name }.prefix(count)
        }
        let ids = Set(first.map(\.id))
        return first + candidates.filter { !ids.contains($0.id) }
    }

    /// Whether the answers of these candidates are enough.
    private func isMet(by isChosen: (Int) -> Bool) -> Bool {
        let indices = candidates.indices
        guard !rule.requiredByDataCenter.isEmpty else { return indices.count(where: isChosen) >= required }
        return rule.isMet(by: indices.filter(isChosen).map { candidates[$0].dataCenter })
    }

    /// How many answers the level asks for.
    package var required: Int { rule.required }

    /// Whether the operation has come to its end.
    package var isOver: Bool { phase == .over }

    /// Whether another replica could be asked, if those that were are slow.
    package var canSpeculate: Bool {
        (phase == .comparing || phase == .reconciling) && answers.contains(.unasked)
    }

    package mutating func start() -> [Action] {
        guard isMet(by: { _ in true }) else {
            phase = .over
            let outcome = ReplicaOutcome.unavailable(required: required, alive: candidates.count)
            return [.complete(outcome, from: nil)]
        }
        return (0..<required).map { index in
            answers[index] = index == 0 ? .askedData : .askedDigest
            return .read(candidates[index].id, digest: index > 0)
        }
    }

    /// Those that were asked are slow: another is asked, for its data.
    package mutating func speculate() -> [Action] {
        guard canSpeculate else { return [] }
        return askAnother()
    }

    /// Who is asked next: of a data center that lacks answers, if the level asks for some of each.
    private var another: Int? {
        for (name, count) in rule.requiredByDataCenter {
            let here = candidates.indices.filter { candidates[$0].dataCenter == name }
            let answered = here.count { answers[$0].digest != nil }
            if answered < count, let index = here.first(where: { answers[$0] == .unasked }) { return index }
        }
        return answers.firstIndex(of: .unasked)
    }

    private mutating func askAnother() -> [Action] {
        guard let index = another else { return [] }
        answers[index] = .askedData
        return [.read(candidates[index].id, digest: false)]
    }

    /// A replica has answered.
    package mutating func answered(
        by id: NodeID,
        digest: ReadAnswer.Digest,
        hasData: Bool
    ) -> [Action] {
        guard let index = candidates.firstIndex(where: { $0.id == id }) else { return [] }
        switch answers[index] {
        case .askedDigest, .askedData: break
        default: return []
        }
        // A digest that comes after the data was asked for, too, says nothing new.
        if answers[index] == .askedData, !hasData { return [] }
        answers[index] = hasData ? .data(digest) : .digest(digest)
        return phase == .comparing ? compare() : reconcile()
    }

    /// A replica couldn't read.
    package mutating func failed(_ failure: ReplicaFailure) -> [Action] {
        guard let index = candidates.firstIndex(where: { $0.id == failure.id }) else { return [] }
        switch answers[index] {
        case .askedDigest, .askedData: break
        default: return []
        }
        answers[index] = .failed
        failures.append(failure)
        let another = phase == .over ? [] : askAnother()
        if !another.isEmpty { return another }
        guard phase == .comparing || phase == .reconciling else { return [] }
        let canBeMet = isMet { answers[$0] != .failed && answers[$0] != .unasked }
        if !canBeMet { return fail() }
        return phase == .comparing ? compare() : reconcile()
    }

    /// The data was merged; `lacking` are the replicas that lack something of what came out.
    package mutating func merged(lacking: [NodeID]) -> [Action] {
        guard phase == .merging else { return [] }
        if lacking.isEmpty { return succeed(from: nil) }
        phase = .repairing
        unrepaired = Set(lacking)
        return lacking.map { .repair($0) }
    }

    /// A replica has what it lacked.
    package mutating func repaired(_ id: NodeID) -> [Action] {
        guard phase == .repairing, unrepaired.remove(id) != nil else { return [] }
        return unrepaired.isEmpty ? succeed(from: nil) : []
    }

    /// A replica couldn't write what it lacked.
    package mutating func repairFailed(_ failure: ReplicaFailure) -> [Action] {
        guard phase == .repairing, unrepaired.contains(failure.id) else { return [] }
        failures.append(failure)
        return fail()
    }

    /// The deadline has come.
    package mutating func timedOut() -> [Action] {
        guard phase != .over else { return [] }
        let repairing = phase == .repairing
        phase = .over
        let received = repairing ? required - min(unrepaired.count, required) : receivedCount
        let outcome = ReplicaOutcome.timeout(
            received: received,
            required: required,
            hasData: hasData
        )
        return [.complete(outcome, from: nil)]
    }

    // MARK: Answers

    private var receivedCount: Int { answers.count { $0.digest != nil } }

    private var hasData: Bool { answers.contains(where: \.isData) }

    private mutating func fail() -> [Action] {
        let received = phase == .repairing ? required - unrepaired.count : receivedCount
        phase = .over
        let outcome = ReplicaOutcome.failure(
            received: received,
            required: required,
            failures: failures,
            hasData: hasData
        )
        return [.complete(outcome, from: nil)]
    }

    private mutating func succeed(from id: NodeID?) -> [Action] {
        phase = .over
        return [.complete(.success, from: id)]
    }

    /// Looks whether enough have answered, and the same.
    private mutating func compare() -> [Action] {
        let digests = answers.compactMap(\.digest)
        if let first = digests.first, digests.contains(where: { $0 != first }) {
            return askForData()
        }
        guard isMet(by: { answers[$0].digest != nil }) else { return [] }
        if let source = answers.firstIndex(where: \.isData) { return succeed(from: candidates[source].id) }
        // All data reads failed or are slow, and the digests agree: one of them is asked for the data.
        guard !answers.contains(.askedData) else { return [] }
        for index in answers.indices {
            guard case .digest = answers[index] else { continue }
            answers[index] = .askedData
            return [.read(candidates[index].id, digest: false)]
        }
        return []
    }

    /// Asks all that gave only a digest, or were asked for one, for their data.
    private mutating func askForData() -> [Action] {
        phase = .reconciling
        var actions: [Action] = []
        for index in answers.indices {
            switch answers[index] {
            case .digest, .askedDigest:
                answers[index] = .askedData
                actions.append(.read(candidates[index].id, digest: false))
            default: break
            }
        }
        return actions + reconcile()
    }

    /// Merges when enough have sent their data. Whoever is slower is not waited for.
    private mutating func reconcile() -> [Action] {
        guard phase == .reconciling else { return [] }
        guard isMet(by: { answers[$0].isData }) else {
            let canCome = answers.contains { $0 == .askedData || $0 == .askedDigest }
            return canCome ? [] : fail()
        }
        phase = .merging
        let sources = candidates.indices.filter { answers[$0].isData }
        return [.merge(sources.map { candidates[$0].id })]
    }
}
