// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
import Testing

@Suite struct PaxosTests {
    private func ballot(_ micros: UInt64, _ tag: UInt64 = 1) -> Ballot {
        Ballot(micros: micros, tag: tag)
    }

    private func vote(_ micros: UInt64, _ bytes: [UInt8] = [1]) -> PaxosVote {
        let ballot = ballot(micros)
        return PaxosVote(ballot: ballot, value: PaxosValue(origin: ballot, bytes: bytes))
    }

    // MARK: Ballots

    @Test func aBallotIsATimeUUID() throws {
        let ballot = Ballot(micros: 1_700_000_000_123_456, tag: 0x1234_5678_9ABC)
        #expect(ballot.uuid.description == "04c29680-833b-11ee-8000-123456789abc")
        #expect(Ballot(ballot.uuid) == ballot)
        #expect(Ballot(UUID(random: 1, 2)) == nil)
        #expect(Ballot(UUID(high: ballot.uuid.high + (1 << 32), low: ballot.uuid.low)) == nil)
        let last = Ballot(micros: .max, tag: .max)
        #expect(Ballot(last.uuid) == last)
        #expect(Ballot(micros: 5, tag: 9) < Ballot(micros: 6, tag: 1))
    }

    // MARK: Acceptor

    @Test func anAcceptorKeepsItsPromise() throws {
        var state = PaxosState()
        let first = PaxosAcceptor.prepare(ballot(10), isRead: false, state: state)
        state = try #require(first.state)
        #expect(state.promised == ballot(10))
        let early = PaxosAcceptor.propose(vote(9), state: state)
        #expect(early.answer == .rejected(ballot(9), by: ballot(10)))
        #expect(early.state == nil)
        // A greater tag at the same time isn't later: both would write with one timestamp.
        let tie = PaxosAcceptor.prepare(ballot(10, 2), isRead: false, state: state)
        #expect(tie.answer == .rejected(ballot(10, 2), by: ballot(10)))
        state = try #require(PaxosAcceptor.propose(vote(10), state: state).state)
        #expect(state.accepted == vote(10))
        let next = PaxosAcceptor.prepare(ballot(12), isRead: true, state: state)
        let promise = PaxosPromise(accepted: vote(10), promisedWrite: ballot(10))
        #expect(next.answer == .promised(ballot(12), promise))
        #expect(next.state?.promisedWrite == ballot(10))
    }

    @Test func aCommitIsAppliedEvenWhenItIsLate() throws {
        var state = PaxosState()
        state = try #require(PaxosAcceptor.propose(vote(10), state: state).state)
        let later = PaxosAcceptor.commit(vote(20, [2]), state: state)
        #expect(later.mutation == [2])
        state = try #require(later.state)
        #expect(state.accepted == nil)
        let late = PaxosAcceptor.commit(vote(10), state: state)
        #expect(late.mutation == [1])
        #expect(late.state == nil)
        // The proposal after its commit changes nothing.
        #expect(PaxosAcceptor.propose(vote(20, [2]), state: state).answer == .accepted(ballot(20)))
        #expect(PaxosAcceptor.propose(vote(20, [2]), state: state).state == nil)
    }

    @Test func statesAreForgottenWhenNothingIsUnfinished() throws {
        var state = PaxosState()
        #expect(state.mayBeForgotten(before: 0))
        state = try #require(PaxosAcceptor.propose(vote(10), state: state).state)
        #expect(!state.mayBeForgotten(before: 1_000))
        state = try #require(PaxosAcceptor.commit(vote(10), state: state).state)
        #expect(!state.mayBeForgotten(before: 10))
        #expect(state.mayBeForgotten(before: 11))
        // What was promised before the floor may be forgotten, so nothing before it is taken.
        let old = PaxosAcceptor.prepare(ballot(10), isRead: false, state: PaxosState(), floor: 11)
        #expect(old.answer == .rejected(ballot(10), by: ballot(11, 0)))
        let proposal = PaxosAcceptor.propose(vote(10), state: PaxosState(), floor: 11)
        #expect(proposal.state == nil)
    }

    // MARK: Proposer

    private let nodes = (1...3).map { MetadataFixture.id($0) }

