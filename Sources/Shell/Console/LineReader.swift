// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reads a file or standard input line by line. Used by one task.
package final class LineReader {
    /// The longest line, in bytes: a statement with a large blob fits, a runaway file does not.
    static let lineSizeMax = 256 << 20

    private let descriptor: Int32
    private let name: String
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var lineNumber = 0

    /// Reads an open descriptor, which it does not close.
    package init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
        self.ownsDescriptor = false
    }

    /// Opens a file; a leading `~/` is the person's home.
    ///
    /// - Throws: `InputError` that names the file and the reason.
    package init(path: String) throws(InputError) {
        let descriptor = open(HomeFolder.expand(path), O_RDONLY | O_CLOEXEC)
        if descriptor < 0 {
            throw InputError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        self.descriptor = descriptor
        self.name = path
        self.ownsDescriptor = true
    }

    private let ownsDescriptor: Bool

    deinit { if ownsDescriptor { close(descriptor) } }

    /// The next line without its newline; nil at the end.
    ///
    /// - Throws: `InputError` when reading fails, or a line is not UTF-8 or far too long.
    package func next() throws(InputError) -> String? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[start..<end]
                start = end + 1
                return try text(line)
            }
            searched = buffer.count
            if isAtEnd {
                guard start < buffer.count else { return nil }
                let line = buffer[start...]
                start = buffer.count
                return try text(line)
            }
            let moved = start
            try fill()
            searched -= moved
        }
    }

    /// Drops what has been returned and reads on.
    private func fill() throws(InputError) {
        buffer.removeSubrange(..<start)
        start = 0
        if buffer.count > LineReader.lineSizeMax {
            throw InputError("\(name): line \(lineNumber + 1) is longer than 256 MiB")
        }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        if count < 0 {
            if errno == EINTR { return }
            throw InputError("cannot read \(name): \(String(cString: strerror(errno)))")
        }
        if count == 0 { isAtEnd = true }
        buffer.append(contentsOf: chunk[..<count])
    }

    private func text(_ bytes: ArraySlice<UInt8>) throws(InputError) -> String {
        lineNumber += 1
        var bytes = bytes
        // A byte-order mark, as some editors put before a file.
        if lineNumber == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw InputError("\(name):\(lineNumber): the line is not UTF-8 text")
        }
        return text
    }
}

/// The person's home folder.
enum HomeFolder {
    /// `path` with a leading `~/` replaced.
    static func expand(_ path: String) -> String {
        guard path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
        return String(cString: home) + path.dropFirst(1)
    }
}
