// SPDX-License-Identifier: Apache-2.0

internal import CQL
internal import CQLProtocol
internal import Environment
package import Model
package import Node
internal import Storage

/// A node as `tholos serve` has it, without the server: the engine, and CQL over it.
package final class DatabaseProcess: ClientService, @unchecked Sendable {  // Owner: the world's thread.
    package let node: Node
    private let processor: QueryProcessor
    private let failed: (String) -> Void
    private var random: SplitMix64
    package private(set) var isReady = false

    /// Opens the node's files.
    ///
    /// - Parameter seeds: the nodes of its cluster to ask at first; none for a node on its own.
    /// - Parameter replaces: the lost node whose place it takes.
    /// - Parameter note: told what a node's log says.
    /// - Parameter failed: called later if the process can't go on: it has to be ended then.
    package init(
        _ outside: Machine.Outside,
        options: NodeOptions,
        seeds: [NodeAddress],
        replaces: NodeAddress? = nil,
        note: @escaping @Sendable (String) -> Void,
        failed: @escaping (String) -> Void
    ) throws {
        node = try Node.open(
            environment: outside.environment,
            options: options,
            executors: outside.shards,
            systemSchema: QueryProcessor.systemSchema
        )
        processor = QueryProcessor(node: node, system: SystemContext(hostID: node.hostID))
        random = SplitMix64(seed: outside.environment.random.next())
        self.failed = failed
        guard !seeds.isEmpty else {
            BatchLog.replay(node) { [self] in replayed($0) }
            return
        }
        var settings = ClusterSettings(
            clusterName: "simulation",
            address: outside.network.address,
            clientAddress: outside.network.address,
            location: NodeLocation(dataCenter: "dc1", rack: "r1"),
            seeds: seeds
        )
        settings.tokenCount = 4
        settings.replaces = replaces
        let member = try ClusterMember.start(
            node,
            settings,
            network: outside.network,
            control: outside.control,
            notice: note
        )
        member.whenReady { [self, node] in BatchLog.replay(node) { [self] in replayed($0) } }
    }

    private func replayed(_ result: Result<Int, CQLError>) {
        switch result {
        case .success: isReady = true
        case .failure(let error): failed(error.description)
        }
    }

    package func answer(
        _ request: ClientRequest,
        _ completion: @escaping @Sendable (RequestOutcome) -> Void
    ) {
        // A connection lives on the loop of one shard.
        let shard = node.shards[random.pick(0...node.shards.count - 1)]
        let origin = StatementOrigin(shard: shard)
        let finish: QueryProcessor.Completion = { outcome in
            switch outcome.result {
            case .success(let result): completion(.answer(Answer(result)))
            case .failure(let error): completion(request.outcome(error))
            }
        }
        shard.executor.execute { [processor] in
            if request.isBatch {
                let batch = BatchRequest(
                    entries: request.statements.map { BatchRequest.Entry(.text($0)) },
                    consistency: request.consistency,
                    defaultTimestamp: request.timestamp
                )
                return processor.batch(batch, origin, finish)
            }
            let parameters = QueryParameters(
                consistency: request.consistency,
                defaultTimestamp: request.timestamp
            )
            processor.query(request.statements[0], parameters, origin, finish)
        }
    }

    /// Flushes and closes everything.
    package func close(_ done: @escaping @Sendable () -> Void) {
        guard let member = node.member else { return node.close { _ in done() } }
        member.stop { [node] in node.close { _ in done() } }
    }
}
