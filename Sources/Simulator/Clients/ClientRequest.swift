// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
package import Model

/// What a client asks of a node.
package struct ClientRequest: Sendable {
    /// A statement, or those of a logged batch.
    package var statements: [String]
    package var isBatch = false
    package var consistency = Consistency.quorum
    /// Microseconds; nil for the node's own.
    package var timestamp: Int64?

    package init(
        _ statement: String,
        consistency: Consistency = .quorum,
        timestamp: Int64? = nil
    ) {
        statements = [statement]
        self.consistency = consistency
        self.timestamp = timestamp
    }

    /// A logged batch.
    package init(batch: [String], consistency: Consistency = .quorum, timestamp: Int64?) {
        statements = batch
        isBatch = true
        self.consistency = consistency
        self.timestamp = timestamp
    }

    /// What is known after this error.
    func outcome(_ error: CQLError) -> RequestOutcome {
        let text = error.description
        switch error.kind {
        case .syntax, .unauthorized, .config, .alreadyExists, .unprepared, .unavailable, .bootstrapping,
            .protocolViolation, .badCredentials:
            return .refused(text)
        case .invalid:
            // Of a batch over several shards, one may find its table gone and another not.
            return isBatch ? .unknown(text) : .refused(text)
        default: return .unknown(text)
        }
    }
}

/// A process that answers clients: what workloads run against.
package protocol ClientService: Machine.Process {
    /// Whether it takes requests.
    var isReady: Bool { get }
    /// Answers a request, within this call or later. `completion` may be dropped.
    func answer(_ request: ClientRequest, _ completion: @escaping @Sendable (RequestOutcome) -> Void)
}
