// SPDX-License-Identifier: Apache-2.0

/// A configuration that cannot be used: where it says what, and what would be right.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible, Sendable {
    /// Where a value was given.
    package enum Origin: Equatable, Sendable, CustomStringConvertible {
        /// On a line of a file, counted from 1.
        case line(file: String, line: Int)
        /// With an option of the command line, such as `--cql-port`.
        case option(String)

        package var description: String {
            switch self {
            case .line(let file, let line): "\(file):\(line)"
            case .option(let option): option
            }
        }
    }

    package let origin: Origin
    /// What is wrong and what would be right, naming the setting and its value.
    package let problem: String

    package init(origin: Origin, problem: String) {
        self.origin = origin
        self.problem = problem
    }

    package var description: String { "\(origin): \(problem)" }
}
