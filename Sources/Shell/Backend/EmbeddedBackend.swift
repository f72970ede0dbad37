// SPDX-License-Identifier: Apache-2.0

internal import CQL
internal import CQLProtocol
internal import Environment
internal import Node
internal import Storage

/// A database in this process, without a server: a node's engine over a data folder.
final class EmbeddedBackend: ShellBackend {
    let place: String
    let protocolVersion: Int? = nil
    private let node: Node
    private let processor: QueryProcessor
    private let shards: [ThreadExecutor]
    private let background: ThreadPoolExecutor

    /// Opens the folder, making it if there is none.
    ///
    /// - Throws: `ShellError` when another process has it open, or something in it is damaged.
    init(folder: String) async throws(ShellError) {
        place = folder
        let background = ThreadPoolExecutor(threads: 2)
        let shards = [ThreadExecutor(name: "shard 0")]
        let environment = Environment(
            fileSystem: POSIXFileSystem(),
            clock: SystemClock(),
            random: SystemRandom(),
            background: background
        )
        do throws(NodeError) {
            node = try Node.open(
                environment: environment,
                options: NodeOptions(dataDirectory: folder, shardCount: shards.count),
                executors: shards,
                systemSchema: QueryProcessor.systemSchema
            )
        } catch {
            for shard in shards { shard.stop() }
            background.stop()
            throw ShellError(connection: "cannot open \(folder): \(error)")
        }
        processor = QueryProcessor(node: node, system: SystemContext(hostID: node.hostID))
        self.shards = shards
        self.background = background
        // Logged batches that a crash cut short are finished first, as a server does.
        let replayed = await withCheckedContinuation { continuation in
            BatchReplayer(node, notice: { _ in }).replayAll { continuation.resume(returning: $0) }
        }
        if case .failure(let error) = replayed {
            throw ShellError(connection: "cannot finish the batches in \(folder): \(error.message)")
        }
    }

    func execute(
        _ statement: String,
        options: StatementOptions
    ) async throws(ShellError) -> ShellResult {
        let origin = StatementOrigin(keyspace: options.keyspace)
        let outcome: StatementOutcome = await withCheckedContinuation { continuation in
            processor.query(statement, options.parameters, origin) { outcome in
                continuation.resume(returning: outcome)
            }
        }
        let response: Response =
            switch outcome.result {
            case .success(let result): .result(result)
            case .failure(let error): .error(error)
            }
        return try ShellResult(
            ResponseMessage(stream: 0, warnings: outcome.warnings, response: response)
        )
    }

    /// Flushes what is in memory, so that the next start has nothing to replay.
    func close() async throws(ShellError) {
        let failure: StorageError? = await withCheckedContinuation { continuation in
            node.close { error in continuation.resume(returning: error) }
        }
        for shard in shards { shard.stop() }
        background.stop()
        if let failure {
            throw ShellError(connection: "cannot put \(place) in order at the end: \(failure)")
        }
    }
}
