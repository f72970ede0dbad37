// SPDX-License-Identifier: Apache-2.0

import CQL
import CQLProtocol
internal import Environment
import Model
package import Node
import Storage
import Synchronization
import Transport

/// A running node with its listeners.
package final class NodeServer: Sendable {
    package let node: Node
    private let loops: ShardLoops
    private let pools: [ThreadPoolExecutor]
    private let cql: CQLServer
    private let batches: BatchReplayer
    private let cluster: ClusterPart?
    private let admin: HTTPServer?

    private init(
        node: Node,
        loops: ShardLoops,
        pools: [ThreadPoolExecutor],
        cql: CQLServer,
        batches: BatchReplayer,
        cluster: ClusterPart?,
        admin: HTTPServer?
    ) {
        self.batches = batches
        self.cluster = cluster
        self.node = node
        self.loops = loops
        self.pools = pools
        self.cql = cql
        self.admin = admin
    }

    /// The port of the CQL listener.
    package var cqlPort: Int { cql.port }
    /// The port on which a client's own port chooses the shard; nil if there is none.
    package var shardAwarePort: Int? { cql.shardAwarePort }
    /// The port on which `tholos admin` is answered; nil if there is none.
    package var adminPort: Int? { admin?.port }

    /// How many compactions run at once: one a core, and at least two, so that small ones need not wait for
    /// a large one.
    private static func compactors(_ configuration: Configuration, _ processorCount: Int) -> Int {
        configuration.concurrentCompactors ?? max(2, processorCount)
    }

    /// Opens the data folder, joins the cluster and starts the listeners.
    ///
    /// - Parameter notice: told of what goes on among the nodes, in sentences.
    package static func start(
        _ configuration: Configuration,
        processorCount: Int,
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> NodeServer {
        let shardCount = configuration.shardCount ?? processorCount
        let loops = ShardLoops(count: shardCount)
        let pools = [
            ThreadPoolExecutor(threads: shardCount + 1),
            ThreadPoolExecutor(threads: max(1, shardCount / 2)),
            ThreadPoolExecutor(
                threads: NodeServer.compactors(configuration, processorCount),
                name: "compaction",
                yields: true
            ),
            ThreadPoolExecutor(threads: max(8, shardCount * 4), name: "reading"),
        ]
        let environment = Environment(
            fileSystem: POSIXFileSystem(),
            clock: SystemClock(),
            random: SystemRandom(),
            background: pools[0],
            reading: pools[3],
            flushing: pools[1],
            compacting: pools[2]
        )
        let node = try Node.open(
            environment: environment,
            options: NodeOptions(
                configuration,
                shardCount: shardCount,
                compactors: compactors(configuration, processorCount)
            ),
            executors: loops.executors,
            systemSchema: QueryProcessor.systemSchema
        )
        let server = Mutex<CQLServer?>(nil)
        let box = ServerBox(server)
        let system = SystemContext(configuration, node)
        let processor = QueryProcessor(
            node: node,
            system: system,
            limits: QueryLimits(configuration)
        ) { notice in
            box.server.withLock { $0 }?.broadcast(.schemaChange(notice))
        }
        let cluster = try await ClusterPart.start(configuration, node, loops, notice: notice)
        if let cluster {
            cluster.member.onEvent { event in
                box.server.withLock { $0 }?.broadcast(Event(event))
            }
            cluster.member.onSchemaChange { edits in
                let server = box.server.withLock { $0 }
                for notice in SchemaNotice.notices(of: edits) { server?.broadcast(.schemaChange(notice)) }
            }
            await cluster.ready()
        }
        let batches = BatchReplayer(node, notice: notice)
        await withCheckedContinuation { continuation in
            batches.start { continuation.resume() }
        }
        cluster?.member.beforeLeaving { done in batches.replayAll { _ in done() } }
        var settings = CQLServerSettings(shards: node.shardMap)
        settings.host = configuration.rpcAddress
        settings.port = configuration.nativeTransportPort
        let shardAware = configuration.nativeTransportPortShardAware
        settings.shardAwarePort = shardAware == 0 ? nil : shardAware
        settings.frameLimit = configuration.nativeTransportFrameSizeMax
        settings.connectionLimit = configuration.nativeTransportConnectionsMax
        let cql = try await CQLServer.start(
            settings,
            on: loops,
            handler: RequestHandler(processor)
        )
        box.server.withLock { $0 = cql }
        // Its tokens are others' now, and it doesn't hear of changes any more.
        cluster?.member.whenLeft { Task { await cql.shutdown() } }
        let admin = try await startAdmin(configuration, node, system, processorCount, cql)
        return NodeServer(
            node: node,
            loops: loops,
            pools: pools,
            cql: cql,
            batches: batches,
            cluster: cluster,
            admin: admin
        )
    }

    /// The listener for operators, unless it is switched off.
    private static func startAdmin(
        _ configuration: Configuration,
        _ node: Node,
        _ system: SystemContext,
        _ processorCount: Int,
        _ cql: CQLServer
    ) async throws -> HTTPServer? {
        guard configuration.choosesAdminPort || configuration.adminPort > 0 else { return nil }
        let context = AdminContext(
            node: node,
            system: system,
            concurrentCompactors: compactors(configuration, processorCount),
            clientCount: { cql.connectionCount }
        )
        let service = AdminService(context: context)
        var settings = HTTPServerSettings()
        settings.host = configuration.adminHost
        settings.port = configuration.choosesAdminPort ? 0 : configuration.adminPort
        do {
            return try await HTTPServer.start(settings, name: "tholos admin") { request in
                await service.answer(request)
            }
        } catch {
            await cql.shutdown()
            throw TransportError("\(error); --admin-port names another port, or 0 for none")
        }
    }

    /// Finishes the requests that are in work, flushes everything and closes the files.
    package func stop() async throws(StorageError) {
        // Commands that wait for a compaction are answered when the node breaks it off.
        await admin?.refuse()
        await cql.shutdown()
        batches.stop()
        await cluster?.stop()
        let failure = await withCheckedContinuation { continuation in
            node.close { continuation.resume(returning: $0) }
        }
        await admin?.shutdown()
        await loops.shutdown()
        for pool in pools { pool.stop() }
        if let failure { throw failure }
    }
}

/// Where the listener is found once it is there.
private final class ServerBox: Sendable {
    let server: Mutex<CQLServer?>
    init(_ server: consuming Mutex<CQLServer?>) { self.server = server }
}

extension NodeOptions {
    /// The engine's part of a configuration. Sizes that are a node's are shared among its shards.
    init(_ configuration: Configuration, shardCount: Int, compactors: Int) {
        self.init(dataDirectory: configuration.dataDirectory, shardCount: shardCount)
        store.memtableSpace = max(configuration.memtableSpace / shardCount, 1 << 20)
        store.unflushedSpaceMax = store.memtableSpace * 3
        store.blockCacheSize = configuration.blockCacheSize / shardCount
        store.concurrentCompactions = max(2, compactors / shardCount)
        store.compactionThroughput = (configuration.compactionThroughput << 20) / shardCount
        store.diskReserve = configuration.diskReserve
        commitLog.segmentSize = configuration.commitLogSegmentSize
        switch configuration.commitLogSync {
        case .group: commitLog.sync = .group
        case .periodic:
            let period = configuration.commitLogSyncPeriod.components
            let milliseconds = period.seconds * 1000 + period.attoseconds / 1_000_000_000_000_000
            commitLog.sync = .periodic(milliseconds: Int(milliseconds))
        }
    }
}

extension QueryLimits {
    /// The query processor's part of a configuration.
    init(_ configuration: Configuration) {
        self.init()
        statementSizeMax = configuration.statementSizeMax
        preparedStatementsMax = configuration.preparedStatementsMax
        batchSizeFail = configuration.batchSizeFailThreshold
        pageWorkMax = configuration.pageWorkMax
        tombstoneWarnThreshold = configuration.tombstoneWarnThreshold
    }
}
