// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
package import Model
internal import Synchronization

/// Where a node's SSTables are, and how one becomes live or is removed.
///
/// Shared by all shards and their background jobs; the manifest inside has a lock of its own.
///
///     DATA/data/KEYSPACE/TABLE-STORAGEID/NUMBER.sst
package final class TableFiles: Sendable {
    package let environment: Environment
    /// The node's data folder.
    package let root: String
    package let manifest: Manifest
    /// How far secondary indexes are built.
    package let indexBuilds = IndexBuilds()
    /// What runs in the background.
    package let tasks = BackgroundTasks()
    /// What is known to be damaged.
    package let quarantine: Quarantine
    /// What to remove when nobody holds the files any more.
    let held = Mutex(HeldFiles())

    package init(environment: Environment, root: String, manifest: Manifest) {
        self.environment = environment
        self.root = root
        self.manifest = manifest
        quarantine = Quarantine(clock: environment.clock)
    }

    /// The folder of a table's SSTables.
    package func folder(_ schema: TableSchema) -> String {
        let id = schema.storageID.description.filter { $0 != "-" }
        return "\(root)/data/\(schema.keyspace)/\(schema.name)-\(id)"
    }

    /// The path of an SSTable.
    package func path(_ number: UInt64, _ schema: TableSchema) -> String {
        let digits = String(number)
        let padding = String(repeating: "0", count: max(0, 10 - digits.count))
        return "\(folder(schema))/\(padding)\(digits).sst"
    }

    /// The number of an SSTable's file name; nil for other names.
    package static func number(ofFile name: String) -> UInt64? {
        guard name.hasSuffix(".sst") else { return nil }
        return UInt64(name.dropLast(4))
    }

    /// An SSTable that is being written.
    struct Output {
        let number: UInt64
        let path: String
        let writer: SSTableWriter
    }

    /// Starts an SSTable of a table.
    ///
    /// - Parameters:
    ///   - level: that of the file; nil for the lowest.
    ///   - dictionary: was trained from its content, or part of it.
    func makeWriter(
        _ schema: TableSchema,
        origin: SSTableOrigin,
        level: Int?,
        dictionary: TrainedDictionary? = nil
    ) throws(StorageError) -> Output {
        // Without a manifest nothing becomes live: each retry would leave a file behind.
        try manifest.recover()
        let number = manifest.takeFileNumber()
        let path = path(number, schema)
        var encoded = ByteWriter()
        schema.encode(to: &encoded)
        do throws(FileError) {
            // The commit log is let go of when the file is live: so its folders must be durable too.
            try environment.fileSystem.createDirectoryDurably(folder(schema))
        } catch {
            throw .file(error)
        }
        var options = SSTableWriterOptions(schema.options, level: level)
        options.dictionary = dictionary
        options.identity = environment.random.next()
        options.schema = encoded.array
        options.table = schema
        options.origin = origin
        options.createdAt = environment.clock.microsecondsSinceEpoch()
        let writer = try SSTableWriter(
            fileSystem: environment.fileSystem,
            path: path,
            options: options
        )
        return Output(number: number, path: path, writer: writer)
    }

    /// Tokens that are taken from an SSTable.
    struct Removal: Sendable {
        let sstable: LiveSSTable
        let ranges: [TokenRange]
    }

    /// Completes an SSTable and makes it live in `ranges`, in the same step taking from others what it
    /// replaces. Files for which nothing is left are removed; an empty output is abandoned.
    func publish(
        _ output: Output?,
        schema: TableSchema,
        ranges: [TokenRange],
        removing removals: [Removal]
    ) throws(StorageError) -> LiveSSTable? {
        var edits: [ManifestEdit] = []
        var result: LiveSSTable?
        if let output, output.writer.entryCount > 0 {
            _ = try output.writer.finish()
            let reader = try open(output)
            for range in ranges {
                edits.append(.add(file: output.number, table: schema.storageID, range: range))
            }
            result = LiveSSTable(number: output.number, reader: reader)
        } else {
            output?.writer.abandon()
        }
        for removal in removals {
            for range in removal.ranges {
                edits.append(.remove(file: removal.sstable.number, range: range))
            }
        }
        guard !edits.isEmpty else { return nil }
        let dead = try manifest.append(edits)
        for removal in removals where dead.contains(removal.sstable.number) {
            discard(removal.sstable)
        }
        return result
    }

    /// Opens a completed SSTable; removes it when that fails, since nobody else would.
    private func open(_ output: Output) throws(StorageError) -> SSTableReader {
        do throws(StorageError) {
            return try SSTableReader.open(
                fileSystem: environment.fileSystem,
                path: output.path,
                fileNumber: output.number,
                quarantine: quarantine
            )
        } catch {
            try? environment.fileSystem.remove(output.path)
            throw error
        }
    }

    /// Removes all that is left of a table that was dropped or truncated: its entries in the manifest
    /// and its files. What fails is done at the next start.
    package func removeAll(of schema: TableSchema) {
        let fileSystem = environment.fileSystem
        let folder = folder(schema)
        guard (try? manifest.append([.dropTable(schema.storageID)])) != nil,
            let names = try? fileSystem.list(folder)
        else { return }
        for name in names where name.hasSuffix(".sst") {
            remove(.file("\(folder)/\(name)"))
            if let number = TableFiles.number(ofFile: name) { quarantine.forget(file: number) }
        }
        // Stays if it has snapshots.
        remove(.folder(folder))
    }

    /// Removes the file of an SSTable that is no longer live. Readers that have it open keep it; a
    /// failure leaves a file that the next start removes.
    func discard(_ sstable: LiveSSTable) {
        remove(.file(sstable.reader.path))
        quarantine.forget(file: sstable.number)
    }
}

extension SSTableWriterOptions {
    /// What a table's options say of its files: `compression` and `bloom_filter_fp_chance`.
    init(_ options: TableOptions, level: Int?) {
        self.init()
        self.level = level ?? 0
        filterFalsePositiveChance = options.bloomFilterFPChance
        let settings = CompressionSettings(options.compression, level: level)
        codec = settings.codec
        compressionLevel = settings.compressionLevel
        blockCount = settings.blockCount
    }
}
