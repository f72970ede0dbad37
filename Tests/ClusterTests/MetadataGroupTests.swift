// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Model
import Testing

@Suite struct MetadataGroupTests {
    typealias Fixture = MetadataFixture

    private func group(_ number: Int, _ metadata: ClusterMetadata) throws -> MetadataGroup {
        var recovery = MetadataRecovery()
        try recovery.replay(.snapshot(metadata))
        return MetadataGroup(id: Fixture.id(number), recovery: recovery, seed: UInt64(number))
    }

    /// The actions in words: what leaves, to whom, and what waits for the disk.
    private func words(_ actions: [MetadataAction]) -> [String] {
        actions.map { action in
            switch action {
            case .persist(let token, let records): "persist \(token): \(records.count)"
            case .send(let message, let to): "\(name(message.body)) to \(to.uuid.low)"
            case .applied(_, let metadata): "applied \(metadata.epoch)"
            case .installed(let metadata): "installed \(metadata.epoch)"
            case .decided(let request, let epoch): "decided \(request.number) at \(epoch)"
            case .failed(let request, let failure): "failed \(request.number): \(failure)"
            case .stopped(let epoch, _): "stopped at \(epoch)"
            }
        }
    }

    private func name(_ body: MetadataMessage.Body) -> String {
        switch body {
        case .prepare: "prepare"
        case .promise: "promise"
        case .accept: "accept"
        case .accepted: "accepted"
        case .rejected: "rejected"
        case .fetch(let after): "fetch after \(after)"
        case .entries(let first, let entries, _): "entries \(first)+\(entries.count)"
        case .snapshot(let metadata): "snapshot \(metadata.epoch)"
        }
    }

