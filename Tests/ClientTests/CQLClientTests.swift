// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Client
import Model
import Synchronization
import Testing
import Transport

/// A server and a client of it for the length of a test.
private func withClient(
    shards: Int = 1,
    server changeServer: (inout CQLServerSettings) -> Void = { _ in },
    client changeClient: (inout ClientSettings) -> Void = { _ in },
    _ body: (CQLClient, TableHandler, CQLServer) async throws -> Void
) async throws {
    let loops = ShardLoops(count: shards)
    var settings = CQLServerSettings(shards: ShardMap(count: shards, ignoredBits: 12))
    settings.port = 0
    settings.shardAwarePort = 0
    changeServer(&settings)
    let handler = TableHandler()
    let server = try await CQLServer.start(settings, on: loops, handler: handler)
    var clientSettings = ClientSettings(port: server.port)
    changeClient(&clientSettings)
    let result: Result<Void, any Error>
    do {
        let client = try await CQLClient.connect(clientSettings)
        do {
            result = .success(try await body(client, handler, server))
        } catch {
            result = .failure(error)
        }
        await client.close()
    } catch {
        result = .failure(error)
    }
    handler.state.withLock { $0.held = [] }
    await server.shutdown(gracePeriod: 0)
    await loops.shutdown()
    try result.get()
}

private func rows(_ message: ResponseMessage) -> RowsResult? {
    guard case .result(.rows(let rows)) = message.response else { return nil }
    return rows
}

private func values(_ id: Int64, _ text: String) -> BoundValues {
    var builder = BoundValuesBuilder()
    builder.append(integer: id)
    builder.append(utf8: text)
    return builder.finish()
}

@Suite("CQL client")
struct CQLClientTests {
    @Test("Prepared statements run in each version and compression", arguments: [
        (ProtocolVersion.v4, Codec.none), (.v4, .lz4), (.v4, .snappy), (.v5, .none), (.v5, .lz4),
    ])
    func prepared(version: ProtocolVersion, codec: Codec) async throws {
        try await withClient(client: {
            $0.version = version
            $0.codec = codec
        }) { client, _, _ in
            #expect(client.version == version)
            let statement = try await client.prepare("INSERT")
            #expect(statement.markers.map(\.name) == ["id", "v"])
            let text = String(repeating: "long ", count: 1000)
            let parameters = QueryParameters(values: values(7, text))
            let answer = try await client.execute(statement, parameters)
            let row = try #require(rows(answer))
            #expect(row.arrays == [[[0, 0, 0, 0, 0, 0, 0, 7], Array(text.utf8)]])
            // The server left the columns out; the client has them.
            #expect(row.metadata.columns.columns.map(\.name) == ["id", "v"])
        }
    }

