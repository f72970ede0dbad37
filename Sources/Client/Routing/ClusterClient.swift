// SPDX-License-Identifier: Apache-2.0

package import CQLProtocol
internal import Cluster
internal import Environment
package import Model
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A client of a cluster: sends each request to a node that has what it is about, and there to the shard.
///
/// It learns the nodes from the first that answers, follows the cluster's changes, and is connected to all nodes of one
/// data center. A node whose connections end is left out until it can be reached again. Requests may be made from any
/// thread.
package final class ClusterClient: Sendable {
    /// A node and the connections to it.
    struct Member {
        let node: ClusterTopology.Node
        var client: CQLClient?
        /// Whether somebody tries to reach it.
        var isConnecting = false
    }

    struct State {
        var topology = ClusterTopology()
        /// The nodes of the data center, in the topology's order, which is the router's.
        var members: [Member] = []
        var router: NodeRouter
        var retries: RequestBudget
        var hedges: RequestBudget
        var latencies = ReadLatencies()
        var random = SplitMix64(seed: SystemRandom().next())
        /// What tells of events.
        var control: CQLClient?
        /// What goes on beside requests, by a number; all of it ends with the client.
        var tasks: [Int: Task<Void, Never>] = [:]
        var taskCount = 0
        var isRefreshing = false
        var isStale = false
        var isClosed = false

        func index(of id: NodeID) -> Int? { members.firstIndex { $0.node.id == id } }
    }

    /// A node that a request may be sent to.
    private struct Way: Sendable {
        let id: NodeID
        let client: CQLClient
    }

    /// What a request is about: the partition by whose replicas it is sent.
    private struct Partition {
        let token: Token
        let keyspace: String
    }

    private typealias Send = @Sendable (CQLClient) async throws(ClientError) -> ResponseMessage

    static let retryDelayMin: UInt64 = 100_000_000
    static let retryDelayMax: UInt64 = 2_000_000_000

    let settings: ClientSettings
    let routing: RoutingSettings
    let group: MultiThreadedEventLoopGroup
    let dataCenter: String
    /// This machine's address, as the first node sees it.
    let localHost: String
    let state: Mutex<State>

    private init(
        _ settings: ClientSettings,
        _ routing: RoutingSettings,
        _ dataCenter: String,
        _ localHost: String,
        _ group: MultiThreadedEventLoopGroup
    ) {
        self.settings = settings
        self.localHost = localHost
        self.routing = routing
        self.group = group
        self.dataCenter = dataCenter
        state = Mutex(
            State(
                router: NodeRouter(routing.strategy, routing.breaker, nodes: []),
                retries: RequestBudget(percent: routing.retriesPercent),
                hedges: RequestBudget(percent: routing.hedgesPercent)
            )
        )
    }

    // MARK: Life

    /// Connects to a cluster, of which one host has to answer.
    ///
    /// - Parameter threads: how many event loops serve the connections.
    package static func connect(
        _ settings: ClientSettings,
        _ routing: RoutingSettings = RoutingSettings(),
        threads: Int = 1
    ) async throws(ClientError) -> ClusterClient {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        do throws(ClientError) {
            let first = try await CQLClient.connect(settings, on: group)
            let topology: ClusterTopology
            do throws(ClientError) {
                topology = try await ClusterTopology.read(from: first, port: settings.port)
            } catch {
                await first.close()
                throw error
            }
            await first.close()
            let found = topology.nodes.first { $0.host == first.host }?.location.dataCenter
            let dataCenter = routing.dataCenter ?? found ?? ""
            guard topology.nodes.contains(where: { $0.location.dataCenter == dataCenter }) else {
                let known = Set(topology.nodes.map(\.location.dataCenter)).sorted().joined(separator: ", ")
                throw ClientError(.connection, "the cluster has no data center \(dataCenter); it has \(known)")
            }
            let client = ClusterClient(settings, routing, dataCenter, first.localHost, group)
            await client.start(topology)
            return client
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private func start(_ topology: ClusterTopology) async {
        let missing = take(topology)
        // All are tried before the first request, so that it finds its replicas; who isn't there is tried on.
        await withTaskGroup { tasks in
            for node in missing {
                tasks.addTask {
                    if await !self.reach(node) { self.spawn { await $0.keepTrying(node) } }
                }
            }
        }
        await connectControl()
    }

    /// Ends all connections; requests in work fail.
    package func close() async {
        let (clients, tasks) = state.withLock { state in
            state.isClosed = true
            let clients = state.members.compactMap(\.client) + (state.control.map { [$0] } ?? [])
            return (clients, Array(state.tasks.values))
        }
        for client in clients { await client.close() }
        for task in tasks {
            task.cancel()
            await task.value
        }
        try? await group.shutdownGracefully()
    }

    /// Does something beside requests, unless the client is closed.
    func spawn(_ work: @escaping @Sendable (ClusterClient) async -> Void) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.taskCount += 1
            let number = state.taskCount
            state.tasks[number] = Task {
                await work(self)
                self.state.withLock { $0.tasks[number] = nil }
            }
        }
    }

    // MARK: Requests

    /// Executes a statement's text, on any node of the data center.
    ///
    /// - Parameter isIdempotent: whether it may be executed twice; nil for whether it only reads.
    package func query(
        _ text: String,
        _ parameters: QueryParameters = QueryParameters(),
        isIdempotent: Bool? = nil
    ) async throws(ClientError) -> ResponseMessage {
        let reads = PreparedStatement.reads(text)
        return try await run(nil, isIdempotent ?? reads, mayHedge: reads) { client throws(ClientError) in
            try await client.query(text, parameters)
        }
    }

    /// Prepares a statement, on one node: the others do so when they meet it first.
    package func prepare(_ text: String, keyspace: String? = nil) async throws(ClientError) -> PreparedStatement {
        let (ways, _) = ways(nil)
        var failure = unreachable
        for way in ways {
            do throws(ClientError) {
                return try await way.client.prepare(text, keyspace: keyspace)
            } catch {
                guard error.mayBeRetried(isIdempotent: true) else { throw error }
                failure = error
            }
        }
        throw failure
    }

    /// Executes a prepared statement, on a replica of its partition.
    ///
    /// - Parameter isIdempotent: whether it may be executed twice; nil for whether it only reads.
    package func execute(
        _ statement: PreparedStatement,
        _ parameters: QueryParameters,
        isIdempotent: Bool? = nil
    ) async throws(ClientError) -> ResponseMessage {
        let reads = PreparedStatement.reads(statement.text)
        let partition = partition(statement, parameters.values)
        return try await run(partition, isIdempotent ?? reads, mayHedge: reads) { client throws(ClientError) in
            try await client.execute(statement, parameters)
        }
    }

    /// Executes an unlogged batch of one prepared statement, on a replica of its first row's partition.
    package func executeBatch(
        of statement: PreparedStatement,
        rows: [BoundValues],
        consistency: Consistency = .localOne,
        isIdempotent: Bool = false
    ) async throws(ClientError) -> ResponseMessage {
        let partition = rows.first.flatMap { self.partition(statement, $0) }
        return try await run(partition, isIdempotent, mayHedge: false) { client throws(ClientError) in
            try await client.executeBatch(of: statement, rows: rows, consistency: consistency)
        }
    }

    /// What the partitions of rows have in common that belong into one batch: their first replica and its shard.
    package struct Owner: Hashable, Comparable, Sendable {
        private let node: NodeID?
        private let shard: Int?

        fileprivate init(node: NodeID?, shard: Int?) {
            self.node = node
            self.shard = shard
        }

        package static func < (a: Owner, b: Owner) -> Bool {
            guard let x = a.node, let y = b.node, x != y else { return (a.shard ?? -1) < (b.shard ?? -1) }
            return x < y
        }
    }

    /// Who owns the partition that `values` name.
    package func owner(of statement: PreparedStatement, _ values: BoundValues) -> Owner {
        guard let partition = partition(statement, values) else { return Owner(node: nil, shard: nil) }
        return state.withLock { state in
            let first = state.topology.replicas(of: partition.token, in: partition.keyspace).first
            let client = first.flatMap { state.index(of: $0) }.flatMap { state.members[$0].client }
            return Owner(node: first, shard: client?.shard(of: partition.token))
        }
    }

    private func partition(_ statement: PreparedStatement, _ values: BoundValues) -> Partition? {
        let bind = statement.result.bind
        guard let keyspace = bind.columns.columns.first?.keyspace,
            let token = PreparedStatement.token(bind, values)
        else { return nil }
        return Partition(token: token, keyspace: keyspace)
    }

    // MARK: Ways

    private var unreachable: ClientError {
        ClientError(.connection, "no node of the data center \(dataCenter) can be reached")
    }

    /// The nodes to try, one after the other, and after how many nanoseconds a second one is asked, too.
    private func ways(_ partition: Partition?) -> (ways: [Way], hedgeAfter: UInt64?) {
        let now = NIODeadline.now().uptimeNanoseconds
        return state.withLock { state in
            var indices: [Int] = []
            if let partition {
                indices = state.topology.replicas(of: partition.token, in: partition.keyspace)
                    .compactMap { state.index(of: $0) }.filter { state.members[$0].client != nil }
            }
            var others = state.members.indices.filter { state.members[$0].client != nil && !indices.contains($0) }
            state.router.order(&indices, at: now, using: &state.random)
            // Also in front when nothing is known of replicas.
            state.router.order(&others, at: now, using: &state.random)
            state.retries.earn()
            state.hedges.earn()
            let ways = (indices + others).compactMap { index in
                state.members[index].client.map { Way(id: state.members[index].node.id, client: $0) }
            }
            return (ways, routing.hedgingPercentile.flatMap { state.latencies.percentile($0) })
        }
    }

    /// Sends a request until it succeeds, may not be sent again or there is nobody left to ask.
    private func run(
        _ partition: Partition?,
        _ isIdempotent: Bool,
        mayHedge: Bool,
        _ send: @escaping Send
    ) async throws(ClientError) -> ResponseMessage {
        let (ways, delay) = ways(partition)
        guard let first = ways.first else { throw unreachable }
        var rest = ways.dropFirst()
        var answer: AnswerRace.Answer
        if mayHedge, let delay, let second = rest.first {
            answer = await race(first, second, after: delay, send)
        } else {
            answer = await attempt(first, send)
        }
        while case .failure(let error) = answer, error.mayBeRetried(isIdempotent: isIdempotent),
            let next = rest.popFirst(), error.isLostConnection || state.withLock({ $0.retries.spend() })
        {
            answer = await attempt(next, send)
        }
        return try answer.get()
    }

    /// Sends a request to a node, and notes how that went.
    private func attempt(_ way: Way, _ send: Send) async -> AnswerRace.Answer {
        let start = NIODeadline.now().uptimeNanoseconds
        note(way.id) { router, index, _ in router.asked(index) }
        let answer: AnswerRace.Answer
        do throws(ClientError) {
            answer = .success(try await send(way.client))
        } catch {
            answer = .failure(error)
        }
        let now = NIODeadline.now().uptimeNanoseconds
        var isFault = false
        if case .failure(let error) = answer { isFault = error.isNodesFault }
        note(way.id) { router, index, latencies in
            if isFault { return router.failed(index, at: now) }
            router.answered(index, after: now - start, at: now)
            latencies.note(now - start)
        }
        return answer
    }

    private func note(_ id: NodeID, _ body: (inout NodeRouter, Int, inout ReadLatencies) -> Void) {
        state.withLock { state in
            guard let index = state.index(of: id) else { return }
            body(&state.router, index, &state.latencies)
        }
    }

    /// Sends a request to one node, and to a second if there is no answer after `delay` nanoseconds.
    private func race(_ first: Way, _ second: Way, after delay: UInt64, _ send: @escaping Send) async -> AnswerRace.Answer {
        let race = AnswerRace()
        _ = race.begin()
        Task { race.end(await attempt(first, send)) }
        let timer = group.next().scheduleTask(in: .nanoseconds(Int64(clamping: delay))) { [self] in
            guard state.withLock({ $0.hedges.spend() }), race.begin() else { return }
            Task { race.end(await attempt(second, send)) }
        }
        defer { timer.cancel() }
        return await race.wait()
    }
}