    @Test func aClusterOfOneDecidesAtOnce() throws {
        var group = try group(1, Fixture.cluster(1))
        let entry = Fixture.entry(.register(Fixture.node(2)), number: 5)
        #expect(words(group.propose(entry, deadline: 100, now: 0)) == ["persist 1: 1"])
        #expect(
            words(group.persisted(1, now: 1)) == [
                "applied 2", "decided 5 at 2", "entries 2+1 to 2",
            ]
        )
        let again = Fixture.entry(.register(Fixture.node(2)), number: 6)
        let refusal = MetadataRefusal.nodeExists(Fixture.id(2))
        let failed = "failed 6: \(MetadataFailure.refused(refusal))"
        #expect(words(group.propose(again, deadline: 100, now: 2)) == [failed])
    }

    @Test func nothingLeavesBeforeItIsDurable() throws {
        var metadata = try Fixture.cluster(3)
        try metadata.apply(.setVoters((1...3).map { Fixture.id($0) }), 1)
        var one = try group(1, metadata)
        var two = try group(2, metadata)
        let entry = Fixture.entry(.register(Fixture.node(4)), number: 5)
        #expect(words(one.propose(entry, deadline: 1_000_000, now: 0)) == ["persist 1: 1"])
        let prepares = one.persisted(1, now: 1)
        #expect(words(prepares) == ["prepare to 2", "prepare to 3"])
        guard case .send(let prepare, _) = prepares[0] else { return }
        #expect(words(two.receive(prepare, from: Fixture.id(1), now: 1)) == ["persist 1: 1"])
        let promises = two.persisted(1, now: 2)
        #expect(words(promises) == ["promise to 1"])
        guard case .send(let promise, _) = promises[0] else { return }
        let accepts = one.receive(promise, from: Fixture.id(2), now: 3)
        #expect(words(accepts) == ["accept to 2", "accept to 3", "persist 2: 1"])
        guard case .send(let accept, _) = accepts[0] else { return }
        #expect(words(two.receive(accept, from: Fixture.id(1), now: 4)) == ["persist 2: 1"])
        let accepted = two.persisted(2, now: 5)
        #expect(words(accepted) == ["accepted to 1"])
        guard case .send(let vote, _) = accepted[0] else { return }
        #expect(words(one.receive(vote, from: Fixture.id(2), now: 6)) == [])
        #expect(words(one.persisted(2, now: 7)) == ["persist 3: 1"])
        #expect(
            words(one.persisted(3, now: 8)) == [
                "applied 11", "decided 5 at 11", "entries 11+1 to 2", "entries 11+1 to 3",
                "entries 11+1 to 4",
            ]
        )
    }

    @Test func aProposerThatRestartsUsesALaterRound() throws {
        var metadata = try Fixture.cluster(4)
        try metadata.apply(.setVoters((1...3).map { Fixture.id($0) }), 1)
        var rounds: [UInt64] = []
        var recovery = MetadataRecovery()
        try recovery.replay(.snapshot(metadata))
        for number in 1...3 {
            var group = MetadataGroup(id: Fixture.id(4), recovery: recovery, seed: 1)
            let entry = Fixture.entry(.register(Fixture.node(9)), number: UInt64(number))
            for action in group.propose(entry, deadline: 1_000_000, now: 0) {
                guard case .persist(_, let records) = action else { continue }
                for record in records {
                    try recovery.replay(record)
                    if case .acceptor(let state) = record { rounds.append(state.round) }
                }
            }
        }
        #expect(rounds == [1, 2, 3])
    }

    @Test func aNodeThatIsFarBehindGetsASnapshot() throws {
        var metadata = try Fixture.cluster(2)
        var behind = try group(2, metadata)
        for number in 1...5 {
            try metadata.apply(.register(Fixture.node(10 + number)), UInt64(number))
        }
        var ahead = try group(1, metadata)
        let fetch = behind.learned(epoch: metadata.epoch, from: Fixture.id(1), now: 0)
        #expect(words(fetch) == ["fetch after 5 to 1"])
        guard case .send(let message, _) = fetch[0] else { return }
        let answer = ahead.receive(message, from: Fixture.id(2), now: 0)
        #expect(words(answer) == ["snapshot 10 to 2"])
        guard case .send(let snapshot, _) = answer[0] else { return }
        #expect(words(behind.receive(snapshot, from: Fixture.id(1), now: 1)) == ["persist 1: 1"])
        #expect(words(behind.persisted(1, now: 2)) == ["installed 10"])
        #expect(behind.metadata.encodedBytes == metadata.encodedBytes)
    }

    @Test func anotherClustersMessagesAreIgnored() throws {
        let other = try ClusterMetadata(
            founding: UUID(high: 8, low: 8),
            node: Fixture.node(9, state: .normal, tokens: [4])
        )
        var group = try group(1, Fixture.cluster(1))
        let message = MetadataMessage(identity: other.identity, .snapshot(other))
        #expect(words(group.receive(message, from: Fixture.id(9), now: 0)) == [])
        let ballot = MetadataBallot(round: 9, proposer: Fixture.id(9))
        let prepare = MetadataMessage(identity: other.identity, .prepare(slot: 2, ballot))
        #expect(words(group.receive(prepare, from: Fixture.id(9), now: 0)) == [])
    }

    @Test func aProposalEndsWhenItsTimeIsOver() throws {
        var metadata = try Fixture.cluster(3)
        try metadata.apply(.setVoters((1...3).map { Fixture.id($0) }), 1)
        var one = try group(1, metadata)
        let entry = Fixture.entry(.register(Fixture.node(4)), number: 5)
        _ = one.propose(entry, deadline: 500, now: 0)
        _ = one.persisted(1, now: 1)
        let failure = MetadataFailure.timeout(mayBeDecided: false)
        #expect(words(one.tick(now: 500)) == ["failed 5: \(failure)"])
    }

    @Test func allNodesAgreeUnderEveryFault() throws {
        var decided = 0
        var crashes = 0
        for seed in 1...SeedCount.of(400) {
            var world = try MetadataWorld(seed: UInt64(seed))
            let violations = world.run(steps: 1500)
            #expect(violations == [], "seed \(seed)")
            decided += world.decided
            crashes += world.crashes
        }
        // The schedules do something: entries are decided, and nodes crash in the middle.
        #expect(decided > 8 * SeedCount.of(400))
        #expect(crashes > 2 * SeedCount.of(400))
    }

    @Test(arguments: [
        MetadataWorld.Plant.forgetPromise, .skipSync,
    ])
    func plantedBugIsFound(plant: MetadataWorld.Plant) throws {
        var found = 0
        var first: Int?
        let seeds = SeedCount.of(400)
        for seed in 1...seeds {
            var world = try MetadataWorld(seed: UInt64(seed), plant: plant)
            if !world.run(steps: 1500).isEmpty {
                found += 1
                first = first ?? seed
            }
        }
        print(
            "metadata log, planted \(plant): \(found) of \(seeds) seeds, the first is \(first ?? 0)"
        )
        #expect(found > 0)
    }
}

/// How many seeds a test plays: more with THOLOS_SEEDS, a factor.
enum SeedCount {
    static let factor =
        Int(
            ProcessEnvironment.value("THOLOS_SEEDS") ?? "1"
        ).map { max(1, $0) } ?? 1

    static func of(_ count: Int) -> Int { count * factor }
}
