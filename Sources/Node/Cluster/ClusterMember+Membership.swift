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
    /// When this node saw itself registered, in `ClusterMember.now`.
    var registeredSince: Int64?
    var onReady: [@Sendable () -> Void] = []
    var transfer: RangeTransfer?
    /// Transfers that operators have asked for.
    var running: [(purpose: String, transfer: RangeTransfer)] = []
    var onLeft: [@Sendable (String?) -> Void] = []
    /// Who waits for a move to these tokens.
    var onMoved: [(tokens: [Token], done: @Sendable (String?) -> Void)] = []
    var whenLeft: @Sendable () -> Void = {}
    /// What is to be done before a node has left; calls back when it is.
    var beforeLeaving: (@Sendable (@escaping @Sendable () -> Void) -> Void)?
    var hasLeft = false
    /// When a node that leaves began to wait for its hints to be delivered, in `ClusterMember.now`.
    var hintsSince: Int64?
    var hasToldOfHints = false
    /// The last refusal that was told.
    var refusal = ""
}

extension ClusterMember {
    private static let pace: UInt64 = 500_000_000
    /// How long gossip has to tell everybody of a node that comes, in microseconds: some rounds.
    private static let introduction: Int64 = 3_000_000
    /// How long a node that leaves tries to deliver its hints, in microseconds.
    private static let hintsMax: Int64 = 60_000_000

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
        // What is decided is acted on when requests go by it, too.
        guard coordinator.view.epoch == group.metadata.epoch else { return }
        guard let record = group.metadata.node(id) else { return register() }
        switch record.state {
        case .registered: if isKnownToOthers() { startJoin() }
        case .joining: record.isHandedOver ? finish(record, .finishJoin(id)) : fetchRanges(record)
        case .normal, .moving:
            becomeReady()
            if record.state == .moving {
                return record.isHandedOver ? finish(record, .finishMove(id)) : fetchRanges(record)
            }
            if !correctAddress(record) { correctVoters() }
        case .leaving:
            becomeReady()
            guard record.isHandedOver else { return handOver() }
            hints.refuse()
            if let body = membership.beforeLeaving { return prepareToLeave(body) }
            if hasDeliveredHints() { finish(record, .finishLeave(id)) }
        case .left: leave()
        }
    }

    /// Tells those who wait for a move or a leave to end that it has ended, and gives up what was done for one that was
    /// given up. Called after each change.
    func endMovement() {
        guard let record = group.metadata.node(id), !record.state.isUnderWay else { return }
        membership.transfer?.cancel()
        membership.transfer = nil
        guard record.state == .normal else { return }
        for done in membership.onLeft { done(Self.givenUp) }
        membership.onLeft = []
        for (tokens, done) in membership.onMoved { done(tokens == record.tokens ? nil : Self.givenUp) }
        membership.onMoved = []
    }

    private static let givenUp = "it was given up (tholos admin abort)"

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
            tell(ofWaiting: refusal.description)
        }
    }

    private func tell(ofWaiting reason: String) {
        if reason != membership.refusal { notice("Waiting: \(reason)") }
        membership.refusal = reason
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

    /// Whether the others may be taken to know that this node is up: as long as they don't, a level that asks for its
    /// acknowledgement couldn't be met.
    private func isKnownToOthers() -> Bool {
        let since = membership.registeredSince ?? now
        membership.registeredSince = since
        return gossip.hasSettled(self) && now - since >= Self.introduction
    }

    private func startJoin() {
        if let address = settings.replaces {
            let known = group.metadata.nodes.filter { $0.address == address }
            if let old = known.first(where: \.state.ownsTokens) { return startReplacing(old) }
            // What it had has gone to others: this node comes as any other.
            guard known.contains(where: { $0.state == .left }) else {
                return tell(ofWaiting: "there is no node at \(address) that this one could replace")
            }
        }
        step(.startJoin(id, tokens: settings.initialTokens ?? allocateTokens(), replaces: nil))
    }

    /// Tokens with which all nodes own about the same, this one's own left aside.
    func allocateTokens() -> [Token] {
        var generator = SourceGenerator(node.environment.random)
        return TokenAllocator.allocate(
            settings.tokenCount,
            for: settings.location,
            factor: settings.allocationFactor,
            among: group.metadata.nodes.filter { $0.id != id },
            using: &generator
        )
    }

    /// Takes the place of a node that is lost, after what that had begun is brought to its end, or given up.
    private func startReplacing(_ old: NodeRecord) {
        guard !coordinator.isAlive(old.id) else {
            return tell(ofWaiting: "node \(old.id) at \(old.address) is up; only one that is lost can be replaced")
        }
        switch old.state {
        case .leaving: old.isHandedOver ? finish(old, .finishLeave(old.id)) : step(.abortLeave(old.id))
        case .moving: old.isHandedOver ? finish(old, .finishMove(old.id)) : step(.abortMove(old.id))
        default: step(.startJoin(id, tokens: old.tokens, replaces: old.id))
        }
    }

    /// Gets the rows of the ranges that this node will own.
    private func fetchRanges(_ record: NodeRecord) {
        let local = id
        run(.fetch) { $0.pendingRanges(of: local) } then: { [self] in
            guard coordinator.view.node(local)?.state == record.state else { return }
            // Who moves also goes, from its old tokens.
            record.state == .moving ? handOver() : step(.handOver(local))
        }
    }

    /// Whether a node that leaves has given away the hints that it kept, or has tried for long enough: nobody else has
    /// what it acknowledged at ANY for them.
    private func hasDeliveredHints() -> Bool {
        guard !hints.isEmpty else { return true }
        let since = membership.hintsSince ?? now
        membership.hintsSince = since
        if now - since < Self.hintsMax {
            hints.lookForAll()
            return false
        }
        if !membership.hasToldOfHints {
            membership.hasToldOfHints = true
            notice("This node leaves with hints that it couldn't deliver within a minute; run a repair")
        }
        return true
    }

    /// Ends a movement whose ranges are handed over, once no quorum of the old owners would still answer a coordinator
    /// that hasn't heard of it.
    private func finish(_ record: NodeRecord, _ change: MetadataChange) {
        guard isFenced(record) else { return }
        step(change)
    }

    /// Whether so many old owners of each range that a node's movement concerns know that the range is handed over
    /// that no quorum of them is left that doesn't, in any data center. A node that is replaced or removed for good
    /// doesn't count: it is down.
    func isFenced(_ record: NodeRecord) -> Bool {
        let view = coordinator.view
        // Requests have to go by the second half before anyone can say so.
        guard view.epoch == group.metadata.epoch else { return false }
        let lost = record.replaces ?? (record.id == id ? nil : record.id)
        let old = view.nodes.asRead(except: record.id)
        var strategies: Set<ReplicationStrategy> = []
        for (_, placement) in view.replicated {
            guard strategies.insert(placement.map.strategy).inserted else { continue }
            for part in ReplicaMap(placement.map.strategy, nodes: old, local: id).ranges {
                let owners = part.replicas.natural
                let isConcerned = placement.map.ranges(in: part.range).contains {
                    Set($0.replicas.natural) != Set(owners)
                }
                guard isConcerned else { continue }
                let byCenter = Dictionary(grouping: owners) { view.node($0)?.location.dataCenter }
                for (_, owners) in byCenter {
                    let unaware = owners.count { $0 != lost && !hasAdopted(view.epoch, $0) }
                    if unaware > owners.count / 2 { return false }
                }
            }
        }
        return true
    }

    private func hasAdopted(_ epoch: UInt64, _ other: NodeID) -> Bool {
        (other == id ? adoption.epoch : adoption.ofOthers[other] ?? 0) >= epoch
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

    /// Of the nodes that are up, the first sees to it that the right ones vote: as many as should, and not so many of
    /// those that are lost that the others would be no majority when those that are leaving have left.
    private func correctVoters() {
        let metadata = group.metadata
        let alive = metadata.nodes.filter { $0.state == .normal && coordinator.isAlive($0.id) }
        guard alive.first?.id == id else { return }
        let wanted = metadata.recommendedVoters()
        let staying = metadata.voters.filter { metadata.node($0)?.state != .leaving }
        if staying.count(where: { coordinator.isAlive($0) }) * 2 <= staying.count {
            let lost = metadata.nodes.map(\.id).filter { !coordinator.isAlive($0) }
            let found = metadata.recommendedVoters(excluding: lost)
            if !found.isEmpty, found != metadata.voters { step(.setVoters(found)) }
        } else if wanted != metadata.voters, wanted.count > metadata.voters.count {
            step(.setVoters(wanted))
        }
    }

    // MARK: Going

    private func leave() {
        guard !membership.hasLeft else { return }
        membership.hasLeft = true
        gossip.stop(self)
        notice("This node has left the cluster. To let it join anew, stop it and empty its data folder")
        for done in membership.onLeft { done(nil) }
        membership.onLeft = []
        membership.whenLeft()
    }

    /// Calls `body` when the node has handed its ranges over and before it has left; it calls back when that may be.
    package func beforeLeaving(_ body: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        control.execute { [self] in membership.beforeLeaving = body }
    }

    private func prepareToLeave(_ body: (@escaping @Sendable () -> Void) -> Void) {
        membership.beforeLeaving = nil
        membership.isBusy = true
        body { [self] in
            control.execute { [self] in
                membership.isBusy = false
                tickMembership()
            }
        }
    }

    /// Calls `body` when the node has left the cluster, and serves nobody any more.
    package func whenLeft(_ body: @escaping @Sendable () -> Void) {
        control.execute { [self] in
            if membership.hasLeft { return body() }
            membership.whenLeft = body
        }
    }

    /// Gives the rows of this node's ranges to those who will own them.
    private func handOver() {
        let local = id
        run(.handOver) { $0.ranges(of: local) } then: { [self] in
            guard coordinator.view.node(local)?.state.isUnderWay == true else { return }
            step(.handOver(local))
        }
    }

    private func run(
        _ purpose: RangeTransfer.Purpose,
        of ranges: @escaping @Sendable (ReplicaMap) -> [TokenRange],
        then: @escaping @Sendable () -> Void
    ) {
        membership.isBusy = true
        // Planned before, it would leave out tables that the shards have yet to hear of.
        whenAdopted { [self] in
            let transfer = RangeTransfer(member: self, purpose: purpose, ranges: ranges)
            membership.transfer = transfer
            if !transfer.lost.isEmpty {
                let keyspaces = transfer.lost.sorted().joined(separator: ", ")
                notice("The replaced node had the only replica of some rows of \(keyspaces); they are lost")
            }
            transfer.start { [self] failure in
                control.execute { [self] in
                    membership.isBusy = false
                    guard let failure else { return then() }
                    guard !transfer.isCancelled else { return }
                    notice("The transfer of data is tried again: \(failure)")
                }
            }
        }
    }
}
