// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Environment

/// Writes a file of a record log front to back in the caller's thread: for logs that change rarely.
/// One owner. After an error the file's tail is unknown and the writer must not be used again.
package final class RecordLogWriter {
    private let file: any AppendableFile
    private let salt: UInt64
    private var buffer = ByteWriter(capacity: 256)
    private var payload = ByteWriter(capacity: 256)
    private var durable = 0
    /// How long the file is, in bytes.
    package private(set) var size = 0

    /// Creates the file and makes its header durable; its name is durable when the caller has synced
    /// the folder.
    package init(
        fileSystem: any FileSystem,
        path: String,
        header: RecordLogFormat.Header
    ) throws(FileError) {
        salt = header.salt
        file = try fileSystem.create(path)
        RecordLogFormat.append(header, to: &buffer)
        try file.append(buffer.view)
        size = buffer.count
        try sync()
    }

    /// Appends a record with the payload that `fill` writes, which is not empty.
    package func append(_ fill: (inout ByteWriter) -> Void) throws(FileError) {
        payload.removeAll()
        fill(&payload)
        invariant(payload.count > 0, "an empty record")
        try appendRecord()
    }

    /// Makes all records so far durable.
    package func sync() throws(FileError) {
        try file.sync()
        durable = size
    }

    /// Appends, after all records were synced, the seal that says so.
    package func seal() throws(FileError) {
        payload.removeAll()
        try appendRecord()
        try sync()
    }

    /// Closes the file without syncing it.
    package func close() { file.close() }

    private func appendRecord() throws(FileError) {
        buffer.removeAll()
        RecordLogFormat.appendRecord(
            payload.view,
            salt: salt,
            offset: size,
            durable: durable,
            to: &buffer
        )
        try file.append(buffer.view)
        size += buffer.count
    }
}
