// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

extension FileError.Reason {
    /// The reason behind an `errno`.
    init(errno code: Int32) {
        switch code {
        case ENOENT: self = .notFound
        case EEXIST: self = .exists
        case ENOSPC, EDQUOT: self = .diskFull
        case EACCES, EPERM: self = .accessDenied
        default: self = .system(code: code, text: String(cString: strerror(code)))
        }
    }
}

extension FileError {
    /// An error from the `errno` that a call has just left.
    init(_ operation: Operation, _ path: String, errno code: Int32) {
        self.init(operation: operation, path: path, reason: Reason(errno: code))
    }
}
