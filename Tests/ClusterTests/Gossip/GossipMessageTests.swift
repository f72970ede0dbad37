// SPDX-License-Identifier: Apache-2.0

import Bytes
import Cluster
import Environment
import Model
import Testing

@Suite struct GossipMessageTests {
    private static func messages() -> [GossipMessage] {
        var a = GossipCluster.gossiper(1, seeds: 1)
        a.set(.load, "ü🏛")
        let b = GossipCluster.gossiper(2, seeds: 1).own
        let v6 = Gossiper(
            id: GossipCluster.id(9),
            address: NodeAddress(ip: (0..<16).map { UInt8($0) }, port: 65_535),
            generation: 1 << 61,
            seeds: [],
            configuration: .init(cluster: "")
        ).own
        let digests = [a.own, b, v6].sorted { $0.id < $1.id }.map {
            GossipDigest(id: $0.id, generation: $0.generation, version: $0.version)
        }
        let deltas = [a.own.delta(since: 0), a.own.delta(since: 3), v6.delta(since: 0)]
        let bodies: [GossipMessage.Body] = [
            .syn(DigestRun(lower: nil, upper: nil, digests: digests)),
            .syn(DigestRun(lower: digests[0].id, upper: digests[2].id, digests: digests)),
            .syn(DigestRun(lower: nil, upper: digests[0].id, digests: [])),
            .ack(requests: digests.reversed(), deltas: deltas), .ack(requests: [], deltas: []),
            .ack2(deltas: deltas), .shutdown(b.delta(since: 0)),
        ]
        return bodies.map {
            GossipMessage(
                cluster: "Test Cluster",
                sender: b.id,
                generation: 1_700_000_000,
                heartbeat: 77,
                body: $0
            )
        }
    }

    private static func bytes(_ message: GossipMessage) -> [UInt8] {
        var writer = ByteWriter()
        message.encode(to: &writer)
        return writer.array
    }

    @Test func messagesComeBackAsTheyWere() throws {
        for message in Self.messages() {
            let decoded = try Self.bytes(message).withView { (view) throws(MalformedBytes) in
                try GossipMessage(decoding: view)
            }
            #expect(decoded == message)
        }
    }

    @Test func noPrefixAndNoMoreIsAMessage() {
        for message in Self.messages() {
            let bytes = Self.bytes(message)
            for count in 0..<bytes.count {
                #expect(throws: MalformedBytes.self) {
                    try Array(bytes[..<count]).withView { (view) throws(MalformedBytes) in
                        _ = try GossipMessage(decoding: view)
                    }
                }
            }
            #expect(throws: MalformedBytes.self) {
                try (bytes + [0]).withView { (view) throws(MalformedBytes) in
                    _ = try GossipMessage(decoding: view)
                }
            }
        }
    }

    /// Altered bytes are refused or are another message; that one neither stops a node nor makes it say
    /// more than it may.
    @Test func hostileBytesStopNobody() throws {
        var generator = SplitMix64(seed: 4)
        var node = GossipCluster.gossiper(1, seeds: 1, configuration: .init(cluster: "Test Cluster"))
        var taken = 0
        let messages = Self.messages().map(Self.bytes)
        for step in 0..<20_000 as Range<UInt64> {
            var bytes = messages[Int.random(in: messages.indices, using: &generator)]
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: bytes.indices, using: &generator)
                bytes[index] = Bool.random(using: &generator)
                    ? UInt8.random(in: 0...255, using: &generator) : 0xFF
            }
            let message = try? bytes.withView { (view) throws(MalformedBytes) in
                try GossipMessage(decoding: view)
            }
            guard let message else { continue }
            taken += 1
            let output = node.receive(
                message,
                from: GossipCluster.address(5),
                now: step * 1_000_000,
                using: &generator
            )
            let sent = output.messages + node.tick(step * 1_000_000, using: &generator).messages
            for envelope in sent { #expect(Self.bytes(envelope.message).count <= 65_536) }
        }
        #expect(taken > 1_000)
        #expect(node.states.count <= 10_000)
    }

    @Test func hugeCountsTakeNoMemory() {
        let syn = Self.messages()[4]
        var bytes = Self.bytes(syn)
        bytes.removeLast(2)
        bytes += [0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        #expect(throws: MalformedBytes.self) {
            try bytes.withView { (view) throws(MalformedBytes) in
                _ = try GossipMessage(decoding: view)
            }
        }
        let long = [UInt8](repeating: 1, count: GossipMessage.bytesMax + 1)
        #expect(throws: MalformedBytes.self) {
            try long.withView { (view) throws(MalformedBytes) in
                _ = try GossipMessage(decoding: view)
            }
        }
    }
}
