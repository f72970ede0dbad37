// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Model

// The bytes of a message. Numbers are varints of at most 62 bits, ids are 16 bytes.
//
//     message   = version (1 byte) kind (1 byte) cluster (length, UTF-8) sender generation heartbeat body
//     syn       = bounds (1 byte: 1 lower, 2 upper) [lower] [upper] count digest*
//     ack       = count digest* count delta*
//     ack2      = count delta*
//     shutdown  = delta
//     digest    = id generation version
//     delta     = id generation since heartbeat [address, if since is 0] count value*
//     address   = length (1 byte: 4 or 16) ip port (2 bytes, big-endian)
//     value     = key (1 byte) version text (length, UTF-8)
//
// Digests ascend by id, values by key. A decoder takes no byte more or less.

extension GossipMessage {
    /// The longest message that is read, in bytes; `Gossiper` keeps within a smaller limit.
    package static let bytesMax = 65_536
    /// The longest name of a cluster, in bytes.
    package static let clusterBytesMax = 255
    static let formatVersion: UInt8 = 1
    /// Numbers stay below this, so that adding to them never overflows.
    static let numberMax: UInt64 = 1 << 62

    private enum Kind: UInt8 {
        case syn = 1
        case ack = 2
        case ack2 = 3
        case shutdown = 4
    }

    /// Appends the message.
    package func encode(to writer: inout ByteWriter) {
        writer.append(Self.formatVersion)
        let kind: Kind
        switch body {
        case .syn: kind = .syn
        case .ack: kind = .ack
        case .ack2: kind = .ack2
        case .shutdown: kind = .shutdown
        }
        writer.append(kind.rawValue)
        writer.append(text: cluster)
        writer.append(sender)
        writer.appendVarint(generation)
        writer.appendVarint(heartbeat)
        switch body {
        case .syn(let run):
            run.encode(to: &writer)
        case .ack(let requests, let deltas):
            writer.appendVarint(requests.count)
            for request in requests { request.encode(to: &writer) }
            writer.appendVarint(deltas.count)
            for delta in deltas { delta.encode(to: &writer) }
        case .ack2(let deltas):
            writer.appendVarint(deltas.count)
            for delta in deltas { delta.encode(to: &writer) }
        case .shutdown(let delta):
            delta.encode(to: &writer)
        }
    }

    /// Reads a message that another node claims to have encoded.
    package init(decoding view: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(view)
        guard view.count <= Self.bytesMax else {
            throw reader.malformation("a gossip message of at most \(Self.bytesMax) bytes")
        }
        guard try reader.readByte() == Self.formatVersion else {
            throw reader.malformation("version \(Self.formatVersion) of the gossip format")
        }
        guard let kind = Kind(rawValue: try reader.readByte()) else {
            throw reader.malformation("a kind of gossip message")
        }
        cluster = try reader.readText(bytesMax: Self.clusterBytesMax)
        sender = try reader.readNodeID()
        generation = try reader.readNumber()
        heartbeat = try reader.readNumber()
        switch kind {
        case .syn:
            body = .syn(try DigestRun(from: &reader))
        case .ack:
            let requests = try reader.readArray(of: GossipDigest.bytesMin, GossipDigest.init(from:))
            let deltas = try reader.readArray(of: StateDelta.bytesMin, StateDelta.init(from:))
            body = .ack(requests: requests, deltas: deltas)
        case .ack2:
            body = .ack2(
                deltas: try reader.readArray(of: StateDelta.bytesMin, StateDelta.init(from:))
            )
        case .shutdown:
            body = .shutdown(try StateDelta(from: &reader))
        }
        guard reader.isAtEnd else { throw reader.malformation("the end of the message") }
    }

    /// The most bytes that stand before what an ack's, ack2's or syn's elements take.
    static func overhead(cluster: String) -> Int {
        // Version, kind, cluster, sender, generation, heartbeat; bounds and two counts.
        2 + Varint.lengthMax + cluster.utf8.count + 16 + 2 * Varint.lengthMax + 33
            + 2 * Varint.lengthMax
    }
}

extension GossipDigest {
    static let bytesMin = 18
    static let bytesMax = 16 + 2 * 9

    func encode(to writer: inout ByteWriter) {
        writer.append(id)
        writer.appendVarint(generation)
        writer.appendVarint(version)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        id = try reader.readNodeID()
        generation = try reader.readNumber()
        version = try reader.readNumber()
    }
}

