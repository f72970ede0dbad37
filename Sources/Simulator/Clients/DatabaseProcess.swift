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
    private let batches: BatchReplayer
    private var random: SplitMix64
    package private(set) var isReady = false

    /// Opens the node's files.
    ///
    /// - Parameter seeds: the nodes of its cluster to ask at first; none for a node on its own.
    /// - Parameter replaces: the lost node whose place it takes.
    /// - Parameter note: told what a node's log says.
    package init(
        _ outside: Machine.Outside,
        options: NodeOptions,
        seeds: [NodeAddress],
        replaces: NodeAddress? = nil,
        note: @escaping @Sendable (String) -> Void
    ) throws {
        node = try Node.open(
            environment: outside.environment,
            options: options,
            executors: outside.shards,
            systemSchema: QueryProcessor.systemSchema
        )
        processor = QueryProcessor(node: node, system: SystemContext(hostID: node.hostID))
        random = SplitMix64(seed: outside.environment.random.next())
        batches = BatchReplayer(node, notice: note)
        guard !seeds.isEmpty else {
            batches.start { [self] in isReady = true }
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
        member.beforeLeaving { [batches] done in batches.replayAll { _ in done() } }
        member.whenReady { [self] in batches.start { [self] in isReady = true } }
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
        batches.stop()
        guard let member = node.member else { return node.close { _ in done() } }
        member.stop { [node] in node.close { _ in done() } }
    }
}
