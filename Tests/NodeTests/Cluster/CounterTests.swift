// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
@testable import ModelTest
@testable import Node
import Testing

/// Increments: they count once, at a leader that tells the others.
@Suite struct CounterTests {
    private static let column: UInt32 = 9

    private static func increments(_ number: Int64, row: Int = 1) -> [UInt8] {
        var value = ByteWriter()
        RowEncoder.begin(liveness: nil, base: 10, to: &value)
        ValueCoding.int64(number).withView { bytes in
            let cell = Cell(column: column, flags: .path, timestamp: 10, path: .empty, value: bytes)
            RowEncoder.append(cell, base: 10, to: &value)
        }
        var mutation = TestMutation(TestCoordinator.partition)
        mutation.begin(TestCoordinator.table)
        mutation.add(TestTables.row(TestCoordinator.partition, row), value.array)
        return mutation.bytes
    }

    private func request(_ number: UInt64, adding: Int64, _ level: Consistency = .all) -> InternodeMessage {
        let request = IncrementRequest(timeout: 2_000_000, level: level, mutation: Self.increments(adding))
        return InternodeMessage(.counter, request: number, epoch: 10, body: request.bytes)
    }

    /// What this node has counted; nil if nothing.
    private func count(_ test: TestCoordinator) throws -> Int64? {
        let key = TestTables.row(TestCoordinator.partition, 1)
        guard let row = try test.node.get(TestCoordinator.table, key) else { return nil }
        #expect(row.cells.keys.map(\.path) == [test.node.node.hostID.bytes])
        return row.cells.values.first?.bytes.withView { Int64(cql: $0) }
    }

    private func increment(_ test: TestCoordinator, _ number: Int64, _ level: Consistency) -> Box<[ReplicaOutcome]> {
        let outcomes = Box<[ReplicaOutcome]>([])
        let coordinator = test.coordinator
        test.node.node.shard(of: TestCoordinator.token).run { shard in
            coordinator.increment(Self.increments(number), token: TestCoordinator.token, in: "k", level, owner: shard) {
                outcomes.value.append($0)
            }
        }
        test.node.drain()
        return outcomes
    }

    @Test func aLeaderCountsAndThenTellsTheOthers() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        for (number, sum) in [(7, 5), (8, 10), (9, 15)] as [(UInt64, Int64)] {
            test.give(request(number, adding: 5), from: 3)
            #expect(try count(test) == sum)
            let sent = test.network.takeSent()
            #expect(sent.map(\.peer) == [TestCoordinator.address(2)])
            #expect(sent.map(\.message.kind) == [.write])
            let write = try #require(sent.first?.message.request)
            test.give(InternodeMessage(.writeAnswer, request: write, epoch: 10, body: []), from: 2)
            let answers = test.network.takeSent()
            #expect(answers.map(\.peer) == [TestCoordinator.address(3)])
            #expect(answers.first?.message.request == number)
            let body = try #require(answers.first?.message.body)
            #expect(try ReplicaOutcome(decoding: body) == .success)
        }
    }

    @Test func aRequestThatComesTwiceCountsOnce() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        test.give(request(7, adding: 5), from: 3)
        test.give(request(7, adding: 5), from: 3)
        #expect(try count(test) == 5)
        // From another sender the same number is another request.
        test.give(request(7, adding: 5), from: 4)
        #expect(try count(test) == 10)
    }

    @Test func nothingIsCountedWhenTooFewReplicasAreAlive() throws {
        let test = try TestCoordinator(replicas: 2, owners: [1, 2, 3, 4])
        test.coordinator.note(test.id(2), isAlive: false)
        #expect(increment(test, 5, .all).value == [.unavailable(required: 2, alive: 1)])
        test.give(request(7, adding: 5), from: 3)
        let answer = try #require(test.network.takeSent().last?.message)
        #expect(try ReplicaOutcome(decoding: answer.body) == .unavailable(required: 2, alive: 1))
        #expect(try count(test) == nil)
        // With fewer it is done, and the other gets a hint.
        #expect(increment(test, 5, .one).value == [.success])
        #expect(try count(test) == 5)
    }

    @Test func whoIsNoReplicaAsksOne() throws {
        let test = try TestCoordinator(replicas: 2, owners: [2, 3, 1, 4])
        let outcomes = increment(test, 5, .quorum)
        let sent = test.network.takeSent()
        #expect(sent.map(\.message.kind) == [.counter])
        #expect([2, 3].map(TestCoordinator.address).contains(try #require(sent.first?.peer)))
        let number = try #require(sent.first?.message.request)
        let peer = sent[0].peer == TestCoordinator.address(2) ? 2 : 3
        #expect(outcomes.value.isEmpty)
        let timeout = ReplicaOutcome.timeout(received: 1, required: 2, hasData: false)
        let answer = InternodeMessage(.counterAnswer, request: number, epoch: 10, body: timeout.bytes)
        test.give(answer, from: peer)
        test.give(answer, from: peer)
        #expect(outcomes.value == [timeout])
        #expect(try count(test) == nil)
    }

    @Test func anIncrementBeginsAnewWhereTheRowsAreNow() throws {
        let test = try TestCoordinator(replicas: 1, owners: [2, 1, 3, 4])
        let outcomes = increment(test, 5, .one)
        let number = try #require(test.sentLast(to: 2))
        try test.change(owners: [1, 2, 3, 4], epoch: 11)
        let failure = RequestFailure(.staleEpoch, "said by the test")
        test.give(InternodeMessage(.failure, request: number, epoch: 11, body: failure.bytes), from: 2)
        #expect(outcomes.value == [.success])
        #expect(try count(test) == 5)
    }

    @Test func outcomesAreReadAsTheyWereWritten() throws {
        let failure = ReplicaFailure(NodeID(UUID(high: 3, low: 4)), RequestFailure(.diskFull, "no room"))
        let outcomes: [ReplicaOutcome] = [
            .success, .overloaded(limit: 16_384), .unavailable(required: 3, alive: 1),
            .timeout(received: 1, required: 2, hasData: false),
            .failure(received: 0, required: 2, failures: [failure, failure], hasData: false),
        ]
        for outcome in outcomes {
            #expect(try ReplicaOutcome(decoding: outcome.bytes) == outcome)
            for count in 0..<outcome.bytes.count {
                // What is cut off is refused, or is a failure of fewer replicas.
                let cut = try? ReplicaOutcome(decoding: Array(outcome.bytes[..<count]))
                #expect(cut != outcome)
            }
        }
        #expect(throws: MalformedBytes.self) { try ReplicaOutcome(decoding: [9, 0, 0, 0]) }
    }

    @Test func recentRequestsAreBounded() {
        var recent = RecentRequests()
        let sender = TestCoordinator.address(2)
        let newCount = (0..<200_000 as Range<UInt64>).count { recent.note($0, from: sender) }
        #expect(newCount == 200_000)
        let isKnown = !recent.note(199_000, from: sender) && !recent.note(151_000, from: sender)
        #expect(isKnown)
        let isForgotten = recent.note(5, from: sender)
        #expect(isForgotten)
    }
}
