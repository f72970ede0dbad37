// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Cluster
internal import Model
internal import Node

/// Where a mutation goes: to a shard of this node, or to the replicas of a token.
struct WriteTarget: Hashable, Comparable, Sendable {
    let shard: Int
    /// The keyspace whose replicas get it; empty when this node's shard alone does.
    let keyspace: String
    /// The partition's token; of no meaning when a shard of this node gets it.
    let token: Model.Token

    init(shard: Int) {
        self.shard = shard
        keyspace = ""
        token = .min
    }

    init(shard: Int, keyspace: String, token: Model.Token) {
        self.shard = shard
        self.keyspace = keyspace
        self.token = token
    }

    static func < (a: WriteTarget, b: WriteTarget) -> Bool {
        (a.shard, a.keyspace, a.token) < (b.shard, b.keyspace, b.token)
    }
}

extension QueryProcessor {
    /// Where a keyspace's rows are if other nodes have to be asked; nil when this node's store alone
    /// answers.
    func placement(of keyspace: String) -> ClusterView.Placement? {
        guard let view = node.coordinator?.view, !view.isAlone else { return nil }
        return view.placement(of: keyspace)
    }

    /// The replicas to ask for a keyspace's rows; nil when this node's store alone answers.
    func replicas(of keyspace: String, _ level: Consistency) -> ReplicaSource? {
        guard let coordinator = node.coordinator, let placement = placement(of: keyspace) else {
            return nil
        }
        return ReplicaSource(coordinator: coordinator, keyspace: keyspace, map: placement.map, level: level)
    }

    /// Where the mutation of a partition goes.
    func target(of token: Model.Token, keyspace: String) -> WriteTarget {
        let shard = node.shardMap.shard(of: token)
        guard placement(of: keyspace) != nil else { return WriteTarget(shard: shard) }
        return WriteTarget(shard: shard, keyspace: keyspace, token: token)
    }
}

extension CQLError {
    /// What a client is told of a write that its replicas didn't confirm; nil if they did.
    init?(_ outcome: ReplicaOutcome, _ level: Consistency, _ type: WriteType, _ coordinator: Coordinator) {
        switch outcome {
        case .success: return nil
        case .overloaded(let limit): self = .overloaded(limit)
        case .unavailable(let required, let alive):
            self = .unavailable(level, required, alive)
        case .timeout(let received, let required, _):
            self.init(
                .writeTimeout(Answers(level, received, required), type),
                "the write timed out at \(level): \(received) of \(required) replicas have confirmed it;"
                    + " it may still happen, and can be sent again if it is idempotent"
            )
        case .failure(let received, let required, let failures, _):
            self.init(
                .writeFailure(
                    Answers(level, received, required),
                    Failures(failures, coordinator),
                    type
                ),
                "the write failed at \(level): \(received) of \(required) replicas have confirmed it, and "
                    + CQLError.sentence(failures, coordinator)
            )
        }
    }

    /// What a client is told of a read that gave nothing.
    init(_ refusal: ReadRefusal, _ level: Consistency, _ coordinator: Coordinator) {
        switch refusal {
        case .malformed(let id, let error):
            self.init(.server, "the answer of node \(id) can't be decoded: \(error)")
        case .outcome(.overloaded(let limit)): self = .overloaded(limit)
        case .outcome(.unavailable(let required, let alive)):
            self = .unavailable(level, required, alive)
        case .outcome(.timeout(let received, let required, let hasData)):
            self.init(
                .readTimeout(Answers(level, received, required), dataPresent: hasData),
                "the read timed out at \(level): \(received) of \(required) replicas have answered"
            )
        case .outcome(.failure(let received, let required, let failures, let hasData)):
            self.init(
                .readFailure(
                    Answers(level, received, required),
                    Failures(failures, coordinator),
                    dataPresent: hasData
                ),
                "the read failed at \(level): \(received) of \(required) replicas have answered, and "
                    + CQLError.sentence(failures, coordinator)
            )
        case .outcome(.success):
            self.init(.server, "a read that succeeded was refused")
        }
    }

    static func overloaded(_ limit: Int) -> CQLError {
        CQLError(
            .overloaded,
            "nothing was done: \(limit) requests of this shard wait for other nodes already, the most that may;"
                + " try again later, with fewer at once"
        )
    }

    static func unavailable(_ level: Consistency, _ required: Int, _ alive: Int) -> CQLError {
        CQLError(
            .unavailable(
                level,
                required: Int32(clamping: required),
                alive: Int32(clamping: alive)
            ),
            "Cannot achieve consistency level \(level): it needs \(required) replicas, and \(alive) are"
                + " alive"
        )
    }

    private static func sentence(_ failures: [Cluster.ReplicaFailure], _ coordinator: Coordinator) -> String {
        failures.map { failure in
            let address = coordinator.view.node(failure.id)?.address.description
            return "\(address ?? failure.id.description) says: \(failure.failure.text)"
        }.joined(separator: "; ")
    }
}

extension CQLError.Answers {
    init(_ level: Consistency, _ received: Int, _ required: Int) {
        self.init(level, received: Int32(clamping: received), required: Int32(clamping: required))
    }
}

extension CQLError.Failures {
    init(_ failures: [Cluster.ReplicaFailure], _ coordinator: Coordinator) {
        self.init(
            failures.map { failure in
                let reason = failure.failure.reason.rawValue
                return CQLError.ReplicaFailure(
                    address: coordinator.view.node(failure.id)?.address.ip ?? [0, 0, 0, 0],
                    // Clients know Cassandra's reasons only.
                    reason: reason < 0x100 ? reason : 0
                )
            }
        )
    }
}
