// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Where reports go: lines in large pieces to a file descriptor, or kept for a test.
package final class ReportOutput {
    private var pending: [UInt8] = []
    /// -1 keeps everything.
    private let descriptor: Int32

    private static let pendingCount = 1 << 16

    /// Output to a file descriptor.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Output that is kept, for `text`.
    package init() { descriptor = -1 }

    /// What was written and not yet handed on.
    package var text: String { String(decoding: pending, as: UTF8.self) }

    /// Writes a line.
    package func line(_ text: String) {
        pending += Array(text.utf8)
        pending.append(0x0A)
        if pending.count >= ReportOutput.pendingCount { flush() }
    }

    /// Hands on what is pending.
    package func flush() {
        guard descriptor >= 0 else { return }
        var start = 0
        while start < pending.count {
            let count = pending.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress.map { $0 + start }, bytes.count - start)
            }
            if count < 0 {
                if errno == EINTR { continue }
                break
            }
            start += count
        }
        pending.removeAll(keepingCapacity: true)
    }
}
