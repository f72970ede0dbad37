// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Client
import Environment
import Model
import Synchronization
import Testing
import Transport

private func parameters(of number: Int64) -> QueryParameters {
    var builder = BoundValuesBuilder()
    builder.append(integer: number)
    return QueryParameters(values: builder.finish())
}

private func token(_ number: Int64) -> Token {
    ValueCoding.int64(number).withView { Token(partitionKey: $0) }
}

/// Waits until `condition` holds, for 20 seconds at most.
private func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    let timer = ThreadExecutor(name: "timer")
    defer { timer.stop() }
    for _ in 0..<400 {
        if try await condition() { return true }
        await withCheckedContinuation { continuation in
            timer.schedule(after: 50_000_000) { continuation.resume() }
        }
    }
    return false
}

@Suite("Cluster client")
struct ClusterClientTests {
    private func withCluster(
        _ dataCenters: [String] = ["dc1", "dc1", "dc1"],
        factor: Int = 1,
        _ change: (inout RoutingSettings) -> Void = { _ in },
        _ body: (ClusterClient, ToyCluster, ShardLoops) async throws -> Void
    ) async throws {
        let loops = ShardLoops(count: 1)
        let cluster = ToyCluster(dataCenters: dataCenters, factor: factor)
        try await cluster.start(on: loops)
        var settings = ClientSettings(
            hosts: [ToyCluster.host(0)],
            port: cluster.state.withLock { $0.ports[0] }
        )
        settings.requestTimeout = 5_000_000_000
        var routing = RoutingSettings()
        change(&routing)
        let result: Result<Void, any Error>
        do {
            let client = try await ClusterClient.connect(settings, routing)
            do {
                result = .success(try await body(client, cluster, loops))
            } catch {
                result = .failure(error)
            }
            await client.close()
        } catch {
            result = .failure(error)
        }
        await cluster.stopAll()
        await loops.shutdown()
        try result.get()
    }

    @Test("Each request goes to a replica of its partition, and statements are prepared where they aren't yet")
    func tokens() async throws {
        try await withCluster { client, cluster, _ in
            let statement = try await client.prepare("INSERT")
            var expected = [0, 0, 0]
            for number in 0..<60 as Range<Int64> {
                _ = try await client.execute(statement, parameters(of: number))
                expected[cluster.owner(of: token(number))] += 1
            }
            #expect(cluster.takeExecuted() == expected)
            #expect(expected.allSatisfy { $0 > 0 })
            #expect(cluster.state.withLock { $0.prepared } == [1, 1, 1])
        }
    }

    @Test("Among replicas the strategy chooses", arguments: RoutingStrategy.allCases)
    func strategies(strategy: RoutingStrategy) async throws {
        try await withCluster(factor: 2, { $0.strategy = strategy }) { client, cluster, _ in
            let statement = try await client.prepare("INSERT")
            let number = try #require((0..<100).first { cluster.owner(of: token($0)) == 1 })
            for _ in 0..<40 { _ = try await client.execute(statement, parameters(of: number)) }
            let executed = cluster.takeExecuted()
            // Node 2 follows node 1 on the ring.
            #expect(executed[0] == 0)
            #expect(executed[1] + executed[2] == 40)
            if strategy == .addressHash {
                #expect(executed.contains(40))
            } else {
                #expect(executed[1] > 0 && executed[2] > 0)
            }
        }
    }

