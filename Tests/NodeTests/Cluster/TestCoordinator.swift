// SPDX-License-Identifier: Apache-2.0

import Bytes
@testable import Cluster
import Environment
import Model
@testable import ModelTest
@testable import Node
import Storage
import Synchronization

/// A network that keeps what is sent, and gives what the test says.
final class RecordingNetwork: Network {
    let address: NodeAddress
    private let state = Mutex(State())

    private struct State {
        var sent: [(peer: NodeAddress, message: InternodeMessage)] = []
        var handler: (@Sendable (NodeAddress, [UInt8]) -> Void)?
    }

    init(_ address: NodeAddress) { self.address = address }

    func send(_ bytes: [UInt8], to peer: NodeAddress) {
        guard let message = try? bytes.withView({ try InternodeMessage(decoding: $0) }) else { return }
        state.withLock { $0.sent.append((peer, message)) }
    }

    func receive(_ handler: @escaping @Sendable (NodeAddress, [UInt8]) -> Void) {
        state.withLock { $0.handler = handler }
    }

    func give(_ message: InternodeMessage, from peer: NodeAddress) {
        state.withLock { $0.handler }?(peer, message.bytes)
    }

    /// What was sent since this was asked last.
    func takeSent() -> [(peer: NodeAddress, message: InternodeMessage)] {
        state.withLock { state in
            defer { state.sent = [] }
            return state.sent
        }
    }
}

/// Keeps hints in memory.
final class RecordingHints: HintSink {
    private let kept = Mutex<[NodeID]>([])

    var nodes: [NodeID] { kept.withLock { $0 } }

    func keep(_ mutation: [UInt8], for id: NodeID, done: @escaping @Sendable (Bool) -> Void) {
        kept.withLock { $0.append(id) }
        done(true)
    }
}

/// One node's coordinator, amid others of which only the test speaks.
///
/// The nodes 1 (this one) to 4 own a token each, in the order `owners` from `token` on.
final class TestCoordinator {
    static let table = TestTables.table("rows", number: 5)
    static let partition = TestTables.partition("one")
    /// The token of the partition.
    static let token = partition.withView { Key.token(of: $0) }

    let node: TestNode
    let network = RecordingNetwork(TestCoordinator.address(1))
    let hints = RecordingHints()
    let coordinator: Coordinator
    private let replicas: Int
    private var sent: [(peer: NodeAddress, message: InternodeMessage)] = []

    static func address(_ number: Int) -> NodeAddress {
        NodeAddress(ip: [10, 0, 0, UInt8(number)], port: 7000)
    }

    func id(_ number: Int) -> NodeID {
        number == 1 ? NodeID(node.node.hostID) : NodeID(UUID(high: 1, low: UInt64(number)))
    }

    init(
        replicas: Int,
        owners: [Int],
        configure: (inout CoordinatorOptions) -> Void = { _ in }
    ) throws {
        var options = CoordinatorOptions()
        configure(&options)
        self.replicas = replicas
        let node = try TestNode(MemoryFileSystem())
        self.node = node
        try node.change(TestTables.keyspace, .putTable(Self.table))
        let caughtUp = Box<UInt64>(0)
        let first = try Self.view(node, replicas: replicas, owners: owners, epoch: 10, after: nil)
        coordinator = Coordinator(
            node: node.node,
            network: network,
            view: first,
            hints: hints,
            options: options,
            control: { _, _ in },
            catchUp: { epoch, _, body in
                caughtUp.value = epoch
                body(true)
            }
        )
        for number in 2...4 { coordinator.note(id(number), isAlive: true) }
        coordinator.fence(10)
        coordinator.listen()
    }

    /// The nodes own tokens in another order from an epoch on.
    func change(owners: [Int], epoch: UInt64) throws {
        coordinator.adopt(
            try Self.view(node, replicas: replicas, owners: owners, epoch: epoch, after: coordinator.view)
        )
        coordinator.fence(epoch)
    }

    private static func view(
        _ node: TestNode,
        replicas: Int,
        owners: [Int],
        epoch: UInt64,
        after old: ClusterView?
    ) throws -> ClusterView {
        let local = NodeID(node.node.hostID)
        let records = owners.enumerated().map { index, number in
            NodeRecord(
                id: number == 1 ? local : NodeID(UUID(high: 1, low: UInt64(number))),
                address: address(number),
                clientAddress: address(number),
                location: NodeLocation(dataCenter: "dc1", rack: "r1"),
                state: .normal,
                tokens: [Token(TestCoordinator.token.value + Int64(index) * 1000)]
            )
        }
        var schema = Schema()
        schema.apply(
            .putKeyspace(
                name: "k",
                replication: [
                    "class": "org.apache.cassandra.locator.SimpleStrategy",
                    "replication_factor": "\(replicas)",
                ],
                durableWrites: true
            ),
            version: UUID(high: 2, low: epoch)
        )
        var metadata = ClusterMetadata()
        metadata.nodes = records.sorted { $0.id < $1.id }
        metadata.schema = schema
        metadata.epoch = epoch
        return ClusterView(local: local, metadata: metadata, after: old)
    }

    // MARK: Working

    static func insert(_ number: Int) -> [UInt8] {
        var mutation = TestMutation(partition)
        mutation.begin(table)
        mutation.add(TestTables.row(partition, number), TestValue.insert([1, 2, 3], at: 10))
        return mutation.bytes
    }

    /// The outcomes that a write is told, all of them.
    func write(_ number: Int, _ level: Consistency) -> Box<[ReplicaOutcome]> {
        let outcomes = Box<[ReplicaOutcome]>([])
        let shard = node.node.shard(of: Self.token)
        shard.run { [coordinator] shard in
            coordinator.write(Self.insert(number), token: Self.token, in: "k", level, owner: shard) {
                outcomes.value.append($0)
            }
        }
        node.drain()
        return outcomes
    }

    /// The results that a read of all tokens from the partition's on is told.
    func read(_ level: Consistency) -> Box<[Result<MergedAnswers, ReadRefusal>]> {
        let results = Box<[Result<MergedAnswers, ReadRefusal>]>([])
        let request = ReadRequest(
            storageID: Self.table.storageID,
            bounds: KeyBounds(lower: Self.partition, upper: []),
            rowsMax: 100,
            now: node.clock.secondsSinceEpoch(),
            timeout: 5_000_000
        )
        node.node.shard(of: Self.token).run { [coordinator] shard in
            coordinator.read(request, of: Self.table, token: Self.token, in: "k", level, owner: shard) {
                results.value.append($0)
            }
        }
        node.drain()
        return results
    }

    /// The number of the last request that was sent to a node.
    func sentLast(to number: Int) -> UInt64? {
        sent += network.takeSent()
        return sent.last { $0.peer == Self.address(number) }?.message.request
    }

    /// Gives a message of a node's and lets this one work on it.
    func give(_ message: InternodeMessage, from number: Int) {
        network.give(message, from: Self.address(number))
        node.drain()
    }

    /// Whether the row is here.
    func has(_ number: Int) throws -> Bool {
        try node.get(Self.table, TestTables.row(Self.partition, number)) != nil
    }
}
