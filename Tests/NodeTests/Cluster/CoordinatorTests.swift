// SPDX-License-Identifier: Apache-2.0

import Cluster
import Environment
import Model
@testable import ModelTest
@testable import Node
import Testing

/// Requests whose replicas change while they run.
@Suite struct CoordinatorTests {
    private func failure(_ reason: RequestFailure.Reason, to request: UInt64, epoch: UInt64) -> InternodeMessage {
        let body = RequestFailure(reason, "said by the test").bytes
        return InternodeMessage(.failure, request: request, epoch: epoch, body: body)
    }

    private func done(_ request: UInt64) -> InternodeMessage {
        InternodeMessage(.writeAnswer, request: request, epoch: 0, body: [])
    }

    // MARK: As a coordinator

    @Test func aWriteIsDoneWhenItsReplicasSaySo() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        let outcomes = test.write(1, .all)
        let sent = test.network.takeSent()
        #expect(sent.map(\.peer) == [TestCoordinator.address(2)])
        #expect(sent.map(\.message.epoch) == [10])
        #expect(outcomes.value.isEmpty)
        let request = try #require(sent.first?.message.request)
        test.give(done(request), from: 2)
        test.give(done(request), from: 2)
        #expect(outcomes.value == [.success])
        #expect(try test.has(1))
    }

    @Test func aWriteThatIsRefusedAsStaleGoesToThoseWhoOwnTheTokenNow() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        let outcomes = test.write(1, .all)
        let first = try #require(test.network.takeSent().first?.message)
        try test.change(owners: [3, 1, 2, 4], epoch: 11)
        test.give(failure(.staleEpoch, to: first.request, epoch: 11), from: 2)
        let sent = test.network.takeSent()
        #expect(sent.map(\.peer) == [TestCoordinator.address(3)])
        #expect(sent.map(\.message.epoch) == [11])
        // What is said of the first attempt counts no more.
        test.give(done(first.request), from: 2)
        #expect(outcomes.value.isEmpty)
        test.give(done(try #require(sent.first?.message.request)), from: 3)
        #expect(outcomes.value == [.success])
    }

    @Test func aWriteIsAnsweredOnceThoughItBeganAnew() throws {
        let test = try TestCoordinator(replicas: 3, owners: [1, 2, 3, 4])
        let outcomes = test.write(1, .quorum)
        let first = test.network.takeSent()
        try test.change(owners: [1, 2, 4, 3], epoch: 11)
        for (peer, message) in first {
            test.network.give(failure(.staleEpoch, to: message.request, epoch: 11), from: peer)
        }
        test.node.drain()
        let second = test.network.takeSent()
        #expect(second.map(\.peer) == [TestCoordinator.address(2), TestCoordinator.address(4)])
        for (peer, message) in second { test.network.give(done(message.request), from: peer) }
        test.node.drain()
        #expect(outcomes.value == [.success])
    }

    @Test func aWriteThatIsRefusedAsStaleAgainAndAgainFails() throws {
        let test = try TestCoordinator(replicas: 1, owners: [2, 1, 3, 4])
        let outcomes = test.write(1, .one)
        var attempts = 0
        while outcomes.value.isEmpty, attempts < 100 {
            attempts += 1
            let message = try #require(test.network.takeSent().first?.message)
            test.give(failure(.staleEpoch, to: message.request, epoch: 10), from: 2)
        }
        #expect(attempts == 6)
        guard case .failure(received: 0, required: 1, let failures, hasData: false) = outcomes.value.first else {
            Issue.record("\(outcomes.value)")
            return
        }
        #expect(failures.map(\.failure.reason) == [.staleEpoch])
    }

    @Test func aWriteToADroppedKeyspaceIsRefused() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        let outcomes = Box<[ReplicaOutcome]>([])
        test.node.node.shard(of: TestCoordinator.token).run { [coordinator = test.coordinator] shard in
            coordinator.write(
                TestCoordinator.insert(1),
                token: TestCoordinator.token,
                in: "gone",
                .one,
                owner: shard
            ) { outcomes.value.append($0) }
        }
        test.node.drain()
        #expect(outcomes.value == [.unavailable(required: 1, alive: 0)])
    }

    @Test func whoIsSilentAtTheDeadlineGetsAHint() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        let outcomes = test.write(1, .one)
        #expect(outcomes.value == [.success])
        test.node.advance(seconds: 3)
        #expect(test.hints.nodes == [test.id(2)])
    }

    @Test func aReadEndsWhereOthersOwnTheKeys() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        _ = test.write(1, .one)
        let results = test.read(.one)
        let merged = try #require(results.value.first).get()
        #expect(results.value.count == 1)
        // The next token on is another node's.
        let end = KeyBounds(TokenRange(TestCoordinator.token, TestCoordinator.token)).upper
        #expect(merged.horizon == end)
        #expect(test.network.takeSent().isEmpty)
    }

    @Test func aSlowReplicaIsNotWaitedForAlone() throws {
        let test = try TestCoordinator(replicas: 3, owners: [1, 2, 3, 4])
        let results = test.read(.quorum)
        let first = try #require(test.network.takeSent().first)
        test.node.advance(milliseconds: 40)
        #expect(test.network.takeSent().isEmpty)
        test.node.advance(milliseconds: 20)
        let second = try #require(test.network.takeSent().first)
        #expect(first.peer != second.peer)
        #expect(test.coordinator.speculationCount == 1)
        #expect(results.value.isEmpty)
        // It has no rows, as this node.
        let digest = ReadAnswer.Digest(high: 0, low: 0)
        let body = ReadAnswer(digest: digest, data: .init(horizon: nil, rowCount: 0, mutation: [])).bytes
        let answer = InternodeMessage(.readAnswer, request: second.message.request, epoch: 10, body: body)
        test.network.give(answer, from: second.peer)
        test.node.drain()
        #expect(results.value.count == 1)
    }

    @Test func fewReadsAskAnotherReplicaWhenAllAreSlow() throws {
        let test = try TestCoordinator(replicas: 3, owners: [1, 2, 3, 4])
        for _ in 0..<400 { _ = test.read(.quorum) }
        test.node.advance(milliseconds: 100)
        // Twenty at once, and no more.
        #expect(test.coordinator.speculationCount == 20)
        #expect(test.network.takeSent().count == 420)
    }

    @Test func whatIsTooMuchIsRefusedBeforeItIsBegun() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4]) { $0.inFlightMax = 10 }
        for number in 0..<10 { #expect(test.write(number, .all).value.isEmpty) }
        #expect(test.write(10, .all).value == [.overloaded(limit: 10)])
        #expect(try !test.has(10))
        guard case .failure(.outcome(.overloaded(limit: 10))) = test.read(.all).value.first else {
            Issue.record("the read went on")
            return
        }
        test.node.advance(seconds: 3)
        #expect(test.write(11, .one).value == [.success])
    }

    // MARK: As a replica

    private func write(_ number: Int, timeout: UInt64 = 1_000_000, epoch: UInt64) -> InternodeMessage {
        let body = WriteRequest(timeout: timeout, mutation: TestCoordinator.insert(number)).bytes
        return InternodeMessage(.write, request: 77, epoch: epoch, body: body)
    }

    @Test func aRequestOfBeforeRowsHaveMovedIsRefused() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        test.give(write(1, epoch: 10), from: 2)
        #expect(test.network.takeSent().map(\.message.kind) == [.writeAnswer])
        // It has come, but its turn hasn't.
        test.network.give(write(2, epoch: 10), from: TestCoordinator.address(2))
        try test.change(owners: [3, 1, 2, 4], epoch: 11)
        test.node.drain()
        let answer = try #require(test.network.takeSent().first?.message)
        #expect(answer.kind == .failure)
        #expect(answer.epoch == 11)
        #expect(try RequestFailure(decoding: answer.body).reason == .staleEpoch)
        #expect(try test.has(1))
        #expect(try !test.has(2))
    }

    @Test func whatNobodyWaitsForAnyMoreIsNotDone() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        test.network.give(write(1, timeout: 1000, epoch: 10), from: TestCoordinator.address(2))
        test.node.clock.advance(nanoseconds: 2_000_000)
        test.node.drain()
        #expect(test.network.takeSent().isEmpty)
        #expect(try !test.has(1))
        #expect(test.coordinator.expiredCount == 1)
        test.give(write(2, timeout: .max, epoch: 10), from: 2)
        #expect(try test.has(2))
    }
}

