// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// The way of the cluster's schema to the node's shards, one state after the other.
struct SchemaAdoption {
    /// The epoch whose schema all shards have.
    var epoch: UInt64 = 0
    var isRunning = false
    /// Called when the epoch has been reached.
    var waiting: [(epoch: UInt64, body: @Sendable () -> Void)] = []
    /// Who has proposed the entries that are being adopted, by their epochs.
    var proposers: [(epoch: UInt64, node: NodeID)] = []
    /// The epochs that other nodes' shards have, as they have said.
    var ofOthers: [NodeID: UInt64] = [:]
    /// What waits for all others to have an epoch.
    var waitingForOthers: [(epoch: UInt64, body: @Sendable () -> Void)] = []
    /// The versions that this node's own statements led to, and that it has yet to adopt.
    var own: Set<UUID> = []
}

extension ClusterMember {
    private static let planTries = 20
    private static let agreementMax: UInt64 = 5_000_000_000

    /// Carries the metadata's schema to the node.
    func adoptSchema() {
        guard !adoption.isRunning, !isStopped, group.metadata.epoch > adoption.epoch else { return }
        adoption.isRunning = true
        let metadata = group.metadata
        node.follow(metadata.schema) { [self] result in
            control.execute { [self] in
                adoption.isRunning = false
                switch result {
                case .success(let edits):
                    adoption.epoch = metadata.epoch
                    coordinator.note(schemaVersion: metadata.schema.version)
                    coordinator.fence(metadata.epoch)
                    gossip.adopt(schemaVersion: metadata.schema.version, epoch: metadata.epoch)
                    let isOwn = adoption.own.contains(metadata.schema.version)
                    if !edits.isEmpty, !isOwn { tell(of: edits) }
                    tellProposers()
                    let ready = adoption.waiting.filter { $0.epoch <= metadata.epoch }
                    adoption.waiting.removeAll { $0.epoch <= metadata.epoch }
                    for (_, body) in ready { body() }
                    adoptSchema()
                case .failure(let error):
                    notice("The schema of epoch \(metadata.epoch) can't be kept: \(error); tried again")
                    control.schedule(after: 1_000_000_000) { [self] in adoptSchema() }
                }
            }
        }
    }

    /// Calls `body` on the control executor when the node has the schema of the latest epoch.
    func whenAdopted(_ body: @escaping @Sendable () -> Void) {
        if adoption.epoch >= group.metadata.epoch { return body() }
        adoption.waiting.append((group.metadata.epoch, body))
        adoptSchema()
    }

    /// Tells those whose changes this node has taken over.
    private func tellProposers() {
        let epoch = adoption.epoch
        let told = adoption.proposers.filter { $0.epoch <= epoch }
        adoption.proposers.removeAll { $0.epoch <= epoch }
        let body = id.uuid.bytes + node.schema.version.bytes
        let message = InternodeMessage(.adopted, epoch: adoption.epoch, body: body).bytes
        for proposer in Set(told.map(\.node)).sorted() {
            guard let address = group.metadata.node(proposer)?.address else { continue }
            network.send(message, to: address)
        }
    }

    /// Another node's shards have the schema of an epoch.
    func noteAdopted(_ body: [UInt8], epoch: UInt64) {
        guard body.count == 32, let node = Array(body[..<16]).withView({ UUID($0) }),
            let version = Array(body[16...]).withView({ UUID($0) })
        else { return }
        let other = NodeID(node)
        coordinator.note(schemaOf: other, version)
        noteAdopted(by: other, epoch: epoch)
    }

    func noteAdopted(by other: NodeID, epoch: UInt64) {
        guard adoption.ofOthers[other] ?? 0 < epoch else { return }
        adoption.ofOthers[other] = epoch
        let waiting = adoption.waitingForOthers
        adoption.waitingForOthers = waiting.filter { !othersHaveAdopted($0.epoch) }
        for (epoch, body) in waiting where othersHaveAdopted(epoch) { body() }
    }

    private func othersHaveAdopted(_ epoch: UInt64) -> Bool {
        group.metadata.nodes.allSatisfy { other in
            other.id == id || !other.state.ownsTokens || !coordinator.isAlive(other.id)
                || adoption.ofOthers[other.id] ?? 0 >= epoch
        }
    }

    /// Calls `body` when the shards of all nodes that are up have the schema of an epoch, or when that takes too
    /// long: a statement that follows on another node finds the schema.
    private func whenOthersHaveAdopted(_ epoch: UInt64, _ body: @escaping @Sendable () -> Void) {
        guard !othersHaveAdopted(epoch) else { return body() }
        let once = Once<Void> { body() }
        adoption.waitingForOthers.append((epoch, { once.call(()) }))
        control.schedule(after: Self.agreementMax) { once.call(()) }
    }

    /// Changes the schema of the cluster; see `Node.changeSchema`.
    func changeSchema<Failure: Error>(
        _ plan: @escaping @Sendable (Schema) throws(Failure) -> [SchemaEdit],
        done: @escaping @Sendable (Result<Schema, SchemaChangeError<Failure>>) -> Void
    ) {
        control.execute { [self] in
            whenAdopted { [self] in attempt(plan, tries: 0, done) }
        }
    }

    private func attempt<Failure: Error>(
        _ plan: @escaping @Sendable (Schema) throws(Failure) -> [SchemaEdit],
        tries: Int,
        _ done: @escaping @Sendable (Result<Schema, SchemaChangeError<Failure>>) -> Void
    ) {
        // The epoch that was waited for may not be the last one any more: a plan on an earlier schema must not go by it.
        guard adoption.epoch >= group.metadata.epoch else {
            return whenAdopted { [self] in attempt(plan, tries: tries, done) }
        }
        let schema = node.schema
        let edits: [SchemaEdit]
        do throws(Failure) {
            edits = try plan(schema)
        } catch {
            return done(.failure(.refused(error)))
        }
        guard !edits.isEmpty else { return done(.success(schema)) }
        let random = node.environment.random
        let version = UUID(random: random.next(), random.next())
        adoption.own.insert(version)
        let change = MetadataChange.schema(
            edits,
            base: group.metadata.schema.epoch,
            version: version
        )
        propose(change) { [self] result in
            whenAdopted { [self] in adoption.own.remove(version) }
            switch result {
            case .success(let epoch):
                whenAdopted { [self] in
                    whenOthersHaveAdopted(epoch) { [self] in done(.success(node.schema)) }
                }
            case .failure(.refused(.schemaChanged)) where tries < Self.planTries:
                whenAdopted { [self] in attempt(plan, tries: tries + 1, done) }
            case .failure(let failure): done(.failure(.cluster(Self.sentence(failure))))
            }
        }
    }

    static func sentence(_ failure: MetadataFailure) -> String {
        switch failure {
        case .refused(let refusal): "it isn't possible: \(refusal)"
        case .timeout(let mayBeDecided):
            "no majority of the nodes that keep the metadata log answered in time; "
                + (mayBeDecided
                    ? "the change may still happen: look before it is tried again"
                    : "nothing was changed; try again when they are up")
        case .overloaded: "too many changes are waiting on this node; try again"
        case .stopped: "this node takes no part in the metadata log; restart it, or ask another"
        }
    }
}
