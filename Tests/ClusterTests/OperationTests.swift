// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Model
import Testing

/// Nodes named by a letter, for scenarios that read well.
private func node(_ letter: Character) -> NodeID {
    NodeID(UUID(high: 0, low: UInt64(letter.asciiValue ?? 0)))
}

private func replicas(
    _ letters: String,
    dead: String = "",
    pending: String = "",
    dataCenter: (Character) -> String = { _ in "dc1" }
) -> [Replica] {
    letters.map {
        Replica(
            node($0),
            dataCenter: dataCenter($0),
            isAlive: !dead.contains($0),
            isPending: pending.contains($0)
        )
    }
}

private func rule(_ level: Consistency, _ factors: ReplicationFactors = ReplicationFactors(total: 3)) -> ConsistencyRule {
    ConsistencyRule(level, factors, localDataCenter: "dc1")
}

private let twoCenters = ReplicationFactors(byDataCenter: [("dc1", 3), ("dc2", 2)])

@Suite struct ConsistencyRuleTests {
    @Test(arguments: [
        (Consistency.any, 1), (.one, 1), (.two, 2), (.three, 3), (.quorum, 3), (.all, 5),
        (.localQuorum, 2), (.eachQuorum, 4), (.serial, 3), (.localSerial, 2), (.localOne, 1),
    ])
    func eachLevelAsksForItsNumber(level: Consistency, required: Int) {
        #expect(rule(level, twoCenters).required == required)
    }

    @Test func localLevelsCountTheirOwnDataCenterOnly() {
        let local = rule(.localQuorum, twoCenters)
        #expect(!local.isMet(by: ["dc1", "dc2", "dc2"]))
        #expect(local.isMet(by: ["dc1", "dc1"]))
    }

    @Test func eachQuorumNeedsAQuorumEverywhere() {
        let each = rule(.eachQuorum, twoCenters)
        #expect(!each.isMet(by: ["dc1", "dc1", "dc1", "dc2"]))
        #expect(each.isMet(by: ["dc1", "dc1", "dc2", "dc2"]))
    }

    @Test func withSimpleStrategyLocalLevelsCountEveryone() {
        #expect(rule(.localQuorum).isMet(by: ["dc1", "dc2"]))
    }
}

@Suite struct WriteOperationTests {
    @Test func aQuorumAnswersTheClientAndTheThirdIsStillHeard() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abc"))
        #expect(write.start() == [.send(node("a")), .send(node("b")), .send(node("c"))])
        #expect(write.answered(by: node("b")) == [])
        #expect(write.answered(by: node("b")) == [])
        #expect(write.answered(by: node("a")) == [.complete(.success)])
        #expect(!write.isOver)
        #expect(write.answered(by: node("c")) == [])
        #expect(write.isOver)
    }

    @Test func whoIsSilentAtTheDeadlineGetsAHintThoughTheClientWasAnswered() {
        var write = WriteOperation(rule(.one), replicas: replicas("ab"))
        _ = write.start()
        #expect(write.answered(by: node("a")) == [.complete(.success)])
        #expect(write.timedOut() == [.hint(node("b"))])
        #expect(write.isOver)
    }

    @Test func theDeadReplicaGetsAHintAtOnce() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abc", dead: "c"))
        #expect(write.start() == [.send(node("a")), .send(node("b")), .hint(node("c"))])
    }

    @Test func tooFewAliveIsRefusedBeforeAnythingIsSent() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abc", dead: "bc"))
        #expect(write.start() == [.complete(.unavailable(required: 2, alive: 1))])
        #expect(write.timedOut() == [])
    }

    @Test func anyIsContentWithAHint() {
        var write = WriteOperation(rule(.any), replicas: replicas("abc", dead: "abc"))
        #expect(write.start() == [.hint(node("a")), .hint(node("b")), .hint(node("c"))])
        #expect(write.hinted() == [.complete(.success)])
    }

    @Test func eachPendingReplicaNeedsOneAnswerMore() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abcd", pending: "d"))
        _ = write.start()
        _ = write.answered(by: node("a"))
        #expect(write.answered(by: node("b")) == [])
        #expect(write.answered(by: node("d")) == [.complete(.success)])
    }

    @Test func theTimeoutTellsHowManyAnswered() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abc"))
        _ = write.start()
        _ = write.answered(by: node("a"))
        #expect(
            write.timedOut() == [
                .hint(node("b")), .hint(node("c")),
                .complete(.timeout(received: 1, required: 2, hasData: false)),
            ]
        )
    }

    @Test func failuresEndTheWriteAsSoonAsTheLevelIsOutOfReach() {
        var write = WriteOperation(rule(.quorum), replicas: replicas("abc"))
        _ = write.start()
        let full = RequestFailure(.diskFull, "the disk is full")
        #expect(write.failed(ReplicaFailure(node("a"), full)) == [.hint(node("a"))])
        let actions = write.failed(ReplicaFailure(node("b"), full))
        #expect(
            actions == [
                .hint(node("b")),
                .complete(
                    .failure(
                        received: 0,
                        required: 2,
                        failures: [ReplicaFailure(node("a"), full), ReplicaFailure(node("b"), full)],
                        hasData: false
                    )
                ),
            ]
        )
    }
}

@Suite struct ReadOperationTests {
    private let same = ReadAnswer.Digest(high: 1, low: 1)
    private let other = ReadAnswer.Digest(high: 2, low: 2)