    private func proposer(isRead: Bool, needs: Int = 0) -> PaxosProposer {
        let needs = needs == 0 ? [] : [PaxosCommitNeed(replicas: nodes, count: needs)]
        let request = PaxosProposer.Request(
            participants: nodes,
            alive: nodes,
            commitTargets: nodes,
            commitNeeds: needs,
            isRead: isRead,
            deadline: 1_000_000
        )
        return PaxosProposer(request, seed: 7)
    }

    private let moment = PaxosMoment(now: 0, wall: 100)

    @Test func aWriteTakesTwoRoundTripsAndItsCommit() throws {
        var proposer = proposer(isRead: false, needs: 2)
        let start = proposer.start(at: moment)
        let ballot = proposer.currentBallot
        #expect(start == [.send(.prepare(ballot, isRead: false), to: nodes)])
        let promised = PaxosAnswer.promised(ballot, PaxosPromise(read: [5]))
        #expect(proposer.receive(promised, from: nodes[0], at: moment) == [])
        #expect(proposer.receive(promised, from: nodes[0], at: moment) == [])
        let reads = nodes.prefix(2).map { PaxosRead(replica: $0, bytes: [5]) }
        #expect(proposer.receive(promised, from: nodes[1], at: moment) == [.decide(reads)])
        let vote = PaxosVote(ballot: ballot, value: PaxosValue(origin: ballot, bytes: [6]))
        #expect(
            proposer.decide(.propose([6]), at: moment) == [.send(.propose(vote), to: nodes)]
        )
        #expect(proposer.receive(.accepted(ballot), from: nodes[2], at: moment) == [])
        #expect(
            proposer.receive(.accepted(ballot), from: nodes[0], at: moment)
                == [.send(.commit(vote), to: nodes)]
        )
        #expect(proposer.receive(.committed(ballot), from: nodes[0], at: moment) == [])
        #expect(
            proposer.receive(.committed(ballot), from: nodes[1], at: moment) == [.finish(.applied)]
        )
    }

    @Test func aReadOfASettledPartitionTakesOneRoundTrip() {
        var proposer = proposer(isRead: true)
        _ = proposer.start(at: moment)
        let ballot = proposer.currentBallot
        let promise = PaxosPromise(
            committed: vote(50),
            promisedWrite: self.ballot(50),
            read: [1]
        )
        _ = proposer.receive(.promised(ballot, promise), from: nodes[0], at: moment)
        let reads = nodes.prefix(2).map { PaxosRead(replica: $0, bytes: [1]) }
        #expect(
            proposer.receive(.promised(ballot, promise), from: nodes[1], at: moment)
                == [.finish(.read(reads))]
        )
    }

    @Test func aReadEndsAnAttemptThatItHasntSeen() {
        var proposer = proposer(isRead: true)
        _ = proposer.start(at: moment)
        let ballot = proposer.currentBallot
        // Someone had the promises to propose something after the last commit.
        let promise = PaxosPromise(committed: vote(50), promisedWrite: self.ballot(60), read: [1])
        _ = proposer.receive(.promised(ballot, promise), from: nodes[0], at: moment)
        let empty = PaxosVote(ballot: ballot, value: PaxosValue(origin: ballot, bytes: []))
        #expect(
            proposer.receive(.promised(ballot, promise), from: nodes[1], at: moment)
                == [.send(.propose(empty), to: nodes)]
        )
    }

    @Test func anUnfinishedProposalIsFinishedFirst() {
        var proposer = proposer(isRead: true)
        _ = proposer.start(at: moment)
        let ballot = proposer.currentBallot
        let one = PaxosPromise(accepted: vote(60), committed: vote(50), read: [1])
        let two = PaxosPromise(committed: nil, read: [])
        _ = proposer.receive(.promised(ballot, one), from: nodes[0], at: moment)
        // The latest commit comes first to those who lack it.
        #expect(
            proposer.receive(.promised(ballot, two), from: nodes[1], at: moment)
                == [.send(.commit(vote(50)), to: [nodes[1], nodes[2]])]
        )
        let finished = PaxosVote(ballot: ballot, value: vote(60).value)
        #expect(
            proposer.receive(.committed(self.ballot(50)), from: nodes[2], at: moment)
                == [.send(.propose(finished), to: nodes)]
        )
        _ = proposer.receive(.accepted(ballot), from: nodes[0], at: moment)
        #expect(
            proposer.receive(.accepted(ballot), from: nodes[1], at: moment)
                == [.send(.commit(finished), to: nodes)]
        )
        _ = proposer.receive(.committed(ballot), from: nodes[0], at: moment)
        let again = proposer.receive(.committed(ballot), from: nodes[1], at: moment)
        #expect(again == [.send(.prepare(proposer.currentBallot, isRead: true), to: nodes)])
        #expect(proposer.currentBallot > ballot)
    }

    @Test func outcomesSayWhatIsKnown() {
        let request = PaxosProposer.Request(
            participants: nodes,
            alive: [nodes[0]],
            commitTargets: nodes,
            isRead: false,
            deadline: 1_000
        )
        var lonely = PaxosProposer(request, seed: 1)
        #expect(
            lonely.start(at: moment) == [.finish(.unavailable(required: 2, alive: 1))]
        )
        let late = PaxosMoment(now: 1_000_000, wall: 200)
        var silent = proposer(isRead: false)
        _ = silent.start(at: moment)
        let timeout = PaxosOutcome.timeout(received: 0, required: 2, contended: 0)
        #expect(silent.tick(at: late) == [.finish(timeout)])
        var half = proposer(isRead: false, needs: 3)
        _ = half.start(at: moment)
        let ballot = half.currentBallot
        for node in nodes.prefix(2) {
            _ = half.receive(.promised(ballot, PaxosPromise()), from: node, at: moment)
        }
        _ = half.decide(.propose([1]), at: moment)
        _ = half.receive(.accepted(ballot), from: nodes[0], at: moment)
        var other = half
        #expect(other.tick(at: late) == [.finish(.unknown(received: 1, required: 2))])
        _ = half.receive(.accepted(ballot), from: nodes[1], at: moment)
        _ = half.receive(.committed(ballot), from: nodes[1], at: moment)
        #expect(
            half.tick(at: late) == [.finish(.appliedUnconfirmed(received: 1, required: 3))]
        )
    }

    @Test func aRefusedAttemptIsTriedWithALaterBallot() {
        var proposer = proposer(isRead: false)
        _ = proposer.start(at: moment)
        let ballot = proposer.currentBallot
        let rejected = PaxosAnswer.rejected(ballot, by: self.ballot(9_000))
        #expect(proposer.receive(rejected, from: nodes[0], at: moment) == [])
        #expect(proposer.receive(rejected, from: nodes[1], at: moment) == [])
        #expect(proposer.contention == 1)
        let wake = proposer.wakeTime ?? 0
        #expect(wake > 0)
        let again = proposer.tick(at: PaxosMoment(now: wake, wall: 101))
        #expect(again == [.send(.prepare(proposer.currentBallot, isRead: false), to: nodes)])
        #expect(proposer.currentBallot.micros == 9_001)
    }

    /// A replica may get to a preparation after the proposal of the same attempt, and refuse it: it has accepted.
    @Test func aLateRefusalOfThePreparationDoesNotHideAnAcceptance() {
        var proposer = proposer(isRead: false)
        _ = proposer.start(at: moment)
        let own = proposer.currentBallot
        for node in [nodes[0], nodes[2]] {
            _ = proposer.receive(.promised(own, PaxosPromise()), from: node, at: moment)
        }
        _ = proposer.decide(.propose([6]), at: moment)
        _ = proposer.receive(.accepted(own), from: nodes[1], at: moment)
        let finisher = ballot(9_000)
        for node in [nodes[1], nodes[0], nodes[2]] {
            _ = proposer.receive(.rejected(own, by: finisher), from: node, at: moment)
        }
        // Another has found the value at the replica that accepted it, and finished it.
        let finished = PaxosVote(ballot: finisher, value: PaxosValue(origin: own, bytes: [6]))
        _ = proposer.tick(at: PaxosMoment(now: proposer.wakeTime ?? 0, wall: 101))
        let promise = PaxosAnswer.promised(
            proposer.currentBallot,
            PaxosPromise(committed: finished, promisedWrite: finisher)
        )
        #expect(proposer.receive(promise, from: nodes[0], at: moment) == [])
        #expect(
            proposer.receive(promise, from: nodes[2], at: moment)
                == [.send(.commit(finished), to: nodes), .finish(.applied)]
        )
    }

    @Test func messagesComeBackFromBytesAndHostileOnesDontTrap() throws {
        let promise = PaxosPromise(
            accepted: vote(3),
            committed: vote(2),
            promisedWrite: ballot(4),
            read: [1, 2]
        )
        let answers: [PaxosAnswer] = [
            .promised(ballot(9), promise), .rejected(ballot(1), by: ballot(2)),
            .accepted(ballot(1)), .committed(ballot(1)),
        ]
        var random = SplitMix64(seed: 3)
        for answer in answers {
            var bytes = MetadataFixture.bytes { answer.encode(to: &$0) }
            func decode() -> PaxosAnswer? {
                bytes.withView { view in
                    var reader = ByteReader(view)
                    return try? PaxosAnswer(from: &reader)
                }
            }
            #expect(decode() == answer)
            for _ in 0..<500 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() % 256)
                _ = decode()
            }
        }
        let requests: [PaxosRequest] = [
            .prepare(ballot(1), isRead: true), .prepare(ballot(1), isRead: false),
            .propose(vote(2)), .commit(vote(3, [])),
        ]
        for request in requests {
            let bytes = MetadataFixture.bytes { request.encode(to: &$0) }
            let read = try bytes.withView { view in
                var reader = ByteReader(view)
                return try PaxosRequest(from: &reader)
            }
            #expect(read == request)
        }
    }
}

