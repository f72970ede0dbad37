// SPDX-License-Identifier: Apache-2.0

internal import Bytes

extension FileSystem {
    /// Makes a folder and the ones above it, and makes their names durable.
    ///
    /// Each name is durable before anything is put into its folder, so that a folder that exists can
    /// lack durability only in the entry of its own, which is synced here in any case.
    package func createDirectoryDurably(_ path: String) throws(FileError) {
        let parent = FilePath.parent(of: path)
        if try kind(path) != .directory {
            if let parent { try createDirectoryDurably(parent) }
            try createDirectory(path)
        }
        guard path != "/" else { return }
        do throws(FileError) {
            try syncDirectory(parent ?? ".")
        } catch {
            // A folder above the data that this user may not even read was there before.
            guard error.reason == .accessDenied else { throw error }
        }
    }

    /// Writes a file so that, whatever happens, `path` holds either its old content or all of
    /// `bytes`; durable on return. Uses `path` with ".tmp" on the way.
    package func replaceDurably(_ path: String, with bytes: [UInt8]) throws(FileError) {
        let temporary = path + ".tmp"
        let file = try create(temporary)
        do throws(FileError) {
            try bytes.withView { (view) throws(FileError) in try file.append(view) }
            try file.sync()
        } catch {
            file.close()
            throw error
        }
        file.close()
        try rename(temporary, to: path)
        try syncDirectory(FilePath.parent(of: path) ?? ".")
    }
}
