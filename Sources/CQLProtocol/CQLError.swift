// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// A request's failure as a client receives it: a code, what goes with it, and a sentence
/// (native_protocol_v5.spec, section 8).
package struct CQLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of write that failed.
    package enum WriteType: String, Sendable, CaseIterable {
        case simple = "SIMPLE"
        case batch = "BATCH"
        case unloggedBatch = "UNLOGGED_BATCH"
        case counter = "COUNTER"
        case batchLog = "BATCH_LOG"
        case cas = "CAS"
        case view = "VIEW"
        case cdc = "CDC"
    }

    /// A replica that failed and why (a code of Cassandra's `RequestFailureReason`).
    package struct ReplicaFailure: Hashable, Sendable {
        /// 4 or 16 bytes.
        package var address: [UInt8]
        package var reason: UInt16

        package init(address: [UInt8], reason: UInt16) {
            self.address = address
            self.reason = reason
        }
    }

    /// The replicas that failed: how many (all that v4 says), and which (v5).
    package struct Failures: Hashable, Sendable {
        package var count: Int32
        package var replicas: [ReplicaFailure]

        package init(_ replicas: [ReplicaFailure]) {
            self.count = Int32(truncatingIfNeeded: replicas.count)
            self.replicas = replicas
        }

        /// Failures of which only the number is known.
        package init(count: Int32) {
            self.count = count
            self.replicas = []
        }
    }

    /// How many replicas answered, and how many had to.
    package struct Answers: Hashable, Sendable {
        package var consistency: Consistency
        package var received: Int32
        package var required: Int32

        package init(_ consistency: Consistency, received: Int32, required: Int32) {
            self.consistency = consistency
            self.received = received
            self.required = required
        }
    }

    /// What went wrong; each case is a code of the protocol.
    package enum Kind: Hashable, Sendable {
        case server
        case protocolViolation
        case badCredentials
        case unavailable(Consistency, required: Int32, alive: Int32)
        case overloaded
        case bootstrapping
        case truncate
        /// With the number of rivals if a conditional write lost to them (v5).
        case writeTimeout(Answers, WriteType, contentions: UInt16 = 0)
        case readTimeout(Answers, dataPresent: Bool)
        case readFailure(Answers, Failures, dataPresent: Bool)
        case functionFailure(keyspace: String, function: String, arguments: [String])
        case writeFailure(Answers, Failures, WriteType)
        case cdcWriteFailure
        /// A conditional write of which it isn't known whether it happened (v5).
        case casWriteUnknown(Answers)
        case syntax
        case unauthorized
        case invalid
        case config
        /// The table's name is empty when the keyspace exists.
        case alreadyExists(keyspace: String, table: String)
        case unprepared(StatementID)
        /// A code that the specification doesn't have.
        case other(Int32)
    }

    package var kind: Kind
    /// What was wrong, the value, the limit and what to do.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The protocol's code.
    package var code: Int32 {
        switch kind {
        case .server: 0x0000
        case .protocolViolation: 0x000A
        case .badCredentials: 0x0100
        case .unavailable: 0x1000
        case .overloaded: 0x1001
        case .bootstrapping: 0x1002
        case .truncate: 0x1003
        case .writeTimeout: 0x1100
        case .readTimeout: 0x1200
        case .readFailure: 0x1300
        case .functionFailure: 0x1400
        case .writeFailure: 0x1500
        case .cdcWriteFailure: 0x1600
        case .casWriteUnknown: 0x1700
        case .syntax: 0x2000
        case .unauthorized: 0x2100
        case .invalid: 0x2200
        case .config: 0x2300
        case .alreadyExists: 0x2400
        case .unprepared: 0x2500
        case .other(let code): code
        }
    }

    package var description: String {
        let digits = String(code, radix: 16, uppercase: true)
        return message + " (code 0x" + String(repeating: "0", count: max(0, 4 - digits.count))
            + digits + ")"
    }
}

extension CQLError {
    /// Appends the body of an ERROR.
    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        if version == .v4, case .casWriteUnknown(let answers) = kind {
            // v4 has no such code; its clients know a timed-out conditional write.
            let older = CQLError(.writeTimeout(answers, .cas), message)
            return older.append(to: &writer, version: version)
        }
        writer.appendBigEndian(code)
        writer.appendString(message)
        switch kind {
        case .server, .protocolViolation, .badCredentials, .overloaded, .bootstrapping, .truncate,
            .cdcWriteFailure, .syntax, .unauthorized, .invalid, .config, .other:
            break
        case .unavailable(let consistency, let required, let alive):
            writer.appendBigEndian(consistency.rawValue)
            writer.appendBigEndian(required)
            writer.appendBigEndian(alive)
        case .writeTimeout(let answers, let type, let contentions):
            answers.append(to: &writer)
            writer.appendString(type.rawValue)
            if version == .v5, type == .cas { writer.appendBigEndian(contentions) }
        case .readTimeout(let answers, let dataPresent):
            answers.append(to: &writer)
            writer.append(dataPresent ? 1 : 0)
        case .readFailure(let answers, let failures, let dataPresent):
            answers.append(to: &writer)
            failures.append(to: &writer, version: version)
            writer.append(dataPresent ? 1 : 0)
        case .functionFailure(let keyspace, let function, let arguments):
            writer.appendString(keyspace)
            writer.appendString(function)
            writer.appendStringList(arguments)
        case .writeFailure(let answers, let failures, let type):
            answers.append(to: &writer)
            failures.append(to: &writer, version: version)
            writer.appendString(type.rawValue)
        case .casWriteUnknown(let answers):
            answers.append(to: &writer)
        case .alreadyExists(let keyspace, let table):
            writer.appendString(keyspace)
            writer.appendString(table)
        case .unprepared(let id):
            id.append(to: &writer)
        }
    }

    /// Reads the body of an ERROR.
    init(_ reader: inout BodyReader, version: ProtocolVersion) throws(ProtocolError) {
        let code = try reader.int("an error's code")
        let message = try reader.string("an error's message")
        self.init(try Kind(code, &reader, version), message)
    }
}

