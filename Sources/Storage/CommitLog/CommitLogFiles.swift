// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// The files of a shard's commit log, as its background jobs see them: at most one job at a time.
final class CommitLogFiles: @unchecked Sendable {  // Owner: the one background job that runs.
    private let fileSystem: any FileSystem
    private let directory: String
    private var current: (any AppendableFile)?
    private var hasUnsynced = false

    init(fileSystem: any FileSystem, directory: String) {
        self.fileSystem = fileSystem
        self.directory = directory
    }

    /// Writes a batch, segment by segment, and syncs what `sync` or the end of a segment asks for.
    func write(_ batch: CommitLogBatch, sync: Bool) throws(FileError) {
        var start = 0
        for cut in batch.cuts {
            try append(batch.bytes.view[start..<cut.offset])
            try begin(cut.header)
            start = cut.offset
        }
        try append(batch.bytes.view.dropFirst(start))
        if sync { try self.sync() }
    }

    /// Makes everything written so far durable.
    func sync() throws(FileError) {
        guard hasUnsynced, let current else { return }
        try current.sync()
        hasUnsynced = false
    }

    /// Closes the file. What was not synced is not durable.
    func close() {
        current?.close()
        current = nil
    }

    /// Removes segments, oldest first.
    func remove(_ segments: [UInt64]) throws(FileError) {
        try CommitLog.remove(segments, fileSystem: fileSystem, directory: directory)
    }

    private func append(_ bytes: ByteView) throws(FileError) {
        guard !bytes.isEmpty else { return }
        guard let current else { invariantFailure("a record before the first segment") }
        hasUnsynced = true
        try current.append(bytes)
    }

    /// Ends the current segment and begins the next. Its header and its name are durable before the
    /// first record, so that whatever is wrong with them later is damage.
    private func begin(_ header: RecordLogFormat.Header) throws(FileError) {
        try sync()
        close()
        let path = CommitLog.path(directory: directory, segment: header.segment)
        let file = try fileSystem.create(path)
        current = file
        var writer = ByteWriter(capacity: RecordLogFormat.headerSize)
        RecordLogFormat.append(header, to: &writer)
        try file.append(writer.view)
        try file.sync()
        try fileSystem.syncDirectory(directory)
    }
}
