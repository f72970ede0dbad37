// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// The records that were not written, as CSV: file, line, reason, and the record as it was.
final class RejectFile {
    private static let header = Array("file,line,reason,record\n".utf8)

    private let path: String
    private let fileSystem: any FileSystem
    private var file: (any AppendableFile)?
    private var scratch = ByteWriter(capacity: 1024)
    private var unsynced = false

    /// Nothing is created before the first record is rejected.
    ///
    /// `keeping` is how many bytes of an
    /// interrupted run's file still count.
    init(_ path: String, fileSystem: any FileSystem, keeping count: Int) throws(ImportError) {
        self.path = path
        self.fileSystem = fileSystem
        do throws(FileError) {
            let old = SmallFile(path: path, fileSystem: fileSystem)
            guard let bytes = try old.read(limit: max(count, RejectFile.header.count)) else {
                return
            }
            let isOurs = bytes.starts(with: RejectFile.header)
            if isOurs, count > 0 {
                file = try RejectFile.replace(path, fileSystem, with: bytes)
            } else if isOurs {
                try old.remove()
            }
            if isOurs { return }
        } catch {
            throw .failure("\(error)")
        }
        throw .usage("\(path) is no reject file; move it away or choose another with --rejects")
    }

    /// The size of the file, for a state to remember.
    var size: Int { file?.size ?? 0 }

    private static func replace(
        _ path: String,
        _ fileSystem: any FileSystem,
        with bytes: [UInt8]
    ) throws(FileError) -> any AppendableFile {
        let file = try fileSystem.create(path + ".new")
        try bytes.withView { (view) throws(FileError) in try file.append(view) }
        try file.sync()
        try fileSystem.rename(path + ".new", to: path)
        return file
    }

    /// Keeps a record.
    func add(source: String, line: Int, reason: String, record: ByteView) throws(ImportError) {
        scratch.removeAll()
        if file == nil { scratch.append(RejectFile.header) }
        appendQuoted(Array(source.utf8))
        scratch.append(utf8: ",\(line),")
        appendQuoted(Array(reason.utf8))
        scratch.append(UInt8(ascii: ","))
        appendQuoted(record.array)
        scratch.append(0x0A as UInt8)
        do throws(FileError) {
            if file == nil { file = try fileSystem.create(path) }
            try file?.append(scratch.view)
            unsynced = true
        } catch {
            throw .failure("\(error)")
        }
    }

    private func appendQuoted(_ bytes: [UInt8]) {
        let special: Set<UInt8> = [0x22, 0x2C, 0x0A, 0x0D]
        guard bytes.contains(where: special.contains) else {
            scratch.append(bytes)
            return
        }
        scratch.append(0x22 as UInt8)
        for byte in bytes {
            if byte == 0x22 { scratch.append(byte) }
            scratch.append(byte)
        }
        scratch.append(0x22 as UInt8)
    }

    /// Makes what was added durable.
    func sync() throws(ImportError) {
        guard unsynced, let file else { return }
        do throws(FileError) { try file.sync() } catch { throw .failure("\(error)") }
        unsynced = false
    }

    /// Makes it durable and closes it.
    func close() throws(ImportError) {
        try sync()
        file?.close()
    }
}