    @Test("Nodes of another data center get nothing")
    func dataCenters() async throws {
        try await withCluster(["dc1", "dc2", "dc1", "dc2"], factor: 2) { client, cluster, _ in
            let statement = try await client.prepare("INSERT")
            for number in 0..<60 as Range<Int64> { _ = try await client.execute(statement, parameters(of: number)) }
            let executed = cluster.takeExecuted()
            #expect(executed[1] == 0 && executed[3] == 0)
            #expect(executed[0] + executed[2] == 60)
        }
        await #expect(throws: ClientError.self) {
            try await withCluster([" dc1"], { $0.dataCenter = "dc7" }) { _, _, _ in }
        }
    }

    @Test("When a node goes, what may be executed twice is executed elsewhere, and when it's back, it's used again")
    func lostNode() async throws {
        try await withCluster(factor: 3) { client, cluster, loops in
            let statement = try await client.prepare("INSERT")
            await cluster.stop(2)
            for number in 0..<100 as Range<Int64> {
                _ = try await client.execute(statement, parameters(of: number), isIdempotent: true)
            }
            #expect(cluster.takeExecuted()[0..<2].reduce(0, +) == 100)
            try await cluster.restart(2, on: loops)
            let isBack = try await eventually {
                for number in 0..<10 as Range<Int64> { _ = try await client.execute(statement, parameters(of: number)) }
                return cluster.takeExecuted()[2] > 0
            }
            #expect(isBack)
        }
    }

    @Test("The node that tells of changes may go, too")
    func lostControl() async throws {
        try await withCluster(factor: 3) { client, cluster, loops in
            let statement = try await client.prepare("INSERT")
            for number in 0..<3 {
                await cluster.stop(number)
                for key in 0..<20 as Range<Int64> {
                    _ = try await client.execute(statement, parameters(of: key), isIdempotent: true)
                }
                try await cluster.restart(number, on: loops)
                _ = cluster.takeExecuted()
                let isBack = try await eventually {
                    for key in 0..<10 as Range<Int64> {
                        _ = try await client.execute(statement, parameters(of: key), isIdempotent: true)
                    }
                    return cluster.takeExecuted()[number] > 0
                }
                #expect(isBack, "node \(number)")
            }
        }
    }

    @Test("A node that is overloaded is passed over, also for what may be executed only once")
    func overloaded() async throws {
        try await withCluster(factor: 3) { client, cluster, _ in
            let statement = try await client.prepare("INSERT")
            cluster.behave(1, .fails(.overloaded))
            for number in 0..<100 as Range<Int64> { _ = try await client.execute(statement, parameters(of: number)) }
            let executed = cluster.takeExecuted()
            // Five refusals open its breaker.
            #expect((1...10).contains(executed[1]), "\(executed)")
            #expect(executed[0] + executed[2] == 100)
        }
    }

    @Test("What may have happened isn't done again unless it may be, and retries have their budget")
    func retries() async throws {
        try await withCluster(factor: 3) { client, cluster, _ in
            let statement = try await client.prepare("INSERT")
            let answers = CQLError.Answers(.quorum, received: 1, required: 2)
            for node in 0..<3 { cluster.behave(node, .fails(.writeTimeout(answers, .simple))) }
            await #expect(throws: ClientError.self) { _ = try await client.execute(statement, parameters(of: 1)) }
            #expect(cluster.takeExecuted().reduce(0, +) == 1)
            await #expect(throws: ClientError.self) {
                _ = try await client.execute(statement, parameters(of: 1), isIdempotent: true)
            }
            #expect(cluster.takeExecuted() == [1, 1, 1])
            for _ in 0..<100 { _ = try? await client.execute(statement, parameters(of: 1), isIdempotent: true) }
            // Eight of the ten that are kept are left, and a tenth of a hundred comes.
            let sum = cluster.takeExecuted().reduce(0, +)
            #expect((110...120).contains(sum), "\(sum)")
        }
    }

    @Test("A read that takes long is sent to a second node, whose answer is taken")
    func hedging() async throws {
        try await withCluster(factor: 3, { $0.hedgingPercentile = 99 }) { client, cluster, _ in
            let statement = try await client.prepare("SELECT")
            for number in 0..<200 as Range<Int64> { _ = try await client.execute(statement, parameters(of: number)) }
            _ = cluster.takeExecuted()
            cluster.behave(0, .holds)
            // Ten are kept, so that all reads that node 0 holds have their second.
            for number in 0..<8 as Range<Int64> { _ = try await client.execute(statement, parameters(of: number)) }
            let executed = cluster.takeExecuted()
            #expect(executed[1] + executed[2] >= 8)
            for responder in cluster.state.withLock({ $0.held }) { responder(.result(.void)) }
        }
    }
}
