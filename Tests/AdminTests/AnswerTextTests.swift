// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Foundation
import Testing

@testable import Admin

/// What commands print, against `Golden/NAME.txt`. Set REWRITE to print each as it comes out now.
@Suite struct AnswerTextTests {
    private func expect(_ text: String, toBe name: String) throws {
        let file = try #require(
            Bundle.module.url(forResource: name, withExtension: "txt", subdirectory: "Golden")
        )
        if ProcessInfo.processInfo.environment["REWRITE"] != nil { print("== \(name)\n\(text)==") }
        #expect(try String(contentsOf: file, encoding: .utf8) == text, "\(name)")
    }

    private static let cluster: ClusterStatus = {
        var first = ClusterStatus.Node()
        first.address = "127.0.0.1"
        first.load = 71_900
        first.hostId = "8d5ed9f4-7764-4dbd-bad8-43fddce94b7c"
        first.rack = "rack1"
        first.owns = 0.6
        first.tokens = ["-4611686018427387904", "4611686018427387904"]
        var second = first
        second.address = "127.0.0.22"
        second.load = 3_500_000_000
        second.isUp = false
        second.state = "leaving"
        second.owns = 0.4
        second.tokens = ["-1"]
        return ClusterStatus(dataCenters: [.init(name: "datacenter1", nodes: [first, second])])
    }()

    @Test func status() throws { try expect(AnswerText.status(Self.cluster), toBe: "status") }

    @Test func ring() throws { try expect(AnswerText.ring(Self.cluster), toBe: "ring") }

    @Test func info() throws {
        var facts = NodeFacts()
        facts.id = "8d5ed9f4-7764-4dbd-bad8-43fddce94b7c"
        facts.clients = 3
        facts.load = 1 << 30
        facts.generation = 1_764_139_117
        facts.uptime = 61
        facts.dataCenter = "datacenter1"
        facts.rack = "rack1"
        facts.shards = 2
        facts.memtableBytes = 5 << 20
        facts.blockCacheEntries = 17
        facts.blockCacheSize = 300_000
        facts.blockCacheCapacity = 256 << 20
        facts.tokens = ["-5", "7"]
        try expect(AnswerText.info(facts, withTokens: false), toBe: "info")
        facts.writeNotices = ["shard 1: many SSTables wait to be compacted"]
        try expect(AnswerText.info(facts, withTokens: true), toBe: "info-tokens")
        facts.isDrained = true
        #expect(AnswerText.info(facts, withTokens: false).contains(": refused, the node was drained\n"))
    }

    @Test func describecluster() throws {
        var facts = ClusterFacts()
        facts.name = "Tholos"
        facts.partitioner = "org.apache.cassandra.dht.Murmur3Partitioner"
        facts.schemaVersions = [
            .init(version: "8d5ed9f4-7764-4dbd-bad8-43fddce94b7c", nodes: ["127.0.0.1", "127.0.0.2"])
        ]
        facts.live = 2
        facts.dataCenters = [.init(name: "datacenter1", nodes: 2, down: 0)]
        facts.databaseVersions = [.init(version: "5.0.0", nodes: ["127.0.0.1:7000", "127.0.0.2:7000"])]
        facts.keyspaces = [
            .init(name: "shop", replicationClass: "NetworkTopologyStrategy", options: ["b": "3", "a": "1"]),
            .init(name: "system", replicationClass: "LocalStrategy", options: [:]),
        ]
        try expect(AnswerText.describecluster(facts), toBe: "describecluster")
    }

    @Test func gossipinfo() throws {
        let status = GossipFacts.Value(name: "STATUS", version: 3, text: "NORMAL")
        let facts = GossipFacts(nodes: [
            .init(address: "10.0.0.1:7000", isAlive: true, generation: 17, heartbeat: 40, values: [status]),
            .init(address: "10.0.0.2:7000", isAlive: false, generation: 18, heartbeat: 2, values: []),
        ])
        try expect(AnswerText.gossipinfo(facts), toBe: "gossipinfo")
    }

    @Test func netstats() throws {
        var facts = NetworkFacts()
        facts.mode = "JOINING"
        facts.transfers = [.init(purpose: "join", rangesDone: 3, rangesTotal: 48, bytes: 2048)]
        facts.hints = [.init(hostId: "8d5ed9f4-7764-4dbd-bad8-43fddce94b7c", bytes: 3072)]
        (facts.hintsKept, facts.hintsDelivered, facts.hintsRefused) = (5, 2, 1)
        (facts.repairsDone, facts.repairsFailed) = (12, 1)
        (facts.speculativeReads, facts.droppedRequests) = (7, 3)
        try expect(AnswerText.netstats(facts), toBe: "netstats")
    }

    @Test func repair() {
        let same = RepairFacts(ranges: 49, repairedBytes: 0, comparedBytes: 0, milliseconds: 7)
        #expect(AnswerText.repair(same) == "Repaired 49 ranges in 7 ms: nothing differed\n")
        let different = RepairFacts(ranges: 49, repairedBytes: 1024, comparedBytes: 2048, milliseconds: 7)
        #expect(AnswerText.repair(different).hasSuffix("1 KiB were lacking somewhere (2 KiB were sent to find out)\n"))
    }

    @Test func compactionstats() throws {
        let none = CompactionStatistics(concurrentCompactors: 2, pending: [], tasks: [])
        try expect(AnswerText.compactionstats(none, isHuman: false), toBe: "compactionstats-none")
        #expect(AnswerText.progress(none) == nil)
        func task(_ kind: String, _ shard: Int, _ done: Int) -> CompactionStatistics.Task {
            .init(
                id: "8d5ed9f4-7764-4dbd-bad8-43fddce94b7\(shard)",
                kind: kind,
                keyspace: "shop",
                table: "orders",
                shard: shard,
                completed: done,
                total: 50_000_000,
                bytesPerSecond: 10_000_000,
                secondsLeft: done == 0 ? nil : 3725
            )
        }
        let some = CompactionStatistics(
            concurrentCompactors: 2,
            pending: [.init(keyspace: "shop", table: "orders", count: 3)],
            tasks: [
                task("compaction", 0, 12_345_678), task("tombstone compaction", 1, 0), task("flush", 2, 5),
            ]
        )
        try expect(AnswerText.compactionstats(some, isHuman: false), toBe: "compactionstats")
        try expect(AnswerText.compactionstats(some, isHuman: true), toBe: "compactionstats-human")
        #expect(AnswerText.progress(some) == "12% of 95.37 MiB, 19.07 MiB/s, 3725 s left, 1 more wait")
    }

    @Test func tablestats() throws {
        var table = TableStatistics.Table(name: "orders")
        table.sstableCount = 4
        table.largestSstable = 40_000_000
        table.spaceLive = 123_456_789
        table.compressionRatio = 0.4567891
        table.partitions = 1000
        table.rows = 20_000
        table.partitionBytesMax = 88_000
        let answer = TableStatistics(keyspaces: [
            .init(name: "shop", tables: [table, .init(name: "customers")])
        ])
        try expect(AnswerText.tablestats(answer, isHuman: false), toBe: "tablestats")
        #expect(AnswerText.tablestats(answer, isHuman: true).contains("\t\tSpace used (live): 117.74 MiB\n"))
    }

    @Test func snapshots() throws {
        let snapshot = SnapshotList.Snapshot(
            name: "before-upgrade",
            keyspace: "shop",
            table: "orders",
            ownSize: 0,
            size: 6000,
            createdAt: "2026-11-26T06:38:37.117Z",
            folder: "/data"
        )
        var second = snapshot
        second.table = "customers"
        second.createdAt = nil
        let list = SnapshotList(snapshots: [snapshot, second])
        try expect(AnswerText.listsnapshots(list), toBe: "listsnapshots")
        #expect(
            AnswerText.clearsnapshot(list)
                == "Cleared 2 snapshots: before-upgrade of shop.orders, before-upgrade of shop.customers\n"
        )
        #expect(AnswerText.listsnapshots(SnapshotList(snapshots: [])) == "There are no snapshots\n")
        let made = SnapshotMade(name: "a", tables: ["shop.orders"])
        #expect(AnswerText.snapshot(made) == "Snapshot directory: a\n1 table: shop.orders\n")
    }

    @Test func work() {
        var work = TableWork(tables: ["a.b"], sizeBefore: 2 << 30, sizeAfter: 3 << 29, milliseconds: 12_340)
        #expect(AnswerText.compact(work) == "Compacted 1 table in 12.3 s: 2 GiB before, 1.5 GiB after\n")
        #expect(AnswerText.flush(work) == "Flushed 1 table in 12340 ms\n")
        work.isFinished = false
        #expect(AnswerText.compact(work).hasPrefix("Compacting 1 table; "))
    }

    @Test func sizesAreAsNodetoolWritesThem() {
        #expect(AnswerText.size(0) == "0 bytes")
        #expect(AnswerText.size(1023) == "1023 bytes")
        #expect(AnswerText.size(1024) == "1 KiB")
        #expect(AnswerText.size(71_900) == "70.21 KiB")
        #expect(AnswerText.size(5 << 40) == "5 TiB")
        #expect(AnswerText.decimal(0.045, places: 2) == "0.05")
        #expect(AnswerText.decimal(100, places: 1) == "100.0")
    }
}
