// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// The node's log of schema changes: what `Schema` is made from at start.
///
///     DATA/metadata/metadata-N.log: a record log (`RecordLog`) of
///     record = version (16) count (varint) edit*       one change, all of its edits or none
///
/// At start the whole state is written to a new file, which replaces the old one by rename: so a torn
/// tail never stays, and the log doesn't grow for ever. The same is done after a failed change.
final class MetadataLog {
    private let environment: Environment
    private let folder: String
    /// What is always there and not stored.
    private let initial: Schema
    private var log: RecordLogWriter
    /// The highest number that a file was given.
    private var lastNumber: UInt64
    /// Whether a change failed, so that what is on disk is not known: nothing may follow it there.
    private var isPoisoned = false
    private(set) var isClosed = false

    /// The schema that the log held, made from `initial` and all changes.
    let schema: Schema
    /// Names the node for good.
    let hostID: UUID

    /// Opens the log in `folder`, which is made if it isn't there.
    init(
        environment: Environment,
        folder: String,
        initial: Schema
    ) throws(StorageError) {
        self.environment = environment
        self.folder = folder
        self.initial = initial
        let files = environment.fileSystem
        var schema = initial
        var hostID = UUID(random: environment.random.next(), environment.random.next())
        var names: [String] = []
        do throws(FileError) {
            try files.createDirectoryDurably(folder)
            names = try files.list(folder)
        } catch {
            throw .file(error)
        }
        lastNumber = 1
        if let newest = names.compactMap({ MetadataLog.number($0) }).max() {
            lastNumber = newest + 1
            (schema, hostID) = try MetadataLog.read(files, folder, newest, initial)
        }
        self.schema = schema
        self.hostID = hostID
        do throws(FileError) {
            let path = MetadataLog.path(folder, lastNumber)
            log = try MetadataLog.write(schema, hostID, initial, path, lastNumber, environment)
            // A crash may have left a file under the name that was just renamed away.
            for name in names where "\(folder)/\(name)" != path + ".tmp" {
                try files.remove("\(folder)/\(name)")
            }
            try files.syncDirectory(folder)
        } catch {
            throw .file(error)
        }
    }

    /// Appends one change of `schema`, which is what all changes so far have made, and makes it durable.
    ///
    /// - Throws: why it failed. A restart may find it all the same until `settle` has returned true; later
    ///   changes are refused as long as that fails.
    func append(
        _ edits: [SchemaEdit],
        version: UUID,
        to schema: Schema
    ) throws(StorageError) {
        do throws(FileError) {
            if isPoisoned { try rewrite(schema) }
            isPoisoned = true
            try log.append { MetadataLog.encode(edits, version: version, to: &$0) }
            try log.sync()
            isPoisoned = false
        } catch {
            throw .file(error)
        }
    }

    /// After a failed change, sees to it that it hasn't happened: begins a file without it. Whether that is
    /// certain.
    func settle(_ schema: Schema) -> Bool {
        if isPoisoned, !isClosed { try? rewrite(schema) }
        return !isPoisoned
    }

    /// Begins a new file with the whole state. One that fails halfway isn't used again, whatever became of
    /// its name.
    private func rewrite(_ schema: Schema) throws(FileError) {
        lastNumber += 1
        let path = MetadataLog.path(folder, lastNumber)
        let next: RecordLogWriter
        do throws(FileError) {
            next = try MetadataLog.write(schema, hostID, initial, path, lastNumber, environment)
        } catch {
            try? environment.fileSystem.remove(path + ".tmp")
            throw error
        }
        log.close()
        log = next
        isPoisoned = false
        // The newest counts; what can't be removed now is at the next start.
        guard let names = try? environment.fileSystem.list(folder) else { return }
        for name in names where "\(folder)/\(name)" != path {
            try? environment.fileSystem.remove("\(folder)/\(name)")
        }
    }

    /// Closes the file. All is durable, except that a failed change may be.
    func close() {
        isClosed = true
        log.close()
    }

