// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Turns the bytes of a connection into frames, whatever the pieces they arrive in.
///
/// Used by a server for requests and by a client for responses. The handshake drives it: `negotiate`
/// fixes the version and the compression, `beginSegments` starts v5's outer framing. Every length is
/// checked before memory is taken, and after an error nothing more comes out.
package struct FrameDecoder: ~Copyable {
    /// The default limit of a frame's body, in bytes (`native_transport_max_frame_size`).
    package static let defaultBodyLimit = 16 << 20

    /// What the frames must be.
    package enum Role: Sendable {
        /// Requests are read.
        case server
        /// Responses are read.
        case client
    }

    private let role: Role
    /// The most bytes of a body, decompressed.
    package let bodyLimit: Int
    private var version: ProtocolVersion?
    private var codec = Codec.none
    private var isSegmented = false
    private var lastWasSelfContained = true
    private var wire = ReadBuffer()
    private var envelopes = ReadBuffer()
    private var failure: ProtocolError?

    package init(role: Role, bodyLimit: Int = FrameDecoder.defaultBodyLimit) {
        self.role = role
        self.bodyLimit = bodyLimit
    }

    /// Fixes the version for all frames to come, and how their bodies (v4) or segments (v5) are
    /// compressed.
    package mutating func negotiate(version: ProtocolVersion, codec: Codec) {
        self.version = version
        self.codec = codec
    }

    /// From here on everything is in v5's segments.
    package mutating func beginSegments() { isSegmented = true }

    /// How many bytes have arrived that are not yet part of a frame.
    package var bufferedCount: Int { wire.count + envelopes.count }

    /// Takes bytes as they arrive.
    package mutating func append(_ input: ByteView) {
        if failure == nil { wire.append(input) }
    }

    /// The next whole frame; nil when more bytes are needed.
    ///
    /// - Throws: what the peer did wrong; and the same at every later call.
    package mutating func next() throws(ProtocolError) -> Frame? {
        if let failure { throw failure }
        do throws(ProtocolError) {
            if !isSegmented {
                guard let (frame, count) = try envelope(in: wire.view) else { return nil }
                wire.consume(count)
                return frame
            }
            while true {
                if envelopes.count > 0, let (frame, count) = try envelope(in: envelopes.view) {
                    envelopes.consume(count)
                    return frame
                }
                if lastWasSelfContained, envelopes.count > 0 {
                    throw ProtocolError("a self-contained segment ends in the middle of a frame")
                }
                guard try readSegment() else { return nil }
            }
        } catch {
            failure = error
            throw error
        }
    }

    /// Moves one segment's payload to the envelopes; false when it isn't all there yet.
    private mutating func readSegment() throws(ProtocolError) -> Bool {
        let isCompressed = codec != .none
        let headerLength = Segment.headerLength(isCompressed: isCompressed)
        let view = wire.view
        guard view.count >= headerLength else { return false }
        guard let header = Segment.header(view, isCompressed: isCompressed) else {
            throw ProtocolError("a segment's header does not match its CRC24")
        }
        let length = headerLength + header.payloadCount + Segment.trailerLength
        guard view.count >= length else { return false }
        let payload = view[headerLength..<(headerLength + header.payloadCount)]
        let sum = view.loadLittleEndian(length - Segment.trailerLength, as: UInt32.self)
        guard Segment.checksum(payload) == sum else {
            throw ProtocolError("a segment's payload does not match its CRC32")
        }
        if header.isSelfContained, envelopes.count > 0 {
            throw ProtocolError("a self-contained segment came in the middle of a larger frame")
        }
        if header.decompressedCount > 0 {
            let codec = codec
            let isWhole = envelopes.append(header.decompressedCount) {
                codec.decompress(payload, into: $0)
            }
            guard isWhole else { throw ProtocolError("a segment's payload is damaged LZ4") }
        } else {
            envelopes.append(payload)
        }
        lastWasSelfContained = header.isSelfContained
        wire.consume(length)
        return true
    }

    /// The frame at the start of `view` and its length there; nil when it isn't all there yet.
    private func envelope(
        in view: ByteView
    ) throws(ProtocolError) -> (frame: Frame, count: Int)? {
        guard view.count >= 4 else { return nil }
        guard let version = ProtocolVersion(rawValue: view[0] & 0x7F) else {
            throw ProtocolError.unsupported(version: view[0] & 0x7F, stream: Self.stream(of: view))
        }
        let stream = view.loadBigEndian(2, as: Int16.self)
        guard (view[0] & 0x80 != 0) == (role == .client) else {
            let found = role == .client ? "a request" : "a response"
            throw ProtocolError("\(found) came in the wrong direction", stream: stream)
        }
        if let fixed = self.version, fixed != version {
            throw ProtocolError(
                "Invalid message version. Got \(version.name) but previous messages on this "
                    + "connection had version \(fixed.name)",
                stream: stream
            )
        }
        guard view.count >= FrameHeader.length else { return nil }
        guard let opcode = Opcode(rawValue: view[4]) else {
            throw ProtocolError("Unknown opcode \(view[4])", stream: stream)
        }
        let length = Int(view.loadBigEndian(5, as: Int32.self))
        guard length >= 0 else {
            throw ProtocolError("a frame's body has the negative length \(length)", stream: stream)
        }
        guard length <= bodyLimit else { throw tooLarge(length, stream) }
        guard view.count - FrameHeader.length >= length else { return nil }
        var header = FrameHeader(
            version: version,
            isResponse: role == .client,
            flags: FrameFlags(rawValue: view[1]),
            stream: stream,
            opcode: opcode
        )
        let stored = view[FrameHeader.length..<(FrameHeader.length + length)]
        var body: [UInt8]
        if version == .v4, header.flags.contains(.compressed) {
            body = try decompressed(stored, stream)
        } else {
            body = stored.array
        }
        header.flags.remove(.compressed)
        return (Frame(header: header, body: body), FrameHeader.length + length)
    }

    /// The stream of a frame of any version: one byte up to version 2, two from then on.
    private static func stream(of view: ByteView) -> Int16 {
        let version = view[0] & 0x7F
        if version == 1 || version == 2 { return Int16(Int8(bitPattern: view[2])) }
        return view.loadBigEndian(2, as: Int16.self)
    }

    /// A body's content: LZ4 after its length as four bytes, or Snappy, which knows its length.
    private func decompressed(
        _ stored: ByteView,
        _ stream: Int16
    ) throws(ProtocolError) -> [UInt8] {
        var source = stored
        let count: Int
        switch codec {
        case .lz4:
            guard stored.count >= 4 else {
                throw ProtocolError("an LZ4 body is shorter than its length field", stream: stream)
            }
            count = Int(stored.loadBigEndian(0, as: UInt32.self))
            source = stored.dropFirst(4)
        case .snappy:
            guard let stated = Codec.snappyDecompressedCount(stored) else {
                throw ProtocolError("a frame's body is damaged Snappy", stream: stream)
            }
            count = stated
        case .none, .zstd:
            throw ProtocolError(
                "a frame is compressed, but no compression was agreed in STARTUP",
                stream: stream
            )
        }
        guard count <= bodyLimit else { throw tooLarge(count, stream) }
        // No block of LZ4 or Snappy expands more than 255 times: memory follows what was sent.
        guard count <= source.count * 255 + 64 else {
            throw ProtocolError(
                "a compressed body of \(source.count) bytes claims \(count) bytes",
                stream: stream
            )
        }
        let codec = codec
        var isWhole = count == 0
        let body = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            if count > 0 {
                isWhole = codec.decompress(source, into: UnsafeMutableRawBufferPointer(buffer))
            }
            used = isWhole ? count : 0
        }
        guard isWhole else {
            throw ProtocolError("a frame's body is damaged \(codec.name)", stream: stream)
        }
        return body
    }

    private func tooLarge(_ count: Int, _ stream: Int16) -> ProtocolError {
        ProtocolError(
            "a frame's body of \(count) bytes is over the limit of \(bodyLimit) bytes "
                + "(native_transport_max_frame_size)",
            stream: stream
        )
    }
}
