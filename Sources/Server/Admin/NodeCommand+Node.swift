// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import CQL
internal import Cluster
internal import Environment
import Model
internal import Node
import Storage

/// What the node is.
extension NodeCommand {
    static let nodeCommands = [
        NodeCommand("info", "How this node is.") { (_, context) throws(AdminFailure) in
            await info(context)
        },
        NodeCommand("version", "The versions of this node.") { (_, _) throws(AdminFailure) in
            VersionFacts(
                releaseVersion: SystemContext.releaseVersion,
                tholosVersion: ProductVersion.text,
                cqlVersion: SystemContext.cqlVersion,
                nativeProtocolVersion: SystemContext.nativeProtocolVersion
            )
        },
        NodeCommand(
            "drain",
            "Take no more writes and flush everything: reads go on, and the next start replays nothing."
        ) { (_, context) throws(AdminFailure) in try await drain(context) },
    ]

    private static func info(_ context: AdminContext) async -> NodeFacts {
        let node = context.node
        let measures = await context.measures()
        let cache = await withCheckedContinuation { continuation in
            node.measureCaches { continuation.resume(returning: ($0, $1, $2)) }
        }
        var facts = NodeFacts()
        facts.id = context.system.hostID.description
        facts.clients = context.clientCount()
        facts.load = measures.values.reduce(0) { $0 + $1.size }
        facts.memtableBytes = measures.values.reduce(0) { $0 + $1.memtableBytes }
        facts.generation = Int(context.system.gossipGeneration)
        facts.uptime = context.millisecondsSince(context.startedAt) / 1000
        facts.dataCenter = context.system.dataCenter
        facts.rack = context.system.rack
        facts.shards = node.shards.count
        (facts.blockCacheSize, facts.blockCacheCapacity, facts.blockCacheEntries) = cache
        facts.isDrained = context.isDrained
        for admission in node.tasks.admissions where !admission.reason.isEmpty {
            facts.writeNotices.append("shard \(admission.shard): \(admission.reason)")
        }
        facts.damagedBlocks = node.quarantine.damages.count
        let record = node.coordinator.flatMap { $0.view.node($0.view.local) }
        facts.tokens = (record?.tokens ?? context.system.tokens.sorted()).map(\.description)
        return facts
    }

    private static func drain(_ context: AdminContext) async throws(AdminFailure) -> DrainFacts {
        let begin = context.node.environment.clock.monotonicNanoseconds()
        let error = await withCheckedContinuation { continuation in
            context.node.drain { continuation.resume(returning: $0) }
        }
        context.noteDrained()
        if let error {
            throw AdminFailure(.failed, "no writes are taken, but not everything is flushed: \(error)")
        }
        return DrainFacts(milliseconds: context.millisecondsSince(begin))
    }
}
