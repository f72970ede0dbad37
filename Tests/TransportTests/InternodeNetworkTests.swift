// SPDX-License-Identifier: Apache-2.0

import Environment
import Foundation
import Model
import Synchronization
import Testing
@testable import Transport

/// What arrived at a network, and what it said.
private final class Seen: Sendable {
    private let state = Mutex<(messages: [[UInt8]], senders: Set<NodeAddress>, sentences: [String])>(([], [], []))

    var messages: [[UInt8]] { state.withLock { $0.messages } }
    var senders: Set<NodeAddress> { state.withLock { $0.senders } }
    var sentences: [String] { state.withLock { $0.sentences } }

    func arrived(_ message: [UInt8], from peer: NodeAddress) {
        state.withLock {
            $0.messages.append(message)
            $0.senders.insert(peer)
        }
    }

    func said(_ sentence: String) { state.withLock { $0.sentences.append(sentence) } }
}

/// A network of a node, and what it saw.
private struct Member {
    let network: InternodeNetwork
    let seen = Seen()

    init(
        _ loops: ShardLoops,
        _ address: NodeAddress,
        cluster: String = "c",
        certificates: InternodeCertificates? = nil
    ) async throws {
        var settings = InternodeSettings(address: address, cluster: cluster)
        settings.certificates = certificates
        network = try await InternodeNetwork.start(settings, on: loops, notice: seen.said)
        network.receive { [seen] peer, message in seen.arrived(message, from: peer) }
    }
}

/// Files that an authority has signed, made with openssl in a folder that goes with this.
private final class Certificates {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Writes `NAME.pem` and `NAME.key`, and gives the path of the first.
    func makeAuthority(_ name: String) throws -> String {
        try openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=\(name) -keyout \(name).key -out \(name).pem"
        )
        return path("\(name).pem")
    }

    /// A node's files. `arguments` say how long its certificate holds.
    func make(_ name: String, signedBy authority: String, _ arguments: String = "-days 2") throws -> InternodeCertificates {
        try openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(name) -keyout \(name).key -out \(name).csr")
        try openssl(
            "x509 -req \(arguments) -CA \(authority).pem -CAkey \(authority).key -CAcreateserial"
                + " -in \(name).csr -out \(name).pem"
        )
        return InternodeCertificates(
            certificate: path("\(name).pem"),
            key: path("\(name).key"),
            authority: path("\(authority).pem")
        )
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments)")
    }
}

/// Waits until `condition` holds, for 20 seconds at most.
private func eventually(_ condition: () -> Bool) async -> Bool {
    let timer = ThreadExecutor(name: "timer")
    defer { timer.stop() }
    for _ in 0..<2000 {
        if condition() { return true }
        await withCheckedContinuation { continuation in
            timer.schedule(after: 10_000_000) { continuation.resume() }
        }
    }
    return false
}

