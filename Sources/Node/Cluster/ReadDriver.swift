// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// Performs what a `ReadOperation` asks for. Used on its owner's executor only.
final class ReadDriver: @unchecked Sendable {  // Owner: the shard's executor.
    typealias Completion = @Sendable (Result<MergedAnswers, ReadRefusal>) -> Void

    private var operation: ReadOperation
    private let request: ReadRequest
    private let table: TableSchema
    private let view: ClusterView
    private let requests: PendingRequests
    private let statistics: ReadStatistics
    private let coordinator: Coordinator
    private let owner: Shard
    private let completion: Completion
    /// Begins anew under a later epoch; nil when that was done too often.
    private let restart: (@Sendable () -> Void)?
    private var hasRestarted = false
    private var number: UInt64 = 0
    private var answers: [NodeID: ReadAnswer.Data] = [:]
    private var startedAt: UInt64 = 0
    /// The others that were asked and haven't answered, and when.
    private var asked: [(id: NodeID, at: UInt64)] = []
    private var merged: MergedAnswers?

    init(
        operation: ReadOperation,
        request: ReadRequest,
        table: TableSchema,
        view: ClusterView,
        requests: PendingRequests,
        statistics: ReadStatistics,
        coordinator: Coordinator,
        owner: Shard,
        restart: (@Sendable () -> Void)?,
        completion: @escaping Completion
    ) {
        self.restart = restart
        self.operation = operation
        self.request = request
        self.table = table
        self.view = view
        self.requests = requests
        self.statistics = statistics
        self.coordinator = coordinator
        self.owner = owner
        self.completion = completion
    }

    func start() {
        let actions = operation.start()
        if !operation.isOver {
            startedAt = statistics.now
            let delay = statistics.begin(table)
            number = requests.add(
                timeout: request.timeout * 1000,
                slow: operation.canSpeculate ? delay : nil
            ) { [self] in hear($0) }
        }
        perform(actions)
    }

    private func hear(_ event: RequestEvent) {
        switch event {
        case .slow: if operation.canSpeculate, statistics.maySpeculate() { perform(operation.speculate()) }
        case .timeout:
            for (id, _) in asked { statistics.scores.failed(id, at: statistics.now) }
            asked = []
            perform(operation.timedOut())
        case .answer(let message, let address):
            guard let id = view.node(at: address) else { return }
            if message.kind == .failure, let restart = takeRestart(after: RequestFailure(answer: message)) {
                return coordinator.retry(message, from: address) { [owner] in owner.run { _ in restart() } }
            }
            hear(message, from: id)
        }
    }

    /// How to begin anew, if a failure asks for that: nothing more comes of this attempt.
    private func takeRestart(after failure: RequestFailure) -> (@Sendable () -> Void)? {
        guard failure.reason == .staleEpoch, !operation.isOver, !hasRestarted, let restart else { return nil }
        hasRestarted = true
        abandon()
        requests.remove(number)
        return restart
    }

    /// What is still to come isn't waited for any more.
    private func abandon() {
        guard !asked.isEmpty else { return }
        let now = statistics.now
        for (id, at) in asked { statistics.scores.abandoned(id, after: now - at, at: now) }
        asked = []
    }

    /// Notes how long a replica took; nil if it failed.
    private func noteAnswer(_ id: NodeID, isFailure: Bool) {
        guard let index = asked.firstIndex(where: { $0.id == id }) else { return }
        let at = asked.remove(at: index).at
        let now = statistics.now
        isFailure ? statistics.scores.failed(id, at: now) : statistics.scores.answered(id, after: now - at, at: now)
    }

    private func hear(_ message: InternodeMessage, from id: NodeID) {
        noteAnswer(id, isFailure: message.kind == .failure)
        switch message.kind {
        case .writeAnswer: perform(operation.repaired(id))
        case .readAnswer:
            do throws(MalformedBytes) {
                take(try ReadAnswer(decoding: message.body), from: id)
            } catch {
                perform(
                    operation.failed(ReplicaFailure(id, RequestFailure(.unknown, error.description)))
                )
            }
        default:
            let failure = ReplicaFailure(id, RequestFailure(answer: message))
            perform(operation.failed(failure) + operation.repairFailed(failure))
        }
    }

