// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// What is asked of a node.
struct AdminRequest: Sendable, Equatable {
    enum Value: Encodable, Sendable, Equatable {
        case text(String)
        case texts([String])
        case flag(Bool)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .texts(let texts): try container.encode(texts)
            case .flag(let flag): try container.encode(flag)
            }
        }
    }

    var command: String
    var arguments: [String: Value] = [:]
}

/// Asks a node's admin port: a connection for each request.
struct AdminClient: Sendable {
    let host: String
    let port: Int

    /// More than any answer has.
    private static let answerLimit = 64 << 20

    /// The JSON that a command is answered with. Waits as long as the command takes.
    func call(_ request: AdminRequest) async throws(AdminError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let body = (try? encoder.encode(request.arguments)).map { Array($0) } ?? []
        let (status, answer) = try await send("/v1/\(request.command)", body)
        if status == 200 { return answer }
        let decoder = AdminClient.decoder
        if let failure = try? decoder.decode(AdminFailure.self, from: Data(answer)) {
            throw .refused(failure)
        }
        throw .notANode(host: host, port: port, found: "HTTP status \(status)")
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    /// What an answer's JSON says.
    static func decode<Answer: Decodable>(
        _ type: Answer.Type,
        _ body: [UInt8]
    ) throws(AdminError) -> Answer {
        do {
            return try decoder.decode(type, from: Data(body))
        } catch {
            throw .refused(
                AdminFailure(.failed, "the answer isn't understood, maybe of a node of another version: \(error)")
            )
        }
    }

    private func send(
        _ path: String,
        _ body: [UInt8]
    ) async throws(AdminError) -> (Int, [UInt8]) {
        let group = MultiThreadedEventLoopGroup.singleton
        let promise = group.any().makePromise(of: (Int, [UInt8]).self)
        let head = head(path, body.count)
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(.seconds(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(
                        AnswerHandler(head, body, promise, limit: AdminClient.answerLimit)
                    )
                }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: host, port: port).get()
        } catch {
            promise.fail(error)
            throw .noAnswer(host: host, port: port, reason: AdminClient.reason(error))
        }
        defer { channel.close(promise: nil) }
        do {
            return try await promise.futureResult.get()
        } catch is HTTPParserError {
            throw .notANode(host: host, port: port, found: "it doesn't speak HTTP")
        } catch {
            throw .noAnswer(host: host, port: port, reason: AdminClient.reason(error))
        }
    }

    private func head(_ path: String, _ count: Int) -> HTTPRequestHead {
        var headers = HTTPHeaders()
        headers.add(name: "host", value: "\(host):\(port)")
        headers.add(name: "content-type", value: "application/json")
        headers.add(name: "content-length", value: String(count))
        headers.add(name: "connection", value: "close")
        return HTTPRequestHead(version: .http1_1, method: .POST, uri: path, headers: headers)
    }

    /// Why nobody answers, in a few words.
    private static func reason(_ error: any Error) -> String {
        if let failure = error as? NIOConnectionError {
            if failure.dnsAError != nil || failure.dnsAAAAError != nil, failure.connectionErrors.isEmpty {
                return "no such host"
            }
            return failure.connectionErrors.first.map { reason($0.error) } ?? "not reached"
        }
        if let failure = error as? IOError {
            return String(cString: strerror(failure.errnoCode)).lowercased()
        }
        if case ChannelError.connectTimeout = error { return "no answer within 5 s" }
        return "\(error)"
    }
}

/// The answer ended too early.
private struct ConnectionLost: Error, CustomStringConvertible {
    let description = "the connection was closed before the answer; the node may have stopped"
}

/// Sends one request and gathers its answer.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: HTTPRequestHead
    private let requestBody: [UInt8]
    private let limit: Int
    private var promise: EventLoopPromise<(Int, [UInt8])>?
    private var status = 0
    private var body: [UInt8] = []

    init(
        _ request: HTTPRequestHead,
        _ requestBody: [UInt8],
        _ promise: EventLoopPromise<(Int, [UInt8])>,
        limit: Int
    ) {
        self.request = request
        self.requestBody = requestBody
        self.promise = promise
        self.limit = limit
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        let buffer = context.channel.allocator.buffer(bytes: requestBody)
        context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part):
            guard body.count + part.readableBytes <= limit else { return finish(.failure(ConnectionLost())) }
            body.append(contentsOf: part.readableBytesView)
        case .end: finish(.success((status, body)))
        }
    }

    func channelInactive(context: ChannelHandlerContext) { finish(.failure(ConnectionLost())) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(error))
        context.close(promise: nil)
    }

    private func finish(_ result: Result<(Int, [UInt8]), any Error>) {
        promise?.completeWith(result)
        promise = nil
    }
}
