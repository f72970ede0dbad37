// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Cluster
internal import Environment
package import Model
internal import Storage
import Synchronization

/// Requests that may be done only once, by who sent them and their numbers: messages may come twice.
///
/// Remembers the last 50,000 at least.
struct RecentRequests {
    private struct Request: Hashable {
        let sender: NodeAddress
        let number: UInt64
    }

    private static let generationMax = 50_000

    private var latest: Set<Request> = []
    private var former: Set<Request> = []

    /// Notes a request; false if it has come before.
    mutating func note(_ number: UInt64, from sender: NodeAddress) -> Bool {
        let request = Request(sender: sender, number: number)
        guard !former.contains(request), latest.insert(request).inserted else { return false }
        if latest.count >= RecentRequests.generationMax {
            former = latest
            latest = []
        }
        return true
    }
}

/// Counters: how increments come to one replica, which counts and tells the others (`CounterIncrements`).
extension Coordinator {
    /// Adds increments to counters of one partition. On the executor of `owner`, the partition's shard.
    ///
    /// - Parameter keyspace: whose replicas count.
    package func increment(
        _ increments: [UInt8],
        token: Token,
        in keyspace: String,
        _ level: Consistency,
        owner: Shard,
        restarts: Int = 0,
        completion: @escaping @Sendable (ReplicaOutcome) -> Void
    ) {
        let view = view
        guard let placement = view.placement(of: keyspace) else { return completion(Self.gone) }
        if let refusal = refusal(owner) { return completion(refusal) }
        let replicas = replicas(of: token, placement, in: view, statistics[owner.index])
        let rule = ConsistencyRule(level, placement.factors, localDataCenter: view.localDataCenter)
        let operation = WriteOperation(rule, replicas: replicas)
        if let unavailable = operation.unavailable { return completion(unavailable) }
        guard let leader = replicas.first(where: { $0.isAlive && !$0.isPending }) else {
            return completion(.unavailable(required: operation.required, alive: 0))
        }
        let restart = { @Sendable [self] in
            increment(
                increments,
                token: token,
                in: keyspace,
                level,
                owner: owner,
                restarts: restarts + 1,
                completion: completion
            )
        }
        let isLast = restarts >= Self.restartsMax
        let refused = { @Sendable (failure: RequestFailure) in
            let failures = [ReplicaFailure(leader.id, failure)]
            completion(.failure(received: 0, required: operation.required, failures: failures, hasData: false))
        }
        guard leader.id == view.local else {
            return ask(leader.id, increments, level, operation, view, owner, isLast ? nil : restart, refused, completion)
        }
        lead(increments, token, level, RequestTerms(epoch: view.epoch)) { failure in
            // Nothing was done: under the epoch that this node has come to, others may have the rows.
            if failure.reason == .staleEpoch, !isLast { return owner.run { _ in restart() } }
            refused(failure)
        } done: { outcome in
            owner.run { _ in completion(outcome) }
        }
    }

    /// Has another node count.
    private func ask(
        _ leader: NodeID,
        _ increments: [UInt8],
        _ level: Consistency,
        _ operation: WriteOperation,
        _ view: ClusterView,
        _ owner: Shard,
        _ restart: (@Sendable () -> Void)?,
        _ refused: @escaping @Sendable (RequestFailure) -> Void,
        _ completion: @escaping @Sendable (ReplicaOutcome) -> Void
    ) {
        let requests = pending[owner.index]
        let number = requests.add(timeout: options.writeTimeout) { [self] event in
            switch event {
            case .slow: break
            case .timeout: completion(.timeout(received: 0, required: operation.required, hasData: false))
            case .answer(let message, let address):
                requests.remove(message.request)
                if message.kind == .counterAnswer, let outcome = try? ReplicaOutcome(decoding: message.body) {
                    return completion(outcome)
                }
                let failure = RequestFailure(answer: message)
                guard failure.reason == .staleEpoch, let restart else { return refused(failure) }
                retry(message, from: address) { owner.run { _ in restart() } }
            }
        }
        let request = IncrementRequest(timeout: options.writeTimeout / 1000, level: level, mutation: increments)
        send(InternodeMessage(.counter, request: number, epoch: view.epoch, body: request.bytes), to: leader, view)
    }

