// SPDX-License-Identifier: Apache-2.0

package import Model

/// The time, twice.
package struct PaxosMoment: Sendable {
    /// Microseconds of a clock that doesn't run backwards: for deadlines.
    package let now: Int64
    /// Microseconds since 1970: for ballots.
    package let wall: UInt64

    package init(now: Int64, wall: UInt64) {
        self.now = now
        self.wall = wall
    }
}

/// What a conditional write waits for after it was decided: so many commits of these replicas.
package struct PaxosCommitNeed: Hashable, Sendable {
    package let replicas: [NodeID]
    package let count: Int

    package init(replicas: [NodeID], count: Int) {
        self.replicas = replicas
        self.count = count
    }
}

/// What one replica read.
package struct PaxosRead: Hashable, Sendable {
    package let replica: NodeID
    package let bytes: [UInt8]

    package init(replica: NodeID, bytes: [UInt8]) {
        self.replica = replica
        self.bytes = bytes
    }
}

/// How a conditional write or a serial read ended.
package enum PaxosOutcome: Hashable, Sendable {
    /// Decided, and committed as widely as was asked.
    case applied
    /// Decided: it is applied, or will be before anyone reads or writes serially. But fewer replicas
    /// than asked have said in time that they have it (a write timeout of the commit).
    case appliedUnconfirmed(received: Int, required: Int)
    /// The condition wasn't met by these reads.
    case notApplied([PaxosRead])
    /// A serial read's reads, to be merged.
    case read([PaxosRead])
    /// Out of time while the proposal may have been accepted: it may have been applied, or not, or
    /// may be later, until a serial read or write has seen the partition (CAS_WRITE_UNKNOWN).
    case unknown(received: Int, required: Int)
    /// Out of time, and nothing of it will ever be applied. `contended` counts the attempts that
    /// others' later ballots ended.
    case timeout(received: Int, required: Int, contended: Int)
    /// Too few replicas are alive; nothing was sent.
    case unavailable(required: Int, alive: Int)
}

/// What a driver of a `PaxosProposer` has to do.
package enum PaxosAction: Hashable, Sendable {
    case send(PaxosRequest, to: [NodeID])
    /// Merge the reads, look whether the condition is met, and call `decide`.
    case decide([PaxosRead])
    /// It is over. Commits that were sent before may still be on their way, and should be.
    case finish(PaxosOutcome)
}

/// What the caller makes of the reads.
package enum PaxosDecision: Hashable, Sendable {
    /// The condition is met. The mutation, never empty, has the ballot's time as its timestamp.
    case propose([UInt8])
    /// The condition isn't met.
    case keep
}

