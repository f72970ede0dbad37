// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment

/// One file of an import: what it is, and how to open it again and again.
struct InputFile {
    let path: String
    let format: ImportOptions.Format
    /// What a later run compares to know that it is the same file; nil for standard input.
    let identity: FileIdentity?
    private let isGzip: Bool
    /// Standard input's source, which exists once.
    private let onceOnly: OnceOnly?

    /// Standard input with what has been read ahead of it.
    final class OnceOnly {
        var head: [UInt8]
        let source: any ByteSource
        var recorder: RecordingByteSource?
        init(head: [UInt8], source: any ByteSource) {
            self.head = head
            self.source = source
        }
    }

    var isStandardInput: Bool { onceOnly != nil }

    /// Looks at a file's first bytes and name.
    init(
        path: String,
        format: ImportOptions.Format?,
        environment: Environment,
        interruption: Interruption
    ) throws(ImportError) {
        self.path = path
        let raw: any ByteSource
        let size: Int
        if path == "-" {
            raw = StandardInputSource(interruption: interruption)
            size = 0
        } else {
            let file = try InputFile.open(path, environment)
            size = file.size
            raw = FileByteSource(file)
        }
        let head = try InputFile.readHead(raw)
        isGzip = head.starts(with: GzipByteSource.magic)
        identity =
            path == "-"
            ? nil
            : FileIdentity(path: path, size: size, checksum: head.withView { Checksum.xxh3($0) })
        onceOnly = path == "-" ? OnceOnly(head: head, source: raw) : nil
        var text = head
        if isGzip {
            text = try InputFile.readHead(
                try GzipByteSource(ReplayByteSource(head, then: EmptyByteSource(path)))
            )
        }
        self.format = format ?? InputFile.guess(path: path, head: text)
    }

    /// The file's content from its start.
    ///
    /// Standard input can be opened once more after each opening
    /// with `again`, which keeps what is read.
    func open(_ environment: Environment, again: Bool = false) throws(ImportError) -> any ByteSource
    {
        let raw: any ByteSource
        if let onceOnly {
            if let recorder = onceOnly.recorder { onceOnly.head = recorder.recorded }
            onceOnly.recorder = nil
            let replay = ReplayByteSource(onceOnly.head, then: onceOnly.source)
            if again {
                let recorder = RecordingByteSource(replay)
                onceOnly.recorder = recorder
                raw = recorder
            } else {
                raw = replay
            }
        } else {
            raw = FileByteSource(try InputFile.open(path, environment))
        }
        return isGzip ? try GzipByteSource(raw) : raw
    }

    private static func open(
        _ path: String,
        _ environment: Environment
    ) throws(ImportError) -> any ReadableFile {
        let file: any ReadableFile
        let isFolder: Bool
        do throws(FileError) {
            isFolder = try environment.fileSystem.kind(path) == .directory
            file = try environment.fileSystem.open(path)
        } catch {
            throw .usage("\(error)")
        }
        if isFolder { throw .usage("\(path) is a folder; name the files in it") }
        return file
    }

    /// Up to 64 KiB from where the source stands.
    private static func readHead(_ source: any ByteSource) throws(ImportError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var count = 0
        while count < buffer.count {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            do throws(ImportError) {
                let got = try source.read(into: part)
                if got == 0 { break }
                count += got
            } catch {
                // The head of a gzip file is cut off by design; what came before it counts.
                guard source is GzipByteSource else { throw error }
                break
            }
        }
        return [UInt8](buffer[..<count])
    }

    /// The format by the name's end, or else by the first character.
    private static func guess(path: String, head: [UInt8]) -> ImportOptions.Format {
        var name = path.lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        for ending in [".ndjson", ".jsonl", ".json"] where name.hasSuffix(ending) { return .ndjson }
        if name.hasSuffix(".tsv") || name.hasSuffix(".tab") { return .tsv }
        if name.hasSuffix(".csv") { return .csv }
        let start = head.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        let first = head.dropFirst(start).first {
            $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D
        }
        if first == UInt8(ascii: "{") { return .ndjson }
        let line = head.prefix { $0 != 0x0A }
        return line.contains(0x09) && !line.contains(UInt8(ascii: ",")) ? .tsv : .csv
    }
}

/// What tells one file from another: path, size, and the checksum of the first 64 KiB.
struct FileIdentity: Equatable, Sendable {
    let path: String
    let size: Int
    let checksum: UInt64
}

/// No bytes.
private final class EmptyByteSource: ByteSource {
    let name: String
    init(_ name: String) { self.name = name }
    var size: Int? { nil }
    var consumed: Int { 0 }
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int { 0 }
    func skip(to offset: Int) throws(ImportError) {}
}
