// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// What a node found in its data folder when it was opened.
package struct RecoveryReport: Sendable, Equatable {
    /// The records of the commit logs that were replayed.
    package var replayedRecords = 0
    /// The bytes of them.
    package var replayedBytes = 0
    /// The torn tails of commit logs: writes that were under way at a crash and not acknowledged.
    package var tornTails: [String] = []
    /// The files of unfinished flushes, compactions and drops that were removed.
    package var removedFiles: [String] = []
    /// The SSTables that can't be opened, and why: what they may have can't be read.
    package var unreadableFiles: [String] = []
    /// The SSTables that are live.
    package var sstableCount = 0

    package init() {}
}

/// Opens a data folder step by step.
struct NodeOpener {
    struct Parts {
        let environment: Environment
        let options: NodeOptions
        let shards: [Shard]
        let shardMap: ShardMap
        let metadata: MetadataLog
        let files: TableFiles
        let lock: any FileLock
        let recovery: RecoveryReport
        let systemKeyspaces: Set<String>
    }

    private let environment: Environment
    private let options: NodeOptions
    private let executors: [any Executor]
    private let systemSchema: Schema

    init(
        _ environment: Environment,
        _ options: NodeOptions,
        _ executors: [any Executor],
        _ systemSchema: Schema
    ) {
        self.environment = environment
        self.options = options
        self.executors = executors
        self.systemSchema = systemSchema
    }

    private var root: String { options.dataDirectory }
    private var fileSystem: any FileSystem { environment.fileSystem }

    func open() throws(NodeError) -> Parts {
        let lock = try takeLock()
        do throws(StorageError) {
            return try open(lock)
        } catch {
            lock.close()
            throw .storage(error)
        }
    }

    private func takeLock() throws(NodeError) -> any FileLock {
        do throws(FileError) {
            try fileSystem.createDirectoryDurably(root)
            return try fileSystem.lock("\(root)/lock")
        } catch {
            if error.reason == .locked { throw .inUse(root) }
            throw .storage(.file(error))
        }
    }

    private func open(_ lock: any FileLock) throws(StorageError) -> Parts {
        var report = RecoveryReport()
        let metadata = try MetadataLog(
            environment: environment,
            folder: "\(root)/metadata",
            initial: systemSchema
        )
        let schema = metadata.schema
        let manifest = try Manifest(
            directory: "\(root)/manifest",
            environment: environment,
            rewriteSize: options.manifestRewriteSize
        )
        let files = TableFiles(environment: environment, root: root, manifest: manifest)
        let live = try openSSTables(schema, files, &report)
        try removeLeftovers(schema, files, live, &report)
        let shardMap = ShardMap(count: options.shardCount, ignoredBits: options.ignoredTokenBits)
        let shards = makeShards(schema, shardMap, files, live)
        try replay(shards, shardMap, &report)
        for shard in shards {
            do throws(FileError) {
                shard.store.start(
                    log: try CommitLog(
                        directory: "\(root)/commitlog/\(shard.index)",
                        environment: environment,
                        executor: shard.executor,
                        options: options.commitLog
                    )
                )
            } catch {
                throw .file(error)
            }
        }
        return Parts(
            environment: environment,
            options: options,
            shards: shards,
            shardMap: shardMap,
            metadata: metadata,
            files: files,
            lock: lock,
            recovery: report,
            systemKeyspaces: Set(systemSchema.keyspaces.keys)
        )
    }

    // MARK: SSTables

    private struct Live {
        let file: LiveFile
        let path: String
        /// Nil if the file can't be opened.
        var sstable: LiveSSTable?
        /// Why it can't be opened, and the tokens that it may have.
        var damage: (error: CorruptionError, tokens: TokenRange)?

        /// The tokens of `owned` for which the file is live.
        private func ranges(of owned: [TokenRange]) -> [TokenRange] {
            owned.flatMap { owned in file.ranges.compactMap { owned.intersection($0) } }
        }

        /// The file as a shard sees it that owns `owned`, if it can't be opened and is live there.
        func unreadableShare(of owned: [TokenRange]) -> UnreadableSSTable? {
            guard let damage else { return nil }
            let own = ranges(of: owned).compactMap { $0.intersection(damage.tokens) }
            guard !own.isEmpty else { return nil }
            return UnreadableSSTable(number: file.number, path: path, error: damage.error, ranges: own)
        }

        /// The SSTable as a shard sees it that owns `owned`; nil if it isn't live there.
        func share(of owned: [TokenRange]) -> LiveSSTable? {
            guard let sstable else { return nil }
            return LiveSSTable(
                number: sstable.number,
                reader: sstable.reader,
                live: ranges(of: owned),
                of: owned
            )
        }
    }

    /// Opens the SSTables that the manifest names, of tables that still exist.
    private func openSSTables(
        _ schema: Schema,
        _ files: TableFiles,
        _ report: inout RecoveryReport
    ) throws(StorageError) -> [Live] {
        var live: [Live] = []
        var unknown: [UUID] = []
        for file in files.manifest.allLiveFiles {
            guard let table = schema.table(storageID: file.table) else {
                if !unknown.contains(file.table) { unknown.append(file.table) }
                continue
            }
            var entry = Live(file: file, path: files.path(file.number, table))
            do throws(StorageError) {
                let reader = try SSTableReader.open(
                    fileSystem: fileSystem,
                    path: entry.path,
                    fileNumber: file.number,
                    quarantine: files.quarantine
                )
                entry.sstable = LiveSSTable(number: file.number, reader: reader)
            } catch {
                guard let damage = NodeOpener.damage(error, path: entry.path) else { throw error }
                files.quarantine.note(damage, fileNumber: file.number)
                let tokens = SSTableReader.tokens(fileSystem: fileSystem, path: entry.path)
                entry.damage = (damage, tokens ?? TokenRange(.min, .max))
                report.unreadableFiles.append(damage.description)
            }
            live.append(entry)
        }
        if !unknown.isEmpty { _ = try files.manifest.append(unknown.map { .dropTable($0) }) }
        report.sstableCount = live.count
        return live
    }

