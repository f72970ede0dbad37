// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// A block as it stands in the file: payload, codec, uncompressed size, checksum.
enum StoredBlock {
    /// Appends a block that will stand at `offset` of its file; as it is when compression saves too
    /// little.
    static func append(
        _ content: ByteView,
        codec: Codec,
        level: Int,
        dictionary: ZstdDictionary? = nil,
        salt: UInt64,
        offset: Int,
        to writer: inout ByteWriter
    ) {
        let start = writer.count
        var used = codec
        if codec != .none {
            let count = codec.compress(
                content,
                into: &writer,
                level: level,
                dictionary: dictionary
            )
            if count > content.count - content.count / SSTableFormat.savingDivisor {
                writer.truncate(to: start)
                used = .none
            }
        }
        if used == .none { writer.append(content) }
        writer.append(used.rawValue)
        writer.appendLittleEndian(UInt32(content.count))
        let checksum = Checksum.xxh3(
            writer.view.dropFirst(start),
            seed: SSTableFormat.seed(salt: salt, offset: offset)
        )
        writer.appendLittleEndian(checksum)
    }

    /// Appends exactly `count` bytes of a file to `writer`.
    static func read(
        _ file: any ReadableFile,
        at offset: Int,
        count: Int,
        into writer: inout ByteWriter
    ) throws(StorageError) {
        let before = writer.count
        do throws(FileError) {
            try writer.append(upTo: count) { (buffer) throws(FileError) in
                try file.read(at: offset, into: buffer)
            }
        } catch {
            throw .file(error)
        }
        try checkCount(writer.count - before, of: count, file, offset)
    }

    /// Appends exactly `count` bytes of a file to `writer` if the system has them in memory.
    ///
    /// - Returns: whether it has.
    static func readIfCached(
        _ file: any ReadableFile,
        at offset: Int,
        count: Int,
        into writer: inout ByteWriter
    ) throws(StorageError) -> Bool {
        var isCached = true
        let before = writer.count
        do throws(FileError) {
            try writer.append(upTo: count) { (buffer) throws(FileError) in
                if let found = try file.readIfCached(at: offset, into: buffer) { return found }
                isCached = false
                return 0
            }
        } catch {
            throw .file(error)
        }
        if isCached { try checkCount(writer.count - before, of: count, file, offset) }
        return isCached
    }

    private static func checkCount(
        _ found: Int,
        of count: Int,
        _ file: any ReadableFile,
        _ offset: Int
    ) throws(StorageError) {
        guard found != count else { return }
        throw .corruption(
            CorruptionError(
                path: file.path,
                offset: offset,
                length: count,
                expected: "\(count) bytes",
                found: "the end of the file after \(found)"
            )
        )
    }

    /// Checks and decompresses the stored block `view` that stands at `offset` of the file.
    ///
    /// `dictionary` is the file's.
    static func decode(
        _ view: ByteView,
        at offset: Int,
        salt: UInt64,
        dictionary: ZstdDictionary? = nil,
        path: String,
        alignment: Int = 16
    ) throws(StorageError) -> Block {
        func corruption(_ expected: String, _ found: String) -> StorageError {
            .corruption(
                CorruptionError(
                    path: path,
                    offset: offset,
                    length: view.count,
                    expected: expected,
                    found: found
                )
            )
        }
        guard view.count >= SSTableFormat.trailerCount else {
            throw corruption("a block", "\(view.count) bytes, less than a block's trailer")
        }
        let stated = view.loadLittleEndian(view.count - 8, as: UInt64.self)
        let seed = SSTableFormat.seed(salt: salt, offset: offset)
        let actual = Checksum.xxh3(view.prefix(view.count - 8), seed: seed)
        guard stated == actual else {
            throw corruption("checksum \(hexadecimal(stated))", hexadecimal(actual))
        }
        let payload = view.prefix(view.count - SSTableFormat.trailerCount)
        let rawCodec = view[payload.count]
        guard let codec = Codec(rawValue: rawCodec) else {
            throw .unsupported(
                UnsupportedFormatError(
                    path: path,
                    feature: "blocks of codec \(rawCodec)",
                    supported: Codec.allCases.map(\.name).joined(separator: ", ")
                )
            )
        }
        let count = Int(view.loadLittleEndian(payload.count + 1, as: UInt32.self))
        guard count <= countMax(payload.count, codec) else {
            throw corruption("a block of at most 1 GiB", "a stated size of \(count) bytes")
        }
        let block = Block(count: count, alignment: alignment) {
            codec.decompress(payload, into: $0, dictionary: dictionary)
        }
        guard let block else {
            throw corruption("\(count) bytes compressed with \(codec.name)", "something else")
        }
        return block
    }

    /// The most that a payload can hold: memory is not taken on the word of a file alone.
    private static func countMax(_ payloadCount: Int, _ codec: Codec) -> Int {
        switch codec {
        case .none: payloadCount
        case .lz4, .snappy: min(payloadCount * 256 + 64, SSTableFormat.blockCountMax)
        case .zstd: SSTableFormat.blockCountMax
        }
    }

    private static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
