// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
package import Environment
package import Model
package import Storage
import Synchronization

/// Makes a node a member of its cluster: keeps the metadata log with the others, carries what it decides to the
/// node's schema and to the coordinator, and brings the node through its membership, from `registered` to
/// `left`.
///
/// All of it runs on one executor, which the disk may hold up: `control`.
package final class ClusterMember: @unchecked Sendable {  // Owner: `control`.
    let node: Node
    let settings: ClusterSettings
    let control: any Executor
    let network: any Network
    package let coordinator: Coordinator
    package let hints: HintStore
    let id: NodeID
    /// Told in sentences of what an operator should know.
    let notice: @Sendable (String) -> Void
    /// Told of nodes that come, go, are up or down.
    private var eventHandler: @Sendable (ClusterEvent) -> Void = { _ in }
    /// Told of the schema's changes that others have made.
    private var schemaHandler: @Sendable ([SchemaEdit]) -> Void = { _ in }

    var group: MetadataGroup
    private let log: ClusterLog
    private var nextRequest: UInt64
    private var waiting: [MetadataRequestID: @Sendable (Result<UInt64, MetadataFailure>) -> Void] = [:]
    /// Where nodes were heard from that the metadata doesn't name.
    private var heardFrom: [NodeID: NodeAddress] = [:]
    private var tickAt: UInt64 = .max
    /// What couldn't be written to the log: what the group holds back until it is durable goes on waiting.
    private var unwritten: [UInt64] = []
    private(set) var isStopped = false

    // The schema that is being carried to the node's shards.
    var adoption = SchemaAdoption()
    /// What the node does for its membership at the moment.
    var membership = Membership()
    let gossip: GossipDriver
    let repairs: RepairScheduler

    private init(
        _ node: Node,
        _ settings: ClusterSettings,
        _ network: any Network,
        _ control: any Executor,
        _ group: MetadataGroup,
        _ log: ClusterLog,
        _ hints: HintStore,
        options: CoordinatorOptions,
        notice: @escaping @Sendable (String) -> Void
    ) {
        self.node = node
        self.hints = hints
        self.settings = settings
        self.network = network
        self.control = control
        self.group = group
        self.log = log
        self.notice = notice
        id = NodeID(node.hostID)
        nextRequest = node.environment.random.next() >> 1
        gossip = GossipDriver(node, settings, group.metadata)
        repairs = RepairScheduler(
            node.environment,
            dataDirectory: node.options.dataDirectory,
            notice: notice
        )
        let member = MemberBox()
        coordinator = Coordinator(
            node: node,
            network: network,
            view: ClusterView(
                local: NodeID(node.hostID),
                metadata: group.metadata,
                planted: node.environment.planted
            ),
            hints: hints,
            options: options,
            control: { address, message in
                member.value.withLock { $0 }?.receive(message, from: address)
            },
            catchUp: { epoch, address, body in
                member.value.withLock { $0 }?.catchUp(with: epoch, of: address, body)
            }
        )
        hints.deliver(by: coordinator)
        member.value.withLock { $0 = self }
    }

    /// Makes `node` a member: of the cluster that its data folder names, of the one that a seed knows, or of a
    /// new one if there are no other seeds.
    ///
    /// - Throws: when the cluster log can't be read or written.
    package static func start(
        _ node: Node,
        _ settings: ClusterSettings,
        network: any Network,
        control: any Executor,
        options: CoordinatorOptions = CoordinatorOptions(),
        hintOptions: HintOptions = HintOptions(),
        notice: @escaping @Sendable (String) -> Void
    ) throws(StorageError) -> ClusterMember {
        let environment = node.environment
        let folder = "\(node.options.dataDirectory)/cluster"
        let found = try ClusterLog.read(environment, folder: folder)
        var recovery = found.recovery
        let others = settings.seeds.filter { $0 != settings.address }
        if recovery.metadata.identity == nil, others.isEmpty {
            do throws(MetadataRefusal) {
                try recovery.replay(.snapshot(try founding(node, settings)))
            } catch {
                invariantFailure("a new cluster's metadata is refused: \(error)")
            }
        }
        let group = MetadataGroup(
            id: NodeID(node.hostID),
            recovery: recovery,
            seed: environment.random.next()
        )
        let log: ClusterLog
        do throws(FileError) {
            let records = recovery.metadata.identity == nil ? [] : group.compactedRecords
            log = try ClusterLog(environment, folder: folder, after: found.number, records)
        } catch {
            throw .file(error)
        }
        let member = try ClusterMember(
            node,
            settings,
            network,
            control,
            group,
            log,
            HintStore(
                environment: environment,
                dataDirectory: node.options.dataDirectory,
                executor: control,
                options: hintOptions,
                notice: notice
            ),
            options: options,
            notice: notice
        )
        node.join(member)
        member.coordinator.listen()
        control.execute { member.begin() }
        return member
    }

    /// The metadata of a cluster of this node alone, with what it has.
    private static func founding(
        _ node: Node,
        _ settings: ClusterSettings
    ) throws(MetadataRefusal) -> ClusterMetadata {
        let random = node.environment.random
        var generator = SourceGenerator(random)
        let tokens = settings.initialTokens ?? TokenAllocator.allocate(
            settings.tokenCount,
            for: settings.location,
            factor: settings.allocationFactor,
            among: [],
            using: &generator
        )
        let record = NodeRecord(
            id: NodeID(node.hostID),
            address: settings.address,
            clientAddress: settings.clientAddress,
            location: settings.location,
            state: .normal,
            tokens: tokens
        )
        return try ClusterMetadata(
            founding: UUID(random: random.next(), random.next()),
            node: record,
            schema: Schema(
                edits: node.userSchemaEdits,
                epoch: node.schema.epoch,
                version: node.schema.version
            )
        )
    }

    private func begin() {
        if group.metadata.identity != nil { publish() }
        gossip.begin(self)
        tickMembership()
        tick()
        if settings.repairsBySchedule { whenReady { [self] in repairs.begin(self) } }
    }

    /// Ends what goes on on the control executor; `done` is called there.
    package func stop(done: @escaping @Sendable () -> Void) {
        control.execute { [self] in
            isStopped = true
            gossip.stop(self)
            hints.close()
            log.close()
            for (_, finish) in waiting { finish(.failure(.stopped)) }
            waiting = [:]
            done()
        }
    }

    /// Calls `handler` for each node that comes, goes, is up or down from now on.
    package func onEvent(_ handler: @escaping @Sendable (ClusterEvent) -> Void) {
        control.execute { [self] in eventHandler = handler }
    }

    /// Calls `handler` for each change of the schema that this node's own statements haven't made.
    package func onSchemaChange(_ handler: @escaping @Sendable ([SchemaEdit]) -> Void) {
        control.execute { [self] in schemaHandler = handler }
    }

    func tell(of edits: [SchemaEdit]) { schemaHandler(edits) }

    // MARK: Time

    /// Microseconds that don't run backwards.
    var now: Int64 { Int64(node.environment.clock.monotonicNanoseconds() / 1000) }

    private func tick() {
        guard !isStopped else { return }
        perform(group.tick(now: now))
        scheduleTick()
    }

    private func scheduleTick() {
        guard !isStopped, let wake = group.wakeTime else { return }
        let time = UInt64(max(wake, 0)) &* 1000
        guard time < tickAt else { return }
        tickAt = time
        let clock = node.environment.clock.monotonicNanoseconds()
        let delay = max(time > clock ? time - clock : 0, 1_000_000)
        control.schedule(after: delay) { [self] in
            tickAt = .max
            tick()
        }
    }

    // MARK: The metadata log

    /// Wishes a change; `done` is called on the control executor.
    func propose(
        _ change: MetadataChange,
        timeout: Int64 = 10_000_000,
        done: @escaping @Sendable (Result<UInt64, MetadataFailure>) -> Void
    ) {
        guard !isStopped else { return done(.failure(.stopped)) }
        nextRequest &+= 1
        let request = MetadataRequestID(proposer: id, number: nextRequest)
        waiting[request] = done
        let entry = MetadataEntry(request: request, change: change)
        perform(group.propose(entry, deadline: now + timeout, now: now))
        scheduleTick()
    }

    /// Takes a message that isn't a request of a client's. On any thread.
    private func receive(_ message: InternodeMessage, from address: NodeAddress) {
        control.execute { [self] in
            guard !isStopped else { return }
            switch message.kind {
            case .metadata: receiveMetadata(message.body, from: address)
            case .gossip:
                gossip.receive(message.body, from: address, self)
                if let sender = coordinator.view.node(at: address) {
                    learned(epoch: message.epoch, from: sender, at: address)
                }
            case .adopted: noteAdopted(message.body, epoch: message.epoch)
            default: break
            }
        }
    }

    private func receiveMetadata(_ body: [UInt8], from address: NodeAddress) {
        do throws(MalformedBytes) {
            let (sender, message) = try body.withView { (view) throws(MalformedBytes) in
                var reader = ByteReader(view)
                guard let uuid = UUID(try reader.readView(16)) else {
                    throw MalformedBytes(offset: 0, expected: "a node's id")
                }
                return (NodeID(uuid), try MetadataMessage(from: &reader))
            }
            heardFrom[sender] = address
            perform(group.receive(message, from: sender, now: now))
            scheduleTick()
        } catch {
            notice("A message of the metadata log from \(address) can't be decoded: \(error)")
        }
    }

    /// Another node is at an epoch that this one may not know.
    func learned(epoch: UInt64, from sender: NodeID, at address: NodeAddress) {
        guard epoch > group.metadata.epoch else { return }
        heardFrom[sender] = address
        perform(group.learned(epoch: epoch, from: sender, now: now))
        scheduleTick()
    }

    /// Calls `body` with true when this node's shards are at an epoch that the node at `address` knows, or with false
    /// when that takes too long. On any thread; `body` is called on any.
    private func catchUp(
        with epoch: UInt64,
        of address: NodeAddress,
        _ body: @escaping @Sendable (Bool) -> Void
    ) {
        control.execute { [self] in
            guard adoption.epoch < epoch else { return body(true) }
            let once = Once(body)
            adoption.waiting.append((epoch, { once.call(true) }))
            control.schedule(after: ClusterMember.catchUpMax) { once.call(false) }
            if let sender = coordinator.view.node(at: address) {
                learned(epoch: epoch, from: sender, at: address)
            } else {
                fetchSnapshot(from: address)
            }
        }
    }

    private static let catchUpMax: UInt64 = 1_000_000_000

    /// Asks a node that isn't known by its id for all metadata.
    func fetchSnapshot(from address: NodeAddress) {
        send(MetadataMessage(identity: nil, .fetch(after: 0)), to: address)
    }

    private func send(_ message: MetadataMessage, to address: NodeAddress) {
        var writer = ByteWriter(capacity: 256)
        writer.append(id.uuid.bytes)
        message.encode(to: &writer)
        let epoch = group.metadata.epoch
        network.send(InternodeMessage(.metadata, epoch: epoch, body: writer.array).bytes, to: address)
    }

    private func perform(_ actions: [MetadataAction]) {
        var actions = actions
        var hasChanged = false
        var index = 0
        while index < actions.count {
            let action = actions[index]
            index += 1
            switch action {
            case .persist(let token, let records):
                if persist(token, records) { actions += group.persisted(token, now: now) }
            case .send(let message, let peer):
                let known = group.metadata.node(peer)?.address
                if let address = known ?? heardFrom[peer] { send(message, to: address) }
            case .applied(let entry, let metadata):
                hasChanged = true
                let proposer = entry.request.proposer
                if proposer != id { adoption.proposers.append((metadata.epoch, proposer)) }
            case .installed: hasChanged = true
            case .decided(let request, let epoch):
                waiting.removeValue(forKey: request)?(.success(epoch))
            case .failed(let request, let failure):
                waiting.removeValue(forKey: request)?(.failure(failure))
            case .stopped(let epoch, let refusal):
                notice(
                    "This node takes no further part in the metadata log: it can't apply entry \(epoch):"
                        + " \(refusal)"
                )
            }
        }
        if hasChanged {
            publish()
            rewriteIfLarge()
        }
    }

    private static let rewriteDelay: UInt64 = 1_000_000_000

    /// - Returns: whether the records are durable. If not, what was held for them waits until they are: until
    ///   all that the group knows could be written anew.
    private func persist(_ token: UInt64, _ records: [MetadataRecord]) -> Bool {
        guard unwritten.isEmpty else {
            unwritten.append(token)
            return false
        }
        do throws(FileError) {
            try log.append(records)
            return true
        } catch {
            notice(
                "The cluster log can't be written: \(error). This node takes no part in changes of the cluster"
                    + " and of the schema until it can; that is tried each second"
            )
            unwritten.append(token)
            rewriteLater()
            return false
        }
    }

    private func rewriteLater() {
        control.schedule(after: Self.rewriteDelay) { [self] in
            guard !isStopped else { return }
            do throws(FileError) {
                try log.rewrite(group.compactedRecords)
            } catch {
                return rewriteLater()
            }
            notice("The cluster log can be written again")
            let tokens = unwritten
            unwritten = []
            for token in tokens { perform(group.persisted(token, now: now)) }
        }
    }

    private func rewriteIfLarge() {
        guard log.isLarge, unwritten.isEmpty else { return }
        do throws(FileError) {
            try log.rewrite(group.compactedRecords)
        } catch {
            notice("The cluster log can't be written anew: \(error)")
        }
    }

    /// Carries the metadata to who goes by it.
    private func publish() {
        let old = coordinator.view
        let view = ClusterView(
            local: id,
            metadata: group.metadata,
            after: old,
            planted: node.environment.planted
        )
        coordinator.adopt(view)
        tell(of: view, after: old)
        gossip.adopt(view, self)
        adoptSchema()
        endMovement()
        tickMembership()
    }

    func tellAlive(_ node: NodeID, _ isAlive: Bool) {
        guard let record = coordinator.view.node(node), record.state.ownsTokens else { return }
        eventHandler(isAlive ? .up(record.clientAddress) : .down(record.clientAddress))
    }

    private func tell(of view: ClusterView, after old: ClusterView) {
        for node in view.nodes where node.id != id {
            let was = old.node(node.id)?.state.ownsTokens ?? false
            if node.state.ownsTokens, !was { eventHandler(.added(node.clientAddress)) }
        }
        for node in old.nodes where node.id != id && node.state.ownsTokens {
            let isThere = view.node(node.id)?.state.ownsTokens ?? false
            if !isThere { eventHandler(.removed(node.clientAddress)) }
        }
    }
}

/// What happens to other nodes, as clients are told.
package enum ClusterEvent: Sendable {
    case added(NodeAddress)
    case removed(NodeAddress)
    case up(NodeAddress)
    case down(NodeAddress)
}

/// Calls something the first time only.
final class Once<Value: Sendable>: Sendable {
    private let body: Mutex<(@Sendable (Value) -> Void)?>

    init(_ body: @escaping @Sendable (Value) -> Void) { self.body = Mutex(body) }

    func call(_ value: Value) { body.withLock { $0.take() }?(value) }
}

/// Where the coordinator finds the member, which is made after it.
private final class MemberBox: Sendable {
    let value = Mutex<ClusterMember?>(nil)
}

/// A source of random numbers as the standard library wants it.
struct SourceGenerator: RandomNumberGenerator {
    private let source: any RandomSource

    init(_ source: any RandomSource) { self.source = source }

    mutating func next() -> UInt64 { source.next() }
}
