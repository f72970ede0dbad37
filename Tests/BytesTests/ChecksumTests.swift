// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

@Suite("Checksums and hashes")
struct ChecksumTests {
    @Test("Murmur3 gives the tokens that Cassandra documents", arguments: [
        ("123", -7_468_325_962_851_647_638), ("", 0),
    ] as [(String, Int64)])
    func murmur(text: String, token: Int64) {
        #expect(Array(text.utf8).withView { Murmur3.hash($0) } == token)
    }

    @Test("CRC-32 of the check string is the catalogue's")
    func crc32() {
        #expect(Array("123456789".utf8).withView { Checksum.crc32($0) } == 0xCBF4_3926)
    }

    @Test("Codecs give back what they took and refuse damage", arguments: Codec.allCases)
    func codecs(codec: Codec) {
        let source = [UInt8]((0..<5000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        var writer = ByteWriter()
        source.withView { _ = codec.compress($0, into: &writer) }
        var back = [UInt8](repeating: 0, count: source.count)
        #expect(back.withUnsafeMutableBytes { codec.decompress(writer.view, into: $0) })
        #expect(back == source)
        var short = [UInt8](repeating: 0, count: source.count - 1)
        #expect(!short.withUnsafeMutableBytes { codec.decompress(writer.view, into: $0) })
    }

    @Test("Varints keep their value", arguments: [0, 1, 127, 128, 300, 1 << 62, UInt64.max])
    func varints(value: UInt64) throws {
        var writer = ByteWriter()
        writer.appendVarint(value)
        #expect(writer.count == Varint.length(value))
        var reader = ByteReader(writer.view)
        #expect(try reader.readVarint() == value)
        #expect(Varint.zigzag(Varint.unzigzag(value)) == value)
    }
}
