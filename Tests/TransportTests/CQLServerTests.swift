// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model
import Testing
import Transport

/// The keyspace that the toy handler echoes; nil for any other response.
private func echo(_ response: Response) -> String? {
    guard case .result(.setKeyspace(let name)) = response else { return nil }
    return name
}

/// The error in a response; nil for any other.
private func failure(_ response: Response) -> CQLError? {
    guard case .error(let error) = response else { return nil }
    return error
}

private func query(_ text: String) -> Request { .query(text, QueryParameters()) }

@Suite("CQL server")
struct CQLServerTests {
    @Test("Clients of each version and compression are served", arguments: [
        (ProtocolVersion.v4, Codec.none), (.v4, .lz4), (.v4, .snappy), (.v5, .none), (.v5, .lz4),
    ])
    func handshake(version: ProtocolVersion, codec: Codec) async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            try client.start(version, codec: codec)
            let long = String(repeating: "words that compress ", count: 3000)
            for text in ["here", "elsewhere", long] {
                #expect(echo(try client.ask(query(text))) == text)
            }
            guard case .ready = try client.ask(.register([.schemaChange])) else {
                Issue.record("REGISTER was not answered with READY")
                return
            }
        }
    }

    @Test("OPTIONS tells versions, compression and shards", arguments: ProtocolVersion.allCases)
    func options(version: ProtocolVersion) async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send([version.rawValue, 0, 0, 9, 5, 0, 0, 0, 0])
            let frame = try #require(try client.frame())
            #expect(frame.header.version == version)
            #expect(frame.header.stream == 9)
            guard case .supported(let options) = try ResponseMessage(frame).response else {
                Issue.record("OPTIONS was not answered with SUPPORTED")
                return
            }
            #expect(options["CQL_VERSION"] == ["3.4.7"])
            #expect(options["COMPRESSION"] == (version == .v5 ? ["lz4"] : ["lz4", "snappy"]))
            #expect(options["PROTOCOL_VERSIONS"] == ["4/v4", "5/v5"])
            #expect(options["SCYLLA_NR_SHARDS"] == ["2"])
            #expect(options["SCYLLA_SHARDING_IGNORE_MSB"] == ["12"])
            #expect(["0", "1"].contains(options["SCYLLA_SHARD"]?.first))
            #expect(options["SCYLLA_SHARD_AWARE_PORT"] == nil)
        }
    }

    @Test("A probe for another version is refused, then the connection is closed", arguments: [
        0x42, 0x41, 3, 6,
    ] as [UInt8])
    func probe(version: UInt8) async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            client.send([version, 0, 0x12, 0x34, 5, 0, 0, 0, 0])
            let frame = try #require(try client.frame())
            #expect(frame.header.version == .v5)
            #expect(frame.header.stream == 0x1234)
            let error = failure(try ResponseMessage(frame).response)
            #expect(error?.code == 0x000A)
            #expect(error?.message.contains("unsupported protocol version") == true)
            #expect(try client.frame() == nil)
        }
    }

    @Test("A malformed frame is answered and closes its connection alone", arguments: [
        [5, 0, 0, 7, 0x33, 0, 0, 0, 0], [5, 0, 0, 7, 7, 0x7F, 0, 0, 0],
        [5, 0, 0, 7, 1, 0, 0, 0, 2, 0, 9], [4, 0, 0, 7, 7, 0, 0, 0, 0],
        [4, 0, 0, 7, 1, 0, 0, 0, 2, 0, 0], [5, 0, 0, 7, 15, 0, 0, 0, 4, 0, 0, 0, 0],
    ] as [[UInt8]])
    func malformed(bytes: [UInt8]) async throws {
        try await withServer { server, _ in
            let other = try RawClient(port: server.port)
            try other.start(.v5)
            let client = try RawClient(port: server.port)
            client.send(bytes)
            let message = try client.receive()
            #expect(message.stream == 7)
            #expect(failure(message.response)?.code == 0x000A)
            #expect(try client.frame() == nil)
            #expect(echo(try other.ask(query("alive"))) == "alive")
        }
    }

    @Test("A damaged segment is answered in a segment and closes the connection")
    func damagedSegment() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            client.send([9, 0, 2, 0, 0, 0, 1, 2, 3])
            #expect(failure(try client.receive().response)?.message.contains("CRC24") == true)
            #expect(try client.frame() == nil)
        }
    }

    @Test("A STARTUP that cannot be served says why", arguments: [
        (ProtocolVersion.v5, ["CQL_VERSION": "3.0.0", "COMPRESSION": "snappy"], "snappy"),
        (.v4, ["CQL_VERSION": "3.0.0", "COMPRESSION": "brotli"], "brotli"),
        (.v4, ["CQL_VERSION": "2.0.0"], "2.0.0"),
        (.v4, [:], "CQL_VERSION"),
    ] as [(ProtocolVersion, [String: String], String)])
    func badStartup(
        version: ProtocolVersion,
        options: [String: String],
        word: String
    ) async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            var encoder = FrameEncoder(version: version)
            encoder.add(.startup(options), stream: 3)
            client.send(encoder.withOutput { $0.array })
            let frame = try #require(try client.frame())
            #expect(frame.header.version == version)
            let error = failure(try ResponseMessage(frame).response)
            #expect(error?.message.contains(word) == true)
        }
    }

    @Test("Every one of many pipelined requests is answered on its stream")
    func pipelining() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            let texts = (0..<3000).map { $0 % 3 == 0 ? "elsewhere" : "q\($0)" }
            client.send(texts.map(query))
            var answers = [String?](repeating: nil, count: texts.count)
            for _ in texts {
                let message = try client.receive()
                answers[Int(message.stream)] = echo(message.response)
            }
            #expect(answers == texts)
        }
    }

    @Test("A trace's id and warnings go with the response")
    func tracing() async throws {
        try await withServer { server, _ in
            let client = try RawClient(port: server.port)
            try client.start(.v4)
            var encoder = FrameEncoder(version: .v4)
            encoder.add(query("traced"), stream: 5, isTraced: true)
            client.send(encoder.withOutput { $0.array })
            let message = try client.receive()
            #expect(message.stream == 5)
            #expect(message.tracingID == UUID(high: 1, low: 2))
            #expect(message.warnings == ["w"])
        }
    }

    @Test("No more requests than the limit are in work, and all are answered in the end")
    func requestLimit() async throws {
        try await withServer(shards: 1, { $0.requestLimit = 4 }) { server, handler in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            client.send((0..<20).map { _ in query("hold") })
            for _ in 0..<5 {
                await handler.waitForHeld(4)
                #expect(handler.release() == 4)
            }
            for _ in 0..<20 { _ = try client.receive() }
            #expect(handler.mostHeld == 4)
        }
    }

    @Test("A client that asks for it is told of overload")
    func overload() async throws {
        try await withServer(shards: 1, { $0.requestLimit = 2 }) { server, handler in
            let client = try RawClient(port: server.port)
            let options = ["CQL_VERSION": "3.0.0", "THROW_ON_OVERLOAD": "1"]
            var encoder = FrameEncoder(version: .v4)
            encoder.add(.startup(options), stream: 0)
            for stream in 1...3 { encoder.add(query("hold"), stream: Int16(stream)) }
            client.send(encoder.withOutput { $0.array })
            _ = try client.receive()
            let message = try client.receive()
            #expect(message.stream == 3)
            #expect(failure(message.response)?.code == 0x1001)
        }
    }

    @Test("A client that reads late gets everything")
    func slowReader() async throws {
        try await withServer(shards: 1, { $0.responseByteLimit = 64 << 10 }) { server, _ in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            let text = String(repeating: "x", count: 60_000)
            for round in 0..<20 { client.send([query(text)], stream: Int16(round)) }
            for _ in 0..<20 { #expect(echo(try client.receive().response) == text) }
        }
    }

    @Test("A client that is done sending still gets its answers")
    func halfClosed() async throws {
        try await withServer { server, handler in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            client.send([query("hold"), query("hold")])
            client.closeOutput()
            await handler.waitForHeld(2)
            handler.release()
            _ = try client.receive()
            _ = try client.receive()
            #expect(try client.frame() == nil)
        }
    }

    @Test("Events reach the clients that registered for their kind, on stream -1")
    func events() async throws {
        try await withServer { server, _ in
            let listener = try RawClient(port: server.port)
            try listener.start(.v5)
            _ = try listener.ask(.register([.schemaChange]))
            let change = SchemaNotice(.created, keyspace: "k", target: .keyspace)
            server.broadcast(.statusChange(.up, Endpoint(address: [127, 0, 0, 1], port: 1)))
            server.broadcast(.schemaChange(change))
            let message = try listener.receive()
            #expect(message.stream == -1)
            guard case .event(.schemaChange(change)) = message.response else {
                Issue.record("not the event that was registered for")
                return
            }
        }
    }

    @Test("On the shard-aware port the client's port chooses the shard")
    func shardAwarePort() async throws {
        try await withServer(shards: 3, { $0.shardAwarePort = 0 }) { server, _ in
            let port = try #require(server.shardAwarePort)
            for _ in 0..<8 {
                let client = try RawClient(port: port)
                guard case .supported(let options) = try client.ask(.options) else {
                    Issue.record("OPTIONS was not answered with SUPPORTED")
                    return
                }
                #expect(options["SCYLLA_SHARD"] == [String(client.localPort % 3)])
                #expect(options["SCYLLA_SHARD_AWARE_PORT"] == [String(port)])
                try client.start(.v5)
                #expect(echo(try client.ask(query("x"))) == "x")
            }
        }
    }

    @Test("Shutdown answers what is in work and takes nothing new")
    func gracefulShutdown() async throws {
        try await withServer { server, handler in
            let client = try RawClient(port: server.port)
            try client.start(.v5)
            client.send([query("hold")])
            await handler.waitForHeld(1)
            let done = Task.detached { await server.shutdown(gracePeriod: 20_000_000_000) }
            handler.release()
            _ = try client.receive()
            #expect(try client.frame() == nil)
            client.closeOutput()
            await done.value
            #expect(throws: RawClient.Failure.self) { _ = try RawClient(port: server.port) }
        }
    }

    @Test("A connection over the limit is closed")
    func connectionLimit() async throws {
        try await withServer({ $0.connectionLimit = 1 }) { server, _ in
            let first = try RawClient(port: server.port)
            try first.start(.v5)
            let second = try RawClient(port: server.port)
            #expect(try second.frame() == nil)
            #expect(echo(try first.ask(query("x"))) == "x")
        }
    }

    @Test("A port that is taken is an error that names it")
    func takenPort() async throws {
        try await withServer { server, handler in
            let loops = ShardLoops(count: 1)
            var settings = CQLServerSettings(shards: ShardMap(count: 1))
            settings.port = server.port
            let error = await #expect(throws: TransportError.self) {
                _ = try await CQLServer.start(settings, on: loops, handler: handler)
            }
            #expect(error?.message.contains(":\(server.port)") == true)
            await loops.shutdown()
        }
    }
}

@Suite("Event loops as executors")
struct EventLoopExecutorTests {
    @Test("Jobs and tasks run in order on the shard's loop")
    func order() async {
        let loops = ShardLoops(count: 2)
        let executor = loops.executors[1]
        #expect(!executor.isCurrent)
        #expect(loops.shard(of: executor.eventLoop) == 1)
        await withCheckedContinuation { continuation in
            executor.schedule(after: 1000) {
                executor.execute { continuation.resume() }
            }
        }
        let isThere = await Task(executorPreference: executor) { executor.isCurrent }.value
        #expect(isThere)
        await loops.shutdown()
    }
}
