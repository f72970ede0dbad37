// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Synchronization

/// Waits for the first of several attempts that succeeds, or for the last that fails.
final class AnswerRace: Sendable {
    typealias Answer = Result<ResponseMessage, ClientError>

    private struct State {
        var running = 0
        var answer: Answer?
        var waiter: CheckedContinuation<Answer, Never>?
    }

    private let state = Mutex(State())

    /// An attempt begins; false when there is an answer already.
    func begin() -> Bool {
        state.withLock { state in
            guard state.answer == nil else { return false }
            state.running += 1
            return true
        }
    }

    /// An attempt has ended.
    func end(_ answer: Answer) {
        let waiter = state.withLock { state -> CheckedContinuation<Answer, Never>? in
            state.running -= 1
            var isSuccess = false
            if case .success = answer { isSuccess = true }
            guard state.answer == nil, isSuccess || state.running == 0 else { return nil }
            state.answer = answer
            return state.waiter.take()
        }
        waiter?.resume(returning: answer)
    }

    /// The answer; called once.
    func wait() async -> Answer {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state in
                if state.answer == nil { state.waiter = continuation }
                return state.answer
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }
}