@Suite struct PaxosLinearizabilityTests {
    @Test func theCheckerTellsHistoriesApart() {
        func write(
            _ new: UInt64,
            _ from: Int,
            _ to: Int,
            optional: Bool = false
        )
            -> RegisterOperation
        {
            let effect = RegisterOperation.Effect.write(expected: nil, new: new)
            return RegisterOperation(
                effect: effect,
                invoked: from,
                returned: to,
                isOptional: optional
            )
        }
        func read(_ value: UInt64, _ from: Int, _ to: Int) -> RegisterOperation {
            RegisterOperation(effect: .read(value), invoked: from, returned: to)
        }
        let isGood = LinearizabilityChecker.isLinearizable
        #expect(isGood([write(1, 1, 4), read(0, 2, 3), read(1, 5, 6)]))
        #expect(!isGood([write(1, 1, 2), read(0, 3, 4)]))
        #expect(!isGood([write(1, 1, 8), read(1, 2, 3), read(0, 4, 5)]))
        #expect(isGood([write(1, 1, 2, optional: true), read(0, 3, 4)]))
        #expect(isGood([write(1, 1, 2, optional: true), read(1, 3, 4)]))
        // What a read didn't see after its client was told doesn't come back.
        #expect(!isGood([write(1, 1, 2, optional: true), read(0, 3, 4), read(1, 5, 6)]))
    }

