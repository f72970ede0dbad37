// SPDX-License-Identifier: Apache-2.0

/// Why an import did not run, or stopped.
package enum ImportError: Error, Equatable, CustomStringConvertible {
    /// The arguments, the table or the data do not go together; nothing was written.
    case usage(String)
    /// Reading or writing failed on the way.
    case failure(String)
    /// The user asked to stop.
    case interrupted(String)

    package var description: String {
        switch self {
        case .usage(let text), .failure(let text), .interrupted(let text): text
        }
    }

    /// The exit code of the process: see `ImportExit`.
    package var exitCode: Int32 {
        switch self {
        case .usage: ImportExit.usage
        case .failure: ImportExit.failure
        case .interrupted: ImportExit.interrupted
        }
    }
}

/// The exit codes of `tholos import`.
package enum ImportExit {
    /// Every row was written.
    package static let complete: Int32 = 0
    /// All good rows were written, and some rows were rejected.
    package static let someRejected: Int32 = 1
    /// The arguments are wrong; nothing was written.
    package static let usage: Int32 = 2
    /// The import stopped: reading, writing or too many rejected rows.
    package static let failure: Int32 = 3
    /// A signal stopped the import, which can be resumed.
    package static let interrupted: Int32 = 130
}
