// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// Performs what a `WriteOperation` asks for. Used on its owner's executor only.
final class WriteDriver: @unchecked Sendable {  // Owner: the shard's executor.
    private var operation: WriteOperation
    private let mutation: [UInt8]
    /// Whether this node has written it already.
    private let isWrittenHere: Bool
    private let token: Token
    private let view: ClusterView
    private let requests: PendingRequests
    private let coordinator: Coordinator
    private let owner: Shard
    private let completion: @Sendable (ReplicaOutcome) -> Void
    /// Begins anew under a later epoch; nil when that was done too often.
    private let restart: (@Sendable () -> Void)?
    private var hasRestarted = false
    private var number: UInt64 = 0
    private var message: [UInt8] = []

    init(
        operation: WriteOperation,
        mutation: [UInt8],
        isWrittenHere: Bool,
        token: Token,
        view: ClusterView,
        requests: PendingRequests,
        coordinator: Coordinator,
        owner: Shard,
        restart: (@Sendable () -> Void)?,
        completion: @escaping @Sendable (ReplicaOutcome) -> Void
    ) {
        self.restart = restart
        self.operation = operation
        self.mutation = mutation
        self.isWrittenHere = isWrittenHere
        self.token = token
        self.view = view
        self.requests = requests
        self.coordinator = coordinator
        self.owner = owner
        self.completion = completion
    }

    func start() {
        let actions = operation.start()
        if !operation.isOver {
            number = requests.add(timeout: coordinator.options.writeTimeout) { [self] in hear($0) }
        }
        perform(actions)
    }

    private func hear(_ event: RequestEvent) {
        switch event {
        case .slow: break
        case .timeout: perform(operation.timedOut())
        case .answer(let message, let address):
            guard let id = view.node(at: address) else { return }
            if message.kind == .writeAnswer { return perform(operation.answered(by: id)) }
            let failure = RequestFailure(answer: message)
            if let restart = takeRestart(after: failure) {
                return coordinator.retry(message, from: address) { [owner] in owner.run { _ in restart() } }
            }
            perform(operation.failed(ReplicaFailure(id, failure)))
        }
    }

    /// How to begin anew, if a failure asks for that: nothing more comes of this attempt.
    private func takeRestart(after failure: RequestFailure) -> (@Sendable () -> Void)? {
        guard failure.reason == .staleEpoch, !operation.isComplete, !hasRestarted, let restart else {
            return nil
        }
        hasRestarted = true
        requests.remove(number)
        return restart
    }

    private func perform(_ actions: [WriteOperation.Action]) {
        guard !hasRestarted else { return }
        for action in actions {
            switch action {
            case .send(let id): id == view.local ? writeHere() : send(to: id)
            case .hint(let id): hint(id)
            case .complete(let outcome): completion(outcome)
            }
        }
        if operation.isOver { requests.remove(number) }
    }

    private func send(to id: NodeID) {
        guard let address = view.node(id)?.address else { return }
        if message.isEmpty {
            let request = WriteRequest(
                timeout: coordinator.options.writeTimeout / 1000,
                mutation: mutation
            )
            message = InternodeMessage(
                .write,
                request: number,
                epoch: view.epoch,
                body: request.bytes
            ).bytes
        }
        coordinator.network.send(message, to: address)
    }

    private func writeHere() {
        let id = view.local
        if isWrittenHere { return perform(operation.answered(by: id)) }
        coordinator.replica.write(mutation, token: token, RequestTerms(epoch: view.epoch)) { [self] failure in
            owner.run { [self] _ in
                guard let failure else { return perform(operation.answered(by: id)) }
                if let restart = takeRestart(after: failure) { return restart() }
                perform(operation.failed(ReplicaFailure(id, failure)))
            }
        }
    }

    private func hint(_ id: NodeID) {
        // What this node can't write now it needn't keep for itself, either.
        guard id != view.local else { return }
        coordinator.hints.keep(mutation, for: id) { [self] isKept in
            guard isKept else { return }
            owner.run { [self] _ in perform(operation.hinted()) }
        }
    }
}

extension RequestFailure {
    /// What an answer says that isn't the one that was hoped for.
    init(answer message: InternodeMessage) {
        guard message.kind == .failure, let failure = try? RequestFailure(decoding: message.body) else {
            self.init(.unknown, "an answer of another kind")
            return
        }
        self = failure
    }
}
