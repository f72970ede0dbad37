// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
internal import Environment
import Model
internal import Node
import Storage

/// What is done to tables, and how they are.
extension NodeCommand {
    static let tableCommands = [
        NodeCommand(
            "flush",
            "Write memtables to SSTables.",
            [keyspace, tables]
        ) { (arguments, context) throws(AdminFailure) in
            try await work(arguments, context) { $0.flush($1, done: $2) }
        },
        NodeCommand(
            "compact",
            "Flush, and merge all SSTables of each table.",
            [
                keyspace, tables,
                .init("wait", .flag, "Whether to answer at the end (true) or at once."),
            ]
        ) { (arguments, context) throws(AdminFailure) in
            try await work(arguments, context) { $0.compact($1, done: $2) }
        },
        NodeCommand(
            "cleanup",
            "Remove what tables have of tokens that other nodes own now.",
            [keyspace, tables]
        ) { (arguments, context) throws(AdminFailure) in
            try await work(arguments, context) { $0.cleanUp($1, done: $2) }
        },
        NodeCommand(
            "compactionstats",
            "Compactions and flushes that run or wait."
        ) { (_, context) throws(AdminFailure) in await compactions(context) },
        NodeCommand(
            "tablestats",
            "Sizes and counts of tables.",
            [keyspace, tables]
        ) { (arguments, context) throws(AdminFailure) in
            let tables = try context.tables(
                keyspace: arguments.text("keyspace"),
                names: arguments.texts("tables")
            )
            return try await statistics(tables, context)
        },
    ]

    private static func work(
        _ arguments: AdminArguments,
        _ context: AdminContext,
        _ body: @escaping @Sendable (
            Node, [UUID], @escaping @Sendable (StorageError?) -> Void
        ) -> Void
    ) async throws(AdminFailure) -> TableWork {
        let tables = try context.tables(
            keyspace: arguments.text("keyspace"),
            names: arguments.texts("tables")
        )
        let (ids, node) = (tables.map(\.storageID), context.node)
        let begin = node.environment.clock.monotonicNanoseconds()
        let before = await size(of: ids, context)
        let waits = arguments.flag("wait", default: true)
        if waits {
            let error = await withCheckedContinuation { continuation in
                body(node, ids) { continuation.resume(returning: $0) }
            }
            if let error { throw AdminFailure(.failed, error.description) }
        } else {
            body(node, ids) { _ in }
        }
        return TableWork(
            tables: tables.map { "\($0.keyspace).\($0.name)" },
            sizeBefore: before,
            sizeAfter: waits ? await size(of: ids, context) : before,
            milliseconds: context.millisecondsSince(begin),
            isFinished: waits
        )
    }

    private static func size(of ids: [UUID], _ context: AdminContext) async -> Int {
        let measures = await context.measures()
        return ids.reduce(0) { $0 + (measures[$1]?.size ?? 0) }
    }

    private static func compactions(_ context: AdminContext) async -> CompactionStatistics {
        let measures = await context.measures()
        let now = context.node.environment.clock.monotonicNanoseconds()
        var pending: [CompactionStatistics.Pending] = []
        for table in context.node.schema.tables {
            guard let count = measures[table.storageID]?.compactions, count > 0 else { continue }
            pending.append(.init(keyspace: table.keyspace, table: table.name, count: count))
        }
        return CompactionStatistics(
            concurrentCompactors: context.concurrentCompactors,
            pending: pending,
            tasks: context.node.tasks.all.map { task in
                CompactionStatistics.Task(
                    id: task.id.description,
                    kind: task.kind.rawValue,
                    keyspace: task.keyspace,
                    table: task.table,
                    shard: task.shard,
                    completed: min(task.done, task.total),
                    total: task.total,
                    bytesPerSecond: Int(task.rate(now: now)),
                    secondsLeft: task.secondsLeft(now: now).map { Int(min($0, 1e9)) }
                )
            }
        )
    }

    private static func statistics(
        _ tables: [TableSchema],
        _ context: AdminContext
    ) async throws(AdminFailure) -> TableStatistics {
        let measures = await context.measures()
        var snapshots: [String: Int] = [:]
        for snapshot in try await context.snapshots() {
            snapshots["\(snapshot.keyspace).\(snapshot.table)", default: 0] += snapshot.ownSize
        }
        var keyspaces: [TableStatistics.Keyspace] = []
        for schema in tables {
            var table = table(schema.name, measures[schema.storageID] ?? TableMeasures())
            table.spaceSnapshots = snapshots["\(schema.keyspace).\(schema.name)"] ?? 0
            if keyspaces.last?.name != schema.keyspace {
                keyspaces.append(.init(name: schema.keyspace, tables: []))
            }
            keyspaces[keyspaces.count - 1].tables.append(table)
        }
        return TableStatistics(keyspaces: keyspaces)
    }

    private static func table(_ name: String, _ measures: TableMeasures) -> TableStatistics.Table {
        var table = TableStatistics.Table(name: name)
        table.sstableCount = measures.files.count + measures.unreadableFiles.count
        table.largestSstable = measures.files.values.map(\.size).max() ?? 0
        table.spaceLive = measures.size
        let uncompressed = measures.sum(\.uncompressedCount)
        if uncompressed > 0 {
            table.compressionRatio = Double(measures.sum(\.storedCount)) / Double(uncompressed)
        }
        table.partitions = measures.sum(\.partitionCount)
        table.rows = measures.sum(\.rowCount)
        table.cells = measures.sum(\.cellCount)
        table.tombstones = measures.sum(\.tombstoneCount)
        if table.partitions > 0 {
            table.partitionBytesMean = measures.sum(\.rawCount) / table.partitions
        }
        let largest = measures.files.values.compactMap { $0.statistics.largestPartitions.first }
        table.partitionBytesMax = largest.map(\.byteCount).max() ?? 0
        table.memtableBytes = measures.memtableBytes
        table.pendingFlushes = measures.waitingMemtables
        table.pendingCompactions = measures.compactions
        table.unreadableSstables = measures.unreadableFiles.count
        return table
    }
}
