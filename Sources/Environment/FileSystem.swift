// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Files and folders as the engine sees them: the seam between it and a disk.
///
/// Three implementations: `POSIXFileSystem`, `MemoryFileSystem` (which can be cloned as after a
/// crash) and `FaultInjectingFileSystem` (which wraps another). Paths are absolute or relative to the
/// process, with "/" between their parts.
package protocol FileSystem: AnyObject, Sendable {
    /// Makes a folder and the ones above it; it may exist already. Its entry is durable only after
    /// `syncDirectory` of its parent.
    func createDirectory(_ path: String) throws(FileError)

    /// Creates an empty file for appending, replacing one of the same name. The entry is durable
    /// only after `syncDirectory` of its folder.
    func create(_ path: String) throws(FileError) -> any AppendableFile

    /// Opens an existing file for reading at any offset.
    func open(_ path: String) throws(FileError) -> any ReadableFile

    /// Renames atomically, replacing the target. Durable only after `syncDirectory`.
    func rename(_ from: String, to: String) throws(FileError)

    /// Gives a file a second name, a hard link: both name the same bytes until one is removed, and the
    /// space is taken once. Fails with `.exists` if something has that name. Durable only after
    /// `syncDirectory` of the new name's folder.
    func link(_ from: String, to: String) throws(FileError)

    /// Removes a file. Durable only after `syncDirectory`.
    func remove(_ path: String) throws(FileError)

    /// Removes an empty folder.
    func removeDirectory(_ path: String) throws(FileError)

    /// The names in a folder, sorted, without "." and "..".
    func list(_ path: String) throws(FileError) -> [String]

    /// What stands at `path`; nil if nothing does.
    func kind(_ path: String) throws(FileError) -> FileKind?

    /// Makes a folder's entries (creations, renames, removals) durable.
    func syncDirectory(_ path: String) throws(FileError)

    /// Takes a lock that keeps other processes away from a folder, as the file `path`; released by
    /// `close` or the end of the process.
    ///
    /// - Throws: `FileError` with reason `.locked` when somebody else holds it.
    func lock(_ path: String) throws(FileError) -> any FileLock

    /// The bytes that are free for new data on the volume of `path`.
    func freeSpace(_ path: String) throws(FileError) -> Int
}

/// What a path names.
package enum FileKind: Sendable, Equatable {
    case directory
    case file(size: Int)
}

/// A file that is read at offsets. Safe to use from several threads at once.
package protocol ReadableFile: AnyObject, Sendable {
    /// The path it was opened with, for messages.
    var path: String { get }
    /// Its size in bytes when it was opened.
    var size: Int { get }
    /// Reads up to `buffer.count` bytes from `offset`; fewer only at the end of the file.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int
    /// As `read`, but only what is in memory already; nil when the disk would have to be waited for, or
    /// when the system can't tell.
    func readIfCached(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Int?
}

/// A file that is written front to back by one owner.
package protocol AppendableFile: AnyObject, Sendable {
    /// The path it was created with, for messages.
    var path: String { get }
    /// How many bytes have been appended.
    var size: Int { get }
    /// Appends all bytes or throws; after a failure the file's tail is undefined. Not durable yet.
    func append(_ bytes: ByteView) throws(FileError)
    /// Makes everything appended so far durable. After a failure nothing is known of what was not
    /// synced before, and retrying does not help.
    func sync() throws(FileError)
    /// Sets space aside, so that a sync of what is appended into it finds no metadata to write: the file
    /// has `size` bytes then, zeros behind what was appended, all of it durable. May do nothing.
    func reserve(_ size: Int) throws(FileError)
    /// Gives back what was set aside and not used.
    func trim() throws(FileError)
    /// Closes the file without syncing it.
    func close()
}

extension AppendableFile {
    package func reserve(_ size: Int) throws(FileError) {}
    package func trim() throws(FileError) {}
}

/// A lock that keeps other processes away.
package protocol FileLock: AnyObject, Sendable {
    /// Gives it back.
    func close()
}

/// A file operation failed: which one, where and why.
package struct FileError: Error, Equatable, CustomStringConvertible, Sendable {
    /// What was tried.
    package enum Operation: String, Sendable, CaseIterable {
        case create, open, read, append, sync, close, rename, link, remove, list, examine, lock
        case createDirectory = "create folder"
        case removeDirectory = "remove folder"
        case syncDirectory = "sync folder"
    }

    /// Why it failed, as far as a caller would decide by it.
    package enum Reason: Equatable, Sendable {
        case notFound
        case exists
        case diskFull
        case accessDenied
        case locked
        /// Any other: the system's number and words.
        case system(code: Int32, text: String)
        /// A fault that a test asked for.
        case injected
    }

    package let operation: Operation
    package let path: String
    package let reason: Reason

    package init(operation: Operation, path: String, reason: Reason) {
        self.operation = operation
        self.path = path
        self.reason = reason
    }

    package var description: String {
        let why =
            switch reason {
            case .notFound: "no such file or folder"
            case .exists: "it exists already"
            case .diskFull: "no space left on the device; free some and try again"
            case .accessDenied: "permission denied"
            case .locked: "another process is using it"
            case .system(let code, let text): "\(text) (errno \(code))"
            case .injected: "injected fault"
            }
        return "cannot \(operation.rawValue) \(path): \(why)"
    }
}
