// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import CQLProtocol
package import Model
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A client of one CQL server: a few connections, many requests at once.
///
/// Requests may be made from any thread. Those of prepared statements go to the shard that owns
/// their partition, where the server tells of shards.
package final class CQLClient: Sendable {
    private struct State {
        /// By shard, when the server tells of shards.
        var connections: [ClientConnection]
        var keyspace: String?
        var next = 0
        /// Why there are no connections any more.
        var end: ClientError?
        var isReconnecting = false
    }

    private let settings: ClientSettings
    private let group: MultiThreadedEventLoopGroup
    /// Whether the event loops are this client's alone and end with it.
    private let ownsGroup: Bool
    /// The host that answered.
    package let host: String
    /// The protocol version in use.
    package let version: ProtocolVersion
    /// This machine's address, as the host sees it.
    let localHost: String
    private let shards: ShardMap?
    private let state: Mutex<State>

    private init(
        settings: ClientSettings,
        group: MultiThreadedEventLoopGroup,
        ownsGroup: Bool,
        host: String,
        opened: Opened
    ) {
        self.settings = settings
        self.group = group
        self.ownsGroup = ownsGroup
        self.host = host
        self.version = opened.version
        self.shards = opened.shards
        self.localHost = opened.localHost
        self.state = Mutex(State(connections: opened.connections, keyspace: settings.keyspace))
    }

    /// Connects to the first host that answers.
    ///
    /// - Parameter threads: how many event loops serve the connections.
    package static func connect(
        _ settings: ClientSettings,
        threads: Int = 1
    ) async throws(ClientError) -> CQLClient {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        do throws(ClientError) {
            return try await connect(settings, on: group, ownsGroup: true)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Connects to the first host that answers, on event loops that others may use, too.
    static func connect(
        _ settings: ClientSettings,
        on group: MultiThreadedEventLoopGroup,
        ownsGroup: Bool = false
    ) async throws(ClientError) -> CQLClient {
        var failure = ClientError(.connection, "no host was given to connect to")
        for host in settings.hosts {
            do throws(ClientError) {
                let opened = try await open(host, settings, settings.version, group)
                let client = CQLClient(
                    settings: settings,
                    group: group,
                    ownsGroup: ownsGroup,
                    host: host,
                    opened: opened
                )
                if let keyspace = settings.keyspace { try await client.use(keyspace) }
                return client
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Ends all connections; requests in work fail.
    package func close() async { await close(because: .closed) }

    /// Ends all connections for some other reason than that nobody needs them.
    func close(because error: ClientError) async {
        let connections = state.withLock { state in
            state.end = error
            return state.connections
        }
        for connection in connections { connection.close(because: error) }
        if ownsGroup { try? await group.shutdownGracefully() }
    }

    /// How many connections are open.
    package var connectionCount: Int {
        state.withLock { $0.connections }.count { $0.isOpen }
    }

    // MARK: Requests

    /// Executes a statement's text and returns its response, never an ERROR.
    package nonisolated(nonsending) func query(
        _ text: String,
        _ parameters: QueryParameters = QueryParameters(),
        isTraced: Bool = false
    ) async throws(ClientError) -> ResponseMessage {
        let connection = try await connection(nil)
        let message = try await connection.send(.query(text, parameters), isTraced: isTraced)
        if case .result(.setKeyspace(let keyspace)) = message.response {
            try await follow(keyspace, except: connection)
        }
        return message
    }

    /// Prepares a statement.
    package func prepare(
        _ text: String,
        keyspace: String? = nil
    ) async throws(ClientError) -> PreparedStatement {
        let result = try await prepared(text, keyspace)
        return PreparedStatement(text: text, keyspace: keyspace, result: result)
    }

    /// Executes a prepared statement and returns its response, never an ERROR. Rows have their
    /// columns, though the server doesn't send them each time.
    package nonisolated(nonsending) func execute(
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        isTraced: Bool = false
    ) async throws(ClientError) -> ResponseMessage {
        try await preparing(statement) { result throws(ClientError) in
            let connection = try await connection(PreparedStatement.token(result.bind, parameters.values))
            let message = try await connection.send(Self.request(result, parameters), isTraced: isTraced)
            return Self.complete(message, statement, result)
        }
    }

    /// Sends a request of a prepared statement, and once more after preparing it if the server doesn't know it.
    private nonisolated(nonsending) func preparing(
        _ statement: PreparedStatement,
        _ send: nonisolated(nonsending) (PreparedResult) async throws(ClientError) -> ResponseMessage
    ) async throws(ClientError) -> ResponseMessage {
        do throws(ClientError) {
            return try await send(statement.result)
        } catch {
            guard case .unprepared? = error.serverError?.kind else { throw error }
            statement.replace(try await prepared(statement.text, statement.keyspace))
            return try await send(statement.result)
        }
    }

    /// Executes a batch.
    package nonisolated(nonsending) func execute(_ batch: BatchRequest) async throws(ClientError) {
        _ = try await connection(nil).send(.batch(batch))
    }

    /// Executes an unlogged batch of one prepared statement with many rows of values. It goes to the shard of its first
    /// row.
    package nonisolated(nonsending) func executeBatch(
        of statement: PreparedStatement,
        rows: [BoundValues],
        consistency: Consistency = .localOne
    ) async throws(ClientError) -> ResponseMessage {
        let token = rows.first.flatMap { PreparedStatement.token(statement.result.bind, $0) }
        return try await preparing(statement) { result throws(ClientError) in
            let batch = BatchRequest(
                kind: .unlogged,
                entries: rows.map { BatchRequest.Entry(.prepared(result.id), values: $0) },
                consistency: consistency
            )
            return try await connection(token).send(.batch(batch))
        }
    }

    /// How many shards the server has, as far as it tells and the connections can tell them apart.
    var shardCount: Int { shards?.count ?? 1 }

    /// Which shard owns a token; nil when it can't be told.
    func shard(of token: Token) -> Int? { shards?.shard(of: token) }

    /// Runs a statement to its end, a page at a time.
    package func forEachPage(
        _ text: String,
        _ parameters: QueryParameters = QueryParameters(pageSize: 5000),
        _ body: (RowsResult) async throws -> Void
    ) async throws {
        var parameters = parameters
        repeat {
            let message = try await query(text, parameters)
            guard case .result(.rows(let rows)) = message.response else { return }
            try await body(rows)
            parameters.pagingState = rows.metadata.pagingState
        } while parameters.pagingState != nil
    }

    /// Asks for events, which go to the settings' `onEvent`.
    package func register(_ events: [EventType]) async throws(ClientError) {
        _ = try await connection(nil).send(.register(events))
    }

    // MARK: Parts

    private static func request(
        _ prepared: PreparedResult,
        _ parameters: QueryParameters
    ) -> Request {
        var parameters = parameters
        parameters.skipMetadata = prepared.result.columnCount > 0
        return .execute(
            prepared.id,
            resultMetadataID: prepared.resultMetadataID,
            parameters
        )
    }

    /// Gives rows the columns that the server left out, and takes the ones that changed.
    private static func complete(
        _ message: ResponseMessage,
        _ statement: PreparedStatement,
        _ prepared: PreparedResult
    ) -> ResponseMessage {
        guard case .result(.rows(var rows)) = message.response else { return message }
        var message = message
        if rows.metadata.newMetadataID != nil {
            statement.update(rows.metadata)
        } else if rows.metadata.omitsColumns,
            rows.metadata.columnCount == prepared.result.columnCount
        {
            rows.metadata.columns = prepared.result.columns
        }
        message.response = .result(.rows(rows))
        return message
    }

    private func prepared(
        _ text: String,
        _ keyspace: String?
    ) async throws(ClientError) -> PreparedResult {
        let message = try await connection(nil).send(.prepare(text, keyspace: keyspace))
        guard case .result(.prepared(let result)) = message.response else {
            throw ClientError(.protocolViolation, "the server did not answer PREPARE with a statement")
        }
        return result
    }

    private func use(_ keyspace: String) async throws(ClientError) {
        let name = keyspace.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"")
        _ = try await query("USE \"\(name)\"")
    }

    /// Puts the other connections into the keyspace that one is in.
    private func follow(
        _ keyspace: String,
        except first: ClientConnection
    ) async throws(ClientError) {
        let connections = state.withLock { state in
            state.keyspace = keyspace
            return state.connections
        }
        let name = keyspace.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"")
        for connection in connections where connection !== first {
            _ = try await connection.send(.query("USE \"\(name)\"", QueryParameters()))
        }
    }

    // MARK: Connections

    /// A connection for a request, to the shard of `token` if there is one.
    private nonisolated(nonsending) func connection(
        _ token: Token?
    ) async throws(ClientError) -> ClientConnection {
        if let connection = openConnection(token) { return connection }
        return try await reconnect()
    }

    private func openConnection(_ token: Token?) -> ClientConnection? {
        state.withLock { state -> ClientConnection? in
            if state.end != nil || state.connections.isEmpty { return nil }
            if let token, let shards, shards.count == state.connections.count {
                let owner = state.connections[shards.shard(of: token)]
                if owner.isOpen { return owner }
            }
            for _ in state.connections.indices {
                state.next = (state.next + 1) % state.connections.count
                let candidate = state.connections[state.next]
                if candidate.isOpen { return candidate }
            }
            return nil
        }
    }

    /// Opens the connections anew after all were lost. One caller does it; others are refused
    /// meanwhile.
    private func reconnect() async throws(ClientError) -> ClientConnection {
        let refusal = state.withLock { state -> ClientError? in
            if let end = state.end { return end }
            if state.isReconnecting {
                return ClientError(.connection, "the connection to \(host) is being opened anew")
            }
            state.isReconnecting = true
            return nil
        }
        if let refusal { throw refusal }
        defer { state.withLock { $0.isReconnecting = false } }
        let opened = try await Self.open(host, settings, version, group)
        let keyspace = state.withLock { state in
            state.connections = opened.connections
            return state.keyspace
        }
        if let keyspace { try await use(keyspace) }
        return opened.connections[0]
    }

    private struct Opened {
        var connections: [ClientConnection]
        var version: ProtocolVersion
        var shards: ShardMap?
        var localHost: String
    }

    /// Opens all connections to a host, in the newest version that both sides speak.
    private static func open(
        _ host: String,
        _ settings: ClientSettings,
        _ version: ProtocolVersion,
        _ group: MultiThreadedEventLoopGroup
    ) async throws(ClientError) -> Opened {
        let first: (connection: ClientConnection, sharding: ClientConnection.Sharding?, localHost: String)
        do throws(ClientError) {
            first = try await ClientConnection.connect(
                host: host,
                port: settings.port,
                settings: settings,
                version: version,
                on: group.next()
            )
        } catch {
            guard version == .v5, error.message.contains("unsupported protocol version") else {
                throw error
            }
            return try await open(host, settings, .v4, group)
        }
        var opened = Opened(connections: [first.connection], version: version, localHost: first.localHost)
        do throws(ClientError) {
            try await openOthers(host, settings, first.sharding, group, &opened)
        } catch {
            for connection in opened.connections { connection.close() }
            throw error
        }
        return opened
    }

    private static func openOthers(
        _ host: String,
        _ settings: ClientSettings,
        _ sharding: ClientConnection.Sharding?,
        _ group: MultiThreadedEventLoopGroup,
        _ opened: inout Opened
    ) async throws(ClientError) {
        let version = opened.version
        guard case .perShard = settings.connections, let sharding, sharding.count > 1,
            let port = sharding.shardAwarePort
        else {
            var count = 1
            if case .count(let wanted) = settings.connections { count = max(wanted, 1) }
            for _ in 1..<max(count, 1) {
                let other = try await ClientConnection.connect(
                    host: host,
                    port: settings.port,
                    settings: settings,
                    version: version,
                    on: group.next()
                )
                opened.connections.append(other.connection)
            }
            if let sharding, sharding.count == 1, count == 1 {
                opened.shards = ShardMap(count: 1, ignoredBits: sharding.ignoredBits)
            }
            return
        }
        var byShard: [ClientConnection] = []
        for shard in 0..<sharding.count {
            if shard == sharding.shard {
                byShard.append(opened.connections[0])
                continue
            }
            let other = try await ClientConnection.connect(
                host: host,
                port: port,
                settings: settings,
                version: version,
                shard: (shard, sharding.count),
                on: group.next()
            )
            byShard.append(other.connection)
            if other.sharding?.shard != shard {
                // Something between changes ports: any connection reaches any shard, with a hop.
                for connection in byShard where connection !== opened.connections[0] {
                    connection.close()
                }
                return
            }
        }
        opened.connections = byShard
        opened.shards = ShardMap(count: sharding.count, ignoredBits: sharding.ignoredBits)
    }
}