    @Test func registersAreLinearizableUnderEveryFault() {
        var outcomes: [String: Int] = [:]
        let seeds = SeedCount.of(2_000)
        for seed in 1...seeds {
            var world = PaxosWorld(seed: UInt64(seed))
            #expect(world.run(steps: 500, operations: 24) == [], "seed \(seed)")
            outcomes.merge(world.outcomes) { $0 + $1 }
        }
        let summary = outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        print("Paxos, \(seeds) seeds: \(summary.joined(separator: ", "))")
        for name in ["applied", "not applied", "read", "unknown", "timeout"] {
            #expect(outcomes[name, default: 0] > seeds / 4, "too few outcomes '\(name)'")
        }
    }

    @Test(arguments: PaxosWorld.Plant.allCases.filter { $0 != .none })
    func plantedBugIsFound(plant: PaxosWorld.Plant) {
        var found = 0
        var first: Int?
        let seeds = SeedCount.of(1_000)
        for seed in 1...seeds {
            var world = PaxosWorld(seed: UInt64(seed), plant: plant)
            if !world.run(steps: 500, operations: 24).isEmpty {
                found += 1
                first = first ?? seed
            }
        }
        print("Paxos, planted \(plant): \(found) of \(seeds) seeds, the first is \(first ?? 0)")
        #expect(found > 0)
    }
}
