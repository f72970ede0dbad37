// SPDX-License-Identifier: Apache-2.0

internal import Environment
package import Model
package import Storage
import Synchronization

/// What tools ask of a running node. `done` is called on some thread of the node.
extension Node {
    /// Flushes tables' memtables as they are now.
    ///
    /// - Parameter tables: storage ids; one that is unknown, or gone meanwhile, is passed over.
    package func flush(
        _ tables: [UUID],
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        onEachTable(tables, { $0.flush($1, done: $2) }, done: done)
    }

    /// Flushes tables and merges all their SSTables.
    package func compact(
        _ tables: [UUID],
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        onEachTable(
            tables,
            { store, table, finish in
                store.flush(table) { error in
                    if let error { return finish(error) }
                    store.compactAll(table, done: finish)
                }
            },
            done: done
        )
    }

    /// Removes what tables have of tokens that other nodes own now.
    package func cleanUp(_ tables: [UUID], done: @escaping @Sendable (StorageError?) -> Void) {
        onEachTable(
            tables,
            { [self] store, table, finish in
                let keyspace = table.schema.keyspace
                // Asked on the shard: what it takes of tokens that it gets later comes later.
                let kept = { @Sendable [self] in
                    coordinator.flatMap { $0.view.rangesWritten(of: keyspace) }
                }
                store.cleanUp(table, keeping: kept, done: finish)
            },
            done: done
        )
    }

    /// Refuses all writes from now on and flushes everything: nothing is to be replayed at the next start.
    package func drain(done: @escaping @Sendable (StorageError?) -> Void) {
        onEachShard({ shard, finish in shard.store.drain(done: finish) }, done: done)
    }

    /// What the tables' data comes to, by storage id.
    package func measureTables(done: @escaping @Sendable ([UUID: TableMeasures]) -> Void) {
        let sums = Collected<[UUID: TableMeasures]>([:])
        onEachShard({ shard, finish in
            for table in shard.store.allTables {
                let own = shard.store.measures(table)
                sums.change { $0[table.schema.storageID, default: TableMeasures()].add(own) }
            }
            finish(nil)
        }, done: { _ in done(sums.value) })
    }

    /// The bytes of memory that the shards' block caches take, how many they may, and how many blocks those
    /// are.
    package func measureCaches(
        done: @escaping @Sendable (_ used: Int, _ capacity: Int, _ blocks: Int) -> Void
    ) {
        let sums = Collected((used: 0, capacity: 0, blocks: 0))
        onEachShard({ shard, finish in
            let cache = shard.store.blocks.cache
            let (used, capacity, blocks) = (cache.usedCount, cache.capacity, cache.blockCount)
            sums.change { sum in
                sum.used += used
                sum.capacity += capacity
                sum.blocks += blocks
            }
            finish(nil)
        }, done: { _ in done(sums.value.used, sums.value.capacity, sums.value.blocks) })
    }

    /// Flushes tables and gives their SSTables second names (`Snapshots`).
    ///
    /// - Parameter name: `Snapshots.isName` has said yes.
    package func takeSnapshot(
        _ name: String,
        of tables: [Snapshots.Table],
        done: @escaping @Sendable (AdministrationError?) -> Void
    ) {
        flush(tables.map(\.schema.storageID)) { [self] error in
            if let error { return done(.storage(error)) }
            environment.background.execute { [snapshots] in
                do throws(SnapshotError) {
                    try snapshots.take(name, of: tables)
                    done(nil)
                } catch {
                    done(.snapshot(error))
                }
            }
        }
    }

    private func onEachTable(
        _ tables: [UUID],
        _ body: @escaping @Sendable (
            ShardStore, TableStore, @escaping @Sendable (StorageError?) -> Void
        ) -> Void,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        onEachShard({ shard, finish in
            let gate = Countdown(tables.count + 1, done: finish)
            for id in tables {
                guard let table = shard.store.table(storageID: id) else {
                    gate.finish(nil)
                    continue
                }
                body(shard.store, table) { gate.finish($0) }
            }
            gate.finish(nil)
        }, done: done)
    }
}

/// What a tool asked for failed.
package enum AdministrationError: Error, Sendable, CustomStringConvertible {
    case storage(StorageError)
    case snapshot(SnapshotError)

    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .snapshot(let error): error.description
        }
    }
}

/// A sum to which several threads add.
private final class Collected<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) { state.withLock { body(&$0) } }
}