    @Test func oneReplicaSendsDataAndTheOthersDigests() {
        var read = ReadOperation(rule(.quorum), candidates: replicas("abc"))
        #expect(read.start() == [.read(node("a"), digest: false), .read(node("b"), digest: true)])
        #expect(read.answered(by: node("b"), digest: same, hasData: false) == [])
        #expect(
            read.answered(by: node("a"), digest: same, hasData: true)
                == [.complete(.success, from: node("a"))]
        )
        #expect(read.timedOut() == [])
    }

    @Test func digestsThatDifferAreReconciledAndRepairedBeforeTheAnswer() {
        var read = ReadOperation(rule(.quorum), candidates: replicas("abc"))
        _ = read.start()
        _ = read.answered(by: node("a"), digest: same, hasData: true)
        #expect(
            read.answered(by: node("b"), digest: other, hasData: false)
                == [.read(node("b"), digest: false)]
        )
        #expect(
            read.answered(by: node("b"), digest: other, hasData: true)
                == [.merge([node("a"), node("b")])]
        )
        #expect(read.merged(lacking: [node("b")]) == [.repair(node("b"))])
        #expect(read.repaired(node("b")) == [.complete(.success, from: nil)])
    }

    @Test func aRepairThatDoesNotComeBackIsATimeout() {
        var read = ReadOperation(rule(.quorum), candidates: replicas("abc"))
        _ = read.start()
        _ = read.answered(by: node("a"), digest: same, hasData: true)
        _ = read.answered(by: node("b"), digest: other, hasData: false)
        _ = read.answered(by: node("b"), digest: other, hasData: true)
        _ = read.merged(lacking: [node("b")])
        #expect(
            read.timedOut()
                == [.complete(.timeout(received: 1, required: 2, hasData: true), from: nil)]
        )
    }

    @Test func aSlowReplicaIsPassedBySpeculation() {
        var read = ReadOperation(rule(.quorum), candidates: replicas("abc"))
        _ = read.start()
        _ = read.answered(by: node("b"), digest: same, hasData: false)
        #expect(read.speculate() == [.read(node("c"), digest: false)])
        #expect(
            read.answered(by: node("c"), digest: same, hasData: true)
                == [.complete(.success, from: node("c"))]
        )
        #expect(!read.canSpeculate)
    }

    @Test func aFailingReplicaIsReplacedAndTooManyFailTheRead() {
        var read = ReadOperation(rule(.quorum), candidates: replicas("abc"))
        _ = read.start()
        let broken = RequestFailure(.corruption, "a block is damaged")
        #expect(
            read.failed(ReplicaFailure(node("a"), broken)) == [.read(node("c"), digest: false)]
        )
        _ = read.answered(by: node("c"), digest: same, hasData: true)
        #expect(
            read.failed(ReplicaFailure(node("b"), broken)) == [
                .complete(
                    .failure(
                        received: 1,
                        required: 2,
                        failures: [
                            ReplicaFailure(node("a"), broken), ReplicaFailure(node("b"), broken),
                        ],
                        hasData: true
                    ),
                    from: nil
                )
            ]
        )
    }

    @Test func pendingAndDeadReplicasAreNotRead() {
        var read = ReadOperation(
            rule(.quorum),
            candidates: replicas("abcd", dead: "a", pending: "d")
        )
        #expect(read.start() == [.read(node("b"), digest: false), .read(node("c"), digest: true)])
        var tooFew = ReadOperation(rule(.all), candidates: replicas("abcd", dead: "a", pending: "d"))
        #expect(tooFew.start() == [.complete(.unavailable(required: 3, alive: 2), from: nil)])
    }
}

@Suite struct MessageTests {
    @Test func messagesComeBackAsTheyWereSent() throws {
        let read = ReadRequest(
            storageID: UUID(high: 7, low: 8),
            bounds: KeyBounds(lower: [1, 2, 3], upper: []),
            isReversed: true,
            wantsStatic: true,
            rowsMax: 100,
            now: -5,
            timeout: 5_000_000,
            wantsDigest: true
        )
        #expect(try ReadRequest(decoding: read.bytes) == read)
        let data = ReadAnswer.Data(horizon: [9], rowCount: 3, mutation: [1, 2])
        for answer in [
            ReadAnswer(digest: .init(high: 1, low: 2), data: nil),
            ReadAnswer(digest: .init(high: 1, low: 2), data: data),
            ReadAnswer(digest: .init(high: 1, low: 2), data: .init(horizon: nil, rowCount: 0, mutation: [])),
        ] {
            #expect(try ReadAnswer(decoding: answer.bytes) == answer)
        }
        let write = WriteRequest(timeout: 12, mutation: [5, 6, 7])
        #expect(try WriteRequest(decoding: write.bytes) == write)
        let failure = RequestFailure(.overloaded, "too much is waiting")
        #expect(try RequestFailure(decoding: failure.bytes) == failure)
        let message = InternodeMessage(.read, request: 77, epoch: 3, body: read.bytes)
        #expect(try message.bytes.withView { try InternodeMessage(decoding: $0) } == message)
    }

    @Test func truncatedMessagesAreRefused() throws {
        let read = ReadRequest(
            storageID: UUID(high: 7, low: 8),
            bounds: KeyBounds(lower: [1, 2, 3], upper: [4]),
            rowsMax: 100,
            now: 5,
            timeout: 1
        )
        for count in 0..<read.bytes.count {
            let bytes = Array(read.bytes.prefix(count))
            #expect(throws: MalformedBytes.self) { try ReadRequest(decoding: bytes) }
        }
        #expect(throws: MalformedBytes.self) {
            try [UInt8](repeating: 200, count: 18).withView { try InternodeMessage(decoding: $0) }
        }
    }
}
