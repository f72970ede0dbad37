// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Cluster
internal import Environment
internal import Model
internal import Storage

/// What a node keeps on disk of the cluster's metadata log: what `MetadataGroup` wants to be durable.
///
///     DATA/cluster/cluster-N.log: a record log (`RecordLog`) of `MetadataRecord`s
///
/// Written anew at each start and whenever it has grown, from what all records amount to; the new file takes
/// the old one's place by rename.
final class ClusterLog {
    private static let sizeMax = 16 << 20

    private let environment: Environment
    private let folder: String
    private var log: RecordLogWriter
    private var number: UInt64

    /// Reads what is there.
    static func read(
        _ environment: Environment,
        folder: String
    ) throws(StorageError) -> (recovery: MetadataRecovery, number: UInt64) {
        var recovery = MetadataRecovery()
        let files = environment.fileSystem
        var names: [String] = []
        do throws(FileError) {
            try files.createDirectoryDurably(folder)
            names = try files.list(folder)
        } catch {
            throw .file(error)
        }
        guard let newest = names.compactMap({ number($0) }).max() else { return (recovery, 0) }
        let path = path(folder, newest)
        let contents = try FileContents(files, path: path)
        let reader = RecordLogReader(path: path, kind: .cluster, segment: newest, mayBeTorn: true)
        _ = try reader.read(contents.view) { (offset, payload) throws(StorageError) in
            let record: MetadataRecord
            do throws(MalformedBytes) {
                var reader = ByteReader(payload)
                record = try MetadataRecord(from: &reader)
            } catch {
                throw damage(path, offset + error.offset, error.expected, "something else")
            }
            do throws(MetadataRefusal) {
                try recovery.replay(record)
            } catch {
                throw damage(path, offset, "an entry that is legal", "one that is not: \(error)")
            }
        }
        return (recovery, newest)
    }

    private static func damage(
        _ path: String,
        _ offset: Int,
        _ expected: String,
        _ found: String
    ) -> StorageError {
        .corruption(CorruptionError(path: path, offset: offset, expected: expected, found: found))
    }

    /// Begins a file with `records`, which say all that the files before it said.
    init(
        _ environment: Environment,
        folder: String,
        after number: UInt64,
        _ records: [MetadataRecord]
    ) throws(FileError) {
        self.environment = environment
        self.folder = folder
        self.number = number + 1
        log = try ClusterLog.begin(environment, folder, number + 1, records)
    }

    /// Appends records and makes them durable. After an error the file has to be written anew.
    func append(_ records: [MetadataRecord]) throws(FileError) {
        for record in records { try log.append { record.encode(to: &$0) } }
        try log.sync()
    }

    /// Whether the file has grown so much that it should be written anew.
    var isLarge: Bool { log.size > ClusterLog.sizeMax }

    /// Begins a new file with `records`. After an error it may be tried again.
    func rewrite(_ records: [MetadataRecord]) throws(FileError) {
        // A number of its own for each try: what a failed one has left may have its name already.
        number += 1
        let next = try ClusterLog.begin(environment, folder, number, records)
        log.close()
        log = next
    }

    func close() { log.close() }

    private static func begin(
        _ environment: Environment,
        _ folder: String,
        _ number: UInt64,
        _ records: [MetadataRecord]
    ) throws(FileError) -> RecordLogWriter {
        let files = environment.fileSystem
        let path = path(folder, number)
        for name in try files.list(folder) where name.hasSuffix(".tmp") {
            try files.remove("\(folder)/\(name)")
        }
        let header = RecordLogFormat.Header(
            kind: .cluster,
            segment: number,
            salt: environment.random.next(),
            startsRun: true
        )
        let log = try RecordLogWriter(fileSystem: files, path: path + ".tmp", header: header)
        for record in records { try log.append { record.encode(to: &$0) } }
        try log.sync()
        // The seal proves that all before it was durable: damage there is never a torn tail.
        try log.seal()
        try files.rename(path + ".tmp", to: path)
        try files.syncDirectory(folder)
        for name in try files.list(folder) where "\(folder)/\(name)" != path {
            try files.remove("\(folder)/\(name)")
        }
        return log
    }

    private static func path(_ folder: String, _ number: UInt64) -> String {
        "\(folder)/cluster-\(number).log"
    }

    private static func number(_ name: String) -> UInt64? {
        guard name.hasPrefix("cluster-"), name.hasSuffix(".log") else { return nil }
        return UInt64(name.dropFirst(8).dropLast(4))
    }
}
