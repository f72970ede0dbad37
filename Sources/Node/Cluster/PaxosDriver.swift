// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Cluster
internal import Environment
package import Model
internal import Storage

/// A conditional write or a serial read of one partition.
package struct PaxosOperation: Sendable {
    package let table: TableSchema
    /// The partition part of its keys.
    package let partition: [UInt8]
    /// What the decision is made from: runs of keys, all of the partition.
    package let reads: [ReadRequest]
    /// What to make of the rows; nil for a read. Gets the merged rows of each run and the time that the
    /// mutation has to carry, in microseconds.
    package let decide: (@Sendable ([MergedAnswers], Int64) -> PaxosDecision?)?
    /// `serial` or `localSerial`.
    package let serial: Consistency
    /// How many replicas must have the write before the client is told.
    package let level: Consistency
    /// In nanoseconds.
    package let timeout: UInt64

    /// - Parameter decide: nil gives up: the caller knows why.
    package init(
        table: TableSchema,
        partition: [UInt8],
        reads: [ReadRequest],
        serial: Consistency,
        level: Consistency,
        timeout: UInt64,
        decide: (@Sendable ([MergedAnswers], Int64) -> PaxosDecision?)?
    ) {
        self.table = table
        self.partition = partition
        self.reads = reads
        self.serial = serial
        self.level = level
        self.timeout = timeout
        self.decide = decide
    }
}

/// What came of a `PaxosOperation`.
package enum PaxosResult: Sendable {
    case finished(PaxosOutcome, [MergedAnswers])
    /// `decide` gave up.
    case abandoned
    /// So many requests wait for replicas that this one wasn't begun.
    case overloaded(limit: Int)
    case malformed(NodeID, MalformedBytes)
}

/// Performs what a `PaxosProposer` asks for. Used on its owner's executor only.
final class PaxosDriver: @unchecked Sendable {  // Owner: the shard's executor.
    private let operation: PaxosOperation
    private var proposer: PaxosProposer
    private let view: ClusterView
    private let requests: PendingRequests
    private let coordinator: Coordinator
    private let owner: Shard
    private let completion: @Sendable (PaxosResult) -> Void
    private let dead: [NodeID]
    private var number: UInt64 = 0
    private var merged: [MergedAnswers] = []
    private var isOver = false
    /// When the proposer is woken next, in the clock of `PaxosMoment.now`.
    private var wakeAt = Int64.max

    init(
        _ operation: PaxosOperation,
        replicas: [Replica],
        view: ClusterView,
        factors: ReplicationFactors,
        requests: PendingRequests,
        coordinator: Coordinator,
        owner: Shard,
        completion: @escaping @Sendable (PaxosResult) -> Void
    ) {
        self.operation = operation
        self.view = view
        self.requests = requests
        self.coordinator = coordinator
        self.owner = owner
        self.completion = completion
        let isLocal = operation.serial == .localSerial
        let participants = replicas.filter { !isLocal || $0.dataCenter == view.localDataCenter }
        dead = replicas.filter { !$0.isAlive }.map(\.id)
        let environment = coordinator.node.environment
        let now = Int64(environment.clock.monotonicNanoseconds() / 1000)
        let rule = ConsistencyRule(operation.level, factors, localDataCenter: view.localDataCenter)
        let request = PaxosProposer.Request(
            participants: participants.map(\.id),
            majority: participants.count { !$0.isPending } / 2 + 1 + participants.count(where: \.isPending),
            alive: participants.filter(\.isAlive).map(\.id),
            commitTargets: replicas.filter(\.isAlive).map(\.id),
            commitNeeds: operation.decide == nil ? [] : PaxosDriver.needs(rule, replicas),
            isRead: operation.decide == nil,
            deadline: now + Int64(operation.timeout / 1000),
            floor: PaxosStore.floor(
                of: operation.table,
                now: environment.clock.secondsSinceEpoch()
            )
        )
        proposer = PaxosProposer(request, seed: environment.random.next())
    }

    /// The commits that a level asks for.
    private static func needs(_ rule: ConsistencyRule, _ replicas: [Replica]) -> [PaxosCommitNeed] {
        if rule.level == .any { return [] }
        if !rule.requiredByDataCenter.isEmpty {
            return rule.requiredByDataCenter.map { name, count in
                let own = replicas.filter { $0.dataCenter == name }
                let pending = own.count(where: \.isPending)
                return PaxosCommitNeed(replicas: own.map(\.id), count: count + pending)
            }
        }
        let counted = replicas.filter { rule.counts($0.dataCenter) }
        let pending = counted.count(where: \.isPending)
        return [PaxosCommitNeed(replicas: counted.map(\.id), count: rule.required + pending)]
    }

