// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
package import Model
package import Storage
import Synchronization

/// One node: its shards, its schema and its data folder.
///
///     DATA/lock  DATA/metadata/  DATA/manifest/  DATA/commitlog/SHARD/  DATA/data/KEYSPACE/TABLE-ID/
package final class Node: Sendable {
    package let environment: Environment
    package let options: NodeOptions
    package let shards: [Shard]
    package let shardMap: ShardMap
    /// Names the node for good.
    package let hostID: UUID
    /// What recovery found, for the start message.
    package let recovery: RecoveryReport
    /// The snapshots of the tables, those that are gone too.
    package let snapshots: Snapshots
    private let files: TableFiles
    private let lock: any FileLock
    private let state: Mutex<State>
    /// The schema for readers, who don't wait for a change that is being made durable.
    private let published: Mutex<Schema>

    private let clusterPart = AtomicLazyReference<ClusterMember>()
    /// The keyspaces that every node has for itself.
    private let systemKeyspaces: Set<String>

    private struct State {
        var schema: Schema
        let metadata: MetadataLog
        var lastTimestamp: Int64 = 0
    }

    init(_ parts: NodeOpener.Parts) {
        environment = parts.environment
        options = parts.options
        shards = parts.shards
        shardMap = parts.shardMap
        hostID = parts.metadata.hostID
        recovery = parts.recovery
        files = parts.files
        snapshots = Snapshots(parts.files)
        lock = parts.lock
        systemKeyspaces = parts.systemKeyspaces
        let schema = parts.metadata.schema
        let metadata = parts.metadata
        // Handed to the mutex at once; nobody else has seen it.
        nonisolated(unsafe) let owned = State(schema: schema, metadata: metadata)
        state = Mutex(owned)
        published = Mutex(schema)
    }

    /// Opens the data folder: reads the schema and the manifest, removes what a crash left behind,
    /// replays the commit logs and flushes what they held.
    ///
    /// - Parameters:
    ///   - executors: one for each shard; they may start running at once.
    ///   - systemSchema: the keyspaces that are always there and not stored.
    /// - Throws: `.inUse` when another process has the folder; `.storage` when something in it is
    ///   damaged or can't be read. Nothing has been changed then that a later start would miss.
    package static func open(
        environment: Environment,
        options: NodeOptions,
        executors: [any Executor],
        systemSchema: Schema = Schema()
    ) throws(NodeError) -> Node {
        invariant(executors.count == options.shardCount, "one executor for each shard")
        return Node(
            try NodeOpener(environment, options, executors, systemSchema).open()
        )
    }

    /// What carries requests to other nodes; nil while this node is on its own.
    package var coordinator: Coordinator? { clusterPart.load()?.coordinator }

    /// The node's part in its cluster; nil while there is none.
    package var member: ClusterMember? { clusterPart.load() }

    /// Makes the node a part of a cluster. Once.
    func join(_ member: ClusterMember) { _ = clusterPart.storeIfNil(member) }

    /// The shard that owns a token.
    package func shard(of token: Token) -> Shard { shards[shardMap.shard(of: token)] }

    /// The flushes and compactions that run, and how the shards take writes.
    package var tasks: BackgroundTasks { files.tasks }

    /// What is known to be damaged in the SSTables.
    package var quarantine: Quarantine { files.quarantine }

    /// The schema as of the last change.
    package var schema: Schema { published.withLock { $0 } }

    /// How far an index of a table is built.
    package func progress(of index: IndexSchema, _ table: TableSchema) -> IndexBuilds.Progress {
        files.indexBuilds.progress(of: index.id, table: table, shardCount: shards.count)
    }

    // MARK: Schema changes

    /// Changes the schema. `plan` sees the schema as it is and says what to change (nothing: no
    /// change); changes come one after the other. `done` is called when all shards have heard of it.
    package func changeSchema<Failure: Error>(
        _ plan: @escaping @Sendable (Schema) throws(Failure) -> [SchemaEdit],
        done: @escaping @Sendable (Result<Schema, SchemaChangeError<Failure>>) -> Void
    ) {
        if let member { return member.changeSchema(plan, done: done) }
        let random = environment.random
        let version = UUID(random: random.next(), random.next())
        changeHere(plan, version: version, done: done)
    }

    /// The keyspaces and tables that aren't the system's, as edits of an empty schema.
    var userSchemaEdits: [SchemaEdit] { Schema().edits(toBecome: schema, keeping: systemKeyspaces) }

    /// Makes all of the schema that isn't the system's what the cluster has decided.
    func follow(
        _ wanted: Schema,
        done: @escaping @Sendable (Result<[SchemaEdit], StorageError>) -> Void
    ) {
        let kept = systemKeyspaces
        let made = Mutex<[SchemaEdit]>([])
        let box = Box(made)
        changeHere(
            { (schema) throws(Never) -> [SchemaEdit] in
                let edits = schema.edits(toBecome: wanted, keeping: kept)
                box.value.withLock { $0 = edits }
                return edits
            },
            version: wanted.version
        ) { result in
            switch result {
            case .success: done(.success(box.value.withLock { $0 }))
            case .failure(.storage(let error)): done(.failure(error))
            case .failure(.cluster): break
            }
        }
    }

    private func changeHere<Failure: Error>(
        _ plan: @escaping @Sendable (Schema) throws(Failure) -> [SchemaEdit],
        version: UUID,
        done: @escaping @Sendable (Result<Schema, SchemaChangeError<Failure>>) -> Void
    ) {
        environment.background.execute { [self] in
            let result = Result { () throws(SchemaChangeError<Failure>) in try change(plan, version) }
            switch result {
            case .failure(let error):
                if case .storage = error { settleSchema() }
                done(.failure(error))
            case .success(let (old, new)):
                let gate = Countdown<Never>(shards.count + 1) { [self] _ in
                    removeUnknownFiles(old, new)
                    done(.success(new))
                }
                for shard in shards {
                    shard.executor.execute {
                        shard.adopt(new)
                        gate.finish()
                    }
                }
                gate.finish()
            }
        }
    }

    private func change<Failure: Error>(
        _ plan: (Schema) throws(Failure) -> [SchemaEdit],
        _ version: UUID
    ) throws(SchemaChangeError<Failure>) -> (old: Schema, new: Schema) {
        let outcome: Result<(old: Schema, new: Schema), SchemaChangeError<Failure>> =
            state.withLock { state in
                let old = state.schema
                let edits: [SchemaEdit]
                do throws(Failure) {
                    edits = try plan(old)
                } catch {
                    return .failure(.refused(error))
                }
                guard !edits.isEmpty else { return .success((old, old)) }
                do throws(StorageError) {
                    try state.metadata.append(edits, version: version, to: old)
                } catch {
                    return .failure(.storage(error))
                }
                for edit in edits { state.schema.apply(edit, version: version) }
                let new = state.schema
                published.withLock { $0 = new }
                return .success((old, new))
            }
        return try outcome.get()
    }

    /// Makes sure that a change that failed hasn't happened: a restart must not find a table truncated that
    /// has taken writes since. Tries again each second as long as the disk refuses.
    private func settleSchema() {
        let isSettled = state.withLock { $0.metadata.isClosed || $0.metadata.settle($0.schema) }
        guard !isSettled else { return }
        environment.background.schedule(after: 1_000_000_000) { [self] in settleSchema() }
    }

    /// Removes the files of tables that were dropped or truncated.
    private func removeUnknownFiles(_ old: Schema, _ new: Schema) {
        let gone = old.tables.filter { new.table(storageID: $0.storageID) == nil }
        guard !gone.isEmpty else { return }
        environment.background.execute { [files] in
            for table in gone { files.removeAll(of: table) }
        }
    }

    /// Calls `done` when every shard has run `body`.
    package func onEachShard(
        _ body: @escaping @Sendable (Shard, @escaping @Sendable (StorageError?) -> Void) -> Void,
        done: @escaping @Sendable (StorageError?) -> Void
    ) {
        let gate = Countdown(shards.count, done: done)
        for shard in shards {
            shard.executor.execute { body(shard) { gate.finish($0) } }
        }
    }

    /// Flushes all memtables and closes the commit logs; `done` is called afterwards. The executors may
    /// be stopped then.
    package func close(done: @escaping @Sendable (StorageError?) -> Void) {
        onEachShard({ shard, finish in shard.store.close(done: finish) }) { [self] error in
            state.withLock { state in
                _ = state.metadata.settle(state.schema)
                state.metadata.close()
            }
            files.manifest.close()
            lock.close()
            done(error)
        }
    }
}

/// Carries what one closure finds to another.
private final class Box<Value: ~Copyable>: Sendable where Value: Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
}
