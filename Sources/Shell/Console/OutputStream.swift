// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Buffers text for a descriptor. Used by one task.
package final class OutputStream {
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private var buffer: [UInt8] = []

    /// Writes to an open descriptor, which it does not close.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        self.ownsDescriptor = false
    }

    /// Appends to a file, making it if there is none; a leading `~/` is the person's home.
    ///
    /// - Throws: `InputError` that names the file and the reason.
    package init(appendingTo path: String) throws(InputError) {
        descriptor = open(HomeFolder.expand(path), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        if descriptor < 0 {
            throw InputError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        ownsDescriptor = true
    }

    deinit {
        flush()
        if ownsDescriptor { close(descriptor) }
    }

    /// Adds text, which appears at the next `flush` or when much has gathered.
    package func write(_ text: String) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= 65_536 { flush() }
    }

    /// Writes out what has gathered. A reader that is gone ends the process, as a pipe's end does.
    package func flush() {
        var start = 0
        while start < buffer.count {
            let count = buffer[start...].withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE { exit(141) }
                break
            }
            start += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