@Suite("Internode network")
struct InternodeNetworkTests {
    /// Runs with two nodes, which begin to speak with each other, the second under other settings if such are given.
    private func withTwo(
        clusters: (String, String) = ("c", "c"),
        _ first: InternodeCertificates?,
        _ second: InternodeCertificates?,
        _ body: (Member, Member) async throws -> Void
    ) async throws {
        let loops = ShardLoops(count: 2)
        let port = UInt16(20_000 + SystemRandom().next() % 10_000)
        let a = try await Member(loops, NodeAddress(ip: [127, 0, 91, 1], port: port), cluster: clusters.0, certificates: first)
        let b = try await Member(loops, NodeAddress(ip: [127, 0, 91, 2], port: port), cluster: clusters.1, certificates: second)
        let result: Result<Void, any Error>
        do {
            try await body(a, b)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await a.network.shutdown()
        await b.network.shutdown()
        await loops.shutdown()
        try result.get()
    }

    /// That messages of each size arrive both ways, in their order.
    private func expectMessages(_ a: Member, _ b: Member) async throws {
        let dense = [UInt8](repeating: 7, count: 1 << 20)
        var generator = SplitMix64(seed: 1)
        let random = (0..<1 << 20).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let messages = [[], [1], dense, random, Array("the last".utf8)]
        for (from, to) in [(a, b), (b, a)] {
            for message in messages { from.network.send(message, to: to.network.address) }
            #expect(await eventually { to.seen.messages.count == messages.count })
            // From another thread than a shard's, all go by the same connection.
            let isEqual = to.seen.messages == messages
            #expect(isEqual)
            #expect(to.seen.senders == [from.network.address])
            #expect(to.seen.sentences.isEmpty)
        }
    }

    /// That nothing arrives, and that each side says a sentence with its words.
    private func expectRefusal(_ a: Member, _ b: Member, _ sender: String, _ receiver: String) async throws {
        a.network.send([1], to: b.network.address)
        #expect(await eventually { !a.seen.sentences.isEmpty && !b.seen.sentences.isEmpty })
        #expect(a.seen.sentences.first?.contains(sender) == true, "\(a.seen.sentences)")
        #expect(b.seen.sentences.first?.contains(receiver) == true, "\(b.seen.sentences)")
        #expect(b.seen.messages.isEmpty)
    }

    @Test("Messages of all sizes arrive, in order, with who sent them")
    func messages() async throws {
        try await withTwo(nil, nil, expectMessages)
    }

    @Test("And so they do under TLS")
    func messagesUnderTLS() async throws {
        let files = try Certificates()
        _ = try files.makeAuthority("authority")
        let (a, b) = (try files.make("a", signedBy: "authority"), try files.make("b", signedBy: "authority"))
        try await withTwo(a, b, expectMessages)
    }

    @Test("A node of another cluster is refused, and both say so")
    func otherCluster() async throws {
        try await withTwo(clusters: ("mine", "yours"), nil, nil) { a, b in
            try await expectRefusal(a, b, "it refuses this one, it is of the cluster \"mine\"", "is refused")
        }
    }

    @Test("A node whose certificate another authority has signed is refused, and both say so")
    func stranger() async throws {
        let files = try Certificates()
        let trusted = try files.makeAuthority("authority")
        _ = try files.makeAuthority("other")
        let node = try files.make("node", signedBy: "authority")
        var stranger = try files.make("stranger", signedBy: "other")
        // It trusts who it connects to, so that it's only the other that refuses.
        stranger.authority = trusted
        try await withTwo(stranger, node) { a, b in
            try await expectRefusal(a, b, "it doesn't know who signed this node's certificate", "isn't signed by")
        }
        // And a node doesn't speak to one that it doesn't trust.
        try await withTwo(node, stranger) { a, b in
            try await expectRefusal(a, b, "isn't signed by this node's internode_authority", "doesn't know who signed")
        }
    }

    @Test("A node whose certificate has expired is refused, and both say so")
    func expired() async throws {
        let files = try Certificates()
        _ = try files.makeAuthority("authority")
        let node = try files.make("node", signedBy: "authority")
        let old = try files.make("old", signedBy: "authority", "-days -1")
        try await withTwo(old, node) { a, b in
            try await expectRefusal(a, b, "this node's certificate has expired", "has expired")
        }
    }

    @Test("TLS on one side only is refused, and the side that can tell says what to set")
    func oneSideOnly() async throws {
        let files = try Certificates()
        _ = try files.makeAuthority("authority")
        let node = try files.make("node", signedBy: "authority")
        for (first, second) in [(node, nil), (nil, node)] {
            try await withTwo(first, second) { a, b in
                a.network.send([1], to: b.network.address)
                let isTold = await eventually { b.seen.sentences.contains { $0.contains("internode_encryption") } }
                #expect(isTold, "\(b.seen.sentences)")
                #expect(b.seen.messages.isEmpty)
            }
        }
    }

    @Test("Files that can't be used are named, with the setting")
    func files() async throws {
        let files = try Certificates()
        _ = try files.makeAuthority("authority")
        let sound = try files.make("node", signedBy: "authority")
        let other = try files.make("other", signedBy: "authority")
        _ = try InternodeTLS(sound)
        var cases: [(InternodeCertificates, String)] = []
        for (path, word) in [
            (\InternodeCertificates.certificate, "internode_certificate"), (\.key, "internode_key"),
            (\.authority, "internode_authority"),
        ] {
            var changed = sound
            changed[keyPath: path] = "/nowhere.pem"
            cases.append((changed, "\(word): /nowhere.pem"))
        }
        var mixed = sound
        mixed.key = other.key
        cases.append((mixed, "don't belong together"))
        for (certificates, words) in cases {
            let error = #expect(throws: TransportError.self) { _ = try InternodeTLS(certificates) }
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
        }
    }
}
