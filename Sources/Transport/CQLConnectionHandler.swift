// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import NIOCore
internal import Synchronization

/// One connection of a CQL server: bytes to requests, responses to bytes, and the handshake.
///
/// Responses of one turn of the loop leave in one write. Reading stops while too much is in work
/// or unread by the client.
final class CQLConnectionHandler: ChannelDuplexHandler, @unchecked Sendable {
    // Owner: the connection's event loop. Only `inbox`, `server` and `connection` are for all.
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case open
        /// No more requests are taken; it closes when those in work are answered.
        case draining
        /// The last bytes are on their way; what comes in is discarded.
        case closing
        case closed
    }

    private struct Completion {
        var responder: CQLResponder
        var message: ResponseMessage
    }

    /// A response of more bytes than this does not wait for the end of the loop's turn.
    private static let writeThreshold = 256 << 10
    /// How long a client has to close after the last bytes were sent.
    private static let lingerTime = TimeAmount.seconds(2)

    let server: CQLServer.Core
    let connection: CQLConnection
    private let eventLoop: any EventLoop
    /// Responses from other threads.
    private let inbox = Mutex<[Completion]>([])

    private var context: ChannelHandlerContext?
    private var phase = Phase.open
    private var decoder: FrameDecoder
    private var encoder = FrameEncoder()
    private var isStarted = false
    private var throwsOnOverload = false
    private var events: Set<EventType> = []
    private var requestCount = 0
    private var requestByteCount = 0
    private var inputIsClosed = false
    private var isInRead = false
    private var isProcessing = false
    private var flushIsScheduled = false
    private var readIsDue = false
    private var stallTimer: Scheduled<Void>?

    init(server: CQLServer.Core, connection: CQLConnection, eventLoop: any EventLoop) {
        self.server = server
        self.connection = connection
        self.eventLoop = eventLoop
        self.decoder = FrameDecoder(role: .server, bodyLimit: server.settings.frameLimit)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        server.registry(connection.shard).add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { closed() }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .open else { return }
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { decoder.append(ByteView($0)) }
        isInRead = true
        process()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isInRead = false
        flush()
        finishIfDone()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if isPaused {
            readIsDue = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stallTimer?.cancel()
            stallTimer = nil
            resume()
        } else if stallTimer == nil {
            let timeout = TimeAmount.nanoseconds(Int64(clamping: server.settings.stallTimeout))
            stallTimer = eventLoop.scheduleTask(in: timeout) {
                self.context?.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        inputIsClosed = true
        if phase == .closing {
            context.close(promise: nil)
        } else {
            finishIfDone()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func closed() {
        guard phase != .closed else { return }
        phase = .closed
        context = nil
        stallTimer?.cancel()
        server.registry(connection.shard).remove(self)
        server.handler.connectionClosed(connection)
    }

    // MARK: Requests

    private var isPaused: Bool {
        guard phase == .open || phase == .draining else { return false }
        let settings = server.settings
        return (requestCount >= settings.requestLimit && !throwsOnOverload)
            || requestByteCount >= settings.requestByteLimit
            || context?.channel.isWritable == false
    }

    /// Takes the frames that have arrived, as long as it may.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        do throws(ProtocolError) {
            while phase == .open, !isPaused, let frame = try decoder.next() {
                try take(frame)
            }
        } catch {
            fail(error)
        }
    }

    private func take(_ frame: Frame) throws(ProtocolError) {
        let message = try RequestMessage(frame)
        let stream = message.stream
        switch message.request {
        case .options:
            if !isStarted { encoder.negotiate(version: message.version, codec: .none) }
            let options = server.settings.supported(
                version: message.version,
                shard: connection.shard,
                shardAwarePort: server.shardAwarePort
            )
            encoder.add(.supported(options), stream: stream)
            scheduleFlush()
        case .startup(let options):
            try start(options, message)
        case .register(let types):
            try requireStart(message)
            events.formUnion(types)
            encoder.add(.ready, stream: stream)
            scheduleFlush()
        case .authResponse:
            throw ProtocolError("AUTH_RESPONSE came, but no authentication was asked", stream: stream)
        case .query, .prepare, .execute, .batch:
            try requireStart(message)
            dispatch(message, byteCount: frame.body.count)
        }
    }

    private func requireStart(_ message: RequestMessage) throws(ProtocolError) {
        if isStarted { return }
        throw ProtocolError(
            "Unexpected message \(message.request.opcode.name), expecting STARTUP or OPTIONS",
            stream: message.stream
        )
    }

    private func dispatch(_ message: RequestMessage, byteCount: Int) {
        if throwsOnOverload, requestCount >= server.settings.requestLimit {
            let error = CQLError(
                .overloaded,
                "\(requestCount) requests of this connection are in work, which is the limit; "
                    + "send fewer at once"
            )
            encoder.add(.error(error), stream: message.stream)
            return scheduleFlush()
        }
        requestCount += 1
        requestByteCount += byteCount
        let responder = CQLResponder(
            handler: self,
            stream: message.stream,
            requestByteCount: byteCount
        )
        server.handler.handle(message, on: connection, responder: responder)
    }

    private func start(
        _ options: [String: String],
        _ message: RequestMessage
    ) throws(ProtocolError) {
        let stream = message.stream
        if isStarted { throw ProtocolError("Unexpected second STARTUP", stream: stream) }
        encoder.negotiate(version: message.version, codec: .none)
        guard let cqlVersion = options["CQL_VERSION"] else {
            throw ProtocolError("Missing value CQL_VERSION in STARTUP message", stream: stream)
        }
        guard let major = Int(cqlVersion.prefix { $0 != "." }), major >= 3 else {
            throw ProtocolError(
                "CQL version \(cqlVersion) is not supported; the lowest is 3.0.0",
                stream: stream
            )
        }
        let codec: Codec
        switch options["COMPRESSION"]?.lowercased() {
        case nil, "": codec = .none
        case "lz4": codec = .lz4
        case "snappy" where message.version == .v4: codec = .snappy
        case let name?:
            throw ProtocolError(
                "Unknown or unsupported compression algorithm \(name) in protocol "
                    + message.version.name,
                stream: stream
            )
        }
        isStarted = true
        throwsOnOverload = options["THROW_ON_OVERLOAD"] == "1"
        connection.start(version: message.version, options: options)
        encoder.add(.ready, stream: stream)
        encoder.negotiate(version: message.version, codec: codec)
        decoder.negotiate(version: message.version, codec: codec)
        if message.version == .v5 {
            encoder.beginSegments()
            decoder.beginSegments()
        }
        scheduleFlush()
    }

    /// Tells the client what it did wrong, as the last thing it hears.
    private func fail(_ error: ProtocolError) {
        guard phase == .open || phase == .draining else { return }
        if !isStarted, error.isUnsupportedVersion {
            encoder.negotiate(version: .newest, codec: .none)
        }
        encoder.add(.error(error.cqlError), stream: error.stream)
        finish()
    }

    // MARK: Responses

    /// Takes a response from any thread.
    func complete(_ responder: CQLResponder, _ message: ResponseMessage) {
        if eventLoop.inEventLoop {
            completeHere(responder, message)
            afterCompletion()
            return
        }
        let isFirst = inbox.withLock { list in
            list.append(Completion(responder: responder, message: message))
            return list.count == 1
        }
        if isFirst { eventLoop.execute { self.emptyInbox() } }
    }

    private func emptyInbox() {
        let list = inbox.withLock { list in
            let taken = list
            list = []
            return taken
        }
        for completion in list { completeHere(completion.responder, completion.message) }
        resume()
        flush()
        finishIfDone()
    }

    private func completeHere(_ responder: CQLResponder, _ message: ResponseMessage) {
        requestCount -= 1
        requestByteCount -= responder.requestByteCount
        guard phase == .open || phase == .draining else { return }
        encoder.add(message)
        if encoder.pendingCount >= Self.writeThreshold { flush() }
    }

    private func afterCompletion() {
        guard phase == .open || phase == .draining else { return }
        scheduleFlush()
        if !isProcessing { resume() }
    }

    /// Goes on after a pause.
    private func resume() {
        guard !isPaused, let context else { return }
        process()
        if readIsDue, !isPaused {
            readIsDue = false
            context.read()
        }
    }

    /// Sends an event if the client asked for its kind.
    func send(_ event: Event) {
        guard isStarted, phase == .open, events.contains(event.type) else { return }
        encoder.add(.event(event), stream: ResponseMessage.eventStream)
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isInRead, !flushIsScheduled else { return }
        flushIsScheduled = true
        eventLoop.execute {
            self.flushIsScheduled = false
            self.flush()
            self.finishIfDone()
        }
    }

    private func flush() {
        guard encoder.pendingCount > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(output(context)), promise: nil)
    }

    private func output(_ context: ChannelHandlerContext) -> ByteBuffer {
        encoder.withOutput { view in
            var buffer = context.channel.allocator.buffer(capacity: view.count)
            buffer.writeBytes(view.buffer)
            return buffer
        }
    }

    // MARK: The end

    /// Takes no more requests; closes once those in work are answered.
    func drain() {
        if phase == .open { phase = .draining }
        flush()
        finishIfDone()
    }

    /// Closes at once.
    func close() { context?.close(promise: nil) }

    private func finishIfDone() {
        let isEnding = phase == .draining || (phase == .open && inputIsClosed)
        if isEnding, requestCount == 0 { finish() }
    }

    /// Sends what is left, then closes. Input is read on, so that the system does not answer it
    /// with a reset, which would take the last response from the client.
    private func finish() {
        guard let context, phase == .open || phase == .draining else { return }
        phase = .closing
        let channel = context.channel
        let eventLoop = eventLoop
        let inputIsClosed = inputIsClosed
        let sent = eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(output(context)), promise: sent)
        sent.futureResult.whenComplete { _ in
            if inputIsClosed {
                channel.close(promise: nil)
                return
            }
            channel.close(mode: .output, promise: nil)
            eventLoop.scheduleTask(in: Self.lingerTime) { channel.close(promise: nil) }
        }
        if readIsDue {
            readIsDue = false
            context.read()
        }
    }
}
