// SPDX-License-Identifier: Apache-2.0

internal import Cluster
internal import Environment
internal import Model

/// Writes one mutation to several nodes, of which all, or some, have to have it.
final class Delivery: @unchecked Sendable {  // Owner: the shard's executor.
    private let mutation: [UInt8]
    private var missing: Set<NodeID>
    /// How many of the missing ones needn't have it.
    private let spare: Int
    private var failureCount = 0
    private var isOver = false
    private let coordinator: Coordinator
    private let requests: PendingRequests
    private let owner: Shard
    private let done: @Sendable (String?) -> Void
    private var number: UInt64 = 0

    init(
        _ mutation: [UInt8],
        to ids: [NodeID],
        needs: Int? = nil,
        _ coordinator: Coordinator,
        _ requests: PendingRequests,
        owner: Shard,
        done: @escaping @Sendable (String?) -> Void
    ) {
        self.mutation = mutation
        missing = Set(ids)
        spare = missing.count - min(needs ?? missing.count, missing.count)
        self.coordinator = coordinator
        self.requests = requests
        self.owner = owner
        self.done = done
    }

    func start() {
        guard missing.count > spare else { return done(nil) }
        let view = coordinator.view
        number = requests.add(timeout: coordinator.options.writeTimeout) { [self] event in
            switch event {
            case .slow: break
            case .timeout:
                end("no answer from \(missing.map(\.description).sorted().joined(separator: ", "))")
            case .answer(let message, let address):
                guard let id = view.node(at: address) else { return }
                finish(id, message.kind == .writeAnswer ? nil : RequestFailure(answer: message))
            }
        }
        let request = WriteRequest(
            timeout: coordinator.options.writeTimeout / 1000,
            mutation: mutation
        )
        let message = InternodeMessage(.write, request: number, epoch: view.epoch, body: request.bytes)
        for id in missing.sorted() {
            id == view.local ? writeHere(view) : coordinator.send(message, to: id, view)
        }
    }

    private func writeHere(_ view: ClusterView) {
        coordinator.replica.write(parts: mutation, RequestTerms(epoch: view.epoch)) { [self] failure in
            owner.run { [self] _ in finish(view.local, failure) }
        }
    }

    /// A node has the mutation, or can't have it.
    private func finish(_ id: NodeID, _ failure: RequestFailure?) {
        guard missing.contains(id) else { return }
        // A table that was dropped since: there is nothing to be written.
        if let failure, failure.reason != .incompatibleSchema {
            failureCount += 1
            if failureCount > spare { end(failure.text) }
            return
        }
        missing.remove(id)
        if missing.count <= spare { end(nil) }
    }

    private func end(_ failure: String?) {
        guard !isOver else { return }
        isOver = true
        requests.remove(number)
        done(failure)
    }
}
