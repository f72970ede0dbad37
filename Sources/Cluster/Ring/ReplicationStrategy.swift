// SPDX-License-Identifier: Apache-2.0

/// How many replicas a data center keeps.
package struct DataCenterFactor: Hashable, Sendable {
    package let dataCenter: String
    /// At least 1.
    package let factor: Int

    package init(dataCenter: String, factor: Int) {
        self.dataCenter = dataCenter
        self.factor = factor
    }
}

/// Which nodes keep a copy of a token's rows: a keyspace's `replication`.
package enum ReplicationStrategy: Hashable, Sendable {
    /// Every node keeps its own rows, and nobody else's: the system keyspaces.
    case local
    /// The next `factor` nodes on the ring, wherever they stand.
    case simple(factor: Int)
    /// For each data center so many nodes, in as many racks as there are; in order of the names.
    case networkTopology([DataCenterFactor])

    /// The most replicas that options may ask for, in total or in a data center.
    package static let factorMax = 1000

    /// The strategy of options as a schema stores them: `class` with its full name, factors as
    /// numbers.
    ///
    /// Nil for anything else.
    package init?(options: [String: String]) {
        var factors = options
        let prefix = "org.apache.cassandra.locator."
        guard let name = factors.removeValue(forKey: "class"), name.hasPrefix(prefix) else {
            return nil
        }
        var parsed: [DataCenterFactor] = []
        for (key, value) in factors.sorted(by: { $0.key < $1.key }) {
            guard let factor = Int(value), factor >= 0, factor <= Self.factorMax else { return nil }
            if factor > 0 { parsed.append(DataCenterFactor(dataCenter: key, factor: factor)) }
        }
        switch name.dropFirst(prefix.count) {
        case "LocalStrategy":
            self = .local
        case "SimpleStrategy":
            guard factors.count == 1, factors["replication_factor"] != nil else { return nil }
            self = .simple(factor: parsed.first?.factor ?? 0)
        case "NetworkTopologyStrategy":
            self = .networkTopology(parsed)
        default:
            return nil
        }
    }

    /// The replicas that it asks for, of all data centers together.
    ///
    /// There may be fewer nodes.
    package var factor: Int {
        switch self {
        case .local: 1
        case .simple(let factor): factor
        case .networkTopology(let factors): factors.reduce(0) { $0 + $1.factor }
        }
    }

    /// The replicas that it asks for in a data center.
    ///
    /// As in Cassandra that is all of them when the strategy doesn't know data centers.
    package func factor(in dataCenter: String) -> Int {
        guard case .networkTopology(let factors) = self else { return factor }
        return factors.first { $0.dataCenter == dataCenter }?.factor ?? 0
    }
}
