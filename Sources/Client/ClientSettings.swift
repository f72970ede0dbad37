// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import CQLProtocol

/// Where a client connects, and how much it sends at once.
package struct ClientSettings: Sendable {
    /// How many connections to open.
    package enum Connections: Sendable {
        /// One to each shard of a server that tells of shards, else one.
        case perShard
        case count(Int)
    }

    /// The hosts to try, in order; the first that answers is used.
    package var hosts: [String]
    package var port: Int
    /// The newest version to use; a server that doesn't have it is asked for an older one.
    package var version = ProtocolVersion.newest
    /// LZ4 or none; Snappy with v4.
    package var codec = Codec.none
    package var connections = Connections.perShard
    /// How many requests may be unanswered on one connection; more wait. At most 16,384.
    package var requestLimit = 1024
    /// The most bytes of a response.
    package var frameLimit = 256 << 20
    /// How long connecting and the handshake may take, in nanoseconds.
    package var connectTimeout: UInt64 = 5_000_000_000
    /// How long a response may take, in nanoseconds.
    package var requestTimeout: UInt64 = 30_000_000_000
    /// The keyspace to start in.
    package var keyspace: String?
    /// For a server that asks for them.
    package var credentials: Credentials?
    /// What the server is told in STARTUP.
    package var driverName = "Tholos Swift driver"
    /// Called on an event loop for each event that the client registered for.
    package var onEvent: (@Sendable (Event) -> Void)?
    /// Called on an event loop for each connection that ends, also when the client is closed.
    package var onDisconnect: (@Sendable () -> Void)?

    /// A user's name and password.
    package struct Credentials: Sendable {
        package var user: String
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    package init(hosts: [String] = ["127.0.0.1"], port: Int = 9042) {
        self.hosts = hosts
        self.port = port
    }
}

/// Why a request has no result.
package struct ClientError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// The server refused; its code and what goes with it.
        case server(CQLError)
        /// There is no connection, or it broke while the request was in work: whether a write
        /// happened isn't known.
        case connection
        /// No answer came in time: whether a write happened isn't known.
        case timeout
        /// The server sent what the protocol forbids.
        case protocolViolation
        /// The client was closed.
        case closed
    }

    package let kind: Kind
    /// What was wrong, in a sentence.
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The server's refusal.
    package init(_ error: CQLError) {
        self.kind = .server(error)
        self.message = error.message
    }

    static let closed = ClientError(.closed, "the client was closed")

    /// The server's code; nil when it wasn't the server that refused.
    package var code: Int32? { serverError?.code }

    /// The server's refusal; nil when it wasn't the server that refused.
    package var serverError: CQLError? {
        if case .server(let error) = kind { return error }
        return nil
    }

    package var description: String { serverError?.description ?? message }
}
