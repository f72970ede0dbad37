// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Listens for CQL clients and puts each connection on a shard's event loop.
package final class CQLServer: Sendable {
    /// What the connections of a server share.
    final class Core: Sendable {
        let settings: CQLServerSettings
        let handler: any CQLRequestHandler
        let loops: ShardLoops
        private let registries: [ConnectionRegistry]
        private let nextID = Atomic<UInt64>(1)
        /// The port that was bound; 0 while there is none.
        private let boundShardAwarePort = Atomic<Int>(0)
        let connectionCount = Atomic<Int>(0)

        init(
            settings: CQLServerSettings,
            handler: any CQLRequestHandler,
            loops: ShardLoops
        ) {
            self.settings = settings
            self.handler = handler
            self.loops = loops
            registries = (0..<loops.count).map { _ in ConnectionRegistry() }
        }

        var shardAwarePort: Int? {
            let port = boundShardAwarePort.load(ordering: .relaxed)
            return port == 0 ? nil : port
        }

        func setShardAwarePort(_ port: Int) {
            boundShardAwarePort.store(port, ordering: .relaxed)
        }

        func registry(_ shard: Int) -> ConnectionRegistry { registries[shard] }

        /// Makes an accepted connection a CQL one. Called on the channel's loop.
        func initialize(_ channel: any Channel) throws {
            let shard = loops.shard(of: channel.eventLoop) ?? 0
            let address = channel.remoteAddress
            let connection = CQLConnection(
                id: nextID.wrappingAdd(1, ordering: .relaxed).oldValue,
                shard: shard,
                remoteAddress: address.map { "\($0.ipAddress ?? "?"):\($0.port ?? 0)" } ?? "?"
            )
            let count = connectionCount.wrappingAdd(1, ordering: .relaxed).newValue
            channel.closeFuture.whenComplete { _ in
                _ = self.connectionCount.wrappingSubtract(1, ordering: .relaxed)
            }
            guard count <= settings.connectionLimit else {
                throw TransportError(
                    "there are \(settings.connectionLimit) connections, which is the limit"
                )
            }
            try channel.pipeline.syncOperations.addHandler(
                CQLConnectionHandler(
                    server: self,
                    connection: connection,
                    eventLoop: channel.eventLoop
                )
            )
        }
    }

    private let core: Core
    private let listeners: [any Channel]
    /// The port for all clients.
    package let port: Int
    /// The port on which a client's own port chooses the shard.
    package let shardAwarePort: Int?

    private init(core: Core, listeners: [any Channel], port: Int, shardAwarePort: Int?) {
        self.core = core
        self.listeners = listeners
        self.port = port
        self.shardAwarePort = shardAwarePort
    }

    /// Starts to listen.
    ///
    /// - Throws: `TransportError` when a port cannot be had.
    package static func start(
        _ settings: CQLServerSettings,
        on loops: ShardLoops,
        handler: any CQLRequestHandler
    ) async throws -> CQLServer {
        let core = Core(settings: settings, handler: handler, loops: loops)
        var listeners: [any Channel] = []
        var shardAwarePort: Int?
        if let wanted = settings.shardAwarePort {
            let listener = try await listen(core, port: wanted, steers: true)
            shardAwarePort = listener.localAddress?.port
            core.setShardAwarePort(shardAwarePort ?? 0)
            listeners.append(listener)
        }
        do {
            let listener = try await listen(core, port: settings.port, steers: false)
            listeners.append(listener)
            let port = listener.localAddress?.port ?? settings.port
            return CQLServer(
                core: core,
                listeners: listeners,
                port: port,
                shardAwarePort: shardAwarePort
            )
        } catch {
            for listener in listeners { listener.close(promise: nil) }
            throw error
        }
    }

    private static func listen(
        _ core: Core,
        port: Int,
        steers: Bool
    ) async throws -> any Channel {
        let settings = core.settings
        let bootstrap = ServerBootstrap(group: core.loops.group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard steers else { return }
                    try channel.pipeline.syncOperations.addHandler(ShardSteering(core: core))
                }
            }
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: watermark(settings))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try core.initialize(channel) }
            }
        do {
            return try await bootstrap.bind(host: settings.host, port: port).get()
        } catch {
            throw TransportError("cannot listen for CQL on \(settings.host):\(port): \(error)")
        }
    }

    fileprivate static func watermark(
        _ settings: CQLServerSettings
    ) -> ChannelOptions.Types.WriteBufferWaterMark {
        let high = max(settings.responseByteLimit, 2)
        return .init(low: high / 2, high: high)
    }

    /// How many clients are connected.
    package var connectionCount: Int { core.connectionCount.load(ordering: .relaxed) }

    /// Sends an event to every client that registered for its kind.
    package func broadcast(_ event: Event) {
        forEachShard { registry in
            for handler in registry.handlers { handler.send(event) }
        }
    }

    /// Stops listening, lets requests in work finish, and closes all connections; those that are
    /// not done after `gracePeriod` nanoseconds are cut off.
    package func shutdown(gracePeriod: UInt64 = 5_000_000_000) async {
        for listener in listeners { try? await listener.close().get() }
        forEachShard { registry in
            for handler in registry.handlers { handler.drain() }
        }
        for (shard, executor) in core.loops.executors.enumerated() {
            let core = core
            let done = executor.eventLoop.makePromise(of: Void.self)
            executor.execute {
                core.registry(shard).whenEmpty { done.succeed(()) }
                executor.schedule(after: gracePeriod) {
                    for handler in core.registry(shard).handlers { handler.close() }
                }
            }
            try? await done.futureResult.get()
        }
    }

    private func forEachShard(_ body: @escaping @Sendable (ConnectionRegistry) -> Void) {
        for (shard, executor) in core.loops.executors.enumerated() {
            let core = core
            executor.execute { body(core.registry(shard)) }
        }
    }
}

