// SPDX-License-Identifier: Apache-2.0

/// What a replica does with a request: a state to keep, an answer, a mutation to apply.
package struct PaxosTransition: Sendable {
    /// To be durable before the answer leaves; nil if it is as before.
    package var state: PaxosState?
    /// To be applied, durably, together with the state: not one without the other.
    package var mutation: [UInt8]?
    /// For `promised`, the caller reads the partition after the state is set, in the same turn, and
    /// puts it in.
    package let answer: PaxosAnswer

    init(state: PaxosState? = nil, mutation: [UInt8]? = nil, answer: PaxosAnswer) {
        self.state = state
        self.mutation = mutation
        self.answer = answer
    }
}

/// A replica's side of Paxos for one partition: pure functions of its state.
///
/// `floor` (microseconds since 1970) is the time before which states may have been forgotten
/// (`PaxosState.mayBeForgotten`). Ballots before it are refused: what was promised against them may
/// be forgotten, too.
package enum PaxosAcceptor {
    /// Answers a request.
    package static func answer(
        _ request: PaxosRequest,
        state: PaxosState,
        floor: UInt64 = 0
    )
        -> PaxosTransition
    {
        switch request {
        case .prepare(let ballot, let isRead):
            prepare(ballot, isRead: isRead, state: state, floor: floor)
        case .propose(let vote): propose(vote, state: state, floor: floor)
        case .commit(let vote): commit(vote, state: state)
        }
    }

    /// Promises to accept nothing earlier than `ballot`, if nothing as late was promised.
    package static func prepare(
        _ ballot: Ballot,
        isRead: Bool,
        state: PaxosState,
        floor: UInt64 = 0
    ) -> PaxosTransition {
        if let by = refusal(of: ballot, state: state, floor: floor) {
            return PaxosTransition(answer: .rejected(ballot, by: by))
        }
        let promise = PaxosPromise(
            accepted: state.accepted,
            committed: state.committed,
            promisedWrite: state.promisedWrite
        )
        // The same request a second time: promised already.
        if ballot == state.promised {
            return PaxosTransition(answer: .promised(ballot, promise))
        }
        var next = state
        next.promised = ballot
        if !isRead { next.promisedWrite = ballot }
        return PaxosTransition(state: next, answer: .promised(ballot, promise))
    }

    /// Accepts a value, if nothing later was promised.
    package static func propose(
        _ vote: PaxosVote,
        state: PaxosState,
        floor: UInt64 = 0
    )
        -> PaxosTransition
    {
        // Its commit came first.
        if state.committed?.ballot == vote.ballot || state.accepted == vote {
            return PaxosTransition(answer: .accepted(vote.ballot))
        }
        if let by = refusal(of: vote.ballot, state: state, floor: floor) {
            return PaxosTransition(answer: .rejected(vote.ballot, by: by))
        }
        var next = state
        next.promised = vote.ballot
        next.accepted = vote
        return PaxosTransition(state: next, answer: .accepted(vote.ballot))
    }

    /// Takes a decided value in; its mutation is applied even if a later one is known, for it may be
    /// missing here.
    package static func commit(_ vote: PaxosVote, state: PaxosState) -> PaxosTransition {
        let mutation = vote.value.isEmpty ? nil : vote.value.bytes
        var next = state
        if let accepted = state.accepted, accepted.ballot <= vote.ballot { next.accepted = nil }
        next.promised = max(state.promised ?? vote.ballot, vote.ballot)
        if state.committed.map({ $0.ballot < vote.ballot }) ?? true { next.committed = vote }
        return PaxosTransition(
            state: next == state ? nil : next,
            mutation: mutation,
            answer: .committed(vote.ballot)
        )
    }

    /// What stands against a ballot; nil if it is the promised one or has a later time than that.
    private static func refusal(of ballot: Ballot, state: PaxosState, floor: UInt64) -> Ballot? {
        if ballot.micros < floor { return Ballot(micros: floor, tag: 0) }
        guard let promised = state.promised, promised != ballot else { return nil }
        return ballot.micros > promised.micros ? nil : promised
    }
}