extension CQLError.Kind {
    /// The kinds that carry nothing but their code.
    private static let plain: [Int32: CQLError.Kind] = [
        0x0000: .server, 0x000A: .protocolViolation, 0x0100: .badCredentials,
        0x1001: .overloaded, 0x1002: .bootstrapping, 0x1003: .truncate,
        0x1600: .cdcWriteFailure, 0x2000: .syntax, 0x2100: .unauthorized, 0x2200: .invalid,
        0x2300: .config,
    ]

    init(
        _ code: Int32,
        _ reader: inout BodyReader,
        _ version: ProtocolVersion
    ) throws(ProtocolError) {
        if let plain = Self.plain[code] {
            self = plain
            return
        }
        switch code {
        case 0x1000:
            let level = try reader.consistency("an error's consistency level")
            let required = try reader.int("the replicas required")
            self = .unavailable(level, required: required, alive: try reader.int("replicas alive"))
        case 0x1100:
            let answers = try CQLError.Answers(&reader)
            let type = try reader.writeType()
            var contentions: UInt16 = 0
            if version == .v5, type == .cas { contentions = try reader.short("the contentions") }
            self = .writeTimeout(answers, type, contentions: contentions)
        case 0x1200:
            let answers = try CQLError.Answers(&reader)
            self = .readTimeout(answers, dataPresent: try reader.byte("data present") != 0)
        case 0x1300:
            let answers = try CQLError.Answers(&reader)
            let failures = try CQLError.Failures(&reader, version)
            let dataPresent = try reader.byte("data present") != 0
            self = .readFailure(answers, failures, dataPresent: dataPresent)
        case 0x1400:
            let keyspace = try reader.string("a function's keyspace")
            let function = try reader.string("a function's name")
            let arguments = try reader.stringList("a function's arguments")
            self = .functionFailure(keyspace: keyspace, function: function, arguments: arguments)
        case 0x1500:
            let answers = try CQLError.Answers(&reader)
            let failures = try CQLError.Failures(&reader, version)
            self = .writeFailure(answers, failures, try reader.writeType())
        case 0x1700:
            self = .casWriteUnknown(try CQLError.Answers(&reader))
        case 0x2400:
            let keyspace = try reader.string("the keyspace that exists")
            self = .alreadyExists(
                keyspace: keyspace,
                table: try reader.string("the table that exists")
            )
        case 0x2500:
            self = .unprepared(StatementID(try reader.shortBytes("the unknown statement's id")))
        default:
            self = .other(code)
        }
    }
}

extension CQLError.Answers {
    func append(to writer: inout ByteWriter) {
        writer.appendBigEndian(consistency.rawValue)
        writer.appendBigEndian(received)
        writer.appendBigEndian(required)
    }

    init(_ reader: inout BodyReader) throws(ProtocolError) {
        let level = try reader.consistency("an error's consistency level")
        let received = try reader.int("the answers received")
        self.init(level, received: received, required: try reader.int("the answers required"))
    }
}

extension CQLError.Failures {
    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        guard version == .v5 else { return writer.appendBigEndian(count) }
        writer.appendBigEndian(Int32(truncatingIfNeeded: replicas.count))
        for replica in replicas {
            writer.appendAddress(replica.address)
            writer.appendBigEndian(replica.reason)
        }
    }

    init(_ reader: inout BodyReader, _ version: ProtocolVersion) throws(ProtocolError) {
        let count = try reader.int("the number of failures")
        guard version == .v5 else {
            self.init(count: count)
            return
        }
        // Each takes seven bytes at least, so that a count beyond the body is caught at once.
        guard count >= 0, Int(count) <= reader.remaining / 7 else {
            throw ProtocolError("an error lists \(count) failures in \(reader.remaining) bytes")
        }
        var replicas: [CQLError.ReplicaFailure] = []
        for _ in 0..<count {
            let address = try reader.address("a replica's address")
            let reason = try reader.short("a failure's reason")
            replicas.append(CQLError.ReplicaFailure(address: address, reason: reason))
        }
        self.init(replicas)
    }
}

extension BodyReader {
    fileprivate mutating func writeType() throws(ProtocolError) -> CQLError.WriteType {
        let name = try string("a write's type")
        guard let type = CQLError.WriteType(rawValue: name) else {
            throw ProtocolError("Unknown write type '\(name)'")
        }
        return type
    }
}
