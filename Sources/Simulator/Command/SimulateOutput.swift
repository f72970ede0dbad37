// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Writes lines to standard output, or standard error, at once.
enum SimulateOutput {
    static func line(_ text: String) { write(text + "\n", to: 1) }

    static func note(_ text: String) { write(text + "\n", to: 2) }

    /// Shows how far a run is in one line of a terminal, which the next one replaces.
    static func progress(_ text: String) {
        guard isatty(2) == 1 else { return }
        write("\r\u{1B}[K" + text, to: 2)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let count = bytes[start...].withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno != EINTR { return }
            start += max(count, 0)
        }
    }

    /// A number with one digit behind the point.
    static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
