// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Model
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// A way to one peer, from one loop. Used on the loop only.
///
///     idle ──send──> connecting ──welcome──> open ──lost──> idle
///                        └── refused or unreachable ──> waiting ──delay──> idle
///
/// Messages wait while it connects, as far as there is room, and are dropped when that fails: whoever sent
/// them goes by their deadlines. What one turn of the loop sends leaves in one write.
final class PeerConnection: @unchecked Sendable {  // Owner: the loop.
    private enum State {
        case idle
        case connecting
        case open(any Channel)
        /// After a failure: nothing is tried until the delay is over.
        case waiting
        case closed
    }

    /// A peer that confirms nothing for so long is taken as lost, in milliseconds: else the system goes on with ever longer
    /// pauses, and messages wait for minutes after the way is free again.
    private static let silenceMax: ChannelOptions.Types.SocketOption.Value = 5000
    /// TCP_USER_TIMEOUT of tcp(7).
    private static let silence = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: 18))

    private static let delayMin = TimeAmount.milliseconds(50)
    private static let delayMax = TimeAmount.seconds(2)

    private let peer: NodeAddress
    private let loop: any EventLoop
    private let network: InternodeNetwork
    private var state: State
    private var queue = ByteWriter(capacity: 4096)
    private var flushIsScheduled = false
    private var delay = PeerConnection.delayMin
    private var lastRefusal = ""

    init(to peer: NodeAddress, on loop: any EventLoop, _ network: InternodeNetwork, isClosed: Bool) {
        self.peer = peer
        self.loop = loop
        self.network = network
        state = isClosed ? .closed : .idle
    }

    func send(_ message: [UInt8]) {
        switch state {
        case .waiting, .closed: return
        case .idle, .connecting, .open: break
        }
        guard queue.count + message.count <= network.settings.queueBytesMax,
            message.count <= InternodeFrame.payloadMax
        else { return }
        message.withView { InternodeFrame.append(message: $0, to: &queue) }
        switch state {
        case .idle: connect()
        case .open: scheduleFlush()
        case .connecting, .waiting, .closed: break
        }
    }

    private func scheduleFlush() {
        guard !flushIsScheduled else { return }
        flushIsScheduled = true
        loop.execute { [self] in
            flushIsScheduled = false
            flush()
        }
    }

    private func flush() {
        guard case .open(let channel) = state, queue.count > 0, channel.isWritable else { return }
        let buffer = channel.allocator.buffer(bytes: queue.view.buffer)
        queue.removeAll()
        channel.writeAndFlush(buffer, promise: nil)
    }

    private func connect() {
        state = .connecting
        let hello = InternodeHello(cluster: network.settings.cluster, address: network.address)
        do {
            ClientBootstrap(group: loop)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelOption(Self.silence, value: Self.silenceMax)
                .connectTimeout(.nanoseconds(Int64(network.settings.connectTimeout)))
                .channelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        if let tls = network.tls {
                            try pipeline.addHandler(NIOSSLClientHandler(context: tls.client, serverHostname: nil))
                        }
                        try pipeline.addHandler(PeerHandshake(owner: self, hello: hello))
                    }
                }
                .connect(to: try peer.socketAddress)
                .whenFailure { [self] _ in failed(nil) }
        } catch {
            failed(nil)
        }
    }

    // MARK: What the channel tells

    func welcomed(_ channel: any Channel) {
        guard case .connecting = state else { return channel.close(promise: nil) }
        state = .open(channel)
        delay = PeerConnection.delayMin
        lastRefusal = ""
        flush()
    }

    func becameWritable() { flush() }

    /// The connection couldn't be made, or was lost.
    func failed(_ refusal: String?) {
        switch state {
        case .closed, .waiting, .idle: return
        case .open:
            // It may be there again at once: the next message tries.
            state = .idle
            queue.removeAll()
            return
        case .connecting: break
        }
        if let refusal, refusal != lastRefusal {
            lastRefusal = refusal
            network.tell("There is no connection to the node at \(peer): \(refusal)")
        }
        state = .waiting
        queue.removeAll()
        loop.scheduleTask(in: delay) { [self] in
            if case .waiting = state { state = .idle }
        }
        delay = min(.nanoseconds(delay.nanoseconds * 2), PeerConnection.delayMax)
    }

    func close() {
        if case .open(let channel) = state { channel.close(promise: nil) }
        state = .closed
        queue.removeAll()
    }
}

