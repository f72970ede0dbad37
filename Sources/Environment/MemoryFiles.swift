// SPDX-License-Identifier: Apache-2.0

internal import Bytes

#if canImport(Glibc)
import Glibc
#endif

/// A file in memory that is read.
final class MemoryReadableFile: ReadableFile, @unchecked Sendable {  // Node: the owner's lock.
    let path: String
    let size: Int
    private let node: MemoryFileNode
    private let owner: MemoryFileSystem

    init(path: String, node: MemoryFileNode, size: Int, owner: MemoryFileSystem) {
        self.path = path
        self.node = node
        self.size = size
        self.owner = owner
    }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        owner.onRead?(path)
        return try copy(at: offset, into: buffer)
    }

    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int? {
        owner.answersAtOnce() ? try copy(at: offset, into: buffer) : nil
    }

    private func copy(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int {
        guard offset >= 0 else { throw FileError(.read, path, errno: EINVAL) }
        return owner.lock.withLock {
            let count = min(buffer.count, max(0, node.bytes.count - offset))
            if count > 0 { buffer.copyBytes(from: node.bytes[offset..<offset + count]) }
            return count
        }
    }
}

/// A file in memory that is written.
final class MemoryAppendableFile: AppendableFile, @unchecked Sendable {  // State: the owner's lock.
    let path: String
    private let node: MemoryFileNode
    private let owner: MemoryFileSystem
    private var isClosed = false

    init(path: String, node: MemoryFileNode, owner: MemoryFileSystem) {
        self.path = path
        self.node = node
        self.owner = owner
    }

    var size: Int { owner.lock.withLock { node.bytes.count } }

    func append(_ bytes: ByteView) throws(FileError) {
        if owner.lock.withLock({ isClosed }) { throw FileError(.append, path, errno: EBADF) }
        try owner.append(bytes, to: node, path: path)
    }

    func sync() throws(FileError) {
        if owner.lock.withLock({ isClosed }) { throw FileError(.sync, path, errno: EBADF) }
        owner.sync(node)
    }

    func close() { owner.lock.withLock { isClosed = true } }
}

/// A lock that is given back once.
final class MemoryFileLock: FileLock, @unchecked Sendable {  // State: `lock`.
    private let lock = Lock()
    private var release: (() -> Void)?

    init(release: @escaping () -> Void) { self.release = release }

    deinit { close() }

    func close() {
        let release = lock.withLock {
            defer { self.release = nil }
            return self.release
        }
        release?()
    }
}
