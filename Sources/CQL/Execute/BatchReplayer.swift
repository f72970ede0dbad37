// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import CQLProtocol
internal import Cluster
internal import Environment
internal import Model
package import Node
internal import Storage
import Synchronization

/// Applies the logged batches that this node keeps and whose coordinators didn't bring them to their end, because they
/// stopped, or some replicas didn't confirm.
package final class BatchReplayer: Sendable {
    /// Between two looks, in nanoseconds: far more than a coordinator needs for a batch.
    package static let interval: UInt64 = 10_000_000_000
    /// So many rows are looked at in one turn of a shard.
    private static let rowsMax = 1000

    private let node: Node
    private let notice: @Sendable (String) -> Void
    private let isStopped = Atomic(false)
    private let state = Mutex(State())

    private struct State {
        /// What the last look has found.
        var seen: Set<UUID> = []
        var lastFailure = ""
    }

    /// - Parameter notice: told of batches that can't be applied, in sentences.
    package init(_ node: Node, notice: @escaping @Sendable (String) -> Void) {
        self.node = node
        self.notice = notice
    }

    /// Applies all that is there, as after a crash, and goes on to look now and then for what is left.
    ///
    /// - Parameter done: is called when all are durable, or it was told why they can't be yet.
    package func start(done: @escaping @Sendable () -> Void) {
        replayAll { [self] result in
            tell(of: result)
            lookLater()
            done()
        }
    }

    /// Applies all that is there, however new.
    package func replayAll(done: @escaping @Sendable (Result<Int, CQLError>) -> Void) {
        replay({ _ in true }, done)
    }

    package func stop() { isStopped.store(true, ordering: .relaxed) }

    private func lookLater() {
        node.shards[0].executor.schedule(after: BatchReplayer.interval) { [self] in
            guard !isStopped.load(ordering: .relaxed) else { return }
            look()
        }
    }

    /// Applies what was there at the last look already: whoever coordinates it has given up.
    private func look() {
        let before = state.withLock { state in
            defer { state.seen = [] }
            return state.seen
        }
        let isLeft = { @Sendable [self] (id: UUID) in
            state.withLock { _ = $0.seen.insert(id) }
            return before.contains(id)
        }
        replay(isLeft) { [self] result in
            tell(of: result)
            lookLater()
        }
    }

    private func tell(of result: Result<Int, CQLError>) {
        var failure = ""
        if case .failure(let error) = result { failure = error.description }
        let isNew = state.withLock { state in
            defer { state.lastFailure = failure }
            return state.lastFailure != failure
        }
        if isNew, !failure.isEmpty { notice("A logged batch can't be applied, and is tried again: \(failure)") }
    }

    private func replay(
        _ isWanted: @escaping @Sendable (UUID) -> Bool,
        _ done: @escaping @Sendable (Result<Int, CQLError>) -> Void
    ) {
        let gate = ReplayGate(count: node.shards.count, done)
        for shard in node.shards { shard.run { [self] in replay($0, after: nil, isWanted, gate) } }
    }

    private func replay(
        _ shard: Shard,
        after last: [UInt8]?,
        _ isWanted: @escaping @Sendable (UUID) -> Bool,
        _ gate: ReplayGate
    ) {
        shard.store.read { () throws(CQLError) in
            try BatchReplayer.look(at: shard, after: last)
        } done: { [self] result in
            do throws(CQLError) {
                let (batches, next) = try result.get()
                let wanted = batches.filter { isWanted($0.id) }
                gate.expect(wanted.count)
                for batch in wanted { apply(batch) { gate.finishBatch($0) } }
                guard let next else { return gate.finishShard(nil) }
                // Others get their turn in between.
                shard.executor.execute { [self] in replay(shard, after: next, isWanted, gate) }
            } catch {
                gate.finishShard(error)
            }
        }
    }

    // MARK: Reading

    private struct LeftBatch {
        let id: UUID
        let timestamp: Int64
        let bytes: [UInt8]

        /// The batch of a row; nil when the row was deleted.
        init?(key: [UInt8], value: [UInt8]) throws(MalformedBytes) {
            var partitionKey = ByteWriter(capacity: 16)
            try key.withView { (view) throws(MalformedBytes) in
                var reader = ByteReader(view)
                _ = try Key.readPartitionKey(from: &reader, into: &partitionKey)
            }
            let cell = try value.withView { (view) throws(MalformedBytes) in
                var row = try RowFragment(view)
                return try row.nextCell().map { ($0.column, $0.timestamp, $0.flags, $0.value.array) }
            }
            guard let (column, timestamp, flags, bytes) = cell, column == BatchLog.batchColumn,
                flags.isDisjoint(with: .tombstone)
            else { return nil }
            guard let id = UUID(partitionKey.view) else {
                throw MalformedBytes(offset: 0, expected: "a batch id of 16 bytes")
            }
            self.id = id
            self.timestamp = timestamp
            self.bytes = bytes
        }
    }

    /// Some of the batches that a shard has, from a key on, and the key to go on from; nil at the end.
    private static func look(
        at shard: Shard,
        after last: [UInt8]?
    ) throws(CQLError) -> (batches: [LeftBatch], next: [UInt8]?) {
        guard let store = shard.store.table(storageID: BatchLog.table.storageID) else { return ([], nil) }
        var rows: [(key: [UInt8], value: [UInt8])] = []
        var next: [UInt8]?
        do throws(StorageError) {
            for range in shard.store.tokenRanges where next == nil {
                let bounds = KeyBounds(range)
                var lower = bounds.lower
                if let last {
                    if !bounds.upper.isEmpty, !last.lexicographicallyPrecedes(bounds.upper) { continue }
                    if lower.lexicographicallyPrecedes(last) { lower = last + [0] }
                }
                let cursor = try store.cursor(lower: lower, upper: bounds.upper)
                while try cursor.next() {
                    rows.append((cursor.key.array, cursor.value.array))
                    guard rows.count < rowsMax else {
                        next = rows.last?.key
                        break
                    }
                }
            }
        } catch {
            throw CQLError(storage: error)
        }
        do throws(MalformedBytes) {
            var found: [LeftBatch] = []
            for row in rows {
                if let batch = try LeftBatch(key: row.key, value: row.value) { found.append(batch) }
            }
            return (found, next)
        } catch {
            throw CQLError(.server, "a batch in system.batches can't be decoded: \(error)")
        }
    }

    // MARK: Applying

    /// Entries of one batch that happen together.
    private struct Part: Hashable {
        let keyspace: String
        let token: Model.Token
    }

    /// Writes each part to whoever owns it now, then takes the batch out of the log.
    private func apply(_ batch: LeftBatch, done: @escaping @Sendable (CQLError?) -> Void) {
        let parts: [(part: Part, bytes: [UInt8])]
        do throws(MalformedBytes) {
            parts = try split(batch.bytes)
        } catch {
            return done(CQLError(.server, "a batch in system.batches can't be decoded: \(error)"))
        }
        let finish: @Sendable (CQLError?) -> Void = { [node] error in
            if error == nil { BatchLog.remove(batch.id, batch.timestamp, [], node) }
            done(error)
        }
        guard !parts.isEmpty else { return finish(nil) }
        let gate = Countdown<CQLError>(parts.count, done: finish)
        for (part, bytes) in parts {
            node.shard(of: part.token).run { [self] shard in write(bytes, part, shard) { gate.finish($0) } }
        }
    }

    /// The parts of a batch, without those of tables that were dropped since.
    private func split(_ bytes: [UInt8]) throws(MalformedBytes) -> [(part: Part, bytes: [UInt8])] {
        let schema = node.schema
        var order: [Part] = []
        var parts: [Part: [UInt8]] = [:]
        try bytes.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                let keyspace = schema.table(storageID: group.storageID)?.keyspace
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    guard let keyspace else { continue }
                    let part = Part(keyspace: keyspace, token: Key.token(of: key))
                    var mutation = MutationWriter(capacity: key.count + value.count + 32)
                    mutation.begin(table: group.storageID)
                    mutation.add(key: key, value: value)
                    if parts[part] == nil { order.append(part) }
                    parts[part, default: []] += mutation.bytes.array
                }
            }
        }
        return order.compactMap { part in parts[part].map { (part, $0) } }
    }

    /// Writes a part of a batch to the shard that owns it, or to its replicas: those that are away get hints.
    private func write(
        _ bytes: [UInt8],
        _ part: Part,
        _ shard: Shard,
        _ done: @escaping @Sendable (CQLError?) -> Void
    ) {
        if let coordinator = node.coordinator, !coordinator.view.isAlone,
            coordinator.view.placement(of: part.keyspace) != nil
        {
            coordinator.write(bytes, token: part.token, in: part.keyspace, .any, owner: shard) { outcome in
                done(CQLError(outcome, .any, .batchLog, coordinator))
            }
            return
        }
        bytes.withView { view in
            shard.store.write(view) { error in
                // A table that was dropped since wants nothing more.
                if case .unknownTable = error { return done(nil) }
                done(error.map { CQLError(write: $0) })
            }
        }
    }
}