extension DigestRun {
    func encode(to writer: inout ByteWriter) {
        writer.append((lower == nil ? 0 : 1) | (upper == nil ? 0 : 2))
        if let lower { writer.append(lower) }
        if let upper { writer.append(upper) }
        writer.appendVarint(digests.count)
        for digest in digests { digest.encode(to: &writer) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        let bounds = try reader.readByte()
        guard bounds <= 3 else { throw reader.malformation("bounds of digests") }
        lower = bounds & 1 == 0 ? nil : try reader.readNodeID()
        upper = bounds & 2 == 0 ? nil : try reader.readNodeID()
        digests = try reader.readArray(of: GossipDigest.bytesMin, GossipDigest.init(from:))
        for (a, b) in zip(digests, digests.dropFirst()) where a.id >= b.id {
            throw reader.malformation("digests in ascending order")
        }
        if let lower, let first = digests.first, first.id < lower {
            throw reader.malformation("digests within their bounds")
        }
        if let upper, let last = digests.last, last.id > upper {
            throw reader.malformation("digests within their bounds")
        }
    }
}

extension StateDelta {
    static let bytesMin = 20

    func encode(to writer: inout ByteWriter) {
        writer.append(id)
        writer.appendVarint(generation)
        writer.appendVarint(since)
        writer.appendVarint(heartbeat)
        if let address {
            writer.append(UInt8(address.ip.count))
            writer.append(address.ip)
            writer.appendBigEndian(address.port)
        }
        writer.appendVarint(values.count)
        for value in values {
            writer.append(value.key.rawValue)
            writer.appendVarint(value.version)
            writer.append(text: value.text)
        }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        id = try reader.readNodeID()
        generation = try reader.readNumber()
        guard generation > 0 else { throw reader.malformation("a generation above 0") }
        since = try reader.readNumber()
        heartbeat = try reader.readNumber()
        address = since == 0 ? try reader.readNodeAddress() : nil
        let start = reader.offset
        values = try reader.readArray(of: 3) { (reader) throws(MalformedBytes) in
            StateValue(
                key: StateKey(rawValue: try reader.readByte()),
                version: try reader.readNumber(),
                text: try reader.readText(bytesMax: EndpointState.valueBytesMax)
            )
        }
        guard values.count <= EndpointState.valueCountMax,
            reader.offset - start <= EndpointState.bytesMax
        else { throw reader.malformation("a state of at most \(EndpointState.bytesMax) bytes") }
        for (a, b) in zip(values, values.dropFirst()) where a.key >= b.key {
            throw reader.malformation("values in ascending order of their keys")
        }
        for value in values where value.version <= since {
            throw reader.malformation("values that were set after version \(since)")
        }
    }

    /// What `encode` appends, in bytes.
    var encodedCount: Int {
        var count = 16 + Varint.length(generation) + Varint.length(since)
        count += Varint.length(heartbeat) + Varint.length(UInt64(values.count))
        if let address { count += 3 + address.ip.count }
        for value in values {
            let length = value.text.utf8.count
            count += 1 + Varint.length(value.version) + Varint.length(UInt64(length)) + length
        }
        return count
    }
}

extension ByteWriter {
    fileprivate mutating func append(_ id: NodeID) {
        appendBigEndian(id.uuid.high)
        appendBigEndian(id.uuid.low)
    }

    fileprivate mutating func append(text: String) {
        appendVarint(text.utf8.count)
        append(utf8: text)
    }
}

extension ByteReader {
    fileprivate func malformation(_ expected: String) -> MalformedBytes {
        MalformedBytes(offset: offset, expected: expected)
    }

    fileprivate mutating func readNodeID() throws(MalformedBytes) -> NodeID {
        NodeID(UUID(high: try readBigEndian(), low: try readBigEndian()))
    }

    fileprivate mutating func readNumber() throws(MalformedBytes) -> UInt64 {
        let number = try readVarint()
        guard number < GossipMessage.numberMax else { throw malformation("a number of 62 bits") }
        return number
    }

    fileprivate mutating func readText(bytesMax: Int) throws(MalformedBytes) -> String {
        let bytes = try readLengthPrefixed()
        guard bytes.count <= bytesMax, let text = String(validating: bytes.buffer, as: UTF8.self)
        else { throw malformation("UTF-8 text of at most \(bytesMax) bytes") }
        return text
    }

    fileprivate mutating func readNodeAddress() throws(MalformedBytes) -> NodeAddress {
        let count = Int(try readByte())
        guard count == 4 || count == 16 else { throw malformation("an IP address") }
        let ip = try readView(count).array
        return NodeAddress(ip: ip, port: try readBigEndian())
    }

    /// Reads a count and so many elements, each of at least `bytesMin` bytes.
    fileprivate mutating func readArray<Element>(
        of bytesMin: Int,
        _ read: (inout ByteReader) throws(MalformedBytes) -> Element
    ) throws(MalformedBytes) -> [Element] {
        let count = try readCount(max: remaining / bytesMin)
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try read(&self)) }
        return elements
    }
}
