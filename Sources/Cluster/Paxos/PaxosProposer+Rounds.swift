// SPDX-License-Identifier: Apache-2.0

internal import Model

extension PaxosProposer {
    // MARK: What the promises say

    /// The promises in the participants' order.
    private var told: [(replica: NodeID, promise: PaxosPromise)] {
        request.participants.compactMap { replica in promises[replica].map { (replica, $0) } }
    }

    var reads: [PaxosRead] { told.map { PaxosRead(replica: $0.replica, bytes: $0.promise.read) } }

    /// The latest that is known to be committed anywhere.
    var latestCommit: PaxosVote? {
        told.compactMap(\.promise.committed).max { $0.ballot < $1.ballot }
    }

    private var latestAccepted: PaxosVote? {
        told.compactMap(\.promise.accepted).max { $0.ballot < $1.ballot }
    }

    /// What was accepted after the latest commit and may have been decided.
    private var unfinished: PaxosVote? {
        guard let accepted = latestAccepted, !accepted.value.isEmpty else { return nil }
        guard let commit = latestCommit else { return accepted }
        return accepted.ballot > commit.ballot ? accepted : nil
    }

    /// Whether no proposal earlier than this attempt can ever be decided that isn't decided yet: see
    /// the type's comment, 3.
    var isSettled: Bool {
        var settled = latestCommit?.ballot
        if let accepted = latestAccepted, accepted.value.isEmpty,
            told.count(where: { $0.promise.accepted == accepted }) >= majority
        {
            settled = max(settled ?? accepted.ballot, accepted.ballot)
        }
        return told.allSatisfy { _, promise in
            guard let write = promise.promisedWrite else { return true }
            return settled.map { write <= $0 } ?? false
        }
    }

    // MARK: Rounds

    /// Another attempt under a ballot later than all that were heard of.
    mutating func prepare(_ moment: PaxosMoment) {
        let micros = max(moment.wall, latestSeen.micros + 1)
        ballot = Ballot(micros: micros, tag: random())
        latestSeen = max(latestSeen, ballot)
        promises = [:]
        begin(.preparing, moment)
        actions.append(.send(.prepare(ballot, isRead: request.isRead), to: request.alive))
    }

    private mutating func begin(_ next: Phase, _ moment: PaxosMoment) {
        phase = next
        yes = []
        no = []
        rejections = 0
        roundDeadline = moment.now + settings.roundTimeout
    }

    /// A majority has promised.
    mutating func promised(_ moment: PaxosMoment) {
        for (_, promise) in told {
            for seen in [promise.accepted?.ballot, promise.committed?.ballot] {
                if let seen { latestSeen = max(latestSeen, seen) }
            }
        }
        if let first = ambiguous.first, let commit = latestCommit {
            if ambiguous.contains(commit.value.origin) {
                commitOwn(commit, moment)
                return
            }
            if commit.ballot > first {
                phase = .over
                actions.append(.finish(.unknown(received: promises.count, required: majority)))
                return
            }
        }
        if request.isRead, unfinished == nil, isSettled {
            phase = .over
            actions.append(.finish(.read(reads)))
            return
        }
        catchUp(moment)
    }

    /// Sees to it that the latest commit is at a majority before anything is proposed on top of it.
    private mutating func catchUp(_ moment: PaxosMoment) {
        guard let commit = latestCommit, commit.ballot.micros >= request.floor else {
            caughtUp(moment)
            return
        }
        let have = told.filter { $0.promise.committed?.ballot == commit.ballot }.map(\.replica)
        let lack = request.alive.filter { !have.contains($0) }
        if have.count >= majority {
            caughtUp(moment)
            return
        }
        begin(.catchingUp, moment)
        yes = Set(have)
        actions.append(.send(.commit(commit), to: lack))
    }

    mutating func caughtUp(_ moment: PaxosMoment) {
        if let unfinished {
            let isOwn = ambiguous.contains(unfinished.value.origin)
            propose(unfinished.value, isOwn ? .own : .finish, moment)
        } else if request.isRead {
            propose(PaxosValue(origin: ballot, bytes: []), .empty, moment)
        } else {
            begin(.deciding, moment)
            roundDeadline = .max
            actions.append(.decide(reads))
        }
    }

    mutating func propose(_ value: PaxosValue, _ purpose: Purpose, _ moment: PaxosMoment) {
        begin(.proposing(value, purpose), moment)
        let vote = PaxosVote(ballot: ballot, value: value)
        actions.append(.send(.propose(vote), to: request.alive))
    }

    /// A majority has accepted.
    mutating func decided(_ value: PaxosValue, _ purpose: Purpose, _ moment: PaxosMoment) {
        // What one proposed before and isn't this is ended by it: see the type's comment, 4.
        ambiguous = []
        let vote = PaxosVote(ballot: ballot, value: value)
        switch purpose {
        case .own: commitOwn(vote, moment)
        case .finish:
            begin(.committing(vote, .finish), moment)
            actions.append(.send(.commit(vote), to: request.commitTargets))
        case .empty:
            phase = .over
            actions.append(.finish(request.isRead ? .read(reads) : .notApplied(reads)))
        }
    }

    private mutating func commitOwn(_ vote: PaxosVote, _ moment: PaxosMoment) {
        begin(.committing(vote, .own), moment)
        roundDeadline = .max
        actions.append(.send(.commit(vote), to: request.commitTargets))
        checkCommit(.own, moment)
    }

    mutating func checkCommit(_ purpose: Purpose, _ moment: PaxosMoment) {
        switch purpose {
        case .own:
            let progress = commitProgress
            guard progress.received >= progress.required else { return }
            phase = .over
            actions.append(.finish(.applied))
        case .finish, .empty:
            let count = request.participants.count { yes.contains($0) }
            if count >= majority { prepare(moment) }
        }
    }

    /// How many commits that are waited for have come.
    var commitProgress: (received: Int, required: Int) {
        request.commitNeeds.reduce((0, 0)) { sum, need in
            let count = need.replicas.count { yes.contains($0) }
            return (sum.0 + min(count, need.count), sum.1 + need.count)
        }
    }

    // MARK: Setbacks

    /// Gives an attempt up when too few are left that could still say yes.
    mutating func giveUpIfHopeless(_ moment: PaxosMoment) {
        let said: Set<NodeID>
        switch phase {
        case .preparing: said = Set(promises.keys)
        case .proposing: said = yes
        default: return
        }
        let open = request.alive.count { !said.contains($0) && !no.contains($0) }
        if said.count + open < majority {
            if rejections > 0 { contended += 1 }
            retry(moment)
        }
    }

    /// Pauses, then tries anew.
    mutating func retry(_ moment: PaxosMoment) {
        switch phase {
        case .committing(_, .own), .deciding, .over, .idle: return
        case .proposing(let value, .own):
            // If all have refused, none has accepted, nor ever will: no ballot is used twice. A refusal may be of
            // the preparation, though, which a replica got to after the proposal.
            let isCertain = yes.isEmpty && rejections == request.participants.count
            if !isCertain, !ambiguous.contains(value.origin) { ambiguous.append(value.origin) }
        default: break
        }
        attempts += 1
        let longest = settings.backoffMin << Int64(min(attempts, 16))
        let span = UInt64(min(settings.backoffMax, longest))
        let pause = settings.backoffMin / 2 + Int64(random() % span)
        begin(.waiting(moment.now + pause), moment)
    }
}
