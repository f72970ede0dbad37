// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// The files of a shard's commit log, as its background jobs see them: at most one job at a time.
final class CommitLogFiles: @unchecked Sendable {  // Owner: the one background job that runs.
    private let fileSystem: any FileSystem
    private let directory: String
    private var current: (any AppendableFile)?
    private var hasUnsynced = false
    private let spare: CommitLogSpare

    init(fileSystem: any FileSystem, directory: String, spare: CommitLogSpare) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.spare = spare
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

    /// Leaves a segment whose end is unknown since the disk was full, so that the next record begins a new
    /// one; false after any other error. What was not synced the log has to write again.
    func leaveSegment(after error: FileError) -> Bool {
        guard error.reason == .diskFull else { return false }
        current?.close()
        current = nil
        hasUnsynced = false
        // What was set aside for a later segment is room too.
        _ = spare.take(0)
        return true
    }

    /// Closes the file. What was not synced is not durable.
    func close() {
        current?.close()
        current = nil
        spare.discard()
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
        if let current {
            // Zeros behind a seal would look like a loss.
            try current.trim()
            hasUnsynced = true
            try sync()
            current.close()
        }
        let path = CommitLog.path(directory: directory, segment: header.segment)
        let prepared = spare.take(header.segment)
        let file: any AppendableFile
        if let prepared { file = prepared } else { file = try fileSystem.create(path) }
        current = file
        var writer = ByteWriter(capacity: RecordLogFormat.headerSize)
        RecordLogFormat.append(header, to: &writer)
        try file.append(writer.view)
        try file.sync()
        if prepared != nil { try fileSystem.rename(file.path, to: path) }
        try fileSystem.syncDirectory(directory)
    }
}

/// A segment whose space is set aside before it is needed, so that syncs in it have no metadata to write.
///
/// It stands under a name of its own until it begins. What fails here does no harm: the segment is then
/// created when it is needed.
final class CommitLogSpare: @unchecked Sendable {  // State: `lock`.
    /// What the name of a segment that has not begun ends in.
    static let suffix = ".next"

    private let fileSystem: any FileSystem
    private let directory: String
    private let size: Int
    private let lock = Lock()
    private var prepared: (segment: UInt64, file: any AppendableFile)?
    private var isClosed = false

    /// Spares of `size` bytes. What an earlier run left of them is removed.
    init(fileSystem: any FileSystem, directory: String, size: Int) throws(FileError) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.size = size
        for name in try fileSystem.list(directory) where name.hasSuffix(CommitLogSpare.suffix) {
            try fileSystem.remove(FilePath.join(directory, name))
        }
    }

    /// Makes the file of a segment that will begin soon. Takes as long as writing it whole.
    func prepare(_ segment: UInt64) {
        let path = CommitLog.path(directory: directory, segment: segment) + CommitLogSpare.suffix
        guard let file = try? fileSystem.create(path) else { return }
        guard (try? file.reserve(size)) != nil else { return drop(file) }
        let isLate = lock.withLock {
            if !isClosed, prepared == nil { prepared = (segment, file) }
            return prepared?.file !== file
        }
        if isLate { drop(file) }
    }

    /// The file of a segment, if it is ready; it still has its own name.
    func take(_ segment: UInt64) -> (any AppendableFile)? {
        let taken = lock.withLock {
            defer { prepared = nil }
            return prepared
        }
        guard let taken else { return nil }
        if taken.segment == segment { return taken.file }
        drop(taken.file)
        return nil
    }

    /// Removes what was prepared; nothing is prepared any more.
    func discard() {
        let taken = lock.withLock {
            isClosed = true
            defer { prepared = nil }
            return prepared
        }
        if let taken { drop(taken.file) }
    }

    private func drop(_ file: any AppendableFile) {
        file.close()
        try? fileSystem.remove(file.path)
    }
}
