// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// Drives the node's `Gossiper`: gives it time and messages, and carries to the coordinator who is alive. Used on
/// the member's control executor only.
final class GossipDriver: @unchecked Sendable {  // Owner: the member's control executor.
    private static let interval: UInt64 = 1_000_000_000
    /// Between two measurements of the data, in rounds.
    private static let loadRounds = 10
    /// How long a start waits for signs of life of others before it goes on without.
    private static let startWait: UInt64 = 5_000_000_000

    private(set) var gossiper: Gossiper
    private var generator: SourceGenerator
    private let startedAt: UInt64
    private let seeds: [NodeAddress]
    private var rounds = 0
    /// Whose gossip was refused, and that was told.
    private var refused: Set<NodeAddress> = []

    init(_ node: Node, _ settings: ClusterSettings, _ metadata: ClusterMetadata) {
        let clock = node.environment.clock
        startedAt = clock.monotonicNanoseconds()
        seeds = settings.seeds
        gossiper = Gossiper(
            id: NodeID(node.hostID),
            address: settings.address,
            generation: UInt64(max(clock.secondsSinceEpoch(), 1)),
            seeds: settings.seeds,
            values: [
                (.dataCenter, settings.location.dataCenter),
                (.rack, settings.location.rack),
                (.hostID, node.hostID.description),
                (.clientAddress, settings.clientAddress.description),
                (.shards, String(node.shards.count)),
            ],
            configuration: Gossiper.Configuration(cluster: settings.clusterName)
        )
        generator = SourceGenerator(node.environment.random)
    }

    func begin(_ member: ClusterMember) { round(member) }

    /// Whether it is known who is alive, as far as it will be soon.
    func hasSettled(_ member: ClusterMember) -> Bool {
        let view = member.coordinator.view
        let others = view.nodes.filter { $0.id != view.local && $0.state.ownsTokens }
        if others.allSatisfy({ gossiper.isAlive($0.id) }) { return true }
        return member.node.environment.clock.monotonicNanoseconds() >= startedAt + Self.startWait
    }

    private func round(_ member: ClusterMember) {
        guard !member.isStopped else { return }
        let now = member.node.environment.clock.monotonicNanoseconds()
        if rounds % Self.loadRounds == 0 { measureLoad(member) }
        rounds += 1
        // After a restart the metadata tells where others are: one's seed may be oneself.
        let isAlone = gossiper.live.count <= 1
        let known = isAlone ? member.coordinator.view.nodes.filter { $0.state != .left }.map(\.address) : []
        gossiper.seeds = seeds + known
        perform(gossiper.tick(now, using: &generator), member)
        learnLatest(member)
        member.control.schedule(after: Self.interval) { member.gossip.round(member) }
    }

    private func measureLoad(_ member: ClusterMember) {
        member.node.measureTables { measures in
            let load = measures.values.reduce(0) { $0 + $1.size }
            member.control.execute { [self] in gossiper.set(.load, String(load)) }
        }
    }

    func receive(_ body: [UInt8], from address: NodeAddress, _ member: ClusterMember) {
        do throws(MalformedBytes) {
            let message = try body.withView { (view) throws(MalformedBytes) in
                try GossipMessage(decoding: view)
            }
            let now = member.node.environment.clock.monotonicNanoseconds()
            let output = gossiper.receive(message, from: address, now: now, using: &generator)
            perform(output, member)
        } catch {
            member.notice("A gossip message from \(address) can't be decoded: \(error)")
        }
    }

    /// Says what the metadata log says of this node, and forgets who has left.
    func adopt(_ view: ClusterView, _ member: ClusterMember) {
        if let state = view.node(view.local)?.state { gossiper.set(.status, "\(state)".uppercased()) }
        for node in view.nodes where node.state == .left {
            gossiper.quarantine(node.id)
            member.hints.look(for: node.id)
        }
        for node in view.nodes where node.id != view.local {
            member.coordinator.note(node.id, isAlive: gossiper.isAlive(node.id))
        }
    }

    /// All shards of this node are at an epoch.
    func adopt(schemaVersion: UUID, epoch: UInt64) {
        gossiper.set(.metadataEpoch, String(epoch))
        gossiper.set(.schema, schemaVersion.description)
    }

    func stop(_ member: ClusterMember) { send(gossiper.shutdown(), member) }

    private func perform(_ output: GossipOutput, _ member: ClusterMember) {
        send(output.messages, member)
        for event in output.events {
            switch event {
            case .alive(let id):
                member.coordinator.note(id, isAlive: true)
                member.hints.look(for: id)
                member.tellAlive(id, true)
                learn(of: id, member)
            case .down(let id):
                member.coordinator.note(id, isAlive: false)
                member.tellAlive(id, false)
            case .changed(let id, .metadataEpoch): learn(of: id, member)
            case .changed(let id, .schema): member.coordinator.note(schemaOf: id, gossiper.state(of: id)?[.schema])
            case .restarted(let id):
                learn(of: id, member)
                member.hints.look(for: id)
            case .refused(let address, let reason):
                guard refused.insert(address).inserted else { break }
                member.notice("Gossip from \(address) is refused: \(reason)")
            case .joined, .changed, .shutdown, .generationRaised: break
            }
        }
    }

    /// Asks for entries of the metadata log that this node still lacks: an earlier question may have been lost.
    private func learnLatest(_ member: ClusterMember) {
        let known = gossiper.states.filter { $0.id != member.id && gossiper.isAlive($0.id) }
        let latest = known.max { epoch(of: $0) < epoch(of: $1) }
        if let latest { member.learned(epoch: epoch(of: latest), from: latest.id, at: latest.address) }
    }

    private func epoch(of state: EndpointState) -> UInt64 {
        state[.metadataEpoch].flatMap { UInt64($0) } ?? 0
    }

    private func learn(of id: NodeID, _ member: ClusterMember) {
        guard let state = gossiper.state(of: id) else { return }
        member.coordinator.note(schemaOf: id, state[.schema])
        member.noteAdopted(by: id, epoch: epoch(of: state))
        member.learned(epoch: epoch(of: state), from: id, at: state.address)
    }

    private func send(_ envelopes: [GossipEnvelope], _ member: ClusterMember) {
        for envelope in envelopes {
            var writer = ByteWriter(capacity: 1024)
            envelope.message.encode(to: &writer)
            let epoch = member.group.metadata.epoch
            let message = InternodeMessage(.gossip, epoch: epoch, body: writer.array)
            member.network.send(message.bytes, to: envelope.destination)
        }
    }
}
