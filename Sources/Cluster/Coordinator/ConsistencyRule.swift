// SPDX-License-Identifier: Apache-2.0

package import Model

/// How many replicas a keyspace has, in all and in each data center.
package struct ReplicationFactors: Hashable, Sendable {
    package let total: Int
    /// Sorted by name; empty when data centers don't matter (SimpleStrategy).
    package let byDataCenter: [(name: String, factor: Int)]

    package init(total: Int) {
        self.total = total
        byDataCenter = []
    }

    package init(byDataCenter: [(name: String, factor: Int)]) {
        self.byDataCenter = byDataCenter.sorted { $0.name < $1.name }
        total = byDataCenter.reduce(0) { $0 + $1.factor }
    }

    /// The replicas in a data center; all of them when data centers don't matter.
    package func factor(of dataCenter: String) -> Int {
        if byDataCenter.isEmpty { return total }
        return byDataCenter.first { $0.name == dataCenter }?.factor ?? 0
    }

    package static func == (a: ReplicationFactors, b: ReplicationFactors) -> Bool {
        a.total == b.total && a.byDataCenter.elementsEqual(b.byDataCenter, by: ==)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(total)
        for (name, factor) in byDataCenter {
            hasher.combine(name)
            hasher.combine(factor)
        }
    }
}

/// What a consistency level asks for with a keyspace's replication: how many answers, and from where.
package struct ConsistencyRule: Hashable, Sendable {
    package let level: Consistency
    /// How many answers are needed, of those that count.
    package let required: Int
    /// EACH_QUORUM: how many are needed in each data center; empty for all other levels.
    package let requiredByDataCenter: [(name: String, count: Int)]
    /// The only data center whose answers count; nil when all do.
    package let onlyDataCenter: String?

    /// - Parameter localDataCenter: the coordinator's.
    package init(
        _ level: Consistency,
        _ factors: ReplicationFactors,
        localDataCenter: String
    ) {
        self.level = level
        let quorum = { (factor: Int) in factor / 2 + 1 }
        let isSpread = !factors.byDataCenter.isEmpty
        var each: [(name: String, count: Int)] = []
        switch level {
        case .any, .one: required = 1
        case .localOne: required = 1
        case .two: required = 2
        case .three: required = 3
        case .quorum, .serial: required = quorum(factors.total)
        case .all: required = factors.total
        case .localQuorum, .localSerial:
            required = quorum(factors.factor(of: localDataCenter))
        case .eachQuorum:
            each = factors.byDataCenter.filter { $0.factor > 0 }.map { ($0.name, quorum($0.factor)) }
            required = each.isEmpty ? quorum(factors.total) : each.reduce(0) { $0 + $1.count }
        }
        requiredByDataCenter = each
        let isLocal = level == .localOne || level == .localQuorum || level == .localSerial
        onlyDataCenter = isLocal && isSpread ? localDataCenter : nil
    }

    /// Whether an answer from a data center counts.
    package func counts(_ dataCenter: String) -> Bool {
        onlyDataCenter.map { $0 == dataCenter } ?? true
    }

    /// Whether answers from these data centers, one for each answer, are enough.
    ///
    /// - Parameter pending: the data centers of those that will own the range: for each of them one answer more
    ///   is needed there.
    package func isMet(by dataCenters: [String], pending: [String] = []) -> Bool {
        for (name, count) in requiredByDataCenter {
            let extra = pending.count { $0 == name }
            guard dataCenters.count(where: { $0 == name }) >= count + extra else { return false }
        }
        return dataCenters.count(where: counts) >= required + pending.count(where: counts)
    }

    package static func == (a: ConsistencyRule, b: ConsistencyRule) -> Bool {
        a.level == b.level && a.required == b.required && a.onlyDataCenter == b.onlyDataCenter
            && a.requiredByDataCenter.elementsEqual(b.requiredByDataCenter, by: ==)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(level)
        hasher.combine(required)
        hasher.combine(onlyDataCenter)
    }
}

/// A replica as a coordinator sees it when a request begins.
package struct Replica: Hashable, Sendable {
    package let id: NodeID
    package let dataCenter: String
    package let isAlive: Bool
    /// Whether it will own the token after a change of the ring that is under way.
    package let isPending: Bool

    package init(_ id: NodeID, dataCenter: String, isAlive: Bool, isPending: Bool = false) {
        self.id = id
        self.dataCenter = dataCenter
        self.isAlive = isAlive
        self.isPending = isPending
    }
}

/// How a request to replicas ended.
package enum ReplicaOutcome: Hashable, Sendable {
    case success
    /// So many requests wait for replicas that this one wasn't begun.
    case overloaded(limit: Int)
    /// Too few replicas were alive: nothing was sent.
    case unavailable(required: Int, alive: Int)
    /// Too few answered in time. `hasData`: whether a read had an answer with data.
    case timeout(received: Int, required: Int, hasData: Bool)
    /// So many failed that too few were left.
    case failure(received: Int, required: Int, failures: [ReplicaFailure], hasData: Bool)
}

/// A replica that couldn't do what it was asked, and why.
package struct ReplicaFailure: Hashable, Sendable {
    package let id: NodeID
    package let failure: RequestFailure

    package init(_ id: NodeID, _ failure: RequestFailure) {
        self.id = id
        self.failure = failure
    }
}
