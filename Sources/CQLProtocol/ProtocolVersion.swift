// SPDX-License-Identifier: Apache-2.0

/// A version of the CQL binary protocol that Tholos speaks.
package enum ProtocolVersion: UInt8, Sendable, CaseIterable {
    case v4 = 4
    case v5 = 5

    /// The newest version: the one that answers a frame of a version that is not spoken.
    package static let newest = ProtocolVersion.v5

    /// The name in SUPPORTED's `PROTOCOL_VERSIONS`.
    package var name: String { "\(rawValue)/v\(rawValue)" }
}

/// What a frame is (native_protocol_v5.spec, section 2.4.1.4).
package enum Opcode: UInt8, Sendable, CaseIterable {
    case error = 0x00
    case startup = 0x01
    case ready = 0x02
    case authenticate = 0x03
    case options = 0x05
    case supported = 0x06
    case query = 0x07
    case result = 0x08
    case prepare = 0x09
    case execute = 0x0A
    case register = 0x0B
    case event = 0x0C
    case batch = 0x0D
    case authChallenge = 0x0E
    case authResponse = 0x0F
    case authSuccess = 0x10

    /// The name in capitals, as the specification and messages write it.
    package var name: String {
        switch self {
        case .error: "ERROR"
        case .startup: "STARTUP"
        case .ready: "READY"
        case .authenticate: "AUTHENTICATE"
        case .options: "OPTIONS"
        case .supported: "SUPPORTED"
        case .query: "QUERY"
        case .result: "RESULT"
        case .prepare: "PREPARE"
        case .execute: "EXECUTE"
        case .register: "REGISTER"
        case .event: "EVENT"
        case .batch: "BATCH"
        case .authChallenge: "AUTH_CHALLENGE"
        case .authResponse: "AUTH_RESPONSE"
        case .authSuccess: "AUTH_SUCCESS"
        }
    }
}

/// The flags of a frame's header (native_protocol_v5.spec, section 2.4.1.2).
package struct FrameFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The body is compressed (v4; ignored in v5, where segments are).
    package static let compressed = FrameFlags(rawValue: 0x01)
    /// The client asks for a trace; the response begins with its id.
    package static let tracing = FrameFlags(rawValue: 0x02)
    /// The body begins with a map of bytes by name.
    package static let customPayload = FrameFlags(rawValue: 0x04)
    /// The response begins with warnings.
    package static let warning = FrameFlags(rawValue: 0x08)
    /// The client accepts a protocol version that is not final.
    package static let beta = FrameFlags(rawValue: 0x10)
}
