// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// A request, whole.
package struct HTTPRequest: Sendable {
    package let method: String
    /// The path as it was sent, without a query.
    package let path: String
    package let contentType: String?
    /// What a browser says of the page that sends the request.
    package let origin: String?
    package let body: [UInt8]

    package init(
        method: String,
        path: String,
        contentType: String? = nil,
        origin: String? = nil,
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.contentType = contentType
        self.origin = origin
        self.body = body
    }
}

/// What is answered.
package struct HTTPResponse: Sendable, Equatable {
    package let status: Int
    package let contentType: String
    package let body: [UInt8]

    package init(status: Int, contentType: String = "application/json", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// Where an HTTP server listens, and what it takes.
package struct HTTPServerSettings: Sendable {
    package var host = "127.0.0.1"
    package var port = 7780
    /// The largest body of a request, in bytes.
    package var bodyLimit = 64 << 10
    package var connectionLimit = 64
    /// Seconds after which a connection is closed that asks nothing.
    package var idleSeconds: Int64 = 60

    package init() {}
}

/// A small HTTP/1.1 server on a thread of its own, for operators: few requests, each answered from an
/// `async` function that may take as long as it likes.
package final class HTTPServer: Sendable {
    package typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse

    /// What the connections share.
    final class Core: Sendable {
        let settings: HTTPServerSettings
        let handler: Handler
        private let state = Mutex((connections: 0, requests: 0, isClosing: false))
        private let idle = Mutex<(@Sendable () -> Void)?>(nil)

        init(_ settings: HTTPServerSettings, _ handler: @escaping Handler) {
            self.settings = settings
            self.handler = handler
        }

        var isClosing: Bool { state.withLock { $0.isClosing } }

        func close() { state.withLock { $0.isClosing = true } }

        /// Counts a connection; false if there are too many.
        func enter() -> Bool {
            state.withLock { state in
                state.connections += 1
                return state.connections <= settings.connectionLimit
            }
        }

        func leave() { state.withLock { $0.connections -= 1 } }

        func begin() { state.withLock { $0.requests += 1 } }

        func end() {
            let isIdle = state.withLock { state in
                state.requests -= 1
                return state.requests == 0
            }
            if isIdle { idle.withLock { $0 }?() }
        }

        /// Calls `body` when no request is being answered.
        func whenIdle(_ body: @escaping @Sendable () -> Void) {
            idle.withLock { $0 = body }
            if state.withLock({ $0.requests == 0 }) { body() }
        }
    }

    private let core: Core
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    package let port: Int

    private init(core: Core, group: MultiThreadedEventLoopGroup, listener: any Channel) {
        self.core = core
        self.group = group
        self.listener = listener
        port = listener.localAddress?.port ?? core.settings.port
    }

    /// Starts to listen.
    ///
    /// - Parameter name: what it is for, in the error.
    /// - Throws: `TransportError` when the port cannot be had.
    package static func start(
        _ settings: HTTPServerSettings,
        name: String,
        handler: @escaping Handler
    ) async throws -> HTTPServer {
        let core = Core(settings, handler)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try initialize(channel, core) }
            }
        do {
            let listener = try await bootstrap.bind(host: settings.host, port: settings.port).get()
            return HTTPServer(core: core, group: group, listener: listener)
        } catch {
            try? await group.shutdownGracefully()
            throw TransportError(
                "cannot listen for \(name) on \(settings.host):\(settings.port): \(error)"
            )
        }
    }

    private static func initialize(_ channel: any Channel, _ core: Core) throws {
        let isWelcome = core.enter()
        channel.closeFuture.whenComplete { _ in core.leave() }
        guard isWelcome else {
            throw TransportError("there are \(core.settings.connectionLimit) connections already")
        }
        let pipeline = channel.pipeline.syncOperations
        // Requests come one at a time; what can't be parsed is answered with 400.
        try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
        let idle = TimeAmount.seconds(core.settings.idleSeconds)
        try pipeline.addHandlers([IdleStateHandler(allTimeout: idle), HTTPConnectionHandler(core)])
    }

    /// Stops listening: connections that are there get 503 for what they ask from now on.
    package func refuse() async {
        core.close()
        try? await listener.close().get()
    }

    /// Stops listening, waits a little for answers that are being made, and closes everything.
    package func shutdown() async {
        await refuse()
        let idle = group.any().makePromise(of: Void.self)
        core.whenIdle { idle.succeed(()) }
        group.any().scheduleTask(in: .seconds(2)) { idle.succeed(()) }
        try? await idle.futureResult.get()
        try? await group.shutdownGracefully()
    }
}

/// One connection: gathers a request, has it answered, sends the answer.
private final class HTTPConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let core: HTTPServer.Core
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// Whether an answer is being made or the request is too large to be looked at.
    private var isAnswering = false

    init(_ core: HTTPServer.Core) { self.core = core }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
            let announced = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
            if announced > core.settings.bodyLimit { refuseBody(context) }
        case .body(let part):
            guard !isAnswering else { return }
            guard body.count + part.readableBytes <= core.settings.bodyLimit else {
                return refuseBody(context)
            }
            body.append(contentsOf: part.readableBytesView)
        case .end:
            guard !isAnswering, let head else { return }
            answer(head, context)
        }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        isAnswering = true
        let request = HTTPRequest(
            method: head.method.rawValue,
            path: String(head.uri.prefix { $0 != "?" }),
            contentType: head.headers.first(name: "content-type"),
            origin: head.headers.first(name: "origin"),
            body: body
        )
        body = []
        let staysOpen = head.isKeepAlive
        guard !core.isClosing else {
            let text = #"{"error":"the node is stopping","kind":"unavailable"}"#
            return send(HTTPResponse(status: 503, body: Array(text.utf8)), context, staysOpen: false)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        core.begin()
        Task { [core] in
            let response = await core.handler(request)
            loop.execute {
                let (handler, context) = bound.value
                handler.send(response, context, staysOpen: staysOpen)
                core.end()
            }
        }
    }

    private func refuseBody(_ context: ChannelHandlerContext) {
        isAnswering = true
        let text =
            #"{"error":"the body is above the limit of \#(core.settings.bodyLimit) bytes","#
            + #""kind":"bad_request"}"#
        send(HTTPResponse(status: 413, body: Array(text.utf8)), context, staysOpen: false)
    }

    private func send(
        _ response: HTTPResponse,
        _ context: ChannelHandlerContext,
        staysOpen: Bool
    ) {
        guard context.channel.isActive else { return }
        var headers = HTTPHeaders()
        headers.add(name: "content-type", value: response.contentType)
        headers.add(name: "content-length", value: String(response.body.count))
        headers.add(name: "x-content-type-options", value: "nosniff")
        if !staysOpen { headers.add(name: "connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: response.status)
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let buffer = context.channel.allocator.buffer(bytes: response.body)
        context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        // The next request may come within the call that ends the answer.
        if staysOpen { isAnswering = false }
        let end = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !staysOpen {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            end.whenComplete { _ in bound.value.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A command that takes long isn't idleness.
        if event is IdleStateHandler.IdleStateEvent, !isAnswering { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
