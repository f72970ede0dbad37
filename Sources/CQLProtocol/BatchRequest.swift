// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// Several statements to be applied together (native_protocol_v5.spec, section 4.1.7).
package struct BatchRequest: Sendable {
    /// What holds the statements together.
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// All of them happen in the end, or none.
        case logged = 0
        case unlogged = 1
        case counter = 2
    }

    /// What a statement is named by.
    package enum Statement: Hashable, Sendable {
        case text(String)
        case prepared(StatementID)
    }

    /// A statement and its values.
    package struct Entry: Sendable {
        package var statement: Statement
        package var values: BoundValues

        package init(_ statement: Statement, values: BoundValues = .none) {
            self.statement = statement
            self.values = values
        }
    }

    package var kind: Kind
    package var entries: [Entry]
    package var consistency: Consistency
    package var serialConsistency: Consistency?
    /// Microseconds since 1970; nil is the server's time.
    package var defaultTimestamp: Int64?
    /// The keyspace for unqualified names (v5).
    package var keyspace: String?
    /// The time for expiry, in seconds since 1970, for tests (v5).
    package var nowInSeconds: Int32?

    package init(
        kind: Kind = .logged,
        entries: [Entry],
        consistency: Consistency = .localOne,
        serialConsistency: Consistency? = nil,
        defaultTimestamp: Int64? = nil,
        keyspace: String? = nil,
        nowInSeconds: Int32? = nil
    ) {
        self.kind = kind
        self.entries = entries
        self.consistency = consistency
        self.serialConsistency = serialConsistency
        self.defaultTimestamp = defaultTimestamp
        self.keyspace = keyspace
        self.nowInSeconds = nowInSeconds
    }

    /// Appends the body. At most 65,535 entries.
    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        invariant(entries.count <= Int(UInt16.max), "a batch has at most 65535 statements")
        writer.append(kind.rawValue)
        writer.appendBigEndian(UInt16(truncatingIfNeeded: entries.count))
        for entry in entries {
            switch entry.statement {
            case .text(let text):
                writer.append(0)
                writer.appendLongString(text)
            case .prepared(let id):
                writer.append(1)
                id.append(to: &writer)
            }
            writer.appendBigEndian(UInt16(truncatingIfNeeded: entry.values.count))
            entry.values.append(to: &writer)
        }
        writer.appendBigEndian(consistency.rawValue)
        var flags: QueryParameters.Flags = []
        if serialConsistency != nil { flags.insert(.serialConsistency) }
        if defaultTimestamp != nil { flags.insert(.defaultTimestamp) }
        if version == .v5, keyspace != nil { flags.insert(.keyspace) }
        if version == .v5, nowInSeconds != nil { flags.insert(.nowInSeconds) }
        writer.appendFlags(flags, version: version)
        if let serialConsistency { writer.appendBigEndian(serialConsistency.rawValue) }
        if let defaultTimestamp { writer.appendBigEndian(defaultTimestamp) }
        guard version == .v5 else { return }
        if let keyspace { writer.appendString(keyspace) }
        if let nowInSeconds { writer.appendBigEndian(nowInSeconds) }
    }

    /// Reads a body; the values stay in `storage`, the body being read.
    init(
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        let code = try reader.byte("the batch's type")
        guard let kind = Kind(rawValue: code) else {
            throw ProtocolError("Invalid batch type \(code); it must be 0, 1 or 2")
        }
        var entries: [Entry] = []
        for _ in 0..<(try reader.short("the number of statements in a batch")) {
            let statement: Statement
            let form = try reader.byte("the kind of a statement in a batch")
            switch form {
            case 0: statement = .text(try reader.longString("a statement's text"))
            case 1: statement = .prepared(StatementID(try reader.shortBytes("a statement's id")))
            default: throw ProtocolError("Invalid query kind \(form) in a batch; it must be 0 or 1")
            }
            let values = try reader.boundValues(storage: storage, isNamed: false)
            entries.append(Entry(statement, values: values))
        }
        let consistency = try reader.consistency("the consistency level")
        let flags = try reader.queryFlags(version: version)
        let allowed: QueryParameters.Flags = [
            .serialConsistency, .defaultTimestamp, .keyspace, .nowInSeconds,
        ]
        guard flags.isSubset(of: allowed) else {
            let unknown = String(flags.subtracting(allowed).rawValue, radix: 16)
            throw ProtocolError("the query flags 0x\(unknown) have no meaning in a batch")
        }
        let options = try reader.sharedOptions(flags)
        self.init(
            kind: kind,
            entries: entries,
            consistency: consistency,
            serialConsistency: options.serialConsistency,
            defaultTimestamp: options.defaultTimestamp,
            keyspace: options.keyspace,
            nowInSeconds: options.nowInSeconds
        )
    }
}
