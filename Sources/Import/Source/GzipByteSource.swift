// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CZlib

/// What a gzip file holds, decompressed as it is read (RFC 1952); several members in a row are one.
final class GzipByteSource: ByteSource {
    private let source: any ByteSource
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var inputEnded = false
    private var memberOpen = false

    /// The first bytes of every gzip file.
    static let magic: [UInt8] = [0x1F, 0x8B]

    init(_ source: any ByteSource) throws(ImportError) {
        self.source = source
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: 128 << 10, alignment: 16)
        // 15 bits of window; 16 asks for gzip's header and checksum.
        let status = inflateInit2_(
            stream,
            15 + 16,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard status == Z_OK else { throw .failure("zlib cannot start: code \(status)") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    var name: String { source.name }
    var size: Int? { source.size }
    var consumed: Int { source.consumed }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImportError) -> Int {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return 0 }
        stream.pointee.next_out = base.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(clamping: buffer.count)
        let room = stream.pointee.avail_out
        while stream.pointee.avail_out == room {
            if stream.pointee.avail_in == 0, !inputEnded { try refill() }
            if stream.pointee.avail_in == 0, inputEnded {
                guard !memberOpen else {
                    throw .failure("\(name): the gzip data is cut off at byte \(consumed)")
                }
                return 0
            }
            try step()
        }
        return Int(room - stream.pointee.avail_out)
    }

    private func step() throws(ImportError) {
        memberOpen = true
        let status = inflate(stream, Z_NO_FLUSH)
        switch status {
        case Z_OK, Z_BUF_ERROR:
            return
        case Z_STREAM_END:
            memberOpen = false
            inflateReset(stream)
        default:
            let place = consumed - Int(stream.pointee.avail_in)
            let why = stream.pointee.msg.map { String(cString: $0) } ?? "code \(status)"
            throw .failure("\(name): the gzip data is damaged near byte \(place): \(why)")
        }
    }

    private func refill() throws(ImportError) {
        let got = try source.read(into: input)
        inputEnded = got == 0
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(got)
    }

    func skip(to offset: Int) throws(ImportError) { try skipByReading(offset) }
}
