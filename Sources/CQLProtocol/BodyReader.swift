// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Reads the notations of the protocol (native_protocol_v5.spec, section 3) from an untrusted body;
/// each read names what it reads, for the error.
package struct BodyReader {
    /// The whole body.
    package let view: ByteView
    /// How many bytes have been read.
    package private(set) var offset = 0

    package init(_ view: ByteView) { self.view = view }

    /// How many bytes are left.
    package var remaining: Int { view.count - offset }

    @inline(never)
    private func short(of what: StaticString, needed: Int) -> ProtocolError {
        ProtocolError(
            "the message ends in \(what): it needs \(needed) bytes at offset \(offset) of the body, "
                + "and \(remaining) are left"
        )
    }

    private mutating func take(
        _ count: Int,
        _ what: StaticString
    ) throws(ProtocolError) -> ByteView {
        guard count >= 0, count <= remaining else { throw short(of: what, needed: count) }
        let part = ByteView(view.base + offset, count: count)
        offset += count
        return part
    }

    /// Reads a [byte].
    package mutating func byte(_ what: StaticString) throws(ProtocolError) -> UInt8 {
        try take(1, what)[0]
    }

    /// Reads a [short].
    package mutating func short(_ what: StaticString) throws(ProtocolError) -> UInt16 {
        try take(2, what).loadBigEndian(0, as: UInt16.self)
    }

    /// Reads an [int].
    package mutating func int(_ what: StaticString) throws(ProtocolError) -> Int32 {
        try take(4, what).loadBigEndian(0, as: Int32.self)
    }

    /// Reads a [long].
    package mutating func long(_ what: StaticString) throws(ProtocolError) -> Int64 {
        try take(8, what).loadBigEndian(0, as: Int64.self)
    }

    /// Reads a [uuid].
    package mutating func uuid(_ what: StaticString) throws(ProtocolError) -> UUID {
        let part = try take(16, what)
        return UUID(
            high: part.loadBigEndian(0, as: UInt64.self),
            low: part.loadBigEndian(8, as: UInt64.self)
        )
    }

    private func text(_ part: ByteView, _ what: StaticString) throws(ProtocolError) -> String {
        guard let text = String(validating: part.buffer, as: UTF8.self) else {
            throw ProtocolError("\(what) is not valid UTF-8")
        }
        return text
    }

    /// Reads a [string].
    package mutating func string(_ what: StaticString) throws(ProtocolError) -> String {
        try text(take(Int(try short(what)), what), what)
    }

    /// Reads a [long string].
    package mutating func longString(_ what: StaticString) throws(ProtocolError) -> String {
        let count = Int(try int(what))
        guard count >= 0 else { throw ProtocolError("\(what) has the negative length \(count)") }
        return try text(take(count, what), what)
    }

    /// Reads [bytes]; nil for null.
    package mutating func bytes(_ what: StaticString) throws(ProtocolError) -> ByteView? {
        let count = Int(try int(what))
        return count < 0 ? nil : try take(count, what)
    }

    /// Reads [short bytes].
    package mutating func shortBytes(_ what: StaticString) throws(ProtocolError) -> ByteView {
        try take(Int(try short(what)), what)
    }

    /// Reads a [value]: bytes, null or not set.
    package mutating func value(_ what: StaticString) throws(ProtocolError) -> BoundValue {
        let count = Int(try int(what))
        if count >= 0 { return .value(try take(count, what)) }
        if count == -1 { return .null }
        if count == -2 { return .unset }
        throw ProtocolError("\(what) has the length \(count); only -1 (null) and -2 (not set) are known")
    }

    /// Reads a [consistency].
    package mutating func consistency(_ what: StaticString) throws(ProtocolError) -> Consistency {
        let code = try short(what)
        guard let level = Consistency(rawValue: code) else {
            throw ProtocolError("Unknown code \(code) for a consistency level (\(what))")
        }
        return level
    }

    /// Reads a [string list].
    package mutating func stringList(_ what: StaticString) throws(ProtocolError) -> [String] {
        var list: [String] = []
        for _ in 0..<(try short(what)) { list.append(try string(what)) }
        return list
    }

    /// Reads a [string map].
    package mutating func stringMap(
        _ what: StaticString
    ) throws(ProtocolError) -> [String: String] {
        var map: [String: String] = [:]
        for _ in 0..<(try short(what)) {
            let key = try string(what)
            map[key] = try string(what)
        }
        return map
    }

    /// Reads a [string multimap].
    package mutating func stringMultimap(
        _ what: StaticString
    ) throws(ProtocolError) -> [String: [String]] {
        var map: [String: [String]] = [:]
        for _ in 0..<(try short(what)) {
            let key = try string(what)
            map[key] = try stringList(what)
        }
        return map
    }

    /// Reads a [bytes map].
    package mutating func bytesMap(
        _ what: StaticString
    ) throws(ProtocolError) -> [String: [UInt8]] {
        var map: [String: [UInt8]] = [:]
        for _ in 0..<(try short(what)) {
            let key = try string(what)
            map[key] = try bytes(what)?.array ?? []
        }
        return map
    }

    /// Reads an [inetaddr]: 4 or 16 bytes.
    package mutating func address(_ what: StaticString) throws(ProtocolError) -> [UInt8] {
        let count = Int(try byte(what))
        guard count == 4 || count == 16 else {
            throw ProtocolError("\(what) is an address of \(count) bytes; it must be 4 or 16")
        }
        return try take(count, what).array
    }

    /// Reads an [inet].
    package mutating func endpoint(_ what: StaticString) throws(ProtocolError) -> Endpoint {
        let address = try address(what)
        return Endpoint(address: address, port: try int(what))
    }
}

