// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment

/// What a replay of a commit-log folder found.
package struct CommitLogReplay: Sendable, Equatable {
    /// The end of a segment that a power loss has left incomplete. What was there had not been
    /// acknowledged in group mode.
    package struct TornTail: Sendable, Equatable, CustomStringConvertible {
        package let path: String
        /// Where it begins, in bytes.
        package let offset: Int
        /// How long it is, in bytes.
        package let length: Int

        package var description: String {
            "\(path) ends in an incomplete record at offset \(offset); "
                + "its last \(length) bytes are ignored"
        }
    }

    /// The segments that were read, oldest first.
    package internal(set) var segments: [UInt64] = []
    package internal(set) var records = 0
    /// The bytes of all payloads.
    package internal(set) var bytes = 0
    package internal(set) var tornTails: [TornTail] = []
}

extension CommitLog {
    /// Reads all segments of a folder, oldest first, and calls `visit` with each record. A folder
    /// that does not exist is empty. Called before a new log appends there.
    ///
    /// When all the records are in SSTables, `remove` the segments that it returns.
    ///
    /// - Parameter end: segments from this one on are passed over.
    /// - Throws: `.corruption` for damage that is not the trace of a power loss, `.file` if a file
    ///   cannot be read, and what `visit` throws. Records before the damage were visited then.
    package static func replay(
        directory: String,
        fileSystem: any FileSystem,
        before end: UInt64 = .max,
        _ visit: (CommitLogPosition, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) -> CommitLogReplay {
        var result = CommitLogReplay()
        do throws(FileError) {
            guard try fileSystem.kind(directory) == .directory else { return result }
            result.segments = try segments(fileSystem, directory: directory).filter { $0 < end }
        } catch {
            throw .file(error)
        }
        for (index, segment) in result.segments.enumerated() {
            let next = index + 1 < result.segments.count ? result.segments[index + 1] : nil
            var mayBeTorn = true
            if let next {
                mayBeTorn = try startsRun(next, directory: directory, fileSystem: fileSystem)
            }
            let path = path(directory: directory, segment: segment)
            let contents = try FileContents(fileSystem, path: path)
            let summary = try replay(contents.view, segment, path, mayBeTorn, &result, visit)
            if let offset = summary.tornTail {
                let length = contents.view.count - offset
                result.tornTails.append(
                    CommitLogReplay.TornTail(path: path, offset: offset, length: length)
                )
            }
        }
        return result
    }

    private static func replay(
        _ file: ByteView,
        _ segment: UInt64,
        _ path: String,
        _ mayBeTorn: Bool,
        _ result: inout CommitLogReplay,
        _ visit: (CommitLogPosition, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) -> RecordLogReader.Summary {
        let reader = RecordLogReader(
            path: path,
            kind: .commitLog,
            segment: segment,
            mayBeTorn: mayBeTorn
        )
        var bytes = 0
        let summary = try reader.read(file) { (offset, payload) throws(StorageError) in
            bytes += payload.count
            try visit(CommitLogPosition(segment: segment, offset: offset), payload)
        }
        if !mayBeTorn, !summary.isSealed { throw .corruption(reader.missingEnd(at: summary.end)) }
        result.records += summary.records
        result.bytes += bytes
        return summary
    }

    /// Whether a segment is the first of its run, or may be: its header never reached the disk.
    static func startsRun(
        _ segment: UInt64,
        directory: String,
        fileSystem: any FileSystem
    ) throws(StorageError) -> Bool {
        let path = path(directory: directory, segment: segment)
        let contents = try FileContents(
            fileSystem,
            path: path,
            prefix: RecordLogFormat.headerSize
        )
        let reader = RecordLogReader(
            path: path,
            kind: .commitLog,
            segment: segment,
            mayBeTorn: true
        )
        return try reader.readHeader(contents.view)?.startsRun ?? true
    }

    /// Removes segments, oldest first, and makes that durable.
    ///
    /// Each removal is durable before the next: a deletion must not go while the older write that it
    /// hides can still be replayed.
    package static func remove(
        _ segments: [UInt64],
        fileSystem: any FileSystem,
        directory: String
    ) throws(FileError) {
        for segment in segments {
            do throws(FileError) {
                try fileSystem.remove(path(directory: directory, segment: segment))
            } catch {
                guard error.reason == .notFound else { throw error }
            }
            try fileSystem.syncDirectory(directory)
        }
    }

    /// The path of a segment.
    package static func path(directory: String, segment: UInt64) -> String {
        FilePath.join(directory, "commitlog-\(segment).log")
    }

    /// The segments in a folder, oldest first. Other files are passed over.
    package static func segments(
        _ fileSystem: any FileSystem,
        directory: String
    ) throws(FileError) -> [UInt64] {
        var segments: [UInt64] = []
        for name in try fileSystem.list(directory) {
            guard name.hasPrefix("commitlog-"), name.hasSuffix(".log"),
                let segment = UInt64(name.dropFirst(10).dropLast(4)),
                name == "commitlog-\(segment).log"
            else { continue }
            segments.append(segment)
        }
        return segments.sorted()
    }
}
