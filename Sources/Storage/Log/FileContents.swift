// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment

/// The bytes of a whole file in memory, for files that are read front to back once.
package final class FileContents {
    private let memory: UnsafeMutableRawBufferPointer
    private let count: Int

    /// Reads the file at `path`, which must be of at most `sizeMax` bytes, or its first `prefix`
    /// bytes.
    package init(
        _ fileSystem: any FileSystem,
        path: String,
        prefix: Int = .max,
        sizeMax: Int = Int(UInt32.max)
    ) throws(StorageError) {
        do throws(FileError) {
            let file = try fileSystem.open(path)
            guard file.size <= sizeMax else {
                throw FileError(
                    operation: .read,
                    path: path,
                    reason: .system(code: 27, text: "\(file.size) bytes, more than \(sizeMax)")
                )
            }
            let size = min(file.size, prefix)
            memory = .allocate(byteCount: max(size, 1), alignment: 16)
            do throws(FileError) {
                count = try file.read(
                    at: 0,
                    into: UnsafeMutableRawBufferPointer(rebasing: memory[0..<size])
                )
            } catch {
                memory.deallocate()
                throw error
            }
        } catch {
            throw .file(error)
        }
    }

    deinit { memory.deallocate() }

    /// The bytes; valid while this object lives.
    package var view: ByteView { ByteView(UnsafeRawBufferPointer(rebasing: memory[0..<count])) }
}
