// SPDX-License-Identifier: Apache-2.0

internal import Model

extension MetadataGroup {
    var slot: UInt64 { metadata.epoch + 1 }
    private var majority: Int { metadata.voters.count / 2 + 1 }
    private var isVoter: Bool { metadata.voters.contains(id) }

    // MARK: Proposing

    /// Starts an attempt if something is to be decided and none runs. True if anything changed.
    mutating func beginAttempt(_ now: Int64) -> Bool {
        guard stopReason == nil, metadata.identity != nil, attempt == nil else { return false }
        if metadata.voters == [id] { return decideAlone(now) }
        var isDue = !queue.isEmpty && attemptTime <= now
        if acceptor.accepted != nil, let seen = acceptedTime {
            isDue = isDue || max(attemptTime, seen &+ recoveryDelay) <= now
        }
        guard isDue else { return false }
        let promised = acceptor.promised?.round ?? 0
        let round = max(acceptor.round, promised, roundSeen) + 1
        let ballot = MetadataBallot(round: round, proposer: id)
        // Durable before anyone hears of the ballot, so that it is never used a second time; and as
        // a voter, this is the promise to oneself.
        acceptor.round = round
        if isVoter { acceptor.promised = ballot }
        persist([.acceptor(acceptor)])
        attempt = Attempt(
            ballot: ballot,
            deadline: now + settings.attemptTimeout,
            phase: .preparing(promises: [:])
        )
        for voter in metadata.voters where voter != id {
            send(.prepare(slot: slot, ballot), to: voter)
        }
        if isVoter {
            send(.promise(slot: slot, ballot, accepted: acceptor.accepted), to: id)
        }
        return true
    }

    /// The only voter needs nobody's promise. True if an epoch was decided or a proposal refused.
    private mutating func decideAlone(_ now: Int64) -> Bool {
        // Another node's proposal that was accepted here is decided by that.
        if let vote = acceptor.accepted {
            advance(by: vote.entry)
            tellAll(vote.entry)
            return true
        }
        guard let first = queue.first else { return false }
        do throws(MetadataRefusal) {
            try metadata.check(first.entry)
            advance(by: first.entry)
            tellAll(first.entry)
        } catch {
            queue.removeFirst()
            fail(first.entry.request, .refused(error))
        }
        return true
    }

    mutating func giveUpAttempt(_ now: Int64) {
        attempt = nil
        failures += 1
        let longest = min(settings.backoffMax, settings.backoffMin << Int64(min(failures, 20)))
        attemptTime = now + settings.backoffMin / 2 + random(upTo: longest)
    }

    private mutating func propose(_ vote: MetadataVote) {
        attempt?.phase = .accepting(vote, by: [])
        if let place = queue.firstIndex(where: { $0.entry.request == vote.entry.request }) {
            queue[place].slot = slot
        }
        for voter in metadata.voters where voter != id {
            send(.accept(slot: slot, vote), to: voter)
        }
        if isVoter { send(.accept(slot: slot, vote), to: id) }
    }

    /// A majority has promised: what it accepted before must be proposed, else one's own.
    private mutating func choose(_ promises: [NodeID: MetadataVote?], _ ballot: MetadataBallot) {
        let highest = promises.values.compactMap { $0 }.max { $0.ballot < $1.ballot }
        if let highest {
            propose(MetadataVote(ballot: ballot, entry: highest.entry))
            return
        }
        // Nothing was decided for this slot before the promises, so this epoch was the latest when
        // the attempt began: a refusal is exact.
        while let first = queue.first {
            do throws(MetadataRefusal) {
                try metadata.check(first.entry)
                propose(MetadataVote(ballot: ballot, entry: first.entry))
                return
            } catch {
                queue.removeFirst()
                fail(first.entry.request, .refused(error))
            }
        }
        attempt = nil
    }

    // MARK: Messages

    mutating func handle(_ body: MetadataMessage.Body, from peer: NodeID, now: Int64) {
        if stopReason != nil { return }
        switch body {
        case .prepare(let slot, let ballot):
            if mayVote(in: slot, for: peer, now: now) { prepare(ballot, from: peer) }
        case .accept(let slot, let vote):
            if mayVote(in: slot, for: peer, now: now) { accept(vote, from: peer, now: now) }
        case .promise(let slot, let ballot, let accepted):
            guard slot == self.slot, let attempt, attempt.ballot == ballot,
                case .preparing(var promises) = attempt.phase, metadata.voters.contains(peer)
            else { return }
            promises[peer] = .some(accepted)
            self.attempt?.phase = .preparing(promises: promises)
            if promises.count >= majority { choose(promises, ballot) }
        case .accepted(let slot, let ballot):
            guard slot == self.slot, let attempt, attempt.ballot == ballot,
                case .accepting(let vote, var voters) = attempt.phase,
                metadata.voters.contains(peer)
            else { return }
            voters.insert(peer)
            self.attempt?.phase = .accepting(vote, by: voters)
            guard voters.count >= majority else { return }
            advance(by: vote.entry)
            tellAll(vote.entry)
        case .rejected(let slot, let ballot, let promised):
            guard slot == self.slot else { return }
            roundSeen = max(roundSeen, promised.round)
            if attempt?.ballot == ballot { giveUpAttempt(now) }
        case .fetch(let epoch): answer(peer, after: epoch)
        case .entries(let first, let entries, let latest):
            let before = metadata.epoch
            for (index, entry) in entries.enumerated() where first &+ UInt64(index) == slot {
                advance(by: entry)
            }
            guard latest > metadata.epoch else { return }
            if metadata.epoch > before { fetchTime = .min }
            fetch(from: peer, now: now)
        case .snapshot(let snapshot): install(snapshot)
        }
    }

