// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
import Glibc

/// Bytes that are read front to back: a file, standard input, or what gzip holds.
package protocol ByteSource: AnyObject {
    /// What to call it in messages: the path.
    var name: String { get }
    /// The bytes on the disk, if known: for the progress.
    var size: Int? { get }
    /// How many bytes of `size` have been taken.
    var consumed: Int { get }
    /// Reads up to `buffer.count` bytes; 0 only at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int
    /// Goes on reading at `offset` of what `read` yields; called before any `read`.
    func skip(to offset: Int) throws(ImportError)
}

extension ByteSource {
    /// Skips by reading.
    func skipByReading(_ count: Int) throws(ImportError) {
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { scratch.deallocate() }
        var left = count
        while left > 0 {
            let part = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(left, scratch.count)])
            let got = try read(into: part)
            guard got > 0 else {
                throw .failure("\(name) ends \(left) bytes before the place where to resume")
            }
            left -= got
        }
    }
}

/// A file, through the environment's file system.
final class FileByteSource: ByteSource {
    private let file: any ReadableFile
    private var offset = 0

    init(_ file: any ReadableFile) { self.file = file }

    var name: String { file.path }
    var size: Int? { file.size }
    var consumed: Int { offset }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
        do throws(FileError) {
            let got = try file.read(at: offset, into: buffer)
            offset += got
            return got
        } catch {
            throw .failure("\(error)")
        }
    }

    func skip(to offset: Int) throws(ImportError) { self.offset = offset }
}

/// Standard input, which is read once and cannot be resumed.
final class StandardInputSource: ByteSource {
    private(set) var consumed = 0
    private let interruption: Interruption

    init(interruption: Interruption) { self.interruption = interruption }

    var name: String { "standard input" }
    var size: Int? { nil }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
        while true {
            let got = Glibc.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
            if got >= 0 {
                consumed += got
                return got
            }
            guard errno == EINTR else {
                throw .failure("cannot read standard input: errno \(errno)")
            }
            if interruption.isRequested { throw .interrupted("stopped") }
        }
    }

    func skip(to offset: Int) throws(ImportError) { try skipByReading(offset) }
}

/// Bytes that were read already, then the rest of another source.
final class ReplayByteSource: ByteSource {
    private let head: [UInt8]
    private let rest: any ByteSource
    private var offset = 0

    init(_ head: [UInt8], then rest: any ByteSource) {
        self.head = head
        self.rest = rest
    }

    var name: String { rest.name }
    var size: Int? { rest.size }
    var consumed: Int { offset < head.count ? min(offset, rest.consumed) : rest.consumed }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
        guard offset < head.count else { return try rest.read(into: buffer) }
        let count = min(buffer.count, head.count - offset)
        head.withUnsafeBytes { bytes in
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
            )
        }
        offset += count
        return count
    }

    func skip(to offset: Int) throws(ImportError) { try skipByReading(offset) }
}

/// Keeps a copy of everything read from another source, so that it can be read again.
final class RecordingByteSource: ByteSource {
    private let source: any ByteSource
    private(set) var recorded: [UInt8] = []

    init(_ source: any ByteSource) { self.source = source }

    var name: String { source.name }
    var size: Int? { source.size }
    var consumed: Int { source.consumed }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
        let got = try source.read(into: buffer)
        recorded.append(contentsOf: buffer[..<got])
        return got
    }

    func skip(to offset: Int) throws(ImportError) { try skipByReading(offset) }
}
