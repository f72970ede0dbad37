// SPDX-License-Identifier: Apache-2.0

/// The peer broke the protocol: CQL error code 0x000A. The connection cannot be trusted afterwards.
package struct ProtocolError: Error, Equatable, CustomStringConvertible, Sendable {
    /// What was wrong, as a sentence for the peer's log.
    package let message: String
    /// The stream of the frame that was wrong; 0 where it is not known.
    package let stream: Int16
    /// Whether the frame was of a protocol version that is not spoken.
    package let isUnsupportedVersion: Bool

    package init(_ message: String, stream: Int16 = 0, isUnsupportedVersion: Bool = false) {
        self.message = message
        self.stream = stream
        self.isUnsupportedVersion = isUnsupportedVersion
    }

    /// The same error for a frame of `stream`.
    package func on(stream: Int16) -> ProtocolError {
        ProtocolError(message, stream: stream, isUnsupportedVersion: isUnsupportedVersion)
    }

    /// The refusal of a protocol version. Drivers look for "unsupported protocol version" in it and
    /// try a lower one.
    package static func unsupported(version: UInt8, stream: Int16) -> ProtocolError {
        let spoken = ProtocolVersion.allCases.map(\.name).joined(separator: ", ")
        return ProtocolError(
            "Invalid or unsupported protocol version (\(version)); supported versions are (\(spoken))",
            stream: stream,
            isUnsupportedVersion: true
        )
    }

    /// The error as what a client receives.
    package var cqlError: CQLError { CQLError(.protocolViolation, message) }

    package var description: String { message }
}