/// Where a node listens: the protocol's [inet].
package struct Endpoint: Hashable, Sendable {
    /// 4 or 16 bytes.
    package var address: [UInt8]
    package var port: Int32

    package init(address: [UInt8], port: Int32) {
        self.address = address
        self.port = port
    }
}

extension ByteWriter {
    /// Appends a [string], cut to the 65,535 bytes that one can have.
    package mutating func appendString(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            var count = min(utf8.count, Int(UInt16.max))
            // A cut never splits a character: continuation bytes at its start go with it.
            while count < utf8.count, count > 0, utf8[count] & 0xC0 == 0x80 { count -= 1 }
            appendBigEndian(UInt16(truncatingIfNeeded: count))
            append(ByteView(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[..<count])))
        }
    }

    /// Appends a [long string].
    package mutating func appendLongString(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            appendBigEndian(Int32(truncatingIfNeeded: utf8.count))
            append(ByteView(UnsafeRawBufferPointer(utf8)))
        }
    }

    /// Appends [bytes]; nil is null.
    package mutating func appendBytes(_ bytes: [UInt8]?) {
        guard let bytes else { return appendBigEndian(Int32(-1)) }
        appendBigEndian(Int32(truncatingIfNeeded: bytes.count))
        append(bytes)
    }

    /// Appends [bytes]: one cell of a row. Nil is null.
    package mutating func appendCell(_ view: ByteView?) {
        guard let view else { return appendBigEndian(Int32(-1)) }
        appendBigEndian(Int32(truncatingIfNeeded: view.count))
        append(view)
    }

    /// Appends [short bytes] of at most 65,535 bytes.
    package mutating func appendShortBytes(_ bytes: [UInt8]) {
        invariant(bytes.count <= Int(UInt16.max), "[short bytes] are at most 65535 bytes")
        appendBigEndian(UInt16(truncatingIfNeeded: bytes.count))
        append(bytes)
    }

    /// Appends a [string list] of at most 65,535 strings.
    package mutating func appendStringList(_ list: [String]) {
        let part = list.prefix(Int(UInt16.max))
        appendBigEndian(UInt16(truncatingIfNeeded: part.count))
        for text in part { appendString(text) }
    }

    /// Appends a [string map], keys in order.
    package mutating func appendStringMap(_ map: [String: String]) {
        let part = map.sorted { $0.key < $1.key }.prefix(Int(UInt16.max))
        appendBigEndian(UInt16(truncatingIfNeeded: part.count))
        for (key, value) in part {
            appendString(key)
            appendString(value)
        }
    }

    /// Appends a [string multimap], keys in order.
    package mutating func appendStringMultimap(_ map: [String: [String]]) {
        let part = map.sorted { $0.key < $1.key }.prefix(Int(UInt16.max))
        appendBigEndian(UInt16(truncatingIfNeeded: part.count))
        for (key, list) in part {
            appendString(key)
            appendStringList(list)
        }
    }

    /// Appends a [bytes map], keys in order.
    package mutating func appendBytesMap(_ map: [String: [UInt8]]) {
        let part = map.sorted { $0.key < $1.key }.prefix(Int(UInt16.max))
        appendBigEndian(UInt16(truncatingIfNeeded: part.count))
        for (key, bytes) in part {
            appendString(key)
            appendBytes(bytes)
        }
    }

    /// Appends an [inetaddr].
    package mutating func appendAddress(_ address: [UInt8]) {
        append(UInt8(truncatingIfNeeded: address.count))
        append(address)
    }

    /// Appends an [inet].
    package mutating func appendEndpoint(_ endpoint: Endpoint) {
        appendAddress(endpoint.address)
        appendBigEndian(endpoint.port)
    }

    /// Appends a [uuid].
    package mutating func appendUUID(_ uuid: UUID) {
        appendBigEndian(uuid.high)
        appendBigEndian(uuid.low)
    }
}
