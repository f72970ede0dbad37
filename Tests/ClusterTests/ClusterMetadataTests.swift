// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
import Testing

@Suite struct ClusterMetadataTests {
    typealias Fixture = MetadataFixture

    @Test func aNodeComesAndGoes() throws {
        var metadata = try Fixture.cluster(2)
        #expect(metadata.epoch == 5)
        #expect(metadata.node(Fixture.id(2))?.state == .normal)
        try metadata.apply(.startMove(Fixture.id(2), tokens: [Token(1_500)]), 1)
        #expect(
            metadata.refusal(of: .finishMove(Fixture.id(2))) == .notHandedOver(Fixture.id(2))
        )
        #expect(metadata.node(Fixture.id(2))?.pendingTokens == [Token(1_500)])
        try metadata.apply(.handOver(Fixture.id(2)), 50001)
        try metadata.apply(.finishMove(Fixture.id(2)), 2)
        #expect(metadata.node(Fixture.id(2))?.tokens == [Token(1_500)])
        #expect(metadata.node(Fixture.id(2))?.isHandedOver == false)
        try metadata.apply(.startLeave(Fixture.id(2), force: false), 3)
        try metadata.apply(.abortLeave(Fixture.id(2)), 4)
        try metadata.apply(.startLeave(Fixture.id(2), force: false), 5)
        try metadata.apply(.handOver(Fixture.id(2)), 50002)
        try metadata.apply(.finishLeave(Fixture.id(2)), 6)
        #expect(metadata.node(Fixture.id(2))?.state == .left)
        #expect(metadata.node(Fixture.id(2))?.tokens == [])
        try metadata.apply(.remove(Fixture.id(2)), 7)
        #expect(metadata.nodes.map(\.id) == [Fixture.id(1)])
        #expect(metadata.epoch == 14)
    }

    @Test func aReplacementTakesTokensAndVoteOver() throws {
        var metadata = try Fixture.cluster(3)
        try metadata.apply(.setVoters([Fixture.id(1), Fixture.id(2)]), 1)
        try metadata.apply(.register(Fixture.node(4)), 2)
        let tokens = [Token(2_000)]
        let wrong = MetadataChange.startJoin(
            Fixture.id(4),
            tokens: [Token(9)],
            replaces: Fixture.id(2)
        )
        #expect(metadata.refusal(of: wrong) == .notTokensOf(Fixture.id(2)))
        try metadata.apply(.startJoin(Fixture.id(4), tokens: tokens, replaces: Fixture.id(2)), 3)
        #expect(
            metadata.refusal(of: .startLeave(Fixture.id(2), force: true))
                == .beingReplaced(Fixture.id(2), by: Fixture.id(4))
        )
        try metadata.apply(.handOver(Fixture.id(4)), 50003)
        try metadata.apply(.finishJoin(Fixture.id(4)), 4)
        #expect(metadata.node(Fixture.id(2))?.state == .left)
        #expect(metadata.node(Fixture.id(4))?.tokens == tokens)
        #expect(metadata.voters == [Fixture.id(1), Fixture.id(4)])
    }

    @Test func illegalChangesAreRefusedAndChangeNothing() throws {
        var metadata = try Fixture.cluster(2)
        try metadata.apply(.register(Fixture.node(3)), 1)
        let before = metadata.encodedBytes
        let one = Fixture.id(1)
        let three = Fixture.id(3)
        let nine = Fixture.id(9)
        var double = Fixture.node(4)
        double.address = Fixture.address(1)
        let cases: [(MetadataChange, MetadataRefusal)] = [
            (.register(Fixture.node(3)), .nodeExists(three)),
            (.register(double), .addressInUse(Fixture.address(1), by: one)),
            (.startJoin(nine, tokens: [Token(5)], replaces: nil), .nodeUnknown(nine)),
            (.startJoin(three, tokens: [], replaces: nil), .badTokens(three)),
            (
                .startJoin(three, tokens: [Token(5), Token(5)], replaces: nil), .badTokens(three)
            ),
            (
                .startJoin(three, tokens: [Token(1_000)], replaces: nil),
                .tokenOwned(Token(1_000), by: one)
            ),
            (.finishJoin(three), .wrongState(three, is: .registered, needed: [.joining])),
            (.setVoters([]), .badVoters("1 to 7 nodes are needed")),
            (.setVoters([one, one]), .badVoters("one is named twice")),
            (
                .setVoters([three]),
                .wrongState(three, is: .registered, needed: [.normal, .leaving, .moving])
            ),
            (
                .remove(one),
                .badVoters("node \(one) is the only one; make others voters first")
            ),
            (
                .changeAddress(three, address: Fixture.address(1), clientAddress: double.address),
                .addressInUse(Fixture.address(1), by: one)
            ),
        ]
        for (change, refusal) in cases {
            #expect(metadata.refusal(of: change) == refusal)
            let error = #expect(throws: MetadataRefusal.self) { try metadata.apply(change, 77) }
            #expect(error == refusal)
        }
        #expect(metadata.encodedBytes == before)
    }

    @Test func theLastReplicaCantLeave() throws {
        var metadata = try Fixture.cluster(3)
        let simple2 = ["class": "SimpleStrategy", "replication_factor": "2"]
        let edit = Fixture.keyspace("k", simple2)
        try metadata.apply(.schema([edit], base: 0, version: UUID(high: 0, low: 1)), 1)
        try metadata.apply(.startLeave(Fixture.id(3), force: false), 2)
        try metadata.apply(.handOver(Fixture.id(3)), 50004)
        try metadata.apply(.finishLeave(Fixture.id(3)), 3)
        #expect(
            metadata.refusal(of: .startLeave(Fixture.id(2), force: false))
                == .tooFewNodes(keyspace: "k", dataCenter: nil, replicas: 2, left: 1)
        )
        try metadata.apply(.startLeave(Fixture.id(2), force: true), 4)
        #expect(
            metadata.refusal(of: .startLeave(Fixture.id(1), force: true))
                == .lastNode(Fixture.id(1))
        )
        try metadata.apply(.handOver(Fixture.id(2)), 50005)
        try metadata.apply(.finishLeave(Fixture.id(2)), 5)
    }

    @Test func aDataCenterKeepsItsReplicas() throws {
        var metadata = try Fixture.cluster(3) { $0 == 3 ? ("dc2", "r1") : ("dc1", "r1") }
        let replication = ["class": "x.NetworkTopologyStrategy", "dc1": "1", "dc2": "1"]
        let edit = Fixture.keyspace("k", replication)
        try metadata.apply(.schema([edit], base: 0, version: UUID(high: 0, low: 1)), 1)
        #expect(
            metadata.refusal(of: .startLeave(Fixture.id(3), force: true))
                == .lastReplica(keyspace: "k", dataCenter: "dc2")
        )
        #expect(metadata.refusal(of: .startLeave(Fixture.id(2), force: false)) == nil)
    }

    @Test func operationsThatTouchAreRefusedAndOthersNot() throws {
        var metadata = try Fixture.cluster(12)
        try metadata.apply(.register(Fixture.node(21)), 1)
        try metadata.apply(.register(Fixture.node(22)), 2)
        let edit = Fixture.keyspace("k", Fixture.simple3)
        try metadata.apply(.schema([edit], base: 0, version: UUID(high: 0, low: 1)), 3)
        // Keys behind token 3000 up to 5500 may change replicas.
        try metadata.apply(.startJoin(Fixture.id(21), tokens: [Token(5_500)], replaces: nil), 4)
        func join(_ token: Int64) -> MetadataRefusal? {
            let tokens = [Token(token)]
            return metadata.refusal(of: .startJoin(Fixture.id(22), tokens: tokens, replaces: nil))
        }
        let touch = MetadataRefusal.rangesTouch(Fixture.id(22), Fixture.id(21))
        #expect(join(5_400) == touch)
        #expect(join(8_000 - 1) == touch)
        #expect(join(3_001) == touch)
        #expect(join(2_900) == nil)
        #expect(join(9_500) == nil)
        #expect(metadata.refusal(of: .startLeave(Fixture.id(6), force: false)) != nil)
        #expect(metadata.refusal(of: .startLeave(Fixture.id(10), force: false)) == nil)
        // More replicas bring together what was apart.
        try metadata.apply(.startJoin(Fixture.id(22), tokens: [Token(9_500)], replaces: nil), 5)
        let wider = ["class": "SimpleStrategy", "replication_factor": "6"]
        let alter = MetadataChange.schema(
            [Fixture.keyspace("k", wider)],
            base: 1,
            version: UUID(high: 0, low: 2)
        )
        #expect(metadata.refusal(of: alter) != nil)
        try metadata.apply(.handOver(Fixture.id(21)), 50006)
        try metadata.apply(.finishJoin(Fixture.id(21)), 6)
        #expect(metadata.refusal(of: alter) == nil)
    }

    @Test func aNewRackConcernsTheWholeRing() throws {
        var metadata = try Fixture.cluster(12)
        let replication = ["class": "NetworkTopologyStrategy", "dc1": "2"]
        let edit = Fixture.keyspace("k", replication)
        try metadata.apply(.schema([edit], base: 0, version: UUID(high: 0, low: 1)), 1)
        try metadata.apply(.register(Fixture.node(21, rack: "r2")), 2)
        try metadata.apply(.register(Fixture.node(22)), 3)
        try metadata.apply(.startJoin(Fixture.id(22), tokens: [Token(5_500)], replaces: nil), 4)
        let far = MetadataChange.startJoin(Fixture.id(21), tokens: [Token(11_500)], replaces: nil)
        #expect(metadata.refusal(of: far) == .rangesTouch(Fixture.id(21), Fixture.id(22)))
    }

    @Test func aPlanOnAnOldSchemaIsRefused() throws {
        var metadata = try Fixture.cluster(1)
        let version = UUID(high: 0, low: 1)
        let create = Fixture.keyspace("k", Fixture.simple3)
        try metadata.apply(.schema([create], base: 0, version: version), 1)
        #expect(
            metadata.refusal(of: .schema([create], base: 0, version: version))
                == .schemaChanged(base: 0, current: 1)
        )
        let missing = MetadataChange.schema(
            [.dropTable(keyspace: "k", name: "t")],
            base: 1,
            version: version
        )
        #expect(metadata.refusal(of: missing) == .tableMissing(keyspace: "k", table: "t"))
        let table = TableSchema(
            id: UUID(high: 1, low: 1),
            keyspace: "k",
            name: "t",
            columns: [],
            nextColumnID: 1
        )
        try metadata.apply(.schema([.putTable(table)], base: 1, version: version), 2)
        let twin = TableSchema(
            id: UUID(high: 1, low: 2),
            keyspace: "k",
            name: "t",
            columns: [],
            nextColumnID: 1
        )
        #expect(
            metadata.refusal(of: .schema([.putTable(twin)], base: 2, version: version))
                == .tableExists(keyspace: "k", table: "t")
        )
    }

    @Test func aRepeatedRequestIsRefused() throws {
        var metadata = try Fixture.cluster(1)
        try metadata.apply(.register(Fixture.node(2)), 1)
        #expect(throws: MetadataRefusal.repeated(epoch: 2)) {
            try metadata.apply(.register(Fixture.node(3)), 1)
        }
    }

    @Test func votersAreSpreadOverCentersAndRacks() throws {
        let metadata = try Fixture.cluster(8) { ("dc\($0 % 2)", "r\($0 / 4)") }
        let voters = metadata.recommendedVoters(max: 5)
        #expect(voters.count == 5)
        let places = voters.compactMap { metadata.node($0)?.location }
        #expect(places.count { $0.dataCenter == "dc0" } >= 2)
        #expect(Set(places).count >= 4)
        #expect(metadata.recommendedVoters(max: 4).count == 3)
        #expect(try Fixture.cluster(2).recommendedVoters() == [Fixture.id(1)])
        let without = metadata.recommendedVoters(max: 5, excluding: voters)
        #expect(Set(without).isDisjoint(with: voters))
    }

    @Test func metadataAndRecordsComeBackFromBytes() throws {
        var metadata = try Fixture.cluster(3)
        let edit = Fixture.keyspace("k", Fixture.simple3)
        try metadata.apply(.schema([edit], base: 0, version: UUID(high: 0, low: 1)), 1)
        let bytes = metadata.encodedBytes
        let decoded = try bytes.withView { view in
            var reader = ByteReader(view)
            return try ClusterMetadata(from: &reader)
        }
        #expect(decoded.encodedBytes == bytes)
        #expect(decoded.schema.epoch == 1)
        let vote = MetadataVote(
            ballot: MetadataBallot(round: 3, proposer: Fixture.id(2)),
            entry: Fixture.entry(.finishJoin(Fixture.id(3)), number: 9)
        )
        let records: [MetadataRecord] = [
            .snapshot(metadata), .entry(epoch: 9, vote.entry),
            .acceptor(.init(slot: 4, promised: vote.ballot, accepted: vote, round: 8)),
        ]
        for record in records {
            let bytes = Fixture.bytes { record.encode(to: &$0) }
            let decoded = try bytes.withView { view in
                var reader = ByteReader(view)
                return try MetadataRecord(from: &reader)
            }
            #expect(Fixture.bytes { decoded.encode(to: &$0) } == bytes)
        }
    }

    @Test func hostileBytesNeverTrap() throws {
        let metadata = try Fixture.cluster(3)
        var random = SplitMix64(seed: 5)
        let vote = MetadataVote(
            ballot: MetadataBallot(round: 3, proposer: Fixture.id(2)),
            entry: Fixture.entry(.register(Fixture.node(7)), number: 9)
        )
        let bodies: [MetadataMessage.Body] = [
            .snapshot(metadata), .accept(slot: 9, vote),
            .entries(first: 4, [vote.entry, vote.entry], latest: 9),
            .promise(slot: 3, vote.ballot, accepted: vote),
        ]
        for body in bodies {
            let message = MetadataMessage(identity: metadata.identity, body)
            let good = Fixture.bytes { message.encode(to: &$0) }
            for _ in 0..<400 {
                var bytes = good
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(
                        truncatingIfNeeded: random.next()
                    )
                }
                if random.next() % 3 == 0 {
                    bytes.removeLast(Int(random.next() % 40) % bytes.count)
                }
                bytes.withView { view in
                    var reader = ByteReader(view)
                    guard let read = try? MetadataMessage(from: &reader) else { return }
                    // What decodes is also taken without a trap.
                    var recovery = MetadataRecovery()
                    try? recovery.replay(.snapshot(metadata))
                    var group = MetadataGroup(id: Fixture.id(2), recovery: recovery, seed: 1)
                    _ = group.receive(read, from: Fixture.id(3), now: 0)
                }
            }
        }
    }
}