    /// What keeps a file from being opened, if it is the file's: the rest of the node can do without it.
    /// Nil for what a person has to mend first, a newer format or a lack of rights.
    private static func damage(_ error: StorageError, path: String) -> CorruptionError? {
        switch error {
        case .corruption(let error): return error
        case .file(let error):
            if error.reason == .accessDenied { return nil }
            return CorruptionError(
                path: path,
                offset: 0,
                expected: "a file that can be opened",
                found: "\"\(error)\"",
                advice: "see to the disk; " + CorruptionError.restoreAdvice
            )
        default: return nil
        }
    }

    /// Removes files that no manifest entry names: of interrupted flushes, compactions and drops.
    private func removeLeftovers(
        _ schema: Schema,
        _ files: TableFiles,
        _ live: [Live],
        _ report: inout RecoveryReport
    ) throws(StorageError) {
        let named = Set(live.map(\.path))
        do throws(FileError) {
            let data = "\(root)/data"
            guard try fileSystem.kind(data) == .directory else { return }
            for keyspace in try fileSystem.list(data) {
                for table in try fileSystem.list("\(data)/\(keyspace)") {
                    let folder = "\(data)/\(keyspace)/\(table)"
                    for name in try fileSystem.list(folder) {
                        let path = "\(folder)/\(name)"
                        let isOurs = name.hasSuffix(".sst") || name.hasSuffix(".tmp")
                        guard isOurs, !named.contains(path) else { continue }
                        try fileSystem.remove(path)
                        report.removedFiles.append(path)
                    }
                    report.removedFiles += try Snapshots.removeLeftovers(in: folder, fileSystem)
                    if try fileSystem.list(folder).isEmpty {
                        try fileSystem.removeDirectory(folder)
                    }
                }
                if try fileSystem.list("\(data)/\(keyspace)").isEmpty {
                    try fileSystem.removeDirectory("\(data)/\(keyspace)")
                }
            }
        } catch {
            throw .file(error)
        }
    }

    private func makeShards(
        _ schema: Schema,
        _ shardMap: ShardMap,
        _ files: TableFiles,
        _ live: [Live]
    ) -> [Shard] {
        executors.enumerated().map { index, executor in
            let ranges = shardMap.ranges(of: index)
            let store = ShardStore(
                index: index,
                tokenRanges: ranges,
                environment: environment,
                executor: executor,
                files: files,
                options: options.store
            )
            for table in schema.tables {
                let own = live.filter { $0.file.table == table.storageID }
                store.addTable(
                    table,
                    sstables: own.compactMap { $0.share(of: ranges) },
                    unreadable: own.compactMap { $0.unreadableShare(of: ranges) }
                )
            }
            return Shard(index: index, executor: executor, store: store, schema: schema)
        }
    }

    // MARK: Commit logs

    /// Replays the commit logs of all shards that there were, flushes what they held and removes them.
    private func replay(
        _ shards: [Shard],
        _ shardMap: ShardMap,
        _ report: inout RecoveryReport
    ) throws(StorageError) {
        let folder = "\(root)/commitlog"
        var names: [String] = []
        do throws(FileError) {
            try fileSystem.createDirectoryDurably(folder)
            names = try fileSystem.list(folder)
        } catch {
            throw .file(error)
        }
        var replayed: [(directory: String, segments: [UInt64])] = []
        for name in names {
            let directory = "\(folder)/\(name)"
            let result = try CommitLog.recover(directory: directory, environment: environment) {
                (_, record) throws(StorageError) in
                try recover(record, shards, shardMap, directory)
            }
            report.replayedRecords += result.records
            report.replayedBytes += result.bytes
            report.tornTails += result.tornTails.map(\.description)
            replayed.append((directory, result.segments))
        }
        for shard in shards { try shard.store.flushNow() }
        do throws(FileError) {
            for (directory, segments) in replayed {
                try CommitLog.remove(segments, fileSystem: fileSystem, directory: directory)
                guard try fileSystem.kind(directory) == .directory else { continue }
                // Space that was set aside for a next segment, by a shard that may be no more.
                for name in try fileSystem.list(directory) where name.hasSuffix(".next") {
                    try fileSystem.remove("\(directory)/\(name)")
                }
            }
        } catch {
            throw .file(error)
        }
    }

    private func recover(
        _ record: ByteView,
        _ shards: [Shard],
        _ shardMap: ShardMap,
        _ directory: String
    ) throws(StorageError) {
        var reader = MutationReader(record)
        do throws(MalformedBytes) {
            while let group = try reader.nextGroup() {
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    let shard = shards[shardMap.shard(of: Key.token(of: key))]
                    let failure = shard.store.recover(
                        storageID: group.storageID,
                        key: key,
                        value: value
                    )
                    if let failure { throw failure }
                }
            }
        } catch {
            throw .corruption(
                CorruptionError(
                    path: directory,
                    offset: error.offset,
                    expected: error.expected,
                    found: "another entry in a commit-log record"
                )
            )
        }
        for shard in shards { try shard.store.flushIfFull() }
    }
}
