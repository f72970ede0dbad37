// SPDX-License-Identifier: Apache-2.0

internal import Cluster
internal import Environment
internal import Model

/// What a node does for its membership at the moment.
struct Membership {
    /// A proposal or a transfer of data is under way.
    var isBusy = false
    var isReady = false
    var isTicking = false
    var onReady: [@Sendable () -> Void] = []
    var transfer: RangeTransfer?
    /// Transfers that operators have asked for.
    var running: [(purpose: String, transfer: RangeTransfer)] = []
    var onLeft: [@Sendable (String?) -> Void] = []
    var hasLeft = false
    /// The last refusal that was told.
    var refusal = ""
}

extension ClusterMember {
    private static let pace: UInt64 = 500_000_000

    /// Calls `body` when the node owns its tokens and may serve clients.
    package func whenReady(_ body: @escaping @Sendable () -> Void) {
        control.execute { [self] in
            if membership.isReady { return body() }
            membership.onReady.append(body)
        }
    }

    /// Takes the next step of the node's membership, if there is one. Called after each change and now and then.
    func tickMembership() {
        guard !isStopped else { return }
        if !membership.isTicking {
            membership.isTicking = true
            control.schedule(after: Self.pace) { [self] in
                membership.isTicking = false
                tickMembership()
            }
        }
        guard !membership.isBusy else { return }
        guard group.metadata.identity != nil else {
            for seed in settings.seeds where seed != settings.address { fetchSnapshot(from: seed) }
            return
        }
        guard let record = group.metadata.node(id) else { return register() }
        switch record.state {
        case .registered: startJoin()
        case .joining: fetchRanges(record)
        case .normal, .moving:
            becomeReady()
            if record.state == .moving { return fetchRanges(record) }
            if !correctAddress(record) { correctVoters() }
        case .leaving:
            becomeReady()
            handOver()
        case .left: leave()
        }
    }

    private func becomeReady() {
        guard !membership.isReady, gossip.hasSettled(self) else { return }
        whenAdopted { [self] in
            guard !membership.isReady else { return }
            membership.isReady = true
            for body in membership.onReady { body() }
            membership.onReady = []
        }
    }

    private func step(_ change: MetadataChange) {
        membership.isBusy = true
        propose(change) { [self] result in
            membership.isBusy = false
            guard case .failure(.refused(let refusal)) = result else { return tickMembership() }
            // Tried again at the next tick: others' operations end.
            let text = refusal.description
            if text != membership.refusal { notice("Waiting: \(text)") }
            membership.refusal = text
        }
    }

    // MARK: Coming

    private func register() {
        step(
            .register(
                NodeRecord(
                    id: id,
                    address: settings.address,
                    clientAddress: settings.clientAddress,
                    location: settings.location
                )
            )
        )
    }

    private func startJoin() {
        if let address = settings.replaces {
            let old = group.metadata.nodes.first { $0.address == address && $0.state == .normal }
            guard let old else {
                return notice("There is no node at \(address) that this one could replace.")
            }
            return step(.startJoin(id, tokens: old.tokens, replaces: old.id))
        }
        var generator = SourceGenerator(node.environment.random)
        let tokens = settings.initialTokens ?? TokenAllocator.allocate(
            settings.tokenCount,
            for: settings.location,
            factor: settings.allocationFactor,
            among: group.metadata.nodes,
            using: &generator
        )
        step(.startJoin(id, tokens: tokens, replaces: nil))
    }

    /// Gets the rows of the ranges that this node will own.
    private func fetchRanges(_ record: NodeRecord) {
        let view = coordinator.view
        let local = id
        run(RangeTransfer(member: self, purpose: .fetch) { $0.pendingRanges(of: local) }) { [self] in
            guard coordinator.view.node(local)?.state == view.node(local)?.state else { return }
            step(record.state == .moving ? .finishMove(local) : .finishJoin(local))
        }
    }

    // MARK: Being there

    private func correctAddress(_ record: NodeRecord) -> Bool {
        guard record.address != settings.address || record.clientAddress != settings.clientAddress
        else { return false }
        step(
            .changeAddress(
                id,
                address: settings.address,
                clientAddress: settings.clientAddress
            )
        )
        return true
    }

    /// Of the nodes that are up, the first sees to it that the right ones vote.
    private func correctVoters() {
        let metadata = group.metadata
        let alive = metadata.nodes.filter { $0.state == .normal && coordinator.isAlive($0.id) }
        guard alive.first?.id == id else { return }
        let wanted = metadata.recommendedVoters()
        if wanted != metadata.voters, wanted.count > metadata.voters.count { step(.setVoters(wanted)) }
    }

    // MARK: Going

    private func leave() {
        guard !membership.hasLeft else { return }
        membership.hasLeft = true
        gossip.stop(self)
        notice("This node has left the cluster. To let it join anew, stop it and empty its data folder")
        for done in membership.onLeft { done(nil) }
        membership.onLeft = []
    }

    /// Gives the rows of this node's ranges to those who will own them.
    private func handOver() {
        let local = id
        run(RangeTransfer(member: self, purpose: .handOver) { $0.ranges(of: local) }) { [self] in
            guard coordinator.view.node(local)?.state == .leaving else { return }
            step(.finishLeave(local))
        }
    }

    private func run(_ transfer: RangeTransfer, then: @escaping @Sendable () -> Void) {
        membership.isBusy = true
        membership.transfer = transfer
        whenAdopted { [self] in
            transfer.start { [self] failure in
                control.execute { [self] in
                    membership.isBusy = false
                    guard let failure else { return then() }
                    notice("The transfer of data is tried again: \(failure)")
                }
            }
        }
    }
}
