// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import NIOCore
internal import Synchronization

/// One connection to a server: many requests at once, each on its stream.
///
/// Requests come from any thread; those that come together leave in one write.
final class ClientConnection: ChannelInboundHandler, @unchecked Sendable {
    // Owner: the event loop. `outbox` is for all.
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    /// Called on the event loop, exactly once.
    typealias Completion = @Sendable (Result<ResponseMessage, ClientError>) -> Void

    /// A request that waits for the loop.
    struct Submission: Sendable {
        var request: Request
        var isTraced: Bool
        var completion: Completion
    }

    private struct Outbox {
        var pending: [Submission] = []
        /// The requests that have no answer yet, the pending ones included.
        var count = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
        var failure: ClientError?
    }

    private struct Slot {
        var completion: Completion?
        var deadline = NIODeadline.distantFuture
    }

    /// What the server says of shards.
    struct Sharding: Sendable {
        var shard: Int
        var count: Int
        var ignoredBits: Int
        var shardAwarePort: Int?
    }

    let eventLoop: any EventLoop
    let version: ProtocolVersion
    private let codec: Codec
    private let requestLimit: Int
    private let requestTimeout: TimeAmount
    private let onEvent: (@Sendable (Event) -> Void)?
    private let onDisconnect: (@Sendable () -> Void)?
    private let outbox = Mutex(Outbox())

    private var context: ChannelHandlerContext?
    private var decoder: FrameDecoder
    private var encoder: FrameEncoder
    private var isStarted = false
    private var slots: [Slot]
    private var freeStreams: [Int16]
    private var lateCount = 0
    private var answeredCount = 0
    private var sweeper: RepeatedTask?

    init(settings: ClientSettings, version: ProtocolVersion, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.version = version
        codec = version == .v5 && settings.codec == .snappy ? .lz4 : settings.codec
        requestLimit = min(max(settings.requestLimit, 1), 16_384)
        requestTimeout = .nanoseconds(Int64(clamping: settings.requestTimeout))
        onEvent = settings.onEvent
        onDisconnect = settings.onDisconnect
        decoder = FrameDecoder(role: .client, bodyLimit: settings.frameLimit)
        encoder = FrameEncoder(version: version)
        // Twice as many as requests: a request that timed out keeps its stream until it is answered.
        slots = Array(repeating: Slot(), count: requestLimit * 2)
        freeStreams = slots.indices.reversed().map { Int16($0) }
    }

    // MARK: Any thread

    private enum Outcome {
        case queued(isFirst: Bool)
        case full
        case failed(ClientError)
    }

    /// Sends a request if there is room; false if there is none.
    private func trySubmit(_ submission: Submission) -> Bool {
        let outcome = outbox.withLock { outbox -> Outcome in
            if let failure = outbox.failure { return .failed(failure) }
            if outbox.count >= requestLimit { return .full }
            outbox.count += 1
            outbox.pending.append(submission)
            return .queued(isFirst: outbox.pending.count == 1)
        }
        switch outcome {
        case .queued(let isFirst):
            if isFirst { eventLoop.execute { self.sendPending() } }
            return true
        case .full:
            return false
        case .failed(let error):
            submission.completion(.failure(error))
            return true
        }
    }

