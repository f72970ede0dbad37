// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Which operations of a `FaultInjectingFileSystem` fail.
package enum FaultPlan: Sendable {
    /// None.
    case none
    /// The n-th alone, counted from 1: a fault that goes away.
    case transient(Int)
    /// The n-th and all after it: a disk that died.
    case persistent(Int)
    /// Those that the function picks, from the operation and its path.
    case matching(@Sendable (FileError.Operation, String) -> Bool)
}

/// Wraps a file system, counts its operations and lets some of them fail.
///
/// An `append` that fails writes half of its bytes first, and a `sync` that fails has not synced.
package final class FaultInjectingFileSystem: FileSystem, @unchecked Sendable {  // State: `lock`.
    private let wrapped: any FileSystem
    private let lock = Lock()
    private var currentPlan: FaultPlan
    private var currentReason: FileError.Reason
    private var count = 0
    private var faultCount = 0
    private var hook: (@Sendable (FileError.Operation, String) -> Void)?

    package init(
        wrapping wrapped: any FileSystem,
        plan: FaultPlan = .none,
        reason: FileError.Reason = .injected
    ) {
        self.wrapped = wrapped
        currentPlan = plan
        currentReason = reason
    }

    /// What fails. Setting it does not reset the counts.
    package var plan: FaultPlan {
        get { lock.withLock { currentPlan } }
        set { lock.withLock { currentPlan = newValue } }
    }

    /// What the errors say.
    package var reason: FileError.Reason {
        get { lock.withLock { currentReason } }
        set { lock.withLock { currentReason = newValue } }
    }

    /// Called before each operation, failing or not, in the thread that asks for it.
    package var onOperation: (@Sendable (FileError.Operation, String) -> Void)? {
        get { lock.withLock { hook } }
        set { lock.withLock { hook = newValue } }
    }

    /// How many operations were asked for, those that failed included.
    package var operations: Int { lock.withLock { count } }

    /// How many operations failed by the plan.
    package var faults: Int { lock.withLock { faultCount } }

    /// Whether the plan made any operation fail.
    package var fired: Bool { faults > 0 }

    /// Counts an operation and throws if it is one that fails.
    fileprivate func check(
        _ operation: FileError.Operation,
        _ path: String
    ) throws(FileError) {
        onOperation?(operation, path)
        lock.lock()
        defer { lock.unlock() }
        count += 1
        let fails =
            switch currentPlan {
            case .none: false
            case .transient(let n): count == n
            case .persistent(let n): count >= n
            case .matching(let picks): picks(operation, path)
            }
        guard fails else { return }
        faultCount += 1
        throw FileError(operation: operation, path: path, reason: currentReason)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        try wrapped.createDirectory(path)
    }

    package func create(_ path: String) throws(FileError) -> any AppendableFile {
        try check(.create, path)
        return FaultInjectingAppendableFile(wrapping: try wrapped.create(path), owner: self)
    }

    package func open(_ path: String) throws(FileError) -> any ReadableFile {
        try check(.open, path)
        return FaultInjectingReadableFile(wrapping: try wrapped.open(path), owner: self)
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        try check(.rename, from)
        try wrapped.rename(from, to: to)
    }

    package func link(_ from: String, to: String) throws(FileError) {
        try check(.link, to)
        try wrapped.link(from, to: to)
    }

    package func remove(_ path: String) throws(FileError) {
        try check(.remove, path)
        try wrapped.remove(path)
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        try check(.removeDirectory, path)
        try wrapped.removeDirectory(path)
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        try check(.list, path)
        return try wrapped.list(path)
    }

    package func kind(_ path: String) throws(FileError) -> FileKind? {
        try check(.examine, path)
        return try wrapped.kind(path)
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try check(.syncDirectory, path)
        try wrapped.syncDirectory(path)
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock {
        try check(.lock, path)
        return try wrapped.lock(path)
    }

    package func freeSpace(_ path: String) throws(FileError) -> Int {
        try check(.examine, path)
        return try wrapped.freeSpace(path)
    }
}

/// A file whose reads may fail.
private final class FaultInjectingReadableFile: ReadableFile {
    private let wrapped: any ReadableFile
    private let owner: FaultInjectingFileSystem

    init(wrapping wrapped: any ReadableFile, owner: FaultInjectingFileSystem) {
        self.wrapped = wrapped
        self.owner = owner
    }

    var path: String { wrapped.path }
    var size: Int { wrapped.size }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        try owner.check(.read, path)
        return try wrapped.read(at: offset, into: buffer)
    }

    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int? {
        try owner.check(.read, path)
        return try wrapped.readIfCached(at: offset, into: buffer)
    }
}

/// A file whose writes and syncs may fail.
private final class FaultInjectingAppendableFile: AppendableFile {
    private let wrapped: any AppendableFile
    private let owner: FaultInjectingFileSystem

    init(wrapping wrapped: any AppendableFile, owner: FaultInjectingFileSystem) {
        self.wrapped = wrapped
        self.owner = owner
    }

    var path: String { wrapped.path }
    var size: Int { wrapped.size }

    func append(_ bytes: ByteView) throws(FileError) {
        do {
            try owner.check(.append, path)
        } catch {
            try wrapped.append(bytes.prefix(bytes.count / 2))
            throw error
        }
        try wrapped.append(bytes)
    }

    func sync() throws(FileError) {
        try owner.check(.sync, path)
        try wrapped.sync()
    }

    func reserve(_ size: Int) throws(FileError) {
        try owner.check(.append, path)
        try wrapped.reserve(size)
    }

    func trim() throws(FileError) {
        try owner.check(.append, path)
        try wrapped.trim()
    }

    func close() { wrapped.close() }
}
