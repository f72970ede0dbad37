// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Turns messages into the bytes of a connection; the counterpart of `FrameDecoder`.
///
/// Frames gather until `withOutput`; in v5, small ones share a segment.
package struct FrameEncoder: ~Copyable {
    /// Bodies shorter than this are not worth compressing.
    private static let compressionThreshold = 128
    /// Above this many bytes, memory is given back after `withOutput`.
    private static let keptCapacity = 1 << 20

    /// The version of all frames.
    package private(set) var version: ProtocolVersion
    private var codec = Codec.none
    private var isSegmented = false
    private var output = ByteWriter(capacity: 1024)
    /// Whole envelopes that are not yet in a segment: at most `Segment.payloadMax` bytes.
    private var envelopes = ByteWriter()
    private var scratch = ByteWriter()

    package init(version: ProtocolVersion = .newest) { self.version = version }

    /// Fixes the version, and how bodies (v4) or segments (v5) are compressed.
    package mutating func negotiate(version: ProtocolVersion, codec: Codec) {
        self.version = version
        self.codec = codec
    }

    /// From here on everything is in v5's segments.
    package mutating func beginSegments() { isSegmented = true }

    /// The bytes waiting to go out, without what segments add.
    package var pendingCount: Int { output.count + envelopes.count }

    /// Adds a frame; `fill` appends its body.
    package mutating func add(_ header: FrameHeader, _ fill: (inout ByteWriter) -> Void) {
        if isSegmented {
            let start = envelopes.count
            Self.append(header, to: &envelopes, fill)
            if envelopes.count > Segment.payloadMax { spill(from: start) }
        } else if codec != .none, header.version == .v4, header.opcode != .startup {
            addCompressed(header, fill)
        } else {
            Self.append(header, to: &output, fill)
        }
    }

    /// Hands over everything that was added, and forgets it.
    package mutating func withOutput<R>(_ body: (ByteView) -> R) -> R {
        if envelopes.count > 0 {
            seal(envelopes.view, isSelfContained: true)
            envelopes.removeAll()
        }
        let result = body(output.view)
        if output.count > Self.keptCapacity {
            output = ByteWriter(capacity: 1024)
            envelopes = ByteWriter()
            scratch = ByteWriter()
        } else {
            output.removeAll()
        }
        return result
    }

    private static func append(
        _ header: FrameHeader,
        to writer: inout ByteWriter,
        _ fill: (inout ByteWriter) -> Void
    ) {
        let start = writer.count
        header.append(to: &writer, bodyCount: 0)
        fill(&writer)
        let count = writer.count - start - FrameHeader.length
        invariant(count <= Int(Int32.max), "a frame's body is over 2 GiB")
        writer.putBigEndian(Int32(count), at: start + 5)
    }

    private mutating func addCompressed(
        _ header: FrameHeader,
        _ fill: (inout ByteWriter) -> Void
    ) {
        scratch.removeAll()
        fill(&scratch)
        var header = header
        let start = output.count
        header.flags.insert(.compressed)
        header.append(to: &output, bodyCount: 0)
        let body = output.count
        if scratch.count >= Self.compressionThreshold {
            if codec == .lz4 { output.appendBigEndian(UInt32(truncatingIfNeeded: scratch.count)) }
            codec.compress(scratch.view, into: &output)
        }
        if output.count == body || output.count - body >= scratch.count {
            output.truncate(to: start)
            header.flags.remove(.compressed)
            header.append(to: &output, bodyCount: 0)
            output.append(scratch.view)
        }
        output.putBigEndian(Int32(output.count - body), at: start + 5)
    }

    /// The envelope at `start` made the run too long for one segment.
    private mutating func spill(from start: Int) {
        if start > 0 { seal(envelopes.view.prefix(start), isSelfContained: true) }
        let rest = envelopes.view.dropFirst(start)
        guard rest.count > Segment.payloadMax else {
            envelopes.removeFirst(start)
            return
        }
        var offset = 0
        while offset < rest.count {
            let end = min(offset + Segment.payloadMax, rest.count)
            seal(rest[offset..<end], isSelfContained: false)
            offset = end
        }
        envelopes.removeAll()
    }

    private mutating func seal(_ payload: ByteView, isSelfContained: Bool) {
        Segment.append(
            payload: payload,
            isSelfContained: isSelfContained,
            codec: codec,
            scratch: &scratch,
            to: &output
        )
    }
}
