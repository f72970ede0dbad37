// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Glibc
internal import NIOCore
internal import NIOPosix

extension ClientConnection {
    /// The ports from which a client dials a shard.
    private static let localPorts = 49_152..<65_536

    /// Connects and does the handshake.
    ///
    /// - Parameter shard: the shard to land on, out of so many, on a shard-aware port.
    static func connect(
        host: String,
        port: Int,
        settings: ClientSettings,
        version: ProtocolVersion,
        shard: (number: Int, count: Int)? = nil,
        on eventLoop: any EventLoop
    ) async throws(ClientError) -> (connection: ClientConnection, sharding: Sharding?, localHost: String) {
        let connection = ClientConnection(
            settings: settings,
            version: version,
            eventLoop: eventLoop
        )
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.nanoseconds(Int64(clamping: settings.connectTimeout)))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
        let localHost: String
        do {
            localHost = try await dial(bootstrap, host, port, shard).localAddress?.ipAddress ?? ""
        } catch {
            throw ClientError(.connection, "cannot connect to \(host):\(port): \(error)")
        }
        let timer = eventLoop.scheduleTask(
            in: .nanoseconds(Int64(clamping: settings.connectTimeout))
        ) { connection.close() }
        defer { timer.cancel() }
        do throws(ClientError) {
            return (connection, try await connection.handshake(settings), localHost)
        } catch {
            connection.close()
            throw error
        }
    }

    private static func dial(
        _ bootstrap: ClientBootstrap,
        _ host: String,
        _ port: Int,
        _ shard: (number: Int, count: Int)?
    ) async throws -> any Channel {
        guard let shard else { return try await bootstrap.connect(host: host, port: port).get() }
        let remote = try SocketAddress.makeAddressResolvingHost(host, port: port)
        let any = remote.protocol == .inet6 ? "::" : "0.0.0.0"
        // A port that is in use is passed over; clients on one machine start at different places.
        let first = localPorts.lowerBound + (port % 97) * shard.count
        let start = first - first % shard.count + shard.number
        var last: (any Error)?
        for attempt in 0..<200 {
            let local = start + attempt * shard.count
            guard local < localPorts.upperBound else { break }
            do {
                let address = try SocketAddress(ipAddress: any, port: local)
                return try await bootstrap.bind(to: address).connect(to: remote).get()
            } catch let error as IOError where error.errnoCode == EADDRINUSE
                || error.errnoCode == EADDRNOTAVAIL
            {
                last = error
            }
        }
        throw last ?? ClientError(.connection, "no local port is free for shard \(shard.number)")
    }

    /// OPTIONS, STARTUP and, where the server wants it, the password.
    private func handshake(_ settings: ClientSettings) async throws(ClientError) -> Sharding? {
        var sharding: Sharding?
        if case .supported(let options) = try await send(.options).response {
            sharding = Sharding(options)
        }
        var options = ["CQL_VERSION": "3.0.0", "DRIVER_NAME": settings.driverName]
        if settings.codec != .none {
            options["COMPRESSION"] = version == .v5 ? "lz4" : settings.codec.name
        }
        let reply = try await send(.startup(options)).response
        switch reply {
        case .ready:
            break
        case .authenticate:
            guard let credentials = settings.credentials else {
                throw ClientError(.connection, "the server asks for a user and a password")
            }
            let token = [0] + Array(credentials.user.utf8) + [0] + Array(credentials.password.utf8)
            _ = try await send(.authResponse(token))
        default:
            throw ClientError(.protocolViolation, "the server did not answer STARTUP with READY")
        }
        return sharding
    }
}

extension ClientConnection.Sharding {
    /// What SUPPORTED says; nil when the server has no shards or another way to share them out.
    init?(_ options: [String: [String]]) {
        func number(_ key: String) -> Int? { options[key]?.first.flatMap { Int($0) } }
        guard let count = number("SCYLLA_NR_SHARDS"), count >= 1, count <= 65_536,
            let shard = number("SCYLLA_SHARD"), shard >= 0, shard < count,
            let ignoredBits = number("SCYLLA_SHARDING_IGNORE_MSB"), ignoredBits >= 0,
            ignoredBits < 48,
            options["SCYLLA_SHARDING_ALGORITHM"]?.first == "biased-token-round-robin",
            options["SCYLLA_PARTITIONER"]?.first?.hasSuffix("Murmur3Partitioner") == true
        else { return nil }
        self.init(
            shard: shard,
            count: count,
            ignoredBits: ignoredBits,
            shardAwarePort: number("SCYLLA_SHARD_AWARE_PORT")
        )
    }
}
