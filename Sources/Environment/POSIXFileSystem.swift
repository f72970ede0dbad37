// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CUIO
private import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// The files of the system.
package final class POSIXFileSystem: FileSystem {
    package init() {}

    package func createDirectory(_ path: String) throws(FileError) {
        guard mkdir(path, 0o755) != 0 else { return }
        let code = errno
        if code == ENOENT, let parent = FilePath.parent(of: path) {
            try createDirectory(parent)
            guard mkdir(path, 0o755) != 0 else { return }
        }
        // Somebody else may have made it meanwhile, and "/" answers EEXIST or EISDIR.
        if try kind(path) == .directory { return }
        throw FileError(.createDirectory, path, errno: code)
    }

    package func create(_ path: String) throws(FileError) -> any AppendableFile {
        // The name must lead to a new file: readers of a replaced one keep the old bytes.
        if unlink(path) != 0, errno != ENOENT { throw FileError(.create, path, errno: errno) }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = retrying { Glibc.open(path, flags, 0o644) }
        guard descriptor >= 0 else { throw FileError(.create, path, errno: errno) }
        return POSIXAppendableFile(path: path, descriptor: descriptor)
    }

    package func open(_ path: String) throws(FileError) -> any ReadableFile {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileError(.open, path, errno: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw FileError(.open, path, errno: code)
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            Glibc.close(descriptor)
            throw FileError(.open, path, errno: EISDIR)
        }
        return POSIXReadableFile(path: path, descriptor: descriptor, size: Int(status.st_size))
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        guard Glibc.rename(from, to) == 0 else { throw FileError(.rename, from, errno: errno) }
    }

    package func link(_ from: String, to: String) throws(FileError) {
        guard Glibc.link(from, to) == 0 else { throw FileError(.link, from, errno: errno) }
    }

    package func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 else { throw FileError(.remove, path, errno: errno) }
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        guard rmdir(path) == 0 else { throw FileError(.removeDirectory, path, errno: errno) }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        guard let directory = opendir(path) else { throw FileError(.list, path, errno: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw FileError(.list, path, errno: errno) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    package func kind(_ path: String) throws(FileError) -> FileKind? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError(.examine, path, errno: errno)
        }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file(size: Int(status.st_size))
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileError(.syncDirectory, path, errno: errno) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError(.syncDirectory, path, errno: errno) }
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock {
        let descriptor = retrying { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else { throw FileError(.lock, path, errno: errno) }
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            if code == EWOULDBLOCK {
                throw FileError(operation: .lock, path: path, reason: .locked)
            }
            throw FileError(.lock, path, errno: code)
        }
        return POSIXFileLock(descriptor: descriptor)
    }

    package func freeSpace(_ path: String) throws(FileError) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw FileError(.examine, path, errno: errno) }
        return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(
            by: UInt64(status.f_frsize)
        ).partialValue)
    }
}

/// Calls `body` again as long as a signal interrupts it.
private func retrying(_ body: () -> Int32) -> Int32 {
    while true {
        let result = body()
        if result >= 0 || errno != EINTR { return result }
    }
}

/// A file of the system that is read. `pread` needs no lock.
private final class POSIXReadableFile: ReadableFile {
    let path: String
    let size: Int
    private let descriptor: Int32
    /// Whether the file system has answered that it can't tell what is cached.
    private let lacksCachedReads = Atomic(false)

    init(path: String, descriptor: Int32, size: Int) {
        self.path = path
        self.descriptor = descriptor
        self.size = size
    }

    deinit { Glibc.close(descriptor) }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, offset + done)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(.read, path, errno: errno)
            }
            done += count
        }
        return done
    }

    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int? {
        guard let base = buffer.baseAddress else { return 0 }
        if lacksCachedReads.load(ordering: .relaxed) { return nil }
        while true {
            let count = tholos_pread_cached(descriptor, base, buffer.count, offset)
            // Less than was asked for: the end of the file, or of what is cached.
            if count >= 0 { return count == buffer.count || offset + count >= size ? count : nil }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case EOPNOTSUPP, ENOSYS, EINVAL:
                lacksCachedReads.store(true, ordering: .relaxed)
                return nil
            default: throw FileError(.read, path, errno: errno)
            }
        }
    }
}

/// A file of the system that is written. One owner at a time hands it on; `lock` guards `close`
/// against a last `sync`.
private final class POSIXAppendableFile: AppendableFile, @unchecked Sendable {  // State: `lock`.
    let path: String
    private let lock = Lock()
    private var descriptor: Int32
    private var appended = 0
    /// How far space is set aside.
    private var reserved = 0

    /// How much is written at once to set space aside: short syncs don't hold up those of others.
    private static let reservedStep = 1 << 20

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    var size: Int { lock.withLock { appended } }

    func append(_ bytes: ByteView) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        guard descriptor >= 0 else { throw FileError(.append, path, errno: EBADF) }
        var done = 0
        while done < bytes.count {
            let count = write(descriptor, bytes.base + done, bytes.count - done)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(.append, path, errno: errno)
            }
            done += count
            appended += count
        }
    }

    func reserve(_ size: Int) throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        guard descriptor >= 0 else { throw FileError(.append, path, errno: EBADF) }
        let zeros = [UInt8](repeating: 0, count: POSIXAppendableFile.reservedStep)
        reserved = max(reserved, appended)
        // Written, not allocated: an extent that was never written changes metadata when it is.
        while reserved < size {
            let count = pwrite(descriptor, zeros, min(zeros.count, size - reserved), reserved)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(.append, path, errno: errno)
            }
            reserved += count
            guard fdatasync(descriptor) == 0 else { throw FileError(.sync, path, errno: errno) }
        }
    }

    func trim() throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        guard reserved > appended else { return }
        guard ftruncate(descriptor, appended) == 0 else { throw FileError(.append, path, errno: errno) }
        reserved = 0
    }

    func sync() throws(FileError) {
        lock.lock()
        defer { lock.unlock() }
        guard descriptor >= 0 else { throw FileError(.sync, path, errno: EBADF) }
        guard fdatasync(descriptor) == 0 else { throw FileError(.sync, path, errno: errno) }
    }

    func close() {
        lock.withLock {
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }
}

/// An `flock` that ends with its descriptor.
private final class POSIXFileLock: FileLock, @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    func close() {
        lock.withLock {
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }
}
