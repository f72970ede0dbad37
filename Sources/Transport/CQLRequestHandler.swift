// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
internal import Synchronization

/// What a server does with requests: the language above the transport.
package protocol CQLRequestHandler: AnyObject, Sendable {
    /// Answers a QUERY, PREPARE, EXECUTE or BATCH. Called on the connection's event loop, in the
    /// order of arrival; `responder` is called exactly once, then or later, from any thread.
    func handle(
        _ message: RequestMessage,
        on connection: CQLConnection,
        responder: CQLResponder
    )

    /// The connection is gone; what is still being done for it is for nobody.
    func connectionClosed(_ connection: CQLConnection)
}

extension CQLRequestHandler {
    package func connectionClosed(_ connection: CQLConnection) {}
}

/// Takes the one response to a request.
package struct CQLResponder: Sendable {
    let handler: CQLConnectionHandler
    let stream: Int16
    let requestByteCount: Int

    /// Sends the response, from any thread.
    package func callAsFunction(_ response: Response) {
        handler.complete(self, ResponseMessage(stream: stream, response: response))
    }

    /// Sends the response with what goes before it; its stream is set here.
    package func callAsFunction(_ message: ResponseMessage) {
        var message = message
        message.stream = stream
        handler.complete(self, message)
    }
}

/// A client's connection, as the request handler sees it.
package final class CQLConnection: Sendable {
    private struct State {
        var keyspace: String?
        var version = ProtocolVersion.newest
        var options: [String: String] = [:]
    }

    /// A number that no other connection of this server has.
    package let id: UInt64
    /// The shard on whose loop the connection lives.
    package let shard: Int
    /// The client's address and port.
    package let remoteAddress: String
    private let state = Mutex(State())

    init(id: UInt64, shard: Int, remoteAddress: String) {
        self.id = id
        self.shard = shard
        self.remoteAddress = remoteAddress
    }

    /// The keyspace that USE chose.
    package var keyspace: String? {
        get { state.withLock { $0.keyspace } }
        set { state.withLock { $0.keyspace = newValue } }
    }

    /// The protocol version that STARTUP chose.
    package var version: ProtocolVersion { state.withLock { $0.version } }

    /// What STARTUP said: the driver's name and version among others.
    package var options: [String: String] { state.withLock { $0.options } }

    func start(version: ProtocolVersion, options: [String: String]) {
        state.withLock {
            $0.version = version
            $0.options = options
        }
    }
}