    /// Whether this node is to vote in a slot: only if it knows all before. Else the one who is
    /// behind, of the two, gets what it lacks.
    private mutating func mayVote(in slot: UInt64, for peer: NodeID, now: Int64) -> Bool {
        if slot == self.slot { return isVoter }
        if slot < self.slot { answer(peer, after: slot &- 1) } else { fetch(from: peer, now: now) }
        return false
    }

    private mutating func prepare(_ ballot: MetadataBallot, from peer: NodeID) {
        if let promised = acceptor.promised, promised > ballot {
            send(.rejected(slot: slot, ballot, promised: promised), to: peer)
            return
        }
        if acceptor.promised != ballot {
            acceptor.promised = ballot
            persist([.acceptor(acceptor)])
        }
        send(.promise(slot: slot, ballot, accepted: acceptor.accepted), to: peer)
    }

    private mutating func accept(_ vote: MetadataVote, from peer: NodeID, now: Int64) {
        if let promised = acceptor.promised, promised > vote.ballot {
            send(.rejected(slot: slot, vote.ballot, promised: promised), to: peer)
            return
        }
        // An entry that isn't legal here is no honest proposal of this epoch.
        guard (try? metadata.check(vote.entry)) != nil else { return }
        if acceptor.accepted?.ballot != vote.ballot {
            acceptor.promised = vote.ballot
            acceptor.accepted = vote
            acceptedTime = now
            persist([.acceptor(acceptor)])
        }
        send(.accepted(slot: slot, vote.ballot), to: peer)
    }

    // MARK: Decided

    /// Moves to the next epoch by the entry that was decided for it.
    private mutating func advance(by entry: MetadataEntry) {
        do throws(MetadataRefusal) {
            try metadata.apply(entry)
        } catch {
            stopReason = error
            hold(.action(.stopped(epoch: slot, error)))
            for pending in queue { fail(pending.entry.request, .stopped) }
            queue = []
            attempt = nil
            return
        }
        tail.append(entry, settings)
        startSlot()
        persist([.entry(epoch: metadata.epoch, entry)])
        hold(.action(.applied(entry, metadata)))
        guard let own = queue.firstIndex(where: { $0.entry.request == entry.request }) else {
            return
        }
        queue.remove(at: own)
        hold(.action(.decided(entry.request, epoch: metadata.epoch)))
    }

    private mutating func startSlot() {
        acceptor = MetadataAcceptor(slot: slot)
        acceptedTime = nil
        attempt = nil
        roundSeen = 0
        failures = 0
        attemptTime = .min
    }

    private mutating func install(_ snapshot: ClusterMetadata) {
        guard snapshot.epoch > metadata.epoch else { return }
        metadata = snapshot
        tail = MetadataTail(entries: [], last: snapshot.epoch)
        startSlot()
        persist([.snapshot(snapshot)])
        hold(.action(.installed(snapshot)))
        let known = snapshot.epoch - UInt64(snapshot.recent.count)
        for pending in queue {
            if let epoch = snapshot.epoch(of: pending.entry.request) {
                hold(.action(.decided(pending.entry.request, epoch: epoch)))
            } else if let proposed = pending.slot, proposed <= known {
                fail(pending.entry.request, .timeout(mayBeDecided: true))
            }
        }
        queue.removeAll { pending in
            snapshot.epoch(of: pending.entry.request) != nil
                || pending.slot.map { $0 <= known } == true
        }
    }

    /// Tells every other node; who misses it learns the epoch by gossip.
    private mutating func tellAll(_ entry: MetadataEntry) {
        guard stopReason == nil else { return }
        let epoch = metadata.epoch
        for node in metadata.nodes where node.id != id && node.state != .left {
            send(.entries(first: epoch, [entry], latest: epoch), to: node.id)
        }
    }

    private mutating func answer(_ peer: NodeID, after epoch: UInt64) {
        guard metadata.identity != nil, epoch < metadata.epoch, peer != id else { return }
        if let entries = tail.entries(after: epoch, settings) {
            send(.entries(first: epoch + 1, entries, latest: metadata.epoch), to: peer)
        } else {
            send(.snapshot(metadata), to: peer)
        }
    }

    mutating func fetch(from peer: NodeID, now: Int64) {
        guard peer != id, fetchTime <= now else { return }
        fetchTime = now + settings.fetchInterval
        send(.fetch(after: metadata.epoch), to: peer)
    }
}
