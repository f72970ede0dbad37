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
        var isClosed = false
        var isReconnecting = false
    }

    private let settings: ClientSettings
    private let group: MultiThreadedEventLoopGroup
    /// The host that answered.
    package let host: String
    /// The protocol version in use.
    package let version: ProtocolVersion
    private let shards: ShardMap?
    private let state: Mutex<State>

    private init(
        settings: ClientSettings,
        group: MultiThreadedEventLoopGroup,
        host: String,
        opened: Opened
    ) {
        self.settings = settings
        self.group = group
        self.host = host
        self.version = opened.version
        self.shards = opened.shards
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
        var failure = ClientError(.connection, "no host was given to connect to")
        for host in settings.hosts {
            do throws(ClientError) {
                let opened = try await open(host, settings, settings.version, group)
                let client = CQLClient(
                    settings: settings,
                    group: group,
                    host: host,
                    opened: opened
                )
                if let keyspace = settings.keyspace { try await client.use(keyspace) }
                return client
            } catch {
                failure = error
            }
        }
        try? await group.shutdownGracefully()
        throw failure
    }

    /// Ends all connections; requests in work fail.
    package func close() async {
        let connections = state.withLock { state in
            state.isClosed = true
            return state.connections
        }
        for connection in connections { connection.close() }
        try? await group.shutdownGracefully()
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
        var isAgain = false
        while true {
            let result = statement.result
            let connection = try await connection(
                PreparedStatement.token(result.bind, parameters.values)
            )
            do throws(ClientError) {
                let request = Self.request(result, parameters)
                let message = try await connection.send(request, isTraced: isTraced)
                return Self.complete(message, statement, result)
            } catch {
                guard !isAgain, case .unprepared? = error.serverError?.kind else { throw error }
                isAgain = true
                statement.replace(try await prepared(statement.text, statement.keyspace))
            }
        }
    }

    /// Executes a batch.
    package nonisolated(nonsending) func execute(_ batch: BatchRequest) async throws(ClientError) {
        _ = try await connection(nil).send(.batch(batch))
    }

    /// Executes a prepared statement without waiting for its response, only for room to send it.
    /// For many small writes: nothing is allocated but the request.
    ///
    /// - Parameter completion: called once, on an event loop; it must not block.
    package nonisolated(nonsending) func submit(
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        completion: @escaping @Sendable (Result<ResponseMessage, ClientError>) -> Void
    ) async {
        let result = statement.result
        let token = PreparedStatement.token(result.bind, parameters.values)
        await submit(Self.request(result, parameters), token, completion)
    }

    /// Executes an unlogged batch of one prepared statement with many rows of values, without
    /// waiting for its response, only for room to send it. It goes to the shard of its first row.
    ///
    /// - Parameter completion: called once, on an event loop; it must not block.
    package nonisolated(nonsending) func submitBatch(
        of statement: PreparedStatement,
        rows: [BoundValues],
        consistency: Consistency = .localOne,
        defaultTimestamp: Int64? = nil,
        completion: @escaping @Sendable (Result<ResponseMessage, ClientError>) -> Void
    ) async {
        let result = statement.result
        let batch = BatchRequest(
            kind: .unlogged,
            entries: rows.map { BatchRequest.Entry(.prepared(result.id), values: $0) },
            consistency: consistency,
            defaultTimestamp: defaultTimestamp
        )
        let token = rows.first.flatMap { PreparedStatement.token(result.bind, $0) }
        await submit(.batch(batch), token, completion)
    }

    /// Which shard owns the partition that `values` name; nil when it can't be told. For callers
    /// that put rows of one shard into one batch.
    package func shard(of statement: PreparedStatement, _ values: BoundValues) -> Int? {
        guard let shards else { return nil }
        return PreparedStatement.token(statement.result.bind, values).map { shards.shard(of: $0) }
    }

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

    private nonisolated(nonsending) func submit(
        _ request: Request,
        _ token: Token?,
        _ completion: @escaping ClientConnection.Completion
    ) async {
        do throws(ClientError) {
            // No suspension while there is room: a hop between threads costs more than the request.
            let connection = try await connection(token)
            let submission = ClientConnection.Submission(
                request: request,
                isTraced: false,
                completion: completion
            )
            await connection.submit(submission)
        } catch {
            completion(.failure(error))
        }
    }

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
            if state.isClosed || state.connections.isEmpty { return nil }
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
            if state.isClosed { return ClientError(.closed, "the client was closed") }
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
    }

    /// Opens all connections to a host, in the newest version that both sides speak.
    private static func open(
        _ host: String,
        _ settings: ClientSettings,
        _ version: ProtocolVersion,
        _ group: MultiThreadedEventLoopGroup
    ) async throws(ClientError) -> Opened {
        let first: (connection: ClientConnection, sharding: ClientConnection.Sharding?)
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
        var opened = Opened(connections: [first.connection], version: version)
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
