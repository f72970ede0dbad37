// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
import Synchronization

/// Waits for the shards that look through the batch log and for the batches that they find.
final class ReplayGate: Sendable {
    private struct State {
        var shardsLeft: Int
        var batchesLeft = 0
        var found = 0
        var error: CQLError?
    }

    private let state: Mutex<State>
    private let done: @Sendable (Result<Int, CQLError>) -> Void

    init(count: Int, _ done: @escaping @Sendable (Result<Int, CQLError>) -> Void) {
        state = Mutex(State(shardsLeft: count))
        self.done = done
    }

    func expect(_ batches: Int) {
        state.withLock {
            $0.batchesLeft += batches
            $0.found += batches
        }
    }

    func finishBatch(_ error: CQLError?) { finish(error) { $0.batchesLeft -= 1 } }

    func finishShard(_ error: CQLError?) { finish(error) { $0.shardsLeft -= 1 } }

    private func finish(_ error: CQLError?, _ count: (inout State) -> Void) {
        let result = state.withLock { state -> Result<Int, CQLError>? in
            count(&state)
            state.error = state.error ?? error
            // After an error nobody waits for the rest.
            guard state.shardsLeft == 0, state.batchesLeft == 0 || state.error != nil else {
                return nil
            }
            state.shardsLeft = -1
            return state.error.map { .failure($0) } ?? .success(state.found)
        }
        if let result { done(result) }
    }
}
