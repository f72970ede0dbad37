// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
package import Model
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// What a node needs to reach the others.
package struct InternodeSettings: Sendable {
    /// Where this node is reached, and listens unless `listenHost` says otherwise.
    package var address: NodeAddress
    /// Nodes of other clusters are refused.
    package var cluster: String
    /// For connections under TLS; nil for open ones.
    package var certificates: InternodeCertificates?
    /// How many bytes may wait for a peer before what comes after them is dropped.
    package var queueBytesMax = 64 << 20
    package var connectTimeout: UInt64 = 2_000_000_000

    package init(address: NodeAddress, cluster: String) {
        self.address = address
        self.cluster = cluster
    }
}

/// The network of a real node: TCP, a connection to each peer on each shard's event loop, made when there is
/// something to say and again when it was lost.
package final class InternodeNetwork: Network {
    package let address: NodeAddress
    let settings: InternodeSettings
    /// Nil for open connections.
    let tls: InternodeTLS?
    private let loops: ShardLoops
    private let peers: [PeerTable]
    private let listener: Mutex<(any Channel)?>
    private let handler = Mutex<Handler?>(nil)
    private let notice: @Sendable (String) -> Void

    /// In a structure of its own: a bare closure gets another wrapping each time that the lock gives it out.
    private struct Handler: Sendable {
        let call: @Sendable (NodeAddress, [UInt8]) -> Void
    }

    private init(
        _ settings: InternodeSettings,
        _ loops: ShardLoops,
        notice: @escaping @Sendable (String) -> Void
    ) throws {
        address = settings.address
        self.settings = settings
        tls = try settings.certificates.map { try InternodeTLS($0) }
        self.loops = loops
        self.notice = notice
        peers = loops.executors.map { PeerTable($0.eventLoop) }
        listener = Mutex(nil)
    }

    /// Starts to listen.
    ///
    /// - Parameter notice: told of peers that are refused or refuse, in a sentence.
    /// - Throws: `TransportError` when the address can't be had, or a certificate can't be used.
    package static func start(
        _ settings: InternodeSettings,
        on loops: ShardLoops,
        notice: @escaping @Sendable (String) -> Void
    ) async throws -> InternodeNetwork {
        let network = try InternodeNetwork(settings, loops, notice: notice)
        let bootstrap = ServerBootstrap(group: loops.group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = network.tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.server)) }
                    try pipeline.addHandler(InternodeReceiver(network: network))
                }
            }
        do {
            let address = try settings.address.socketAddress
            let channel = try await bootstrap.bind(to: address).get()
            network.listener.withLock { $0 = channel }
        } catch {
            throw TransportError("cannot listen for other nodes on \(settings.address): \(error)")
        }
        return network
    }

    package func send(_ message: [UInt8], to peer: NodeAddress) {
        let current = loops.executors.firstIndex { $0.eventLoop.inEventLoop }
        let table = peers[current ?? 0]
        guard current != nil else {
            return table.loop.execute { [self] in table.connection(to: peer, self).send(message) }
        }
        table.connection(to: peer, self).send(message)
    }

    package func receive(_ handler: @escaping @Sendable (NodeAddress, [UInt8]) -> Void) {
        self.handler.withLock { $0 = Handler(call: handler) }
    }

    func deliver(_ message: [UInt8], from peer: NodeAddress) {
        let handler = handler.withLock { $0 }
        handler?.call(peer, message)
    }

    func tell(_ sentence: String) { notice(sentence) }

    /// Stops listening and closes all connections.
    package func shutdown() async {
        handler.withLock { $0 = nil }
        let channel = listener.withLock { $0.take() }
        try? await channel?.close().get()
        for table in peers {
            try? await table.loop.submit { table.closeAll() }.get()
        }
    }
}

extension NodeAddress {
    var socketAddress: SocketAddress {
        get throws {
            try SocketAddress(packedIPAddress: ByteBuffer(bytes: ip), port: Int(port))
        }
    }
}

/// The connections that a loop has to other nodes. Used on the loop only.
final class PeerTable: @unchecked Sendable {  // Owner: the loop.
    let loop: any EventLoop
    private var connections: [NodeAddress: PeerConnection] = [:]
    private var isClosed = false

    init(_ loop: any EventLoop) { self.loop = loop }

    func connection(to peer: NodeAddress, _ network: InternodeNetwork) -> PeerConnection {
        if let connection = connections[peer] { return connection }
        let connection = PeerConnection(to: peer, on: loop, network, isClosed: isClosed)
        connections[peer] = connection
        return connection
    }

    func closeAll() {
        isClosed = true
        for connection in connections.values { connection.close() }
    }
}
