// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
package import Model

/// Which SSTables of a node are live, and for which tokens: an append-only log of edits.
///
///     MANIFEST-N    a snapshot of the state at its start, then edits
///     CURRENT       which MANIFEST-N counts, and how much of it was durable when that was written
///
/// Opening writes a new snapshot, as does a log that has grown. Edits are rare (a flush, a
/// compaction, a drop) and durable when `append` returns. Safe to use from any thread; one lock is
/// held over the disk writes, so never call it on a shard's executor while it serves.
/// The file format is specified in docs/formats/manifest.md.
package final class Manifest: @unchecked Sendable {  // State: `lock`.
    package let directory: String
    /// Where the manifest that was opened had a torn tail, for the log; nil if it was whole.
    package let tornTail: CommitLogReplay.TornTail?
    private let environment: Environment
    private let rewriteSize: Int
    private let lock = Lock()
    private var state: ManifestState
    private var log: RecordLogWriter?
    private var number: UInt64
    private var snapshotEnd = 0
    /// The greatest number that a manifest was begun with: the next gets a greater one.
    private var lastNumber: UInt64
    private var failure: StorageError?

    /// Opens the manifest in `directory`, which is made if need be, and writes a fresh snapshot.
    /// A log whose edits take more than `rewriteSize` bytes is replaced by a snapshot.
    package init(
        directory: String,
        environment: Environment,
        rewriteSize: Int = 4 << 20
    ) throws(StorageError) {
        self.directory = directory
        self.environment = environment
        self.rewriteSize = rewriteSize
        let store = ManifestStore(directory: directory, fileSystem: environment.fileSystem)
        let loaded = try store.load()
        state = loaded.state
        number = loaded.number
        lastNumber = loaded.number
        tornTail = loaded.tornTail
        do throws(FileError) {
            try rewrite()
        } catch {
            throw .file(error)
        }
    }

    // MARK: Reading

    /// The live files of a table, lowest number first.
    package func liveFiles(of table: UUID) -> [LiveFile] {
        allLiveFiles.filter { $0.table == table }
    }

    /// All live files, lowest number first. Any other SSTable in the data folder is a leftover.
    package var allLiveFiles: [LiveFile] {
        lock.withLock { Array(state.files.values) }.sorted { $0.number < $1.number }
    }

    /// Why edits are refused until the node restarts; nil while it works.
    package var failed: StorageError? { lock.withLock { failure } }

    // MARK: Changing

    /// A number for a new file, greater than all before it. It may be given again after a restart if
    /// the file never became live.
    package func takeFileNumber() -> UInt64 {
        lock.withLock {
            let number = state.nextFile
            invariant(number < .max, "out of file numbers")
            state.nextFile = number + 1
            return number
        }
    }

    /// Makes the edits happen together, durably.
    ///
    /// - Returns: the files that were live and are not any more: nobody will ask for them after a
    ///   restart, so they may be removed.
    /// - Throws: `.file` when writing fails. Then it is not known whether the edits are durable: files
    ///   that they name must stay, and later edits are refused until the node restarts.
    @discardableResult
    package func append(_ edits: [ManifestEdit]) throws(StorageError) -> Set<UInt64> {
        lock.lock()
        defer { lock.unlock() }
        try recoverLocked()
        guard let log else { throw .manifestClosed }
        do throws(FileError) {
            try log.append { writer in for edit in edits { edit.append(to: &writer) } }
            try log.sync()
        } catch {
            failure = .manifestFailed(error)
            throw .manifestFailed(error)
        }
        let dead = state.apply(edits)
        if log.size - snapshotEnd > rewriteSize {
            do throws(FileError) {
                try rewrite()
            } catch {
                // These edits are durable. Which manifest counts isn't known, so later ones are refused.
                failure = .manifestFailed(error)
            }
        }
        return dead
    }

    /// Tries to go on after a full disk.
    ///
    /// - Throws: why edits are refused.
    package func recover() throws(StorageError) {
        lock.lock()
        defer { lock.unlock() }
        try recoverLocked()
    }

    /// A new manifest without the edit whose fate is unknown settles that it didn't happen. Called with the
    /// lock held.
    private func recoverLocked() throws(StorageError) {
        guard let failure else { return }
        guard case .manifestFailed(let cause) = failure, cause.reason == .diskFull, log != nil else {
            throw failure
        }
        do throws(FileError) {
            try rewrite()
            self.failure = nil
        } catch {
            throw .manifestFailed(error)
        }
    }

    /// Seals and closes the log; later edits are refused. What fails here does no harm.
    package func close() {
        lock.withLock {
            if failure == nil { try? log?.seal() }
            log?.close()
            log = nil
        }
    }

    /// Replaces the log by one that begins with a snapshot. Called with the lock held or before the
    /// object is shared.
    private func rewrite() throws(FileError) {
        let store = ManifestStore(directory: directory, fileSystem: environment.fileSystem)
        let header = RecordLogFormat.Header(
            kind: .manifest,
            segment: lastNumber + 1,
            salt: environment.random.next(),
            startsRun: true
        )
        lastNumber = header.segment
        let next = try store.writeSnapshot(state, header)
        log?.close()
        log = next
        number = header.segment
        snapshotEnd = next.size
        store.removeOthers(than: number)
    }
}
