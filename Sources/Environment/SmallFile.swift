// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Whole small files through the environment's file system.
package struct SmallFile {
    package let path: String
    private let fileSystem: any FileSystem

    package init(path: String, fileSystem: any FileSystem) {
        self.path = path
        self.fileSystem = fileSystem
    }

    /// The file's first `limit` bytes; nil when there is no such file.
    package func read(limit: Int = 1 << 20) throws(FileError) -> [UInt8]? {
        guard case .file? = try fileSystem.kind(path) else { return nil }
        let file = try fileSystem.open(path)
        let count = min(file.size, limit)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 16)
        defer { buffer.deallocate() }
        let got = try file.read(
            at: 0,
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        )
        return [UInt8](buffer[..<got])
    }

    /// Replaces the file atomically and durably.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        let file = try fileSystem.create(path + ".new")
        defer { file.close() }
        try bytes.withView { (view) throws(FileError) in try file.append(view) }
        try file.sync()
        try fileSystem.rename(path + ".new", to: path)
        try fileSystem.syncDirectory(folder)
    }

    /// Removes the file if it is there.
    package func remove() throws(FileError) {
        guard try fileSystem.kind(path) != nil else { return }
        try fileSystem.remove(path)
        try fileSystem.syncDirectory(folder)
    }

    private var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
