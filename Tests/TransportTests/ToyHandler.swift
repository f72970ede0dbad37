// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model
import Synchronization
import Transport

/// Answers a QUERY with its own text, at once, later, or when told.
final class ToyHandler: CQLRequestHandler {
    private struct State {
        var held: [CQLResponder] = []
        var mostHeld = 0
        var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var closedCount = 0
        var shards: Set<Int> = []
    }

    private let state = Mutex(State())

    func handle(
        _ message: RequestMessage,
        on connection: CQLConnection,
        responder: CQLResponder
    ) {
        guard case .query(let text, _) = message.request else {
            return responder(.error(CQLError(.invalid, "only QUERY")))
        }
        if text == "hold" {
            let ready = state.withLock { state in
                state.held.append(responder)
                state.mostHeld = max(state.mostHeld, state.held.count)
                let ready = state.waiting.filter { $0.count <= state.held.count }
                state.waiting.removeAll { $0.count <= state.held.count }
                return ready
            }
            for waiter in ready { waiter.continuation.resume() }
        } else if text == "elsewhere" {
            Task.detached { responder(.result(.setKeyspace(text))) }
        } else if text == "traced" {
            responder(
                ResponseMessage(
                    stream: 0,
                    tracingID: message.isTraced ? UUID(high: 1, low: 2) : nil,
                    warnings: ["w"],
                    response: .result(.void)
                )
            )
        } else {
            responder(.result(.setKeyspace(text)))
        }
    }

    func connectionClosed(_ connection: CQLConnection) {
        state.withLock {
            $0.closedCount += 1
            $0.shards.insert(connection.shard)
        }
    }

    /// Waits until `count` requests are held.
    func waitForHeld(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.held.count >= count { return true }
                state.waiting.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    /// Answers what is held, and returns how many that were.
    @discardableResult
    func release() -> Int {
        let held = state.withLock { state in
            let held = state.held
            state.held = []
            return held
        }
        for responder in held { responder(.result(.void)) }
        return held.count
    }

    var mostHeld: Int { state.withLock { $0.mostHeld } }
}

/// A server with the toy handler for the length of a test.
func withServer(
    shards: Int = 2,
    _ change: (inout CQLServerSettings) -> Void = { _ in },
    _ body: (CQLServer, ToyHandler) async throws -> Void
) async throws {
    let loops = ShardLoops(count: shards)
    var settings = CQLServerSettings(shards: ShardMap(count: shards, ignoredBits: 12))
    settings.port = 0
    change(&settings)
    let handler = ToyHandler()
    let server = try await CQLServer.start(settings, on: loops, handler: handler)
    // The body blocks on its socket, so it has a thread of its own.
    let client = ShardLoops(count: 1)
    let result: Result<Void, any Error>
    do {
        try await withTaskExecutorPreference(client.executors[0]) {
            try await body(server, handler)
        }
        result = .success(())
    } catch {
        result = .failure(error)
    }
    handler.release()
    await server.shutdown(gracePeriod: 0)
    await loops.shutdown()
    await client.shutdown()
    try result.get()
}
