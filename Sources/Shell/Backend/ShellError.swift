// SPDX-License-Identifier: Apache-2.0

/// A statement that did not succeed, or a database that cannot be reached.
package struct ShellError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The name that the message begins with, such as `InvalidRequest`.
    package let name: String
    /// What was wrong, in a sentence.
    package let message: String
    /// Whether the database itself is out of reach: no later statement can succeed.
    package let isConnectionLost: Bool

    /// An error with the code that the native protocol gives it (specification, section 9).
    package init(code: Int32, message: String) {
        self.name = ShellError.names[code] ?? "Error 0x" + String(code, radix: 16)
        self.message = message
        self.isConnectionLost = false
    }

    /// The database cannot be reached, or the connection broke.
    package init(connection message: String) {
        self.name = "ConnectionError"
        self.message = message
        self.isConnectionLost = true
    }

    /// No answer came in time: whether a write happened isn't known. The connection stands.
    package init(timeout message: String) {
        self.name = "Timeout"
        self.message = message
        self.isConnectionLost = false
    }

    package var description: String { "\(name): \(message)" }

    private static let names: [Int32: String] = [
        0x0000: "ServerError",
        0x000A: "ProtocolError",
        0x0100: "AuthenticationFailed",
        0x1000: "Unavailable",
        0x1001: "Overloaded",
        0x1002: "IsBootstrapping",
        0x1003: "TruncateError",
        0x1100: "WriteTimeout",
        0x1200: "ReadTimeout",
        0x1300: "ReadFailure",
        0x1400: "FunctionFailure",
        0x1500: "WriteFailure",
        0x1600: "CDCWriteFailure",
        0x1700: "CASWriteUnknown",
        0x2000: "SyntaxException",
        0x2100: "Unauthorized",
        0x2200: "InvalidRequest",
        0x2300: "ConfigurationException",
        0x2400: "AlreadyExists",
        0x2500: "Unprepared",
    ]
}
