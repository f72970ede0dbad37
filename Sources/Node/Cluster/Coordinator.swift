// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Cluster
internal import Environment
package import Model
internal import Storage
import Synchronization

/// Carries reads and writes to the replicas of their partitions, and answers what other coordinators ask of
/// this node.
///
/// Each request is owned by the shard on which it begins: its operation, a machine of `Cluster`, is driven on
/// that shard's executor, and answers are brought there. Requests for which this node is the only replica
/// needn't come here.
package final class Coordinator: Sendable {
    package let options: CoordinatorOptions
    let node: Node
    let network: any Network
    let replica: ReplicaService
    let hints: any HintSink
    let pending: [PendingRequests]
    let statistics: [ReadStatistics]
    private let state: Mutex<State>
    /// Takes the messages that aren't requests of clients' data: gossip, the metadata log.
    private let control: @Sendable (NodeAddress, InternodeMessage) -> Void
    /// The increments that have come lately.
    let increments = Mutex(RecentRequests())
    /// The epoch that all shards have: what came before under an earlier one is in their queues or done.
    private let fencedEpoch = Atomic<UInt64>(0)
    /// Calls back with true when this node has caught up with an epoch that another node is at, with false if it can't
    /// for now.
    private let catchUp: @Sendable (UInt64, NodeAddress, @escaping @Sendable (Bool) -> Void) -> Void

    private struct State {
        var view: ClusterView
        var alive: Set<NodeID> = []
        /// The schema that this node's shards have.
        var schemaVersion: UUID?
        /// The schemas that the others have, as they say.
        var schemas: [NodeID: UUID] = [:]
    }

    init(
        node: Node,
        network: any Network,
        view: ClusterView,
        hints: any HintSink,
        options: CoordinatorOptions,
        control: @escaping @Sendable (NodeAddress, InternodeMessage) -> Void,
        catchUp: @escaping @Sendable (UInt64, NodeAddress, @escaping @Sendable (Bool) -> Void) -> Void
    ) {
        self.catchUp = catchUp
        self.node = node
        self.network = network
        self.hints = hints
        self.options = options
        self.control = control
        replica = ReplicaService(node)
        replica.fence(view.placementEpoch)
        state = Mutex(State(view: view))
        let environment = node.environment
        pending = node.shards.map {
            PendingRequests(
                shard: $0.index,
                executor: $0.executor,
                clock: environment.clock,
                seed: environment.random.next()
            )
        }
        statistics = node.shards.map { _ in
            ReadStatistics(clock: environment.clock, options: options, seed: environment.random.next())
        }
    }

    /// How many reads have asked another replica since those that they had asked were slow.
    package var speculationCount: UInt64 { statistics.reduce(0) { $0 + $1.speculationCount } }

    /// Begins to take messages.
    func listen() {
        network.receive { [weak self] address, bytes in self?.receive(bytes, from: address) }
    }

    // MARK: The cluster

    /// The cluster as of the last epoch that this node has applied.
    package var view: ClusterView { state.withLock { $0.view } }

    /// All shards have come to an epoch.
    func fence(_ epoch: UInt64) { fencedEpoch.store(epoch, ordering: .releasing) }

    func adopt(_ view: ClusterView) {
        let isLatest = state.withLock { state in
            guard view.epoch >= state.view.epoch else { return false }
            state.view = view
            return true
        }
        if isLatest { replica.fence(view.placementEpoch) }
    }

    /// How many requests of others this node has dropped since nobody waited for them any more.
    package var expiredCount: UInt64 { replica.expiredCount }

    /// Notes whether a node answers.
    func note(_ id: NodeID, isAlive: Bool) {
        state.withLock { state in
            if isAlive {
                state.alive.insert(id)
            } else {
                state.alive.remove(id)
            }
        }
    }

    /// Whether a node gives signs of life.
    package func isAlive(_ id: NodeID) -> Bool {
        state.withLock { $0.alive.contains(id) || id == $0.view.local }
    }

    /// Notes the schema that this node's shards have.
    func note(schemaVersion: UUID) { state.withLock { $0.schemaVersion = schemaVersion } }

    /// Notes the schema that another node says it has.
    func note(schemaOf id: NodeID, _ text: String?) {
        guard let version = text.flatMap({ UUID($0) }) else { return }
        note(schemaOf: id, version)
    }

    func note(schemaOf id: NodeID, _ version: UUID) { state.withLock { $0.schemas[id] = version } }

    /// The version of the schema that a node has; nil if it isn't known.
    package func schemaVersion(of id: NodeID) -> UUID? {
        state.withLock { id == $0.view.local ? $0.schemaVersion : $0.schemas[id] }
    }

    /// The replicas of a token: this node first, then those of its data center, then the others.
    ///
    /// - Parameter statistics: puts those that are equally far in order; by distance on the ring if nil.
    func replicas(
        of token: Token,
        _ placement: ClusterView.Placement,
        in view: ClusterView,
        _ statistics: ReadStatistics? = nil
    ) -> [Replica] {
        let set = placement.map.replicas(of: token)
        let alive = state.withLock { $0.alive }
        let make = { (id: NodeID, isPending: Bool) in
            Replica(
                id,
                dataCenter: view.node(id)?.location.dataCenter ?? "",
                isAlive: id == view.local || alive.contains(id),
                isPending: isPending
            )
        }
        var replicas: [Replica] = []
        replicas.reserveCapacity(set.natural.count + set.pending.count)
        var (ownCount, nearCount) = (0, 0)
        for id in set.natural {
            let replica = make(id, false)
            if id == view.local {
                replicas.insert(replica, at: 0)
                ownCount = 1
            } else if replica.dataCenter == view.localDataCenter {
                replicas.insert(replica, at: ownCount + nearCount)
                nearCount += 1
            } else {
                replicas.append(replica)
            }
        }
        let farStart = ownCount + nearCount
        statistics?.order(&replicas, in: ownCount..<farStart)
        statistics?.order(&replicas, in: farStart..<replicas.count)
        for id in set.pending { replicas.append(make(id, true)) }
        return replicas
    }

    // MARK: Requests

    /// How often a request is begun anew since rows have moved meanwhile.
    static let restartsMax = 5

    /// Why a request isn't begun, if too many wait already: it is refused before it costs anything.
    func refusal(_ owner: Shard) -> ReplicaOutcome? {
        let limit = options.inFlightMax
        return pending[owner.index].count < limit ? nil : .overloaded(limit: limit)
    }

    /// Who is asked when a keyspace was dropped meanwhile: nobody.
    static let gone = ReplicaOutcome.unavailable(required: 1, alive: 0)

    /// Writes a mutation of one partition to its replicas. On the executor of `owner`.
    ///
    /// - Parameters:
    ///   - keyspace: whose replicas get it.
    ///   - isWrittenHere: whether this node has written it already.
    package func write(
        _ mutation: [UInt8],
        token: Token,
        in keyspace: String,
        _ level: Consistency,
        owner: Shard,
        isWrittenHere: Bool = false,
        restarts: Int = 0,
        completion: @escaping @Sendable (ReplicaOutcome) -> Void
    ) {
        // The replicas are always those of the epoch that the messages name.
        let view = view
        guard let placement = view.placement(of: keyspace) else { return completion(Self.gone) }
        if let refusal = refusal(owner) { return completion(refusal) }
        let restart = { @Sendable [self] in
            write(
                mutation,
                token: token,
                in: keyspace,
                level,
                owner: owner,
                isWrittenHere: isWrittenHere,
                restarts: restarts + 1,
                completion: completion
            )
        }
        let rule = ConsistencyRule(level, placement.factors, localDataCenter: view.localDataCenter)
        WriteDriver(
            operation: WriteOperation(rule, replicas: replicas(of: token, placement, in: view)),
            mutation: mutation,
            isWrittenHere: isWrittenHere,
            token: token,
            view: view,
            requests: pending[owner.index],
            coordinator: self,
            owner: owner,
            restart: restarts < Self.restartsMax ? restart : nil,
            completion: completion
        ).start()
    }

    /// Reads a run of keys, as far as they have the same replicas as `token`, that of the first. On the executor of
    /// `owner`.
    ///
    /// - Parameter keyspace: whose replicas are asked.
    package func read(
        _ request: ReadRequest,
        of table: TableSchema,
        token: Token,
        in keyspace: String,
        _ level: Consistency,
        owner: Shard,
        restarts: Int = 0,
        completion: @escaping @Sendable (Result<MergedAnswers, ReadRefusal>) -> Void
    ) {
        let view = view
        guard let placement = view.placement(of: keyspace) else {
            return completion(.failure(.outcome(Self.gone)))
        }
        if let refusal = refusal(owner) { return completion(.failure(.outcome(refusal))) }
        let statistics = statistics[owner.index]
        let cut = request.isReversed ? nil : placement.map.cut(request.bounds, at: token)
        var stretch = request
        var finish = completion
        if let cut {
            stretch.bounds = KeyBounds(lower: request.bounds.lower, upper: cut)
            finish = { result in completion(result.map { $0.ending(at: cut) }) }
        }
        let restart = { @Sendable [self] in
            read(
                request,
                of: table,
                token: token,
                in: keyspace,
                level,
                owner: owner,
                restarts: restarts + 1,
                completion: completion
            )
        }
        let rule = ConsistencyRule(level, placement.factors, localDataCenter: view.localDataCenter)
        ReadDriver(
            operation: ReadOperation(rule, candidates: replicas(of: token, placement, in: view, statistics)),
            request: stretch,
            table: table,
            view: view,
            requests: pending[owner.index],
            statistics: statistics,
            coordinator: self,
            owner: owner,
            restart: restarts < Self.restartsMax ? restart : nil,
            completion: finish
        ).start()
    }

    /// Performs a conditional write or a serial read. On the executor of `owner`.
    package func perform(
        _ operation: PaxosOperation,
        in keyspace: String,
        owner: Shard,
        completion: @escaping @Sendable (PaxosResult) -> Void
    ) {
        let view = view
        guard let placement = view.placement(of: keyspace) else {
            return completion(.finished(.unavailable(required: 1, alive: 0), []))
        }
        guard refusal(owner) == nil else { return completion(.overloaded(limit: options.inFlightMax)) }
        let token = operation.partition.withView { Key.token(of: $0) }
        PaxosDriver(
            operation,
            replicas: replicas(of: token, placement, in: view),
            view: view,
            factors: placement.factors,
            requests: pending[owner.index],
            coordinator: self,
            owner: owner,
            completion: completion
        ).start()
    }

    /// Writes a mutation to each of some nodes; `done` is called with nil when all have it, or `needs` of them, on the
    /// executor of `owner`.
    package func deliver(
        _ mutation: [UInt8],
        to ids: [NodeID],
        needs: Int? = nil,
        owner: Shard,
        done: @escaping @Sendable (String?) -> Void
    ) {
        owner.run { [self] _ in
            Delivery(mutation, to: ids, needs: needs, self, pending[owner.index], owner: owner, done: done)
                .start()
        }
    }

    /// Who has to have a mutation that `id` has missed: itself; if its range has moved since or is moving, all who own
    /// or will own it; nobody if the table is gone.
    func owners(ofHint mutation: [UInt8], for id: NodeID) -> [NodeID] {
        let part = mutation.withView { view -> (table: UUID, token: Token)? in
            var reader = MutationReader(view)
            guard let group = try? reader.nextGroup(), group.count > 0,
                let (key, _) = try? reader.nextEntry()
            else { return nil }
            return (group.storageID, Key.token(of: key))
        }
        // Whoever gets it says what is wrong with it: it isn't to be taken for delivered.
        guard let part else { return [id] }
        guard let table = node.schema.table(storageID: part.table),
            let placement = view.placement(of: table.keyspace)
        else { return [] }
        let set = placement.map.replicas(of: part.token)
        return set.pending.isEmpty && set.natural.contains(id) ? [id] : set.natural + set.pending
    }

    // MARK: Messages

    func send(_ message: InternodeMessage, to id: NodeID, _ view: ClusterView) {
        guard let address = view.node(id)?.address else { return }
        network.send(message.bytes, to: address)
    }

    private func receive(_ bytes: [UInt8], from address: NodeAddress) {
        let message: InternodeMessage
        do throws(MalformedBytes) {
            message = try bytes.withView { (view) throws(MalformedBytes) in
                try InternodeMessage(decoding: view)
            }
        } catch {
            // A peer of another version, or none of ours: what it wants can't be known.
            return
        }
        switch message.kind {
        case .writeAnswer, .readAnswer, .failure, .paxosAnswer, .counterAnswer:
            let index = PendingRequests.shard(of: message.request)
            guard index < node.shards.count else { return }
            let requests = pending[index]
            node.shards[index].executor.execute { requests.answer(message, from: address) }
        case .write, .read, .paxos, .counter:
            // The sender may know tables and nodes that this one has yet to hear of.
            guard message.epoch > fencedEpoch.load(ordering: .acquiring) else {
                return serve(message, from: address)
            }
            catchUp(message.epoch, address) { [self] isAtEpoch in
                guard isAtEpoch else { return refuseBehind(message, from: address) }
                serve(message, from: address)
            }
        case .gossip, .metadata, .adopted:
            control(address, message)
        }
    }

    /// A request must not be answered under an earlier epoch than its own: what this node still took under that one
    /// would be missed by who relies on its answer.
    private func refuseBehind(_ message: InternodeMessage, from address: NodeAddress) {
        let view = view
        let text = "the request is of epoch \(message.epoch), and this node can't get from epoch"
            + " \(view.epoch) to it for now"
        answer(message, from: address, under: view.epoch, .failure, RequestFailure(.behind, text).bytes)
    }

    /// Does as a replica what another node's coordinator asks for.
    private func serve(_ message: InternodeMessage, from address: NodeAddress) {
        if message.kind == .counter { return lead(message, from: address) }
        replica.handle(message) { [self] kind, body in
            // Who is refused has to come to this node's epoch.
            let epoch = kind == .failure ? view.epoch : message.epoch
            answer(message, from: address, under: epoch, kind, body)
        }
    }

    func answer(
        _ message: InternodeMessage,
        from address: NodeAddress,
        under epoch: UInt64,
        _ kind: MessageKind,
        _ body: [UInt8]
    ) {
        let answer = InternodeMessage(kind, request: message.request, epoch: epoch, body: body)
        network.send(answer.bytes, to: address)
    }

    /// Begins anew what a replica refused since this node hadn't heard of something.
    func retry(_ answer: InternodeMessage, from address: NodeAddress, _ body: @escaping @Sendable () -> Void) {
        catchUp(answer.epoch, address) { _ in body() }
    }
}

/// Why a read through replicas gave nothing.
package enum ReadRefusal: Error, Sendable {
    case outcome(ReplicaOutcome)
    /// A replica's answer can't be decoded.
    case malformed(NodeID, MalformedBytes)
}

/// Keeps what a replica that can't be reached has missed, until it can.
package protocol HintSink: AnyObject, Sendable {
    /// Keeps a mutation for a node; `done` is called with true when it is durable, with false when it isn't
    /// kept. On any thread.
    func keep(_ mutation: [UInt8], for id: NodeID, done: @escaping @Sendable (Bool) -> Void)
}
