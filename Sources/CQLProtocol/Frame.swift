// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The nine bytes before every body (native_protocol_v5.spec, section 2.4).
package struct FrameHeader: Hashable, Sendable {
    /// The length of a header, in bytes.
    package static let length = 9

    package var version: ProtocolVersion
    /// Whether the frame goes from server to client.
    package var isResponse: Bool
    package var flags: FrameFlags
    /// Ties a response to its request; -1 for events.
    package var stream: Int16
    package var opcode: Opcode

    package init(
        version: ProtocolVersion,
        isResponse: Bool,
        flags: FrameFlags = [],
        stream: Int16,
        opcode: Opcode
    ) {
        self.version = version
        self.isResponse = isResponse
        self.flags = flags
        self.stream = stream
        self.opcode = opcode
    }

    /// Appends the header of a body of `bodyCount` bytes.
    package func append(to writer: inout ByteWriter, bodyCount: Int) {
        writer.reserve(Self.length)
        writer.append(version.rawValue | (isResponse ? 0x80 : 0))
        writer.append(flags.rawValue)
        writer.appendBigEndian(stream)
        writer.append(opcode.rawValue)
        writer.appendBigEndian(Int32(truncatingIfNeeded: bodyCount))
    }
}

/// A whole message: its header and its body, decompressed.
package struct Frame: Hashable, Sendable {
    package var header: FrameHeader
    package var body: [UInt8]

    package init(header: FrameHeader, body: [UInt8]) {
        self.header = header
        self.body = body
    }
}