    func start() {
        number = requests.add(timeout: operation.timeout + 1_000_000_000) { [self] in hear($0) }
        perform(proposer.start(at: moment))
    }

    private var moment: PaxosMoment {
        let clock = coordinator.node.environment.clock
        return PaxosMoment(
            now: Int64(clock.monotonicNanoseconds() / 1000),
            wall: UInt64(max(clock.microsecondsSinceEpoch(), 0))
        )
    }

    /// Sees to it that the proposer is woken when it wants to be: also when an answer has made that earlier.
    private func schedule() {
        guard !isOver, let wake = proposer.wakeTime, wake < wakeAt else { return }
        wakeAt = wake
        let delay = max(wake - moment.now, 1000)
        owner.executor.schedule(after: UInt64(delay) * 1000) { [self] in
            // An earlier one has taken its place.
            guard !isOver, wakeAt == wake else { return }
            wakeAt = .max
            perform(proposer.tick(at: moment))
        }
    }

    private func hear(_ event: RequestEvent) {
        guard case .answer(let message, let address) = event, let id = view.node(at: address) else {
            return
        }
        if message.kind == .paxosAnswer, let answer = try? PaxosAnswer(decoding: message.body) {
            return perform(proposer.receive(answer, from: id, at: moment))
        }
        perform(proposer.failed(id, at: moment))
    }

    private func perform(_ actions: [PaxosAction]) {
        for action in actions where !isOver {
            switch action {
            case .send(let request, let ids): for id in ids { send(request, to: id) }
                if case .commit(let vote) = request { hint(vote) }
            case .decide(let reads): decide(reads)
            case .finish(let outcome): finish(outcome)
            }
        }
        schedule()
    }

    private func send(_ request: PaxosRequest, to id: NodeID) {
        var reads: [ReadRequest] = []
        if case .prepare = request { reads = operation.reads }
        let message = PaxosMessage(
            timeout: operation.timeout / 1000,
            storageID: operation.table.storageID,
            partition: operation.partition,
            reads: reads,
            request: request
        )
        guard id == view.local else {
            let bytes = InternodeMessage(
                .paxos,
                request: number,
                epoch: view.epoch,
                body: message.bytes
            )
            return coordinator.send(bytes, to: id, view)
        }
        coordinator.replica.paxos(message, RequestTerms(epoch: view.epoch)) { [self] result in
            owner.executor.execute { [self] in
                guard !isOver else { return }
                switch result {
                case .success(let answer): perform(proposer.receive(answer, from: id, at: moment))
                case .failure: perform(proposer.failed(id, at: moment))
                }
            }
        }
    }

    /// Replicas that are down get what was decided as a hint.
    private func hint(_ vote: PaxosVote) {
        guard !vote.value.isEmpty else { return }
        for id in dead { coordinator.hints.keep(vote.value.bytes, for: id) { _ in } }
    }

    private func decide(_ reads: [PaxosRead]) {
        guard merge(reads) else { return }
        guard let decide = operation.decide else {
            return perform(proposer.decide(.keep, at: moment))
        }
        guard let decision = decide(merged, Int64(proposer.currentBallot.micros)) else {
            end()
            return completion(.abandoned)
        }
        perform(proposer.decide(decision, at: moment))
    }

    /// Merges what the replicas have read; false when that can't be.
    private func merge(_ reads: [PaxosRead]) -> Bool {
        var answers: [[(id: NodeID, data: ReadAnswer.Data)]] = operation.reads.map { _ in [] }
        var current = view.local
        do throws(MalformedBytes) {
            for read in reads {
                current = read.replica
                let own = try read.answers()
                guard own.count == answers.count else {
                    throw MalformedBytes(offset: 0, expected: "an answer to each read")
                }
                for (index, answer) in own.enumerated() {
                    if let data = answer.data { answers[index].append((read.replica, data)) }
                }
            }
            merged = []
            for (request, answers) in zip(operation.reads, answers) {
                merged.append(
                    try AnswerMerge.merge(
                        answers,
                        ReplicaRead.Run(request).unlimited,
                        operation.table
                    )
                )
            }
            return true
        } catch {
            end()
            completion(.malformed(current, error))
            return false
        }
    }

    private func finish(_ outcome: PaxosOutcome) {
        switch outcome {
        case .read(let reads), .notApplied(let reads):
            guard merge(reads) else { return }
        default: break
        }
        end()
        completion(.finished(outcome, merged))
    }

    private func end() {
        isOver = true
        requests.remove(number)
    }
}
