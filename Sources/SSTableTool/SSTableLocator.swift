// SPDX-License-Identifier: Apache-2.0

package import Environment

/// Finds the SSTables that paths mean: files themselves, and all files `*.sst` below folders.
package enum SSTableLocator {
    /// A path that names no SSTable.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// The files of `paths`, those of a folder sorted by path.
    ///
    /// - Throws: `Failure` when a path doesn't exist or a folder has no SSTables.
    package static func files(
        _ paths: [String],
        fileSystem: any FileSystem
    ) throws -> [String] {
        var files: [String] = []
        for path in paths {
            switch try fileSystem.kind(path) {
            case nil: throw Failure(description: "no such file or folder: \(path)")
            case .file: files.append(path)
            case .directory:
                let found = try below(path, fileSystem)
                if found.isEmpty {
                    throw Failure(description: "no SSTables (files named *.sst) below \(path)")
                }
                files += found
            }
        }
        return files
    }

    private static func below(_ folder: String, _ fileSystem: any FileSystem) throws -> [String] {
        var files: [String] = []
        for name in try fileSystem.list(folder) {
            let path = FilePath.join(folder, name)
            switch try fileSystem.kind(path) {
            case .directory: files += try below(path, fileSystem)
            case .file: if name.hasSuffix(".sst") { files.append(path) }
            // The node removed it meanwhile.
            case nil: break
            }
        }
        return files
    }
}