    @Test("A refusal keeps the server's code, sentence and what goes with it")
    func serverError() async throws {
        try await withClient { client, _, _ in
            let error = await #expect(throws: ClientError.self) {
                _ = try await client.query("error")
            }
            #expect(error?.code == 0x2400)
            #expect(error?.message == "it exists")
            #expect(error?.serverError?.kind == .alreadyExists(keyspace: "k", table: "t"))
        }
    }

    @Test("Pages follow one another to the end")
    func paging() async throws {
        try await withClient { client, _, _ in
            var sizes: [Int] = []
            var numbers: [Int] = []
            try await client.forEachPage("1234", QueryParameters(pageSize: 500)) { page in
                sizes.append(page.rowCount)
                numbers += page.arrays.compactMap { row in
                    row[0].map { Int($0[6]) << 8 | Int($0[7]) }
                }
            }
            #expect(sizes == [500, 500, 234])
            #expect(numbers == Array(0..<1234))
        }
    }

    @Test("A statement that the server forgot is prepared again")
    func unprepared() async throws {
        try await withClient { client, handler, _ in
            let statement = try await client.prepare("INSERT")
            handler.state.withLock { $0.forgets = true }
            let parameters = QueryParameters(values: values(1, "x"))
            let answer = try await client.execute(statement, parameters)
            #expect(rows(answer) != nil)
            #expect(handler.state.withLock { $0.preparedCount } == 2)
        }
    }

    @Test("Many requests are in flight, and each gets its own answer")
    func pipelining() async throws {
        try await withClient(client: { $0.requestLimit = 64 }) { client, _, _ in
            let statement = try await client.prepare("INSERT")
            let total = 5000
            try await withThrowingTaskGroup(of: Bool.self) { tasks in
                for number in 0..<total {
                    tasks.addTask {
                        let parameters = QueryParameters(values: values(Int64(number), "x"))
                        let answer = try await client.execute(statement, parameters)
                        return rows(answer)?.arrays.first?[0] == ValueCoding.int64(Int64(number))
                    }
                }
                var right = 0
                for try await isRight in tasks where isRight { right += 1 }
                #expect(right == total)
            }
        }
    }

    @Test("Batches of a prepared statement arrive whole")
    func batches() async throws {
        try await withClient { client, handler, _ in
            let statement = try await client.prepare("INSERT")
            _ = try await client.executeBatch(of: statement, rows: (0..<300).map { values($0, "x") })
            #expect(handler.state.withLock { $0.batchSizes } == [300])
        }
    }

    @Test("Requests reach the shard that owns their partition")
    func shardAwareness() async throws {
        try await withClient(shards: 3) { client, handler, _ in
            #expect(client.connectionCount == 3)
            let statement = try await client.prepare("INSERT")
            let map = ShardMap(count: 3, ignoredBits: 12)
            var expected: [Int] = []
            for number in 0..<50 as Range<Int64> {
                let bound = values(number, "x")
                _ = try await client.execute(statement, QueryParameters(values: bound))
                let key = (0..<8).map { UInt8(truncatingIfNeeded: number >> Int64(56 - 8 * $0)) }
                let shard = key.withView { map.shard(of: Token(partitionKey: $0)) }
                expected.append(shard)
            }
            #expect(handler.state.withLock { $0.shards } == expected)
            #expect(Set(expected) == [0, 1, 2])
        }
    }

    @Test("USE goes to all connections")
    func keyspace() async throws {
        try await withClient(client: { $0.connections = .count(3) }) { client, handler, _ in
            #expect(client.connectionCount == 3)
            _ = try await client.query("USE k1")
            for _ in 0..<3 { _ = try await client.query("where") }
            #expect(handler.state.withLock { $0.keyspaces } == ["k1", "k1", "k1"])
        }
    }

    @Test("A response that does not come in time is an error, and the connection lives on")
    func timeout() async throws {
        try await withClient(client: { $0.requestTimeout = 30_000_000 }) { client, handler, _ in
            let error = await #expect(throws: ClientError.self) {
                _ = try await client.query("hold")
            }
            guard case .timeout? = error?.kind else {
                Issue.record("not a timeout: \(String(describing: error))")
                return
            }
            let held = handler.state.withLock { $0.held }
            for responder in held { responder(.result(.void)) }
            let later = try await client.query("3")
            #expect(rows(later)?.rowCount == 3)
        }
    }

    @Test("When the server goes, requests fail and later ones say why")
    func lostServer() async throws {
        try await withClient { client, _, server in
            _ = try await client.query("1")
            await server.shutdown(gracePeriod: 0)
            let error = await #expect(throws: ClientError.self) {
                while true { _ = try await client.query("1") }
            }
            guard case .connection? = error?.kind else {
                Issue.record("not a connection's error: \(String(describing: error))")
                return
            }
        }
    }

    @Test("Nobody listening is an error that names the address")
    func refused() async throws {
        var settings = ClientSettings(port: 1)
        settings.connectTimeout = 2_000_000_000
        let error = await #expect(throws: ClientError.self) {
            _ = try await CQLClient.connect(settings)
        }
        #expect(error?.message.contains("127.0.0.1:1") == true)
    }

    @Test("Events that were asked for are handed over")
    func events() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Event.self)
        try await withClient(client: {
            $0.onEvent = { continuation.yield($0) }
        }) { client, _, server in
            try await client.register([.schemaChange])
            let change = SchemaNotice(.dropped, keyspace: "k", target: .table("t"))
            server.broadcast(.schemaChange(change))
            for await event in stream {
                #expect(event == .schemaChange(change))
                return
            }
        }
    }
}
