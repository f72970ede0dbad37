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
/// tail never stays, and the log doesn't grow for ever.
final class MetadataLog {
    private let folder: String
    private let log: RecordLogWriter
    private var isPoisoned = false

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
        self.folder = folder
        let files = environment.fileSystem
        var schema = initial
        var hostID = UUID(random: environment.random.next(), environment.random.next())
        var newest: UInt64 = 0
        var names: [String] = []
        do throws(FileError) {
            try files.createDirectoryDurably(folder)
            names = try files.list(folder)
        } catch {
            throw .file(error)
        }
        let numbers = names.compactMap { MetadataLog.number($0) }.sorted()
        if let last = numbers.last {
            newest = last
            (schema, hostID) = try MetadataLog.read(files, folder, last, initial)
        }
        self.schema = schema
        self.hostID = hostID
        let header = RecordLogFormat.Header(
            kind: .metadata,
            segment: newest + 1,
            salt: environment.random.next(),
            startsRun: true
        )
        do throws(FileError) {
            let path = MetadataLog.path(folder, header.segment)
            log = try RecordLogWriter(fileSystem: files, path: path + ".tmp", header: header)
            try MetadataLog.appendSnapshot(schema, hostID, initial, to: log)
            try log.sync()
            // The seal proves that all before it was durable: damage there is never a torn tail.
            try log.seal()
            try files.rename(path + ".tmp", to: path)
            try files.syncDirectory(folder)
            // A crash may have left a file under the name that was just renamed away.
            for name in names where "\(folder)/\(name)" != path + ".tmp" {
                try files.remove("\(folder)/\(name)")
            }
            try files.syncDirectory(folder)
        } catch {
            throw .file(error)
        }
    }

    /// Appends one change and makes it durable.
    func append(_ edits: [SchemaEdit], version: UUID) throws(StorageError) {
        guard !isPoisoned else { throw MetadataLog.poisoned(folder) }
        do throws(FileError) {
            try log.append { MetadataLog.encode(edits, version: version, to: &$0) }
            try log.sync()
        } catch {
            // What is on disk is not known: nothing may follow it.
            isPoisoned = true
            throw .file(error)
        }
    }

    func close() { log.close() }

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

    private static func poisoned(_ folder: String) -> StorageError {
        .file(
            FileError(
                operation: .append,
                path: folder,
                reason: .system(
                    code: 0,
                    text: "an earlier schema change failed here; mend the disk and restart the node"
                )
            )
        )
    }
}