/// A coordinator's side of Paxos for one conditional write or one serial read of a partition.
///
///     prepare -----> decide ---> propose -----> commit
///       ^  ^ (reads)   |  (own value accepted)    |
///       |  |           '---> propose nothing      '--> applied
///       |  '-- back-off         '--> not applied, read
///       '---- commit (finished) <-- propose (another's value, unfinished)
///
/// Uncontended, a write takes two round trips, and a third as far as the client waits for the commit; a
/// serial read takes one.
///
/// **Why it is linearizable.** A value is decided once a majority has accepted it under one ballot.
/// 1. Whoever prepares after that hears of it from a majority, and finishes it first or hears that it
///    was committed. So decisions are in the order of their ballots, each made on a read that has all
///    before it:
/// 2. before anything is proposed, the latest committed value is committed at a majority (`catchUp`).
///    So each decided value but the last is applied at a majority; the last is applied where it was
///    heard of. The reads of the majority that has promised, merged, have all of them.
/// 3. A value that was accepted by fewer than a majority may or may not come back, until something
///    later is decided. Who sees the partition without it must end it: a write that isn't applied
///    and a read propose an empty value, unless that can't be needed (`isSettled`): no replica of the
///    majority has promised to a write after the last value that is known to be decided. Each
///    proposal needs such promises of a majority, so there is none that could come back. So after a
///    timeout a client can find out by a serial read what became of its write.
/// 4. An attempt whose proposal may have been accepted and was then overtaken looks for its value in
///    the next promises: committed or unfinished, it is applied. If nothing was committed after it
///    and it isn't there, then it is ended as soon as the next value is decided, and it is tried anew.
///    Else its fate is unknown.
package struct PaxosProposer: Sendable {
    package struct Request: Sendable {
        /// Those that decide: all replicas, or those of the local data center (LOCAL_SERIAL).
        package var participants: [NodeID]
        /// How many of them make a majority, if more than half of them: while a range moves, so many that any two
        /// majorities of the owners before and after meet.
        package var majority: Int?
        /// Those of them that aren't known to be down.
        package var alive: [NodeID]
        /// Those that get the commit: all replicas that aren't known to be down.
        package var commitTargets: [NodeID]
        /// What is waited for after the decision; nothing for none. A target that is not alive
        /// gets a hint from the driver.
        package var commitNeeds: [PaxosCommitNeed]
        package var isRead: Bool
        /// When the request ends at the latest, in the clock of `PaxosMoment.now`.
        package var deadline: Int64
        /// As for `PaxosAcceptor`: what was committed before has reached all replicas.
        package var floor: UInt64

        package init(
            participants: [NodeID],
            majority: Int? = nil,
            alive: [NodeID],
            commitTargets: [NodeID],
            commitNeeds: [PaxosCommitNeed] = [],
            isRead: Bool,
            deadline: Int64,
            floor: UInt64 = 0
        ) {
            self.participants = participants
            self.majority = majority
            self.alive = alive
            self.commitTargets = commitTargets
            self.commitNeeds = commitNeeds
            self.isRead = isRead
            self.deadline = deadline
            self.floor = floor
        }
    }

    package struct Settings: Sendable {
        /// How long one round waits for a majority before it is tried anew.
        package var roundTimeout: Int64 = 500_000
        /// Pause before another attempt; up to twice as long with each.
        package var backoffMin: Int64 = 2_000
        package var backoffMax: Int64 = 200_000

        package init() {}
    }

    enum Purpose { case own, finish, empty }

    enum Phase {
        case idle
        /// Until the time, then another attempt.
        case waiting(Int64)
        case preparing
        /// The latest committed value goes to those who lack it.
        case catchingUp
        case deciding
        case proposing(PaxosValue, Purpose)
        case committing(PaxosVote, Purpose)
        case over
    }

    let request: Request
    let settings: Settings
    var phase = Phase.idle
    /// Of the current attempt, and of all its messages but a commit's of another's value.
    var ballot = Ballot(micros: 0, tag: 0)
    var promises: [NodeID: PaxosPromise] = [:]
    /// Who has said yes in the current phase.
    var yes: Set<NodeID> = []
    /// Who has said no, or that it can't, in the current phase.
    var no: Set<NodeID> = []
    var rejections = 0
    var roundDeadline: Int64 = .max
    /// The latest ballot heard of.
    var latestSeen = Ballot(micros: 0, tag: 0)
    /// The ballots under which a value of one's own was proposed without a majority's answer.
    var ambiguous: [Ballot] = []
    var attempts = 0
    var contended = 0
    private var randomState: UInt64
    var actions: [PaxosAction] = []

    /// - Parameter seed: Random, another for each request: it makes the ballots one of a kind.
    package init(_ request: Request, seed: UInt64, settings: Settings = .init()) {
        self.request = request
        self.settings = settings
        randomState = seed
    }

    /// How many of the participants are a majority.
    package var majority: Int { request.majority ?? request.participants.count / 2 + 1 }

    /// The current attempt's ballot: its time is the timestamp of the mutation to propose.
    package var currentBallot: Ballot { ballot }

    /// How many attempts others' later ballots ended so far.
    package var contention: Int { contended }

    package var isOver: Bool {
        if case .over = phase { return true }
        return false
    }

    // MARK: Inputs

    /// Begins.
    package mutating func start(at moment: PaxosMoment) -> [PaxosAction] {
        guard request.alive.count >= majority else {
            return finish(.unavailable(required: majority, alive: request.alive.count))
        }
        prepare(moment)
        return takeActions()
    }

    /// Takes a replica's answer.
    package mutating func receive(
        _ answer: PaxosAnswer,
        from replica: NodeID,
        at moment: PaxosMoment
    ) -> [PaxosAction] {
        if case .rejected(_, let by) = answer { latestSeen = max(latestSeen, by) }
        switch (answer, phase) {
        case (.promised(ballot, let promise), .preparing):
            guard request.participants.contains(replica), promises[replica] == nil else { break }
            promises[replica] = promise
            no.remove(replica)
            if promises.count == majority { promised(moment) }
        case (.accepted(ballot), .proposing(let value, let purpose)):
            guard request.participants.contains(replica) else { break }
            yes.insert(replica)
            if yes.count == majority { decided(value, purpose, moment) }
        case (.committed(let committed), .catchingUp):
            guard committed == latestCommit?.ballot else { break }
            guard request.participants.contains(replica) else { break }
            yes.insert(replica)
            if yes.count >= majority { caughtUp(moment) }
        case (.committed(let committed), .committing(let vote, let purpose)):
            guard committed == vote.ballot else { break }
            yes.insert(replica)
            checkCommit(purpose, moment)
        case (.rejected(ballot, _), .preparing), (.rejected(ballot, _), .proposing):
            if no.insert(replica).inserted { rejections += 1 }
            giveUpIfHopeless(moment)
        default: break
        }
        return takeActions()
    }

    /// A replica can't answer: it said so, or its connection is gone.
    package mutating func failed(_ replica: NodeID, at moment: PaxosMoment) -> [PaxosAction] {
        no.insert(replica)
        giveUpIfHopeless(moment)
        return takeActions()
    }

    /// Answers the action `decide`.
    package mutating func decide(_ decision: PaxosDecision, at moment: PaxosMoment) -> [PaxosAction]
    {
        guard case .deciding = phase else { return [] }
        switch decision {
        case .propose(let bytes):
            propose(PaxosValue(origin: ballot, bytes: bytes), .own, moment)
        case .keep:
            if isSettled {
                actions.append(.finish(.notApplied(reads)))
                phase = .over
            } else {
                propose(PaxosValue(origin: ballot, bytes: []), .empty, moment)
            }
        }
        return takeActions()
    }

    /// Lets time pass; to be called at `wakeTime`.
    package mutating func tick(at moment: PaxosMoment) -> [PaxosAction] {
        if isOver { return [] }
        if moment.now >= request.deadline { return finish(expired) }
        if case .waiting(let time) = phase {
            if time <= moment.now { prepare(moment) }
        } else if roundDeadline <= moment.now {
            retry(moment)
        }
        return takeActions()
    }

    /// When `tick` has something to do; nil when it is over.
    package var wakeTime: Int64? {
        switch phase {
        case .over: nil
        case .waiting(let time): min(time, request.deadline)
        default: min(roundDeadline, request.deadline)
        }
    }

    // MARK: Ends

    private mutating func finish(_ outcome: PaxosOutcome) -> [PaxosAction] {
        phase = .over
        actions.append(.finish(outcome))
        return takeActions()
    }

    private mutating func takeActions() -> [PaxosAction] {
        let result = actions
        actions = []
        return result
    }

    /// What is true when the time is over.
    private var expired: PaxosOutcome {
        switch phase {
        case .committing(_, .own):
            let progress = commitProgress
            return .appliedUnconfirmed(received: progress.received, required: progress.required)
        case .proposing(_, .own): return .unknown(received: yes.count, required: majority)
        default:
            if !ambiguous.isEmpty { return .unknown(received: yes.count, required: majority) }
            let received = promises.count
            return .timeout(received: received, required: majority, contended: contended)
        }
    }

    mutating func random() -> UInt64 {
        randomState &+= 0x9e37_79b9_7f4a_7c15
        var z = randomState
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
