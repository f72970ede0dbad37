// SPDX-License-Identifier: Apache-2.0

internal import Bytes

#if canImport(Glibc)
import Glibc
#endif

/// Files in memory that know what a power loss would leave of them.
///
/// Of each file the synced prefix is certain, of each folder the entries that stood when it was last
/// synced (and its own entry in the folder above, and so on). What came later may or may not
/// survive; `crashClone` decides. Relative and absolute paths start at the same root.
package final class MemoryFileSystem: FileSystem, @unchecked Sendable {  // State: `lock`.
    let lock = Lock()
    let root: MemoryDirectoryNode
    /// Changes of entries that are not durable yet, oldest first.
    private var pending: [MemoryPendingChange] = []
    private var locked: Set<String> = []
    private var used = 0
    private var limit = Int.max
    private var hook: (@Sendable (MemoryFileSystem) -> Void)?
    private var readHook: (@Sendable (String) -> Void)?
    private var residency = Residency.whole
    private var dice = SplitMix64(seed: 0)

    /// An empty file system.
    package convenience init() { self.init(root: MemoryDirectoryNode()) }

    init(root: MemoryDirectoryNode) { self.root = root }

    /// The most bytes that all files together may hold; beyond it, appending throws `.diskFull`.
    package var capacity: Int {
        get { lock.withLock { limit } }
        set { lock.withLock { limit = newValue } }
    }

    /// The bytes that all files hold.
    package var usedBytes: Int { lock.withLock { used } }

    /// Called before each sync of a file or folder takes effect, in the thread that syncs: the
    /// moment for a crash test to clone. What was acknowledged until then must be in the clone.
    package var onSync: (@Sendable (MemoryFileSystem) -> Void)? {
        get { lock.withLock { hook } }
        set { lock.withLock { hook = newValue } }
    }

    /// Called with the path before each read that might wait for a disk, in the thread that reads.
    package var onRead: (@Sendable (String) -> Void)? {
        get { lock.withLock { readHook } }
        set { lock.withLock { readHook = newValue } }
    }

    /// What `ReadableFile.readIfCached` takes to be in memory.
    package enum Residency: Sendable {
        case whole
        case nothing
        /// One read in two, as the seed decides.
        case seeded(UInt64)
    }

    /// What `ReadableFile.readIfCached` takes to be in memory: at first everything.
    package var cached: Residency {
        get { lock.withLock { residency } }
        set {
            lock.withLock {
                residency = newValue
                if case .seeded(let seed) = newValue { dice = SplitMix64(seed: seed) }
            }
        }
    }

    /// Whether a read is to be answered as if its bytes were in memory.
    func answersAtOnce() -> Bool {
        lock.withLock {
            switch residency {
            case .whole: true
            case .nothing: false
            case .seeded: dice.next() & 1 == 0
            }
        }
    }

    package func createDirectory(_ path: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        var folder = root
        for name in parts(path) {
            switch folder.entries[name] {
            case .directory(let next): folder = next
            case .file: throw FileError(.createDirectory, path, errno: EEXIST)
            case nil:
                let next = MemoryDirectoryNode()
                change([(folder, name, .directory(next))])
                folder = next
            }
        }
    }

    package func create(_ path: String) throws(FileError) -> any AppendableFile {
        lock.lock()
        defer { lock.unlock() }
        let (folder, name) = try place(.create, path)
        if case .directory = folder.entries[name] { throw FileError(.create, path, errno: EISDIR) }
        unlink(folder.entries[name])
        let node = MemoryFileNode()
        change([(folder, name, .file(node))])
        return MemoryAppendableFile(path: path, node: node, owner: self)
    }

    package func open(_ path: String) throws(FileError) -> any ReadableFile {
        lock.lock()
        defer { lock.unlock() }
        let node = try file(.open, path)
        return MemoryReadableFile(path: path, node: node, size: node.bytes.count, owner: self)
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        let (source, oldName) = try place(.rename, from)
        let (target, newName) = try place(.rename, to)
        guard let node = source.entries[oldName] else { throw FileError(.rename, from, errno: ENOENT) }
        guard source !== target || oldName != newName else { return }
        switch (node, target.entries[newName]) {
        case (_, nil): break
        // Two names of one file: nothing happens, as POSIX says.
        case (.file(let moved), .file(let replaced)) where moved === replaced: return
        case (.file, .file(let replaced)): unlink(.file(replaced))
        case (.directory, .directory(let replaced)) where replaced.entries.isEmpty: break
        case (.file, .directory): throw FileError(.rename, from, errno: EISDIR)
        case (.directory, .file): throw FileError(.rename, from, errno: ENOTDIR)
        case (.directory, .directory): throw FileError(.rename, from, errno: ENOTEMPTY)
        }
        change([(source, oldName, nil), (target, newName, node)])
    }

    package func link(_ from: String, to: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        let (folder, name) = try place(.link, to)
        let node = try file(.link, from)
        guard folder.entries[name] == nil else { throw FileError(.link, to, errno: EEXIST) }
        node.linkCount += 1
        change([(folder, name, .file(node))])
    }

    package func remove(_ path: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        let (folder, name) = try place(.remove, path)
        guard let node = folder.entries[name] else { throw FileError(.remove, path, errno: ENOENT) }
        guard case .file = node else { throw FileError(.remove, path, errno: EISDIR) }
        unlink(node)
        change([(folder, name, nil)])
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        let (folder, name) = try place(.removeDirectory, path)
        switch folder.entries[name] {
        case nil: throw FileError(.removeDirectory, path, errno: ENOENT)
        case .file: throw FileError(.removeDirectory, path, errno: ENOTDIR)
        case .directory(let node) where !node.entries.isEmpty:
            throw FileError(.removeDirectory, path, errno: ENOTEMPTY)
        case .directory: change([(folder, name, nil)])
        }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        lock.lock()
        defer { lock.unlock() }
        return try directory(.list, path).entries.keys.sorted()
    }

    package func kind(_ path: String) throws(FileError) -> FileKind? {
        lock.lock()
        defer { lock.unlock() }
        switch find(path) {
        case nil: return nil
        case .directory: return .directory
        case .file(let node): return .file(size: node.bytes.count)
        }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        onSync?(self)
        lock.lock()
        defer { lock.unlock() }
        let folder = try directory(.syncDirectory, path)
        for change in pending where change.touches(folder) { change.applyToDurable() }
        pending.removeAll { $0.touches(folder) }
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock {
        lock.lock()
        defer { lock.unlock() }
        let (folder, name) = try place(.lock, path)
        let key = parts(path).joined(separator: "/")
        guard locked.insert(key).inserted else {
            throw FileError(operation: .lock, path: path, reason: .locked)
        }
        if folder.entries[name] == nil { change([(folder, name, .file(MemoryFileNode()))]) }
        return MemoryFileLock { [weak self] in
            guard let self else { return }
            self.lock.withLock { _ = self.locked.remove(key) }
        }
    }

    package func freeSpace(_ path: String) throws(FileError) -> Int {
        lock.lock()
        defer { lock.unlock() }
        guard find(path) != nil else { throw FileError(.examine, path, errno: ENOENT) }
        return max(0, limit - used)
    }
}

extension MemoryFileSystem {
    /// Gives all locks back, as the end of their process does. What wasn't synced stays as it is.
    package func releaseLocks() { lock.withLock { locked.removeAll() } }

    /// Flips one bit of a file, durable or not, as a bad disk would. `bit` counts from the lowest.
    package func flipBit(_ path: String, offset: Int, bit: Int) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        let node = try file(.append, path)
        guard offset >= 0, offset < node.bytes.count else { throw FileError(.append, path, errno: EINVAL) }
        node.bytes[offset] ^= 1 << UInt8(bit & 7)
    }

    /// The whole content of a file.
    package func contents(_ path: String) throws(FileError) -> [UInt8] {
        lock.lock()
        defer { lock.unlock() }
        return try file(.read, path).bytes
    }

    /// Makes a file of exactly these bytes, durable with its name and the folders that lead to it.
    package func setContents(_ path: String, _ bytes: [UInt8]) throws(FileError) {
        if let parent = FilePath.parent(of: path) { try createDirectory(parent) }
        let file = try create(path)
        try bytes.withView { (view) throws(FileError) in try file.append(view) }
        lock.lock()
        defer { lock.unlock() }
        try self.file(.create, path).synced = bytes.count
        for change in pending { change.applyToDurable() }
        pending.removeAll()
    }

    /// Decides what a power loss leaves; see `crashClone`.
    struct CrashState {
        var pending: [MemoryPendingChange]
        var used: Int
        var limit: Int
        var residency: Residency
    }

    /// The state that a crash works on. Called with the lock held.
    var crashState: CrashState {
        CrashState(pending: pending, used: used, limit: limit, residency: residency)
    }

    /// Takes over what a clone starts with.
    func adopt(used: Int, limit: Int, residency: Residency) {
        cached = residency
        lock.withLock {
            self.used = used
            self.limit = limit
        }
    }

    func append(_ bytes: ByteView, to node: MemoryFileNode, path: String) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        guard node.linkCount > 0 else { return node.bytes.append(contentsOf: bytes.buffer) }
        let room = min(bytes.count, max(0, limit - used))
        // A full disk takes what fits, as write(2) does.
        node.bytes.append(contentsOf: bytes.prefix(room).buffer)
        used += room
        if room < bytes.count { throw FileError(.append, path, errno: ENOSPC) }
    }

    func sync(_ node: MemoryFileNode) {
        onSync?(self)
        lock.withLock { node.synced = node.bytes.count }
    }

    private func change(_ steps: [(folder: MemoryDirectoryNode, name: String, node: MemoryNode?)]) {
        for step in steps { step.folder.entries[step.name] = step.node }
        pending.append(MemoryPendingChange(steps: steps))
    }

    private func unlink(_ node: MemoryNode?) {
        guard case .file(let node) = node else { return }
        node.linkCount -= 1
        if node.linkCount == 0 { used -= node.bytes.count }
    }

    private func parts(_ path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.map { String($0) }
    }

    private func find(_ path: String) -> MemoryNode? {
        var node = MemoryNode.directory(root)
        for name in parts(path) {
            guard case .directory(let folder) = node, let next = folder.entries[name] else {
                return nil
            }
            node = next
        }
        return node
    }

    private func file(
        _ operation: FileError.Operation,
        _ path: String
    ) throws(FileError) -> MemoryFileNode {
        switch find(path) {
        case nil: throw FileError(operation, path, errno: ENOENT)
        case .directory: throw FileError(operation, path, errno: EISDIR)
        case .file(let node): return node
        }
    }

    private func directory(
        _ operation: FileError.Operation,
        _ path: String
    ) throws(FileError) -> MemoryDirectoryNode {
        switch find(path) {
        case nil: throw FileError(operation, path, errno: ENOENT)
        case .file: throw FileError(operation, path, errno: ENOTDIR)
        case .directory(let node): return node
        }
    }

    /// The folder that holds the last part of `path`, and that part.
    private func place(
        _ operation: FileError.Operation,
        _ path: String
    ) throws(FileError) -> (MemoryDirectoryNode, String) {
        var names = parts(path)
        guard let name = names.popLast() else { throw FileError(operation, path, errno: EISDIR) }
        var folder = root
        for name in names {
            switch folder.entries[name] {
            case nil: throw FileError(operation, path, errno: ENOENT)
            case .file: throw FileError(operation, path, errno: ENOTDIR)
            case .directory(let next): folder = next
            }
        }
        return (folder, name)
    }
}