    /// Writes the file at `path` with the whole state; it is durable under its name on return.
    private static func write(
        _ schema: Schema,
        _ hostID: UUID,
        _ initial: Schema,
        _ path: String,
        _ number: UInt64,
        _ environment: Environment
    ) throws(FileError) -> RecordLogWriter {
        let files = environment.fileSystem
        let header = RecordLogFormat.Header(
            kind: .metadata,
            segment: number,
            salt: environment.random.next(),
            startsRun: true
        )
        let log = try RecordLogWriter(fileSystem: files, path: path + ".tmp", header: header)
        do throws(FileError) {
            try appendSnapshot(schema, hostID, initial, to: log)
            try log.sync()
            // The seal proves that all before it was durable: damage there is never a torn tail.
            try log.seal()
            try files.rename(path + ".tmp", to: path)
            try files.syncDirectory(FilePath.parent(of: path) ?? ".")
        } catch {
            log.close()
            throw error
        }
        return log
    }

    // MARK: Format

    private static let hostRecord: UInt8 = 1
    private static let editRecord: UInt8 = 2

    private static func encode(
        _ edits: [SchemaEdit],
        version: UUID,
        to writer: inout ByteWriter
    ) {
        writer.append(editRecord)
        writer.append(version.bytes)
        writer.appendVarint(edits.count)
        for edit in edits { edit.encode(to: &writer) }
    }

    private static func read(
        _ files: any FileSystem,
        _ folder: String,
        _ number: UInt64,
        _ initial: Schema
    ) throws(StorageError) -> (Schema, UUID) {
        let path = path(folder, number)
        var schema = initial
        var hostID = UUID(random: 0, 0)
        let contents = try FileContents(files, path: path)
        let reader = RecordLogReader(path: path, kind: .metadata, segment: number, mayBeTorn: true)
        _ = try reader.read(contents.view) { (offset, payload) throws(StorageError) in
            do throws(MalformedBytes) {
                try apply(payload, &schema, &hostID)
            } catch {
                throw .corruption(
                    CorruptionError(
                        path: path,
                        offset: offset + error.offset,
                        expected: error.expected,
                        found: "something else"
                    )
                )
            }
        }
        return (schema, hostID)
    }

    private static func apply(
        _ payload: ByteView,
        _ schema: inout Schema,
        _ hostID: inout UUID
    ) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        switch try reader.readByte() {
        case hostRecord:
            if let id = UUID(try reader.readView(16)) { hostID = id }
        case editRecord:
            guard let version = UUID(try reader.readView(16)) else { return }
            for _ in 0..<(try reader.readCount(max: reader.remaining)) {
                schema.apply(try SchemaEdit(from: &reader), version: version)
            }
        default: throw MalformedBytes(offset: 0, expected: "a metadata record")
        }
    }

    /// Appends the whole state: the node's id, then a change for each keyspace.
    private static func appendSnapshot(
        _ schema: Schema,
        _ hostID: UUID,
        _ initial: Schema,
        to log: RecordLogWriter
    ) throws(FileError) {
        try log.append { record in
            record.append(hostRecord)
            record.append(hostID.bytes)
        }
        for name in schema.keyspaceNames where initial.keyspaces[name] == nil {
            guard let keyspace = schema.keyspaces[name] else { continue }
            var edits: [SchemaEdit] = [
                .putKeyspace(
                    name: name,
                    replication: keyspace.replication,
                    durableWrites: keyspace.durableWrites
                )
            ]
            edits += keyspace.tables.sorted { $0.key < $1.key }.map { .putTable($0.value) }
            try log.append { encode(edits, version: schema.version, to: &$0) }
        }
    }

    private static func path(_ folder: String, _ number: UInt64) -> String {
        "\(folder)/metadata-\(number).log"
    }

    private static func number(_ name: String) -> UInt64? {
        guard name.hasPrefix("metadata-"), name.hasSuffix(".log") else { return nil }
        return UInt64(name.dropFirst(9).dropLast(4))
    }
}
