// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Client
import Model
import Synchronization
import Transport

/// A cluster in miniature: servers that tell of each other and of their tokens, and count the requests that come. How each
/// answers can be changed.
final class ToyCluster: Sendable {
    /// What a node does with EXECUTE.
    enum Behavior: Sendable {
        case answers, holds
        case fails(CQLError.Kind)
    }

    struct Node: Sendable {
        var number: Int
        var dataCenter: String
        var token: Int64
    }

    struct State {
        var ports: [Int] = []
        var behaviors: [Behavior]
        var executed: [Int]
        var prepared: [Int]
        var held: [CQLResponder] = []
    }

    let nodes: [Node]
    /// How many replicas the keyspace k has.
    let factor: Int
    let state: Mutex<State>
    private let servers = Mutex<[CQLServer?]>([])

    /// - Parameter dataCenters: those of the nodes, whose tokens share the ring evenly.
    init(dataCenters: [String], factor: Int) {
        let step = UInt64.max / UInt64(dataCenters.count)
        nodes = dataCenters.enumerated().map { number, name in
            Node(number: number, dataCenter: name, token: Int64(bitPattern: UInt64(number) * step &+ 1 << 63 &+ 5))
        }
        self.factor = factor
        state = Mutex(
            State(
                behaviors: nodes.map { _ in .answers },
                executed: nodes.map { _ in 0 },
                prepared: nodes.map { _ in 0 }
            )
        )
    }

    static func host(_ number: Int) -> String { "127.0.93.\(number + 1)" }

    func start(on loops: ShardLoops) async throws {
        for node in nodes {
            let server = try await serve(node.number, port: 0, loops)
            state.withLock { $0.ports.append(server.port) }
            servers.withLock { $0.append(server) }
        }
    }

    private func serve(_ number: Int, port: Int, _ loops: ShardLoops) async throws -> CQLServer {
        var settings = CQLServerSettings(shards: ShardMap(count: 1, ignoredBits: 12))
        settings.host = ToyCluster.host(number)
        settings.port = port
        return try await CQLServer.start(settings, on: loops, handler: RingHandler(cluster: self, number: number))
    }

    /// Ends a node's server.
    func stop(_ number: Int) async {
        let server = servers.withLock { servers in
            let server = servers[number]
            servers[number] = nil
            return server
        }
        await server?.shutdown(gracePeriod: 0)
    }

    func restart(_ number: Int, on loops: ShardLoops) async throws {
        let server = try await serve(number, port: state.withLock { $0.ports[number] }, loops)
        servers.withLock { $0[number] = server }
    }

    func stopAll() async {
        state.withLock { $0.held = [] }
        for number in nodes.indices { await stop(number) }
    }

    func tell(_ event: Event, from number: Int) { servers.withLock { $0[number] }?.broadcast(event) }

    func behave(_ number: Int, _ behavior: Behavior) { state.withLock { $0.behaviors[number] = behavior } }

    /// How many EXECUTEs each node got since the last time.
    func takeExecuted() -> [Int] {
        state.withLock { state in
            defer { state.executed = nodes.map { _ in 0 } }
            return state.executed
        }
    }

    /// The first replica of a token.
    func owner(of token: Token) -> Int {
        let sorted = nodes.sorted { $0.token < $1.token }
        return (sorted.first { $0.token >= token.value } ?? sorted[0]).number
    }
}

/// A node of a `ToyCluster`.
private final class RingHandler: CQLRequestHandler {
    private static let columns = ResultColumns([
        ColumnSpecification(keyspace: "k", table: "t", name: "id", type: .bigint)
    ])

    private let cluster: ToyCluster
    private let number: Int

    init(cluster: ToyCluster, number: Int) {
        self.cluster = cluster
        self.number = number
    }

    func handle(_ message: RequestMessage, on connection: CQLConnection, responder: CQLResponder) {
        switch message.request {
        case .query(let text, _): responder(query(text))
        case .prepare:
            cluster.state.withLock { $0.prepared[number] += 1 }
            let prepared = PreparedResult(
                id: StatementID(high: 1, low: 2),
                resultMetadataID: ResultColumns.none.identifier,
                bind: BindMetadata(columns: Self.columns, partitionKeyIndices: [0]),
                result: ResultMetadata(columns: .none)
            )
            responder(.result(.prepared(prepared)))
        case .execute(let id, _, _):
            guard cluster.state.withLock({ $0.prepared[number] }) > 0 else {
                return responder(.error(CQLError(.unprepared(id), "unknown statement")))
            }
            let behavior = cluster.state.withLock { state in
                state.executed[number] += 1
                if case .holds = state.behaviors[number] { state.held.append(responder) }
                return state.behaviors[number]
            }
            switch behavior {
            case .answers: responder(.result(.void))
            case .fails(let kind): responder(.error(CQLError(kind, "as it was told")))
            case .holds: break
            }
        default: responder(.error(CQLError(.server, "not a statement")))
        }
    }

    private func query(_ text: String) -> Response {
        if text.contains("system_schema.keyspaces") {
            let strategy = ValueCoding.map([
                (ValueCoding.text("class"), ValueCoding.text("org.apache.cassandra.locator.SimpleStrategy")),
                (ValueCoding.text("replication_factor"), ValueCoding.text("\(cluster.factor)")),
            ])
            return rows([[ValueCoding.text("k"), strategy]])
        }
        if text.contains("system.local") { return rows([place(cluster.nodes[number]) + [[127, 0, 0, 1]]]) }
        guard text.contains("system.peers_v2") else { return .result(.void) }
        let ports = cluster.state.withLock { $0.ports }
        return rows(
            cluster.nodes.filter { $0.number != number }.map { node in
                place(node) + [[127, 0, 93, UInt8(node.number + 1)], ValueCoding.int32(Int32(ports[node.number]))]
            }
        )
    }

    private func place(_ node: ToyCluster.Node) -> [[UInt8]] {
        [
            UUID(high: 1, low: UInt64(node.number)).bytes, ValueCoding.text(node.dataCenter), ValueCoding.text("r"),
            ValueCoding.collection([ValueCoding.text("\(node.token)")]),
        ]
    }

    private func rows(_ rows: [[[UInt8]]]) -> Response {
        var cells = ByteWriter()
        for row in rows { for cell in row { cells.appendBytes(cell) } }
        let columns = (0..<(rows.first?.count ?? 0)).map {
            ColumnSpecification(keyspace: "system", table: "t", name: "c\($0)", type: .blob)
        }
        let metadata = ResultMetadata(columns: ResultColumns(columns))
        return .result(.rows(RowsResult(metadata: metadata, rowCount: rows.count, cells: cells.array)))
    }
}
