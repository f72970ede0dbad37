// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage
import Synchronization

/// Carries the rows of ranges of tokens from those who own them to those who will.
///
/// Rows are read from a quorum of the owners, a stretch after the other, so that what any of them lacks is
/// among it; whoever is to have them gets them as writes. It goes on where it was after a failure, and counts
/// what it has done for the tools.
package final class RangeTransfer: Sendable {
    enum Purpose: Sendable {
        /// This node gets the rows.
        case fetch
        /// Those for whom the ranges are pending get them.
        case handOver
        /// Nobody: all replicas are read, and what one of them lacks is repaired.
        case repair
    }

    /// How far it has come.
    package struct Progress: Sendable {
        package var rangesTotal = 0
        package var rangesDone = 0
        package var bytes = 0
        package var rows = 0
        package var repairedBytes = 0
        /// What other replicas sent of stretches whose digests differed.
        package var comparedBytes = 0
    }

    private struct Part: Sendable {
        let table: TableSchema
        /// Whose replicas have the rows.
        let keyspace: String
        let range: TokenRange
        let level: Consistency
        /// Whose states move, by the ids of their data, if it is `system.paxos`: states of tables with other replicas are
        /// no business of this transfer.
        let paxosTables: [UUID]
    }

    /// Little at a time, so that requests of clients get their turns.
    private static let stretchBytesMax = 64 << 10
    private static let rowsMax = 500
    private static let retryDelay: UInt64 = 500_000_000
    private static let triesMax = 20

    private let coordinator: Coordinator
    private let purpose: Purpose
    /// Whether it rests four times as long as it works.
    private let isGentle: Bool
    private let parts: [Part]
    /// The keyspaces of which a replaced node had rows that nobody else has.
    let lost: Set<String>
    private let progressState: Mutex<Progress>
    private let cancelled = Atomic(false)

    init(
        member: ClusterMember,
        purpose: Purpose,
        keyspace: String? = nil,
        tables names: [String] = [],
        isGentle: Bool = false,
        ranges: (ReplicaMap) -> [TokenRange]
    ) {
        coordinator = member.coordinator
        self.purpose = purpose
        self.isGentle = isGentle
        let view = member.coordinator.view
        let replaced = purpose == .fetch ? view.node(member.id)?.replaces : nil
        var parts: [Part] = []
        var lost: Set<String> = []
        // What was promised to conditional writes moves with the rows, once for each placement.
        var tables: [(schema: TableSchema, keyspace: String, placement: ClusterView.Placement)] = []
        var strategies: Set<ReplicationStrategy> = []
        for schema in member.node.schema.tables {
            guard let placement = view.placement(of: schema.keyspace) else { continue }
            if let keyspace, schema.keyspace != keyspace { continue }
            guard names.isEmpty || names.contains(schema.name) else { continue }
            tables.append((schema, schema.keyspace, placement))
            if purpose != .repair, strategies.insert(placement.map.strategy).inserted {
                tables.append((PaxosStore.table, schema.keyspace, placement))
            }
        }
        for (schema, keyspace, placement) in tables {
            let isPaxos = schema.id == PaxosStore.table.id
            let paxosTables = !isPaxos ? [] : tables.filter {
                $0.schema.id != PaxosStore.table.id && $0.placement.map.strategy == placement.map.strategy
            }.map(\.schema.storageID)
            for part in ranges(placement.map).flatMap({ placement.map.ranges(in: $0) }) {
                if purpose == .handOver, part.replicas.pending.isEmpty { continue }
                let sources = part.replicas.natural.filter { $0 != replaced }
                guard !sources.isEmpty else {
                    if !isPaxos { lost.insert(keyspace) }
                    continue
                }
                parts.append(
                    Part(
                        table: schema,
                        keyspace: keyspace,
                        range: part.range,
                        level: Self.level(purpose, placement.factors, sources.count),
                        paxosTables: paxosTables
                    )
                )
            }
        }
        self.parts = parts
        self.lost = lost
        var progress = Progress()
        progress.rangesTotal = parts.count
        progressState = Mutex(progress)
    }

    /// The answers that a stretch is read with: of a quorum, so that what it promised is among them; of each data
    /// center, since clients may ask one only. Where a replaced node leaves fewer than a quorum, of all that are left, or three.
    private static func level(
        _ purpose: Purpose,
        _ factors: ReplicationFactors,
        _ sources: Int
    ) -> Consistency {
        if purpose == .repair { return .all }
        if sources < factors.total / 2 + 1 {
            switch sources {
            case 1: return .one
            case 2: return .two
            default: return .three
            }
        }
        return factors.byDataCenter.count > 1 ? .eachQuorum : .quorum
    }

    package var progress: Progress { progressState.withLock { $0 } }

    /// Makes it end at its next stretch, as failed.
    func cancel() { cancelled.store(true, ordering: .relaxed) }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Begins; `done` is called with nil when all is where it should be, or with what stands against it.
    func start(done: @escaping @Sendable (String?) -> Void) { go(0, nil, tries: 0, done) }

    private func go(
        _ index: Int,
        _ from: [UInt8]?,
        tries: Int,
        _ done: @escaping @Sendable (String?) -> Void
    ) {
        guard index < parts.count else { return done(nil) }
        guard !isCancelled else { return done("it was given up") }
        let part = parts[index]
        guard isThere(part.table) else {
            progressState.withLock { $0.rangesDone += 1 }
            return go(index + 1, nil, tries: 0, done)
        }
        let bounds = KeyBounds(part.range)
        let request = ReadRequest(
            storageID: part.table.storageID,
            bounds: KeyBounds(lower: from.map { $0 + [0] } ?? bounds.lower, upper: bounds.upper),
            wantsStatic: false,
            rowsMax: Self.rowsMax,
            bytesMax: stretchBytes,
            now: coordinator.node.environment.clock.secondsSinceEpoch(),
            timeout: coordinator.options.rangeTimeout / 1000
        )
        let token = request.bounds.lower.withView { Key.token(of: $0) }
        let begun = coordinator.node.environment.clock.monotonicNanoseconds()
        coordinator.node.shard(of: token).run { [self] shard in
            coordinator.read(
                request,
                of: part.table,
                token: token,
                in: part.keyspace,
                part.level,
                owner: shard
            ) { [self] result in
                switch result {
                case .success(let merged):
                    guard isGentle else { return take(merged, part, index, from, tries, request, done) }
                    let spent = coordinator.node.environment.clock.monotonicNanoseconds() - begun
                    shard.executor.schedule(after: 4 * spent) { [self] in
                        take(merged, part, index, from, tries, request, done)
                    }
                case .failure(let refusal):
                    retry(index, from, tries, "\(refusal)", done)
                }
            }
        }
    }

    /// What a stretch has to fit into: a write has to fit into half of a segment of the commit log, and a state of Paxos
    /// comes with what it has decided.
    private var stretchBytes: Int {
        min(Self.stretchBytesMax, max(coordinator.node.options.commitLog.segmentSize / 8, 1024))
    }

    /// Whether a table was neither dropped nor truncated since.
    private func isThere(_ table: TableSchema) -> Bool {
        table.id == PaxosStore.table.id
            || coordinator.node.schema.table(storageID: table.storageID) != nil
    }

    private func retry(
        _ index: Int,
        _ from: [UInt8]?,
        _ tries: Int,
        _ reason: String,
        _ done: @escaping @Sendable (String?) -> Void
    ) {
        guard tries < Self.triesMax else { return done(reason) }
        coordinator.node.shards[0].executor.schedule(after: Self.retryDelay) { [self] in
            go(index, from, tries: tries + 1, done)
        }
    }

    private func take(
        _ merged: MergedAnswers,
        _ part: Part,
        _ index: Int,
        _ from: [UInt8]?,
        _ tries: Int,
        _ request: ReadRequest,
        _ done: @escaping @Sendable (String?) -> Void
    ) {
        let next = { @Sendable [self] (failure: String?) in
            if let failure { return retry(index, from, tries, failure, done) }
            if let horizon = merged.horizon {
                go(index, horizon, tries: 0, done)
            } else {
                progressState.withLock { $0.rangesDone += 1 }
                go(index + 1, nil, tries: 0, done)
            }
        }
        progressState.withLock { progress in
            progress.repairedBytes += merged.repairs.reduce(0) { $0 + $1.mutation.count }
            progress.comparedBytes += merged.receivedCount
        }
        guard purpose != .repair else { return next(nil) }
        let run = AnswerMerge.cut(ReplicaRead.Run(request).unlimited, to: merged.horizon)
        let mutation: [UInt8]
        do throws(StorageError) {
            let result = try ReplicaRead.read(run, of: merged.memtable, part.table)
            mutation = result.mutation
            progressState.withLock {
                $0.bytes += mutation.count
                $0.rows += result.rowCount
            }
        } catch {
            invariantFailure("entries that were merged in memory can't be read: \(error)")
        }
        let moved: [UInt8]
        do throws(MalformedBytes) {
            let isPaxos = part.table.id == PaxosStore.table.id
            moved = isPaxos ? try PaxosStore.moving(mutation, of: part.paxosTables) : mutation
        } catch {
            return next("a state in system.paxos can't be decoded: \(error)")
        }
        guard !moved.isEmpty else { return next(nil) }
        switch purpose {
        case .fetch:
            coordinator.replica.write(parts: moved, .own) { next($0?.text) }
        case .handOver:
            // Asked anew each time: others may have begun to move since.
            let parts = coordinator.view.placement(of: part.keyspace)?.map.ranges(in: part.range) ?? []
            let targets = Set(parts.flatMap(\.replicas.pending)).sorted()
            coordinator.deliver(moved, to: targets, owner: coordinator.node.shards[0], done: next)
        case .repair: break
        }
    }
}