/// What is written to several nodes of which not all have to have it.
@Suite struct DeliveryTests {
    private func deliver(_ test: TestCoordinator, to numbers: [Int], needs: Int?) -> Box<[String?]> {
        let results = Box<[String?]>([])
        let shard = test.node.node.shard(of: TestCoordinator.token)
        test.coordinator.deliver(
            TestCoordinator.insert(1),
            to: numbers.map(test.id),
            needs: needs,
            owner: shard
        ) { results.value.append($0) }
        test.node.drain()
        return results
    }

    private func answer(_ test: TestCoordinator, _ number: Int, _ failure: RequestFailure? = nil) throws {
        let request = try #require(test.sentLast(to: number))
        let body = failure?.bytes ?? []
        test.give(
            InternodeMessage(failure == nil ? .writeAnswer : .failure, request: request, epoch: 10, body: body),
            from: number
        )
    }

    @Test func oneOfTwoIsEnoughIfOneIsNeeded() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        let results = deliver(test, to: [2, 3], needs: 1)
        #expect(results.value.isEmpty)
        try answer(test, 2, RequestFailure(.diskFull, "full"))
        #expect(results.value.isEmpty)
        try answer(test, 3)
        #expect(results.value == [nil])
        test.node.advance(seconds: 10)
        #expect(results.value == [nil])
    }

    @Test func whoFailsIsNamedWhenTooFewAreLeft() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        let results = deliver(test, to: [2, 3], needs: 1)
        try answer(test, 2, RequestFailure(.diskFull, "full"))
        try answer(test, 3, RequestFailure(.diskFull, "full, too"))
        #expect(results.value == ["full, too"])
    }

    @Test func allAreNeededOtherwise() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        let results = deliver(test, to: [1, 2], needs: nil)
        #expect(results.value.isEmpty)
        #expect(try test.has(1))
        test.node.advance(seconds: 10)
        #expect(results.value == ["no answer from \(test.id(2))"])
    }

    @Test func batchesAreKeptByTwoOthersThatAreUp() throws {
        let test = try TestCoordinator(replicas: 1, owners: [1, 2, 3, 4])
        for _ in 0..<20 {
            let keepers = test.coordinator.batchKeepers()
            #expect(Set(keepers).count == 2)
            #expect(!keepers.contains(test.id(1)))
        }
        test.coordinator.note(test.id(2), isAlive: false)
        #expect(Set(test.coordinator.batchKeepers()) == [test.id(3), test.id(4)])
        for number in 3...4 { test.coordinator.note(test.id(number), isAlive: false) }
        #expect(test.coordinator.batchKeepers() == [])
    }
}