/// Greets the peer and waits for its welcome; afterwards only notices the end.
private final class PeerHandshake: ChannelInboundHandler, @unchecked Sendable {  // Owner: the loop.
    typealias InboundIn = ByteBuffer

    private static let timeout = TimeAmount.seconds(5)

    private let owner: PeerConnection
    private let hello: InternodeHello
    private var decoder = InternodeDecoder()
    private var isWelcome = false
    private var refusal: String?
    private var timer: Scheduled<Void>?

    init(owner: PeerConnection, hello: InternodeHello) {
        self.owner = owner
        self.hello = hello
    }

    func channelActive(context: ChannelHandlerContext) {
        var writer = ByteWriter(capacity: 128)
        hello.bytes.withView { InternodeFrame.append(.hello, $0, to: &writer) }
        let channel = context.channel
        channel.writeAndFlush(channel.allocator.buffer(bytes: writer.view.buffer), promise: nil)
        timer = context.eventLoop.scheduleTask(in: PeerHandshake.timeout) {
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        guard !isWelcome else { return context.close(promise: nil) }
        buffer.withUnsafeReadableBytes { decoder.append(ByteView($0)) }
        guard let frame = try? decoder.next() else { return }
        timer?.cancel()
        switch frame.kind {
        case .welcome:
            isWelcome = true
            owner.welcomed(context.channel)
        case .refusal:
            refusal = "it refuses this one, " + String(decoding: frame.payload, as: UTF8.self)
            context.close(promise: nil)
        case .message, .compressed, .hello: context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { owner.becameWritable() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        owner.failed(refusal)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isWelcome, refusal == nil { refusal = InternodeTLS.reason(error) }
        context.close(promise: nil)
    }
}

/// Takes what another node sends.
final class InternodeReceiver: ChannelInboundHandler, @unchecked Sendable {  // Owner: the loop.
    typealias InboundIn = ByteBuffer

    private let network: InternodeNetwork
    private var decoder = InternodeDecoder()
    private var peer: NodeAddress?
    private var isOver = false

    init(network: InternodeNetwork) { self.network = network }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { decoder.append(ByteView($0)) }
        do throws(MalformedBytes) {
            while let frame = try decoder.next() { try take(frame, context) }
        } catch {
            let name = peer.map(\.description) ?? context.remoteAddress?.description ?? "?"
            network.tell("A connection from \(name) is closed, which sends \(error)")
            isOver = true
            context.close(promise: nil)
        }
    }

    private func take(
        _ frame: InternodeDecoder.Frame,
        _ context: ChannelHandlerContext
    ) throws(MalformedBytes) {
        guard let peer else {
            guard frame.kind == .hello else {
                throw MalformedBytes(offset: 0, expected: "a greeting")
            }
            return try greet(frame.payload, context)
        }
        guard frame.kind == .message else {
            throw MalformedBytes(offset: 0, expected: "a message")
        }
        network.deliver(frame.payload, from: peer)
    }

    private func greet(
        _ payload: [UInt8],
        _ context: ChannelHandlerContext
    ) throws(MalformedBytes) {
        let hello = try payload.withView { (view) throws(MalformedBytes) in
            try InternodeHello(decoding: view)
        }
        var writer = ByteWriter(capacity: 128)
        let refusal = hello.refusal(by: network.settings.cluster)
        if let refusal {
            network.tell("The node at \(hello.address) is refused: \(refusal)")
            Array(refusal.utf8).withView { InternodeFrame.append(.refusal, $0, to: &writer) }
            isOver = true
        } else {
            peer = hello.address
            InternodeFrame.append(.welcome, .empty, to: &writer)
        }
        let channel = context.channel
        let done = channel.writeAndFlush(channel.allocator.buffer(bytes: writer.view.buffer))
        if refusal != nil { done.whenComplete { _ in channel.close(promise: nil) } }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if peer == nil, let reason = InternodeTLS.reason(error) {
            network.tell("A connection from \(context.remoteAddress?.description ?? "?") is refused: \(reason)")
        }
        context.close(promise: nil)
    }
}
