// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// Compresses blocks, adds their trailers and appends them to a file in large pieces.
struct BlockOutput: ~Copyable {
    private let file: any AppendableFile
    private let salt: UInt64
    private var pending: ByteWriter
    /// Where the file ends, with what is pending.
    private(set) var offset = 0
    private var isOpen = true

    /// How much is gathered before it is handed to the file, in bytes.
    private static let pendingCount = 1 << 18
    /// How much is handed to the file before it is made durable: in pieces, since one large sync at the end
    /// would hold up those of commit logs.
    private static let syncCount = 16 << 20
    private var unsynced = 0

    /// Creates the file and its header.
    init(fileSystem: any FileSystem, path: String, salt: UInt64) throws(StorageError) {
        do throws(FileError) {
            file = try fileSystem.create(path)
        } catch {
            throw .file(error)
        }
        self.salt = salt
        pending = ByteWriter(capacity: BlockOutput.pendingCount + (1 << 16))
        Header.append(to: &pending, salt: salt)
        offset = pending.count
    }

    /// Appends a block with its trailer.
    ///
    /// It is stored as it is when compression saves too little.
    mutating func store(
        _ content: ByteView,
        codec: Codec,
        level: Int,
        dictionary: ZstdDictionary? = nil
    ) throws(StorageError) -> BlockHandle {
        invariant(content.count <= SSTableFormat.blockCountMax, "a block of more than 1 GiB")
        let start = pending.count
        StoredBlock.append(
            content,
            codec: codec,
            level: level,
            dictionary: dictionary,
            salt: salt,
            offset: offset,
            to: &pending
        )
        let handle = BlockHandle(offset: offset, storedCount: pending.count - start)
        offset = handle.end
        if pending.count >= BlockOutput.pendingCount { try flush() }
        return handle
    }

    /// Appends bytes as they are.
    mutating func append(_ bytes: ByteView) throws(StorageError) {
        pending.append(bytes)
        offset += bytes.count
    }

    private mutating func flush() throws(StorageError) {
        do throws(FileError) {
            try file.append(pending.view)
            unsynced += pending.count
            if unsynced >= BlockOutput.syncCount {
                try file.sync()
                unsynced = 0
            }
        } catch {
            throw .file(error)
        }
        pending.removeAll()
    }

    /// Hands everything to the file and closes it, without making it durable: for files that don't
    /// outlive their writer.
    mutating func finish() throws(StorageError) {
        try flush()
        close()
    }

    /// Makes everything durable and closes the file.
    mutating func synchronize() throws(StorageError) {
        try flush()
        do throws(FileError) {
            try file.sync()
        } catch {
            throw .file(error)
        }
        close()
    }

    /// Closes the file; what is pending is lost.
    mutating func close() {
        if isOpen { file.close() }
        isOpen = false
    }
}
