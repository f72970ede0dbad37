// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The entry of fuzzers: any bytes go in, and nothing may trap.
package enum CQLProtocolFuzz {
    /// Reads `input` as both sides of a connection would. Its first byte chooses how: the role, the
    /// version, the compression, whether segments are on, and the size of the pieces.
    package static func run(_ input: ByteView) {
        guard input.count > 1 else { return }
        let choice = input[0]
        let isServer = choice & 1 == 0
        var decoder = FrameDecoder(role: isServer ? .server : .client, bodyLimit: 1 << 20)
        let codec: Codec = [.none, .lz4, .snappy, .none][Int(choice >> 2 & 3)]
        let isSegmented = choice & 0x20 != 0
        let version: ProtocolVersion = choice & 2 == 0 && !isSegmented ? .v4 : .v5
        if choice & 0x10 != 0 || isSegmented {
            decoder.negotiate(version: version, codec: isSegmented && codec == .snappy ? .lz4 : codec)
        }
        if isSegmented { decoder.beginSegments() }
        let piece = choice & 0x40 == 0 ? input.count : 7
        var rest = input.dropFirst(1)
        while !rest.isEmpty {
            let count = min(piece, rest.count)
            decoder.append(rest.prefix(count))
            rest = rest.dropFirst(count)
            guard drain(&decoder, isServer: isServer) else { return }
        }
    }

    /// Reads a message's body alone: a frame of the version and opcode that the first bytes say.
    package static func runBody(_ input: ByteView) {
        guard input.count >= 3, let opcode = Opcode(rawValue: input[1] % 0x11) else { return }
        let header = FrameHeader(
            version: input[0] & 1 == 0 ? .v4 : .v5,
            isResponse: input[0] & 2 != 0,
            flags: FrameFlags(rawValue: input[2]),
            stream: 0,
            opcode: opcode
        )
        read(Frame(header: header, body: input.dropFirst(3).array))
    }

    private static func drain(_ decoder: inout FrameDecoder, isServer: Bool) -> Bool {
        do throws(ProtocolError) {
            while let frame = try decoder.next() { read(frame) }
            return true
        } catch {
            return false
        }
    }

    private static func read(_ frame: Frame) {
        do throws(ProtocolError) {
            var encoder = FrameEncoder(version: frame.header.version)
            if frame.header.isResponse {
                let message = try ResponseMessage(frame)
                if case .result(.rows(let rows)) = message.response {
                    rows.withCells { while $0.left > 0 { _ = $0.next() } }
                }
                encoder.add(message)
            } else {
                let message = try RequestMessage(frame)
                if case .execute(_, _, let parameters) = message.request {
                    parameters.values.forEach { _, _, _ in }
                }
                encoder.add(message.request, stream: message.stream)
            }
            encoder.withOutput { _ in }
        } catch {
            return
        }
    }
}
