// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// Sorts the postings of a file that is being written: in memory up to a bound, beyond it in runs in
/// temporary files, which are merged at the end.
///
/// Used by one thread. The files are removed by `discard`, and by the next start if it doesn't come
/// to that.
final class PostingSorter {
    private let fileSystem: any FileSystem
    private let path: String
    private let memoryMax: Int
    private var bytes: ByteWriter
    private var records: [Record] = []
    private var runs: [PostingRun] = []

    private struct Record {
        let offset: Int
        let count: UInt32
        let placeOffset: UInt32
    }

    /// A sorter that writes its runs beside `path` when it holds more than `memoryMax` bytes.
    init(fileSystem: any FileSystem, path: String, memoryMax: Int) {
        self.fileSystem = fileSystem
        self.path = path
        self.memoryMax = memoryMax
        bytes = ByteWriter(capacity: 4096)
    }

    /// Takes a posting.
    func add(_ key: ByteView, placeOffset: Int) throws(StorageError) {
        records.append(
            Record(
                offset: bytes.count,
                count: UInt32(truncatingIfNeeded: key.count),
                placeOffset: UInt32(truncatingIfNeeded: placeOffset)
            )
        )
        bytes.append(key)
        if bytes.count + records.count * MemoryLayout<Record>.stride > memoryMax { try spill() }
    }

    /// Hands all postings on in order, each once.
    func drain(
        _ body: (_ key: ByteView, _ placeOffset: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        guard !runs.isEmpty else { return try drainMemory(body) }
        try spill()
        let cursors = runs.map { PostingRunCursor($0) }
        for cursor in cursors { try cursor.next() }
        var last = ByteWriter(capacity: 256)
        while let least = Self.least(cursors) {
            if last.count == 0 || !last.view.equals(least.key) {
                try body(least.key, least.placeOffset)
                last.removeAll()
                last.append(least.key)
            }
            try least.next()
        }
    }

    /// Removes the temporary files.
    func discard() {
        for run in runs {
            // What stays is removed when the engine starts.
            try? fileSystem.remove(run.file.path)
        }
        runs.removeAll()
    }

    private static func least(_ cursors: [PostingRunCursor]) -> PostingRunCursor? {
        var least: PostingRunCursor?
        for cursor in cursors where cursor.isValid {
            if let best = least, cursor.key.compare(best.key) >= 0 { continue }
            least = cursor
        }
        return least
    }

    private func drainMemory(
        _ body: (_ key: ByteView, _ placeOffset: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        let view = bytes.view
        records.sort { a, b in
            let first = ByteView(view.base + a.offset, count: Int(a.count))
            return first.compare(ByteView(view.base + b.offset, count: Int(b.count))) < 0
        }
        var last = ByteView.empty
        for record in records {
            let key = ByteView(view.base + record.offset, count: Int(record.count))
            if key.equals(last) { continue }
            try body(key, Int(record.placeOffset))
            last = key
        }
        records.removeAll(keepingCapacity: true)
        bytes.removeAll()
    }

    private func spill() throws(StorageError) {
        guard !records.isEmpty else { return }
        let runPath = "\(path).postings-\(runs.count).tmp"
        let salt = SSTableFormat.salt(identity: UInt64(truncatingIfNeeded: runs.count))
        var output = try BlockOutput(fileSystem: fileSystem, path: runPath, salt: salt)
        var block = BlockBuilder(
            restartInterval: SSTableFormat.dataRestartInterval,
            capacity: 2 * PostingSection.blockCount
        )
        var handles: [BlockHandle] = []
        var value = ByteWriter(capacity: 16)
        var last = ByteView.empty
        do throws(StorageError) {
            try drainMemory { (key, placeOffset) throws(StorageError) in
                value.removeAll()
                value.appendVarint(placeOffset)
                block.append(key: key, shared: last.commonPrefixCount(key), value: value.view)
                last = key
                guard block.count >= PostingSection.blockCount else { return }
                handles.append(try output.store(block.finish(), codec: .lz4, level: 1))
                block.removeAll()
                last = .empty
            }
            if !block.isEmpty {
                handles.append(try output.store(block.finish(), codec: .lz4, level: 1))
            }
            try output.finish()
            runs.append(try PostingRun(fileSystem, runPath, salt, handles))
        } catch {
            output.close()
            try? fileSystem.remove(runPath)
            throw error
        }
    }
}

/// A run of sorted postings in a temporary file.
private struct PostingRun {
    let file: any ReadableFile
    let salt: UInt64
    let handles: [BlockHandle]

    init(
        _ fileSystem: any FileSystem,
        _ path: String,
        _ salt: UInt64,
        _ handles: [BlockHandle]
    ) throws(StorageError) {
        do throws(FileError) {
            file = try fileSystem.open(path)
        } catch {
            throw .file(error)
        }
        self.salt = salt
        self.handles = handles
    }
}

/// Walks a run from its start.
private final class PostingRunCursor {
    private let run: PostingRun
    private let block = BlockCursor()
    private var nextHandle = 0
    private var scratch = ByteWriter(capacity: 4096)
    private(set) var isValid = false
    private(set) var placeOffset = 0

    init(_ run: PostingRun) { self.run = run }

    var key: ByteView { block.key }

    func next() throws(StorageError) {
        if isValid, block.next() { return try readValue() }
        isValid = false
        guard nextHandle < run.handles.count else { return }
        let handle = run.handles[nextHandle]
        nextHandle += 1
        scratch.removeAll()
        try StoredBlock.read(
            run.file,
            at: handle.offset,
            count: handle.storedCount,
            into: &scratch
        )
        let content = try StoredBlock.decode(
            scratch.view,
            at: handle.offset,
            salt: run.salt,
            path: run.file.path
        )
        guard block.attach(content), block.seekToFirst() else { throw malformed(handle) }
        isValid = true
        try readValue()
    }

    private func readValue() throws(StorageError) {
        var reader = ByteReader(block.value)
        guard let offset = try? reader.readCount(max: block.key.count) else {
            throw malformed(run.handles[max(nextHandle - 1, 0)])
        }
        placeOffset = offset
    }

    private func malformed(_ handle: BlockHandle) -> StorageError {
        .corruption(
            CorruptionError(
                path: run.file.path,
                offset: handle.offset,
                length: handle.storedCount,
                expected: "sorted postings",
                found: "bytes that break the format",
                advice: "the file is temporary: the job that made it is tried again"
            )
        )
    }
}