    /// Waits until there may be room, or the connection broke.
    private nonisolated(nonsending) func waitForRoom() async {
        await withCheckedContinuation { continuation in
            let isReady = outbox.withLock { outbox in
                if outbox.failure != nil || outbox.count < requestLimit { return true }
                outbox.waiters.append(continuation)
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    /// Sends a request and waits for its response; an ERROR is thrown.
    nonisolated(nonsending) func send(
        _ request: Request,
        isTraced: Bool = false
    ) async throws(ClientError) -> ResponseMessage {
        while true {
            let result = await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<ResponseMessage, ClientError>?, Never>) in
                let submission = Submission(request: request, isTraced: isTraced) {
                    continuation.resume(returning: $0)
                }
                if !trySubmit(submission) { continuation.resume(returning: nil) }
            }
            if let result { return try result.get() }
            await waitForRoom()
        }
    }

    /// Whether requests can be sent.
    var isOpen: Bool { outbox.withLock { $0.failure == nil } }

    /// Ends the connection; requests in work fail.
    func close(because error: ClientError = .closed) {
        eventLoop.execute { self.fail(error) }
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let nanoseconds = min(max(requestTimeout.nanoseconds / 4, 10_000_000), 1_000_000_000)
        let interval = TimeAmount.nanoseconds(nanoseconds)
        sweeper = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            self.sweep()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { decoder.append(ByteView($0)) }
        do throws(ProtocolError) {
            while let frame = try decoder.next() { take(try ResponseMessage(frame)) }
        } catch {
            fail(ClientError(.protocolViolation, "the server broke the protocol: \(error.message)"))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { release() }

    func channelInactive(context: ChannelHandlerContext) {
        fail(ClientError(.connection, "the server closed the connection"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(ClientError(.connection, "the connection broke: \(error)"))
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail(ClientError(.connection, "the connection is closed"))
    }

    // MARK: The loop

    private func sendPending() {
        let pending = outbox.withLock { outbox in
            let taken = outbox.pending
            outbox.pending = []
            return taken
        }
        guard !pending.isEmpty, let context else { return failSubmissions(pending) }
        let deadline = NIODeadline.now() + requestTimeout
        for submission in pending {
            guard let stream = freeStreams.popLast() else {
                answeredCount += 1
                let sentence = "\(lateCount) requests have had no answer in time"
                submission.completion(.failure(ClientError(.connection, sentence)))
                continue
            }
            slots[Int(stream)] = Slot(completion: submission.completion, deadline: deadline)
            encoder.add(submission.request, stream: stream, isTraced: submission.isTraced)
        }
        let buffer = encoder.withOutput { view in
            var buffer = context.channel.allocator.buffer(capacity: view.count)
            buffer.writeBytes(view.buffer)
            return buffer
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        if answeredCount > 0 { release() }
    }

    private func failSubmissions(_ submissions: [Submission]) {
        let failure = outbox.withLock { $0.failure }
        let error = failure ?? ClientError(.connection, "the connection is closed")
        for submission in submissions { submission.completion(.failure(error)) }
    }

    private func take(_ message: ResponseMessage) {
        if case .event(let event) = message.response {
            onEvent?(event)
            return
        }
        let index = Int(message.stream)
        guard index >= 0, index < slots.count, slots[index].deadline != .distantFuture else {
            // An error that answers no request in particular is about the connection.
            var sentence = "the server answered stream \(index), which has no request"
            if case .error(let error) = message.response { sentence = error.message }
            return fail(ClientError(.protocolViolation, sentence))
        }
        startIfReady(message.response)
        let completion = slots[index].completion
        slots[index] = Slot()
        freeStreams.append(message.stream)
        guard let completion else {
            lateCount -= 1
            return
        }
        answeredCount += 1
        if case .error(let error) = message.response {
            completion(.failure(ClientError(error)))
        } else {
            completion(.success(message))
        }
    }

    /// The reply to STARTUP changes how everything after it is framed.
    private func startIfReady(_ response: Response) {
        guard !isStarted else { return }
        switch response {
        case .ready, .authenticate: break
        default: return
        }
        isStarted = true
        encoder.negotiate(version: version, codec: codec)
        decoder.negotiate(version: version, codec: codec)
        if version == .v5 {
            encoder.beginSegments()
            decoder.beginSegments()
        }
    }

    /// Makes room for as many requests as were answered.
    private func release() {
        guard answeredCount > 0 else { return }
        let count = answeredCount
        answeredCount = 0
        let waiters = outbox.withLock { outbox in
            outbox.count -= count
            let taken = outbox.waiters.prefix(count)
            outbox.waiters.removeFirst(taken.count)
            return taken
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Gives up requests whose time is over.
    private func sweep() {
        let now = NIODeadline.now()
        for index in slots.indices where slots[index].deadline < now {
            guard let completion = slots[index].completion else { continue }
            slots[index].completion = nil
            lateCount += 1
            answeredCount += 1
            let seconds = Double(requestTimeout.nanoseconds) / 1e9
            let sentence = "the server did not answer within \(seconds) s"
            completion(.failure(ClientError(.timeout, sentence)))
        }
        release()
        if lateCount >= requestLimit {
            fail(ClientError(.connection, "the server stopped answering"))
        }
    }

    /// Ends the connection, and with it all requests.
    private func fail(_ error: ClientError) {
        guard let context else { return }
        self.context = nil
        sweeper?.cancel()
        let (pending, waiters) = outbox.withLock { outbox in
            outbox.failure = error
            let taken = (outbox.pending, outbox.waiters)
            outbox.pending = []
            outbox.waiters = []
            return taken
        }
        for index in slots.indices {
            let completion = slots[index].completion
            slots[index] = Slot()
            completion?(.failure(error))
        }
        for submission in pending { submission.completion(.failure(error)) }
        for waiter in waiters { waiter.resume() }
        onDisconnect?()
        context.close(promise: nil)
    }
}