/// The connections of one loop.
final class ConnectionRegistry: @unchecked Sendable {
    // Owner: the loop.
    private var byID: [UInt64: CQLConnectionHandler] = [:]
    private var onEmpty: (() -> Void)?

    var handlers: [CQLConnectionHandler] { Array(byID.values) }

    func add(_ handler: CQLConnectionHandler) { byID[handler.connection.id] = handler }

    func remove(_ handler: CQLConnectionHandler) {
        byID[handler.connection.id] = nil
        guard byID.isEmpty, let action = onEmpty else { return }
        onEmpty = nil
        action()
    }

    /// Calls `action` once there are no connections.
    func whenEmpty(_ action: @escaping () -> Void) {
        if byID.isEmpty {
            action()
        } else {
            onEmpty = action
        }
    }
}

/// Puts each accepted connection on the loop of the shard that the client's port names.
private final class ShardSteering: ChannelInboundHandler, Sendable {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let core: CQLServer.Core

    init(core: CQLServer.Core) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let accepted = unwrapInboundIn(data)
        guard let port = accepted.remoteAddress?.port else {
            return context.fireChannelRead(data)
        }
        let loop = core.loops.executors[port % core.loops.count].eventLoop
        if accepted.eventLoop === loop { return context.fireChannelRead(data) }
        // A channel is bound to its loop, but its socket isn't: a copy goes to the right one.
        accepted.eventLoop.execute {
            let copy = try? accepted.pipeline.syncOperations.withUnsafeTransportIfAvailable(
                of: NIOBSDSocket.Handle.self
            ) { dup($0) }
            accepted.close(promise: nil)
            if let copy, copy >= 0 { self.move(copy, to: loop) }
        }
    }

    private func move(_ socket: CInt, to loop: any EventLoop) {
        let core = core
        ClientBootstrap(group: loop)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.writeBufferWaterMark, value: CQLServer.watermark(core.settings))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try core.initialize(channel) }
            }
            .withConnectedSocket(socket)
            .whenFailure { _ in }
    }
}
