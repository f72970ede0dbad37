// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment

/// Reading a log in order to flush what it holds.
///
/// A process that ends leaves records that the system has and the disk may not. What is flushed of them is
/// durable table by table; so they are made durable in the log first, lest a power loss leave a mutation's
/// part in one table and take the one in another.
extension CommitLog {
    /// As `replay`, with all that `visit` gets certainly durable: it is found again by a later start.
    package static func recover(
        directory: String,
        environment: Environment,
        _ visit: (CommitLogPosition, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) -> CommitLogReplay {
        let copy = try copyTails(directory: directory, environment: environment)
        var result = try replay(
            directory: directory,
            fileSystem: environment.fileSystem,
            before: copy ?? .max,
            visit
        )
        if let copy { result.segments.append(copy) }
        return result
    }

    /// Writes the records of which nothing says that they are durable into a segment of their own: a sync of
    /// the old file would prove nothing, since one may have failed before.
    ///
    /// - Returns: the segment; nil if there are no such records.
    private static func copyTails(
        directory: String,
        environment: Environment
    ) throws(StorageError) -> UInt64? {
        let fileSystem = environment.fileSystem
        let segments: [UInt64]
        do throws(FileError) {
            guard try fileSystem.kind(directory) == .directory else { return nil }
            segments = try self.segments(fileSystem, directory: directory)
        } catch {
            throw .file(error)
        }
        guard let last = segments.last else { return nil }
        var tails = LogPayloads()
        for (index, segment) in segments.enumerated() {
            if index + 1 < segments.count {
                let next = segments[index + 1]
                guard try startsRun(next, directory: directory, fileSystem: fileSystem) else { continue }
            }
            try gatherTail(directory: directory, segment, fileSystem, into: &tails)
        }
        guard !tails.isEmpty else { return nil }
        do throws(FileError) {
            try write(tails, directory: directory, segment: last + 1, environment)
        } catch {
            throw .file(error)
        }
        return last + 1
    }

    /// Adds the records of the last segment of a run that were written after the last sync that a record
    /// tells of.
    private static func gatherTail(
        directory: String,
        _ segment: UInt64,
        _ fileSystem: any FileSystem,
        into tails: inout LogPayloads
    ) throws(StorageError) {
        let path = path(directory: directory, segment: segment)
        let contents = try FileContents(fileSystem, path: path)
        let reader = RecordLogReader(path: path, kind: .commitLog, segment: segment, mayBeTorn: true)
        var records: [(offset: Int, payload: ByteView)] = []
        let summary = try reader.read(contents.view) { (offset, payload) in
            records.append((offset, payload))
        }
        withExtendedLifetime(contents) {
            for record in records where record.offset >= summary.durable { tails.append(record.payload) }
        }
    }

    private static func write(
        _ payloads: borrowing LogPayloads,
        directory: String,
        segment: UInt64,
        _ environment: Environment
    ) throws(FileError) {
        let writer = try RecordLogWriter(
            fileSystem: environment.fileSystem,
            path: path(directory: directory, segment: segment),
            header: RecordLogFormat.Header(
                kind: .commitLog,
                segment: segment,
                salt: environment.random.next(),
                startsRun: true
            )
        )
        defer { writer.close() }
        try environment.fileSystem.syncDirectory(directory)
        try payloads.forEach { (payload) throws(FileError) in
            try writer.append { $0.append(payload) }
        }
        try writer.sync()
        // Says that nothing here has to be copied once more.
        try writer.seal()
    }
}
