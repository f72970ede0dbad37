// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model
import Testing

@Suite("CQL frames and segments")
struct FrameTests {
    @Test("Frames have the bytes that the specification gives them")
    func goldenBytes() {
        var encoder = FrameEncoder(version: .v4)
        encoder.add(.options, stream: 1)
        #expect(encoder.bytes() == [4, 0, 0, 1, 5, 0, 0, 0, 0])
        encoder.add(.ready, stream: 0x0102)
        #expect(encoder.bytes() == [0x84, 0, 1, 2, 2, 0, 0, 0, 0])
        encoder.add(.query("A", QueryParameters(consistency: .one, pageSize: 5)), stream: 0)
        #expect(
            encoder.bytes() == [
                4, 0, 0, 0, 7, 0, 0, 0, 12, 0, 0, 0, 1, 65, 0, 1, 4, 0, 0, 0, 5,
            ]
        )
        encoder.negotiate(version: .v5, codec: .none)
        encoder.add(.query("A", QueryParameters(consistency: .one, pageSize: 5)), stream: 0)
        #expect(
            encoder.bytes() == [
                5, 0, 0, 0, 7, 0, 0, 0, 15, 0, 0, 0, 1, 65, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5,
            ]
        )
        encoder.add(.error(CQLError(.invalid, "no")), stream: 2)
        #expect(
            encoder.bytes() == [0x85, 0, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0x22, 0, 0, 2, 110, 111]
        )
    }

    /// Made with the Python driver's `SegmentCodec`: an OPTIONS of stream 1 in one segment.
    @Test("A segment has the bytes that the Python driver gives it")
    func goldenSegment() {
        var encoder = FrameEncoder(version: .v5)
        encoder.beginSegments()
        encoder.add(.options, stream: 1)
        #expect(encoder.bytes() == Golden.plainSegment)
        encoder.negotiate(version: .v5, codec: .lz4)
        encoder.add(.options, stream: 1)
        #expect(encoder.bytes() == Golden.compressibleSegment)
    }

    @Test("Drivers that probe for other versions are told which there are", arguments: [
        0x42, 0x41, 3, 6, 2, 1, 0x7F,
    ] as [UInt8])
    func versions(version: UInt8) {
        var decoder = FrameDecoder(role: .server)
        decoder.append(version <= 2 ? [version, 0, 7, 5] : [version, 0, 0, 7])
        let error = protocolError { _ = try decoder.next() }
        #expect(
            error?.message
                == "Invalid or unsupported protocol version (\(version)); "
                + "supported versions are (4/v4, 5/v5)"
        )
        #expect(error?.stream == 7)
        #expect(error?.isUnsupportedVersion == true)
        #expect(error?.cqlError.code == 0x000A)
    }

    @Test("A header that breaks the rules is refused before its body comes", arguments: [
        ([0x84, 0, 0, 7, 5, 0, 0, 0, 0], "wrong direction"),
        ([4, 0, 0, 7, 4, 0, 0, 0, 0], "Unknown opcode 4"),
        ([4, 0, 0, 7, 7, 0xFF, 0, 0, 0], "negative length"),
        ([4, 0, 0, 7, 7, 1, 0, 0, 1], "over the limit of 16777216 bytes"),
        ([4, 1, 0, 7, 7, 0, 0, 0, 1, 9], "no compression was agreed"),
    ] as [([UInt8], String)])
    func badHeaders(bytes: [UInt8], sentence: String) {
        let error = protocolError { _ = try frame(bytes) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "no error")")
        #expect(error?.stream == 7)
    }

    @Test("A connection keeps the version of its STARTUP, and an error is for good")
    func mixedVersions() {
        var decoder = FrameDecoder(role: .server)
        decoder.negotiate(version: .v4, codec: .none)
        decoder.append([5, 0, 0, 7, 5, 0, 0, 0, 0, 4, 0, 0, 8, 5, 0, 0, 0, 0])
        #expect(protocolError { _ = try decoder.next() }?.stream == 7)
        #expect(protocolError { _ = try decoder.next() }?.stream == 7)
    }

    /// Frames of several sizes, so that some share a segment and one needs several.
    private func stream(_ encoder: inout FrameEncoder) -> [Int] {
        let sizes = [10, 200, 5000, 131_062, 131_063, 400_000, 3]
        for (stream, size) in sizes.enumerated() {
            let text = String(decoding: (0..<size).map { UInt8(97 + $0 / 9 % 26) }, as: UTF8.self)
            encoder.add(.prepare(text, keyspace: nil), stream: Int16(stream))
        }
        return sizes
    }

    private func check(_ frames: [Frame], _ sizes: [Int]) throws {
        #expect(frames.map(\.header.stream) == (0..<sizes.count).map { Int16($0) })
        for (frame, size) in zip(frames, sizes) {
            guard case .prepare(let text, _) = try RequestMessage(frame).request else {
                Issue.record("PREPARE became another request")
                return
            }
            #expect(text.utf8.count == size)
        }
    }

    @Test("Frames of any size pass, compressed or not, in pieces of any size", arguments: [
        (ProtocolVersion.v4, Codec.none), (.v4, .lz4), (.v4, .snappy), (.v5, .none), (.v5, .lz4),
    ])
    func sizes(version: ProtocolVersion, codec: Codec) throws {
        for piece in [7, 4096, 1 << 20] {
            var encoder = FrameEncoder()
            var decoder = FrameDecoder(role: .server)
            encoder.negotiate(version: version, codec: codec)
            decoder.negotiate(version: version, codec: codec)
            if version == .v5 {
                encoder.beginSegments()
                decoder.beginSegments()
            }
            let sizes = stream(&encoder)
            let bytes = encoder.bytes()
            var frames: [Frame] = []
            for start in stride(from: 0, to: bytes.count, by: piece) {
                decoder.append(Array(bytes[start..<min(start + piece, bytes.count)]))
                frames += try decoder.frames()
            }
            try check(frames, sizes)
            #expect(decoder.bufferedCount == 0)
        }
    }

    @Test("Small frames that go out together share a segment")
    func batching() {
        var encoder = FrameEncoder(version: .v5)
        encoder.beginSegments()
        for stream in 0..<3 { encoder.add(.options, stream: Int16(stream)) }
        #expect(encoder.bytes().count == 3 * 9 + 6 + 4)
    }

    /// A short conversation in segments.
    private func conversation(_ codec: Codec) -> [UInt8] {
        var encoder = FrameEncoder(version: .v5)
        encoder.negotiate(version: .v5, codec: codec)
        encoder.beginSegments()
        encoder.add(.prepare(String(repeating: "ab", count: 40), keyspace: nil), stream: 1)
        var bytes = encoder.bytes()
        encoder.add(.options, stream: 2)
        bytes += encoder.bytes()
        return bytes
    }

    @Test("Segments may be split at every byte", arguments: [Codec.none, .lz4])
    func splits(codec: Codec) throws {
        let bytes = conversation(codec)
        for split in 0...bytes.count {
            var decoder = FrameDecoder(role: .server)
            decoder.negotiate(version: .v5, codec: codec)
            decoder.beginSegments()
            decoder.append(Array(bytes[..<split]))
            var frames = try decoder.frames()
            decoder.append(Array(bytes[split...]))
            frames += try decoder.frames()
            #expect(frames.map(\.header.stream) == [1, 2])
        }
    }

    @Test("Every flipped bit of a segment is noticed", arguments: [Codec.none, .lz4])
    func flippedBits(codec: Codec) {
        let bytes = conversation(codec)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            var decoder = FrameDecoder(role: .server)
            decoder.negotiate(version: .v5, codec: codec)
            decoder.beginSegments()
            decoder.append(damaged)
            #expect(protocolError { _ = try decoder.frames() } != nil, "bit \(bit)")
        }
    }

    @Test("Self-contained segments hold whole frames")
    func selfContained() throws {
        var encoder = FrameEncoder(version: .v5)
        encoder.beginSegments()
        encoder.add(.options, stream: 1)
        // The segment of an OPTIONS whose header claims one byte of body.
        var decoder = FrameDecoder(role: .server)
        decoder.negotiate(version: .v5, codec: .none)
        decoder.beginSegments()
        let short = FrameHeader(version: .v5, isResponse: false, stream: 1, opcode: .options)
        var writer = ByteWriter()
        short.append(to: &writer, bodyCount: 1)
        decoder.append(Golden.segment(writer.array, isSelfContained: true))
        #expect(protocolError { _ = try decoder.next() }?.message.contains("ends in the middle") == true)

        var other = FrameDecoder(role: .server)
        other.negotiate(version: .v5, codec: .none)
        other.beginSegments()
        other.append(Golden.segment(writer.array, isSelfContained: false))
        #expect(try other.next() == nil)
        other.append(Golden.segment([0], isSelfContained: true))
        #expect(protocolError { _ = try other.next() }?.message.contains("larger frame") == true)
    }

    @Test("A compressed body that claims too much is refused before memory is taken", arguments: [
        ([0x7F, 0xFF, 0xFF, 0xFF, 0], "over the limit"),
        ([0, 0xFF, 0xFF, 0xFF, 0], "claims"),
        ([0, 0, 0, 9, 0], "damaged lz4"),
        ([0, 0, 0], "shorter"),
    ] as [([UInt8], String)])
    func compressedClaims(body: [UInt8], sentence: String) {
        var decoder = FrameDecoder(role: .server)
        decoder.negotiate(version: .v4, codec: .lz4)
        decoder.append([4, 1, 0, 7, 7, 0, 0, 0, UInt8(body.count)] + body)
        let error = protocolError { _ = try decoder.next() }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "no error")")
    }

    @Test("Segments begin after the reply to STARTUP")
    func handshake() throws {
        var server = FrameDecoder(role: .server)
        var encoder = FrameEncoder(version: .v5)
        encoder.add(.startup(["CQL_VERSION": "3.0.0"]), stream: 0)
        server.append(encoder.bytes())
        #expect(try server.next()?.header.opcode == .startup)
        server.negotiate(version: .v5, codec: .none)
        server.beginSegments()
        encoder.beginSegments()
        encoder.add(.register([.statusChange]), stream: 0)
        server.append(encoder.bytes())
        #expect(try server.next()?.header.opcode == .register)
    }

    @Test("Fuzz entries take anything")
    func fuzz() {
        var state: UInt64 = 42
        for round in 0..<4000 {
            var bytes: [UInt8] = []
            for _ in 0..<(round % 60) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(UInt8(truncatingIfNeeded: state >> 40) & (round % 3 == 0 ? 0xFF : 0x0F))
            }
            bytes.withView {
                CQLProtocolFuzz.run($0)
                CQLProtocolFuzz.runBody($0)
            }
        }
        for request in Samples.requests {
            var encoder = FrameEncoder(version: .v4)
            encoder.add(request, stream: 0)
            ([0] + encoder.bytes()).withView { CQLProtocolFuzz.run($0) }
        }
    }
}
