// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// How a statement is to be executed (native_protocol_v5.spec, section 4.1.4).
package struct QueryParameters: Sendable {
    package var consistency: Consistency
    /// The level of the serial phase of conditional statements; nil is SERIAL.
    package var serialConsistency: Consistency?
    package var values: BoundValues
    /// The client knows the columns and doesn't want them again.
    package var skipMetadata: Bool
    /// The most rows of a page; nil or not positive is all rows.
    package var pageSize: Int32?
    /// Where the previous page ended.
    package var pagingState: [UInt8]?
    /// The cells' timestamp in microseconds since 1970; nil is the server's time.
    package var defaultTimestamp: Int64?
    /// The keyspace for unqualified names, before the connection's (v5).
    package var keyspace: String?
    /// The time for expiry, in seconds since 1970, for tests (v5).
    package var nowInSeconds: Int32?

    package init(
        consistency: Consistency = .localOne,
        serialConsistency: Consistency? = nil,
        values: BoundValues = .none,
        skipMetadata: Bool = false,
        pageSize: Int32? = nil,
        pagingState: [UInt8]? = nil,
        defaultTimestamp: Int64? = nil,
        keyspace: String? = nil,
        nowInSeconds: Int32? = nil
    ) {
        self.consistency = consistency
        self.serialConsistency = serialConsistency
        self.values = values
        self.skipMetadata = skipMetadata
        self.pageSize = pageSize
        self.pagingState = pagingState
        self.defaultTimestamp = defaultTimestamp
        self.keyspace = keyspace
        self.nowInSeconds = nowInSeconds
    }

    /// The flags that say which fields follow.
    struct Flags: OptionSet {
        let rawValue: UInt32
        static let values = Flags(rawValue: 0x0001)
        static let skipMetadata = Flags(rawValue: 0x0002)
        static let pageSize = Flags(rawValue: 0x0004)
        static let pagingState = Flags(rawValue: 0x0008)
        static let serialConsistency = Flags(rawValue: 0x0010)
        static let defaultTimestamp = Flags(rawValue: 0x0020)
        static let names = Flags(rawValue: 0x0040)
        static let keyspace = Flags(rawValue: 0x0080)
        static let nowInSeconds = Flags(rawValue: 0x0100)
        /// The flags that a statement or batch of v5 may have and one of v4 may not.
        static let v5: Flags = [.keyspace, .nowInSeconds]
        static let known = Flags(rawValue: 0x01FF)
    }

    private var flags: Flags {
        var flags: Flags = []
        if !values.isEmpty { flags.insert(.values) }
        if skipMetadata { flags.insert(.skipMetadata) }
        if pageSize != nil { flags.insert(.pageSize) }
        if pagingState != nil { flags.insert(.pagingState) }
        if serialConsistency != nil { flags.insert(.serialConsistency) }
        if defaultTimestamp != nil { flags.insert(.defaultTimestamp) }
        if !values.isEmpty, values.isNamed { flags.insert(.names) }
        if keyspace != nil { flags.insert(.keyspace) }
        if nowInSeconds != nil { flags.insert(.nowInSeconds) }
        return flags
    }

    /// Appends the parameters; in v4, those that only v5 has are left out.
    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        writer.appendBigEndian(consistency.rawValue)
        var flags = flags
        if version == .v4 { flags.subtract(.v5) }
        writer.appendFlags(flags, version: version)
        if flags.contains(.values) {
            writer.appendBigEndian(UInt16(truncatingIfNeeded: values.count))
            values.append(to: &writer)
        }
        if let pageSize { writer.appendBigEndian(pageSize) }
        if let pagingState { writer.appendBytes(pagingState) }
        if let serialConsistency { writer.appendBigEndian(serialConsistency.rawValue) }
        if let defaultTimestamp { writer.appendBigEndian(defaultTimestamp) }
        guard version == .v5 else { return }
        if let keyspace { writer.appendString(keyspace) }
        if let nowInSeconds { writer.appendBigEndian(nowInSeconds) }
    }

    /// Reads parameters; the values stay in `storage`, the body being read.
    init(
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        self.init(consistency: try reader.consistency("the consistency level"))
        let flags = try reader.queryFlags(version: version)
        if flags.contains(.values) {
            values = try reader.boundValues(storage: storage, isNamed: flags.contains(.names))
        }
        skipMetadata = flags.contains(.skipMetadata)
        if flags.contains(.pageSize) { pageSize = try reader.int("the page size") }
        if flags.contains(.pagingState) {
            pagingState = try reader.bytes("the paging state")?.array
        }
        let tail = try reader.sharedOptions(flags)
        serialConsistency = tail.serialConsistency
        defaultTimestamp = tail.defaultTimestamp
        keyspace = tail.keyspace
        nowInSeconds = tail.nowInSeconds
    }
}

/// The fields that statements and batches have in common.
struct SharedOptions {
    var serialConsistency: Consistency?
    var defaultTimestamp: Int64?
    var keyspace: String?
    var nowInSeconds: Int32?
}

extension BodyReader {
    /// Reads the flags of a statement or batch: one byte in v4, four in v5.
    mutating func queryFlags(
        version: ProtocolVersion
    ) throws(ProtocolError) -> QueryParameters.Flags {
        let what: StaticString = "the query flags"
        let raw = version == .v4
            ? UInt32(try byte(what)) : UInt32(bitPattern: try int(what))
        let flags = QueryParameters.Flags(rawValue: raw)
        let allowed = version == .v4
            ? QueryParameters.Flags.known.subtracting(.v5) : QueryParameters.Flags.known
        guard flags.isSubset(of: allowed) else {
            let unknown = String(flags.subtracting(allowed).rawValue, radix: 16)
            throw ProtocolError("unknown query flags 0x\(unknown) in protocol \(version.name)")
        }
        return flags
    }

    /// Reads what follows the page fields of a statement, or the level of a batch.
    mutating func sharedOptions(
        _ flags: QueryParameters.Flags
    ) throws(ProtocolError) -> SharedOptions {
        var options = SharedOptions()
        if flags.contains(.serialConsistency) {
            let level = try consistency("the serial consistency level")
            guard level.isSerial else {
                throw ProtocolError(
                    "the serial consistency level is \(level); it must be SERIAL or LOCAL_SERIAL"
                )
            }
            options.serialConsistency = level
        }
        if flags.contains(.defaultTimestamp) {
            let timestamp = try long("the default timestamp")
            guard timestamp != Int64.min else {
                throw ProtocolError("the default timestamp \(timestamp) is out of range")
            }
            options.defaultTimestamp = timestamp
        }
        if flags.contains(.keyspace) { options.keyspace = try string("the keyspace") }
        if flags.contains(.nowInSeconds) { options.nowInSeconds = try int("now in seconds") }
        return options
    }
}

extension ByteWriter {
    /// Appends the flags of a statement or batch: one byte in v4, four in v5.
    mutating func appendFlags(_ flags: QueryParameters.Flags, version: ProtocolVersion) {
        if version == .v4 {
            append(UInt8(truncatingIfNeeded: flags.rawValue))
        } else {
            appendBigEndian(flags.rawValue)
        }
    }
}