    private func take(_ answer: ReadAnswer, from id: NodeID) {
        if let data = answer.data { answers[id] = data }
        perform(operation.answered(by: id, digest: answer.digest, hasData: answer.data != nil))
    }

    private func perform(_ actions: [ReadOperation.Action]) {
        guard !hasRestarted else { return }
        for action in actions {
            switch action {
            case .read(let id, let digest): read(id, digest)
            case .merge(let ids): merge(ids)
            case .repair(let id): repair(id)
            case .complete(let outcome, let id): complete(outcome, id)
            }
        }
        if operation.isOver {
            abandon()
            requests.remove(number)
        }
    }

    private func read(_ id: NodeID, _ digest: Bool) {
        var request = request
        request.wantsDigest = digest
        guard id == view.local else {
            asked.append((id, statistics.now))
            statistics.scores.asked(id)
            let message = InternodeMessage(
                .read,
                request: number,
                epoch: view.epoch,
                body: request.bytes
            )
            return coordinator.send(message, to: id, view)
        }
        coordinator.replica.read(request, RequestTerms(epoch: view.epoch)) { [self] result in
            owner.run { [self] _ in
                switch result {
                case .success(let answer): take(answer, from: id)
                case .failure(let failure):
                    if let restart = takeRestart(after: failure) { return restart() }
                    perform(operation.failed(ReplicaFailure(id, failure)))
                }
            }
        }
    }

    private func merge(_ ids: [NodeID]) {
        let data = ids.compactMap { id in answers[id].map { (id, $0) } }
        do throws(MalformedBytes) {
            var merged = try AnswerMerge.merge(data, ReplicaRead.Run(request).unlimited, table)
            merged.receivedCount = data.reduce(0) { $0 + ($1.0 == view.local ? 0 : $1.1.mutation.count) }
            self.merged = merged
            // A vote is the voter's own: what one has accepted is no other's to accept.
            let isRepaired = table.id != PaxosStore.table.id
                && !coordinator.node.environment.planted.contains(.skipReadRepair)
            perform(operation.merged(lacking: isRepaired ? merged.repairs.map(\.id) : []))
        } catch {
            refuse(ids[0], error)
        }
    }

    /// An answer passed the digests' comparison and yet can't be decoded.
    private func refuse(_ id: NodeID, _ error: MalformedBytes) {
        abandon()
        requests.remove(number)
        completion(.failure(.malformed(id, error)))
    }

    private func repair(_ id: NodeID) {
        guard let mutation = merged?.repairs.first(where: { $0.id == id })?.mutation else { return }
        guard id == view.local else {
            let body = WriteRequest(timeout: request.timeout, mutation: mutation).bytes
            let message = InternodeMessage(.write, request: number, epoch: view.epoch, body: body)
            return coordinator.send(message, to: id, view)
        }
        // An answer is of keys of one replica set, but a scan's may be of several shards.
        coordinator.replica.write(parts: mutation, RequestTerms(epoch: view.epoch)) { [self] failure in
            owner.run { [self] _ in
                guard let failure else { return perform(operation.repaired(id)) }
                if let restart = takeRestart(after: failure) { return restart() }
                perform(operation.repairFailed(ReplicaFailure(id, failure)))
            }
        }
    }

    private func complete(_ outcome: ReplicaOutcome, _ id: NodeID?) {
        guard outcome == .success else { return completion(.failure(.outcome(outcome))) }
        statistics.end(table, after: statistics.now - startedAt)
        if let merged { return completion(.success(merged)) }
        guard let id, let data = answers[id] else {
            invariantFailure("a read succeeded without data")
        }
        do throws(MalformedBytes) {
            try AnswerMerge.check(data.mutation)
            let entries = MergedAnswers.Entries.answer(data.mutation)
            completion(
                .success(MergedAnswers(entries: entries, horizon: data.horizon, repairs: []))
            )
        } catch {
            refuse(id, error)
        }
    }
}

extension ReplicaRead.Run {
    init(_ request: ReadRequest) {
        self.init(
            bounds: request.bounds,
            isReversed: request.isReversed,
            wantsStatic: request.wantsStatic,
            rowsMax: request.rowsMax,
            bytesMax: request.bytesMax,
            workMax: request.workMax,
            now: request.now
        )
    }

    /// All of the run.
    var unlimited: ReplicaRead.Run {
        ReplicaRead.Run(bounds: bounds, isReversed: isReversed, now: now)
    }
}
