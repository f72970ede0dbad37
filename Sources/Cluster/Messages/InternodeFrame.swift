// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// What goes over a connection between two nodes.
///
///     connection = hello-frame message-frame*            from the node that connected
///                  welcome-frame | refusal-frame         from the other
///     frame      = length (4) kind (1) checksum (8) payload      numbers big-endian; length is payload's
///     checksum   = XXH3 of the payload, with the kind as its seed
///
/// A message that pays for it is compressed: payload = length (4) LZ4 bytes. Messages go one way: each node
/// connects to those that it has something to say to.
package enum InternodeFrame {
    package enum Kind: UInt8, Sendable {
        case message = 0
        case compressed = 1
        case hello = 2
        case welcome = 3
        case refusal = 4
    }

    package static let headerSize = 13
    /// The longest payload, compressed or not.
    package static let payloadMax = 64 << 20
    /// Messages of fewer bytes aren't compressed.
    package static let compressionMin = 1024

    /// Appends a frame around a payload.
    package static func append(_ kind: Kind, _ payload: ByteView, to writer: inout ByteWriter) {
        writer.appendBigEndian(UInt32(payload.count))
        writer.append(kind.rawValue)
        writer.appendBigEndian(Checksum.xxh3(payload, seed: UInt64(kind.rawValue)))
        writer.append(payload)
    }

    /// Appends a message in a frame, compressed if that makes it an eighth shorter or more.
    package static func append(message: ByteView, to writer: inout ByteWriter) {
        invariant(message.count <= payloadMax, "a message between nodes is too long")
        guard message.count >= compressionMin else { return append(.message, message, to: &writer) }
        var compressed = ByteWriter(capacity: Codec.lz4.compressedCountMax(message.count) + 4)
        compressed.appendBigEndian(UInt32(message.count))
        Codec.lz4.compress(message, into: &compressed)
        guard compressed.count < message.count - message.count / 8 else {
            return append(.message, message, to: &writer)
        }
        append(.compressed, compressed.view, to: &writer)
    }
}

/// What a node says of itself when it connects to another.
///
///     payload = "THOLOS" version (1) cluster (length-prefixed) ip (length-prefixed) port (2)
package struct InternodeHello: Hashable, Sendable {
    private static let magic = Array("THOLOS".utf8)

    package var version: UInt8
    package var cluster: String
    /// Where it is reached.
    package var address: NodeAddress

    package init(cluster: String, address: NodeAddress, version: UInt8 = InternodeMessage.version) {
        self.version = version
        self.cluster = cluster
        self.address = address
    }

    /// The payload.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.append(InternodeHello.magic)
        writer.append(version)
        Array(cluster.utf8).withView { writer.appendLengthPrefixed($0) }
        address.ip.withView { writer.appendLengthPrefixed($0) }
        writer.appendBigEndian(address.port)
        return writer.array
    }

    package init(decoding view: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(view)
        guard try reader.readView(InternodeHello.magic.count).array == InternodeHello.magic else {
            throw MalformedBytes(offset: 0, expected: "a greeting of a Tholos node")
        }
        version = try reader.readByte()
        cluster = String(decoding: try reader.readLengthPrefixed().buffer, as: UTF8.self)
        let ip = try reader.readLengthPrefixed().array
        guard ip.count == 4 || ip.count == 16 else {
            throw MalformedBytes(offset: reader.offset, expected: "an address of 4 or 16 bytes")
        }
        address = NodeAddress(ip: ip, port: try reader.readBigEndian())
    }

    /// Why a node of `cluster` doesn't talk to the one that says this; nil if it does.
    package func refusal(by cluster: String) -> String? {
        guard version == InternodeMessage.version else {
            return "it speaks version \(version) of the internode protocol, and this node version"
                + " \(InternodeMessage.version): upgrade the older one"
        }
        guard self.cluster == cluster else {
            return "it is of the cluster \"\(self.cluster)\", and this node of \"\(cluster)\": see"
                + " cluster_name and the seeds"
        }
        return nil
    }
}

/// Cuts the bytes of a connection into frames and checks them.
package struct InternodeDecoder: ~Copyable {
    package struct Frame: Sendable {
        package let kind: InternodeFrame.Kind
        /// Decompressed.
        package let payload: [UInt8]
    }

    private var buffer = ByteWriter(capacity: 4096)
    private var start = 0

    package init() {}

    /// Takes bytes that have arrived.
    package mutating func append(_ view: ByteView) {
        if start > 0, start == buffer.count || start > 1 << 20 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(view)
    }

    /// The next frame; nil until more bytes come.
    ///
    /// - Throws: when the bytes aren't what a node sends: the connection is of no use any more.
    package mutating func next() throws(MalformedBytes) -> Frame? {
        let view = buffer.view.dropFirst(start)
        guard view.count >= InternodeFrame.headerSize else { return nil }
        let length = Int(view.loadBigEndian(0, as: UInt32.self))
        guard !InternodeDecoder.isTLS(view) else {
            throw MalformedBytes(offset: 0, expected: "a frame, not TLS: set internode_encryption alike on all nodes")
        }
        guard length <= InternodeFrame.payloadMax else {
            throw MalformedBytes(
                offset: 0,
                expected: "a frame of at most \(InternodeFrame.payloadMax) bytes, not \(length)"
            )
        }
        guard let kind = InternodeFrame.Kind(rawValue: view[4]) else {
            throw MalformedBytes(offset: 4, expected: "a known kind of frame")
        }
        guard view.count >= InternodeFrame.headerSize + length else { return nil }
        let payload = view[InternodeFrame.headerSize..<InternodeFrame.headerSize + length]
        let checksum: UInt64 = view.loadBigEndian(5, as: UInt64.self)
        guard checksum == Checksum.xxh3(payload, seed: UInt64(kind.rawValue)) else {
            throw MalformedBytes(offset: 5, expected: "a frame whose checksum is right")
        }
        start += InternodeFrame.headerSize + length
        guard kind == .compressed else { return Frame(kind: kind, payload: payload.array) }
        return Frame(kind: .message, payload: try InternodeDecoder.decompress(payload))
    }

    /// Whether bytes begin as a connection under TLS does: a handshake record of RFC 8446, 5.1. As a frame it would
    /// be longer than any.
    private static func isTLS(_ view: ByteView) -> Bool { view[0] == 0x16 && view[1] == 0x03 }

    private static func decompress(_ payload: ByteView) throws(MalformedBytes) -> [UInt8] {
        var reader = ByteReader(payload)
        let count = Int(try reader.readBigEndian() as UInt32)
        guard count <= InternodeFrame.payloadMax else {
            throw MalformedBytes(
                offset: 0,
                expected: "at most \(InternodeFrame.payloadMax) decompressed bytes, not \(count)"
            )
        }
        let compressed = try reader.readView(reader.remaining)
        var isSound = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, filled in
            let whole = UnsafeMutableRawBufferPointer(target)
            isSound = Codec.lz4.decompress(compressed, into: UnsafeMutableRawBufferPointer(rebasing: whole[..<count]))
            filled = isSound ? count : 0
        }
        guard isSound else {
            throw MalformedBytes(offset: 4, expected: "LZ4 bytes that yield \(count) bytes")
        }
        return bytes
    }
}