    /// Counts for another node.
    func lead(_ message: InternodeMessage, from address: NodeAddress) {
        let refuse = { @Sendable [self] (failure: RequestFailure) in
            answer(message, from: address, under: view.epoch, .failure, failure.bytes)
        }
        let request: IncrementRequest
        let token: Token
        do throws(MalformedBytes) {
            request = try IncrementRequest(decoding: message.body)
            token = try request.mutation.withView { (view) throws(MalformedBytes) in
                var reader = MutationReader(view)
                _ = try reader.nextGroup()
                return Key.token(of: try reader.nextEntry().key)
            }
        } catch {
            return refuse(RequestFailure(.unknown, error.description))
        }
        guard increments.withLock({ $0.note(message.request, from: address) }) else { return }
        let terms = replica.terms(of: message, request.timeout)
        lead(request.mutation, token, request.level, terms, refused: refuse) { [self] outcome in
            answer(message, from: address, under: message.epoch, .counterAnswer, outcome.bytes)
        }
    }

    /// Counts here and then tells the other replicas. On any thread.
    ///
    /// - Parameter refused: called when nothing was done.
    private func lead(
        _ increments: [UInt8],
        _ token: Token,
        _ level: Consistency,
        _ terms: RequestTerms,
        refused: @escaping @Sendable (RequestFailure) -> Void,
        done: @escaping @Sendable (ReplicaOutcome) -> Void
    ) {
        replica.run(on: token, terms, refused: refused) { [self] shard in
            guard let keyspace = keyspace(of: increments) else {
                return refused(RequestFailure(.incompatibleSchema, "the counters' table isn't known here"))
            }
            if let outcome = obstacle(token, keyspace, level, shard) { return done(outcome) }
            let now = node.environment.clock.microsecondsSinceEpoch()
            CounterIncrements.apply(increments, host: node.hostID, now: now, on: shard) { [self] result in
                switch result {
                case .failure(let error): refused(RequestFailure(error))
                case .success(let mutation):
                    write(
                        mutation,
                        token: token,
                        in: keyspace,
                        level,
                        owner: shard,
                        isWrittenHere: true
                    ) { done($0.afterCounting) }
                }
            }
        }
    }

    /// Why an increment isn't begun; nil if it can be.
    private func obstacle(
        _ token: Token,
        _ keyspace: String,
        _ level: Consistency,
        _ shard: Shard
    ) -> ReplicaOutcome? {
        let view = view
        guard let placement = view.placement(of: keyspace) else { return Self.gone }
        if let refusal = refusal(shard) { return refusal }
        let rule = ConsistencyRule(level, placement.factors, localDataCenter: view.localDataCenter)
        return WriteOperation(rule, replicas: replicas(of: token, placement, in: view)).unavailable
    }

    /// The keyspace of the table that a mutation begins with.
    private func keyspace(of mutation: [UInt8]) -> String? {
        let id = mutation.withView { view in
            var reader = MutationReader(view)
            return try? reader.nextGroup()?.storageID
        }
        return id.flatMap { node.schema.table(storageID: $0)?.keyspace }
    }
}

extension ReplicaOutcome {
    /// What is to be said when one replica has counted already: that nothing was done is no longer true.
    fileprivate var afterCounting: ReplicaOutcome {
        switch self {
        case .success, .timeout, .failure: self
        case .overloaded: .timeout(received: 1, required: 1, hasData: false)
        case .unavailable(let required, _): .timeout(received: 1, required: required, hasData: false)
        }
    }
}

extension RequestFailure {
    /// What a coordinator is told of increments that this node didn't count.
    init(_ error: CounterError) {
        switch error {
        case .storage(let error): self.init(error)
        case .write(let error): self.init(error)
        case .noRoom: self.init(.overloaded, "the memtables are full and being flushed; try again")
        case .malformed(let error): self.init(.unknown, error.description)
        }
    }
}
