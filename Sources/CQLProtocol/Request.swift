// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a client asks (native_protocol_v5.spec, section 4.1).
package enum Request: Sendable {
    case options
    case startup([String: String])
    case query(String, QueryParameters)
    /// A statement's text and, in v5, the keyspace for its unqualified names.
    case prepare(String, keyspace: String?)
    /// A prepared statement; in v5 with the id of the result metadata that the client has.
    case execute(StatementID, resultMetadataID: StatementID?, QueryParameters)
    case batch(BatchRequest)
    case register([EventType])
    case authResponse([UInt8]?)

    /// The frame's opcode.
    package var opcode: Opcode {
        switch self {
        case .options: .options
        case .startup: .startup
        case .query: .query
        case .prepare: .prepare
        case .execute: .execute
        case .batch: .batch
        case .register: .register
        case .authResponse: .authResponse
        }
    }
}

/// A request with what its frame says about it.
package struct RequestMessage: Sendable {
    package var version: ProtocolVersion
    package var stream: Int16
    /// Whether the client wants a trace.
    package var isTraced: Bool
    /// Bytes by name for a handler of one's own; empty when there are none.
    package var customPayload: [String: [UInt8]]
    package var request: Request

    package init(
        version: ProtocolVersion,
        stream: Int16,
        isTraced: Bool = false,
        customPayload: [String: [UInt8]] = [:],
        request: Request
    ) {
        self.version = version
        self.stream = stream
        self.isTraced = isTraced
        self.customPayload = customPayload
        self.request = request
    }

    /// Reads a frame.
    ///
    /// - Throws: what is wrong with it, with the frame's stream.
    package init(_ frame: Frame) throws(ProtocolError) {
        let header = frame.header
        do throws(ProtocolError) {
            self = try frame.body.withView { (view) throws(ProtocolError) -> RequestMessage in
                var reader = BodyReader(view)
                var payload: [String: [UInt8]] = [:]
                if header.flags.contains(.customPayload) {
                    payload = try reader.bytesMap("the custom payload")
                }
                let request = try Request(
                    header.opcode,
                    &reader,
                    storage: frame.body,
                    version: header.version
                )
                return RequestMessage(
                    version: header.version,
                    stream: header.stream,
                    isTraced: header.flags.contains(.tracing),
                    customPayload: payload,
                    request: request
                )
            }
        } catch {
            throw error.on(stream: header.stream)
        }
    }
}

extension Request {
    /// Reads the body of a request; bound values stay in `storage`, the body being read. What
    /// follows the message is ignored, as the specification asks.
    init(
        _ opcode: Opcode,
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        switch opcode {
        case .options:
            self = .options
        case .startup:
            self = .startup(try reader.stringMap("STARTUP's options"))
        case .query:
            let text = try reader.longString("the statement's text")
            self = .query(
                text,
                try QueryParameters(&reader, storage: storage, version: version)
            )
        case .prepare:
            let text = try reader.longString("the statement's text")
            self = .prepare(text, keyspace: try Self.prepareKeyspace(&reader, version))
        case .execute:
            let id = StatementID(try reader.shortBytes("the statement's id"))
            var metadataID: StatementID?
            if version == .v5 {
                metadataID = StatementID(try reader.shortBytes("the result metadata's id"))
            }
            self = .execute(
                id,
                resultMetadataID: metadataID,
                try QueryParameters(&reader, storage: storage, version: version)
            )
        case .batch:
            self = .batch(try BatchRequest(&reader, storage: storage, version: version))
        case .register:
            var events: [EventType] = []
            for name in try reader.stringList("the events to register") {
                guard let event = EventType(rawValue: name) else {
                    throw ProtocolError("Unknown event type '\(name)' in REGISTER")
                }
                events.append(event)
            }
            self = .register(events)
        case .authResponse:
            self = .authResponse(try reader.bytes("the authentication token")?.array)
        case .error, .ready, .authenticate, .supported, .result, .event, .authChallenge,
            .authSuccess:
            throw ProtocolError("\(opcode.name) is a response; a client cannot send it")
        }
    }

    private static func prepareKeyspace(
        _ reader: inout BodyReader,
        _ version: ProtocolVersion
    ) throws(ProtocolError) -> String? {
        guard version == .v5 else { return nil }
        let flags = try reader.int("PREPARE's flags")
        guard flags & ~1 == 0 else {
            throw ProtocolError("unknown flags 0x\(String(flags, radix: 16)) in PREPARE")
        }
        return flags & 1 == 0 ? nil : try reader.string("PREPARE's keyspace")
    }

    /// Appends the body.
    package func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        switch self {
        case .options:
            break
        case .startup(let options):
            writer.appendStringMap(options)
        case .query(let text, let parameters):
            writer.appendLongString(text)
            parameters.append(to: &writer, version: version)
        case .prepare(let text, let keyspace):
            writer.appendLongString(text)
            guard version == .v5 else { return }
            writer.appendBigEndian(Int32(keyspace == nil ? 0 : 1))
            if let keyspace { writer.appendString(keyspace) }
        case .execute(let id, let metadataID, let parameters):
            id.append(to: &writer)
            if version == .v5 { (metadataID ?? StatementID([])).append(to: &writer) }
            parameters.append(to: &writer, version: version)
        case .batch(let batch):
            batch.append(to: &writer, version: version)
        case .register(let events):
            writer.appendStringList(events.map(\.rawValue))
        case .authResponse(let token):
            writer.appendBytes(token)
        }
    }
}

extension FrameEncoder {
    /// Adds a request.
    package mutating func add(
        _ request: Request,
        stream: Int16,
        isTraced: Bool = false,
        customPayload: [String: [UInt8]] = [:]
    ) {
        var flags: FrameFlags = []
        if isTraced { flags.insert(.tracing) }
        if !customPayload.isEmpty { flags.insert(.customPayload) }
        let version = version
        let header = FrameHeader(
            version: version,
            isResponse: false,
            flags: flags,
            stream: stream,
            opcode: request.opcode
        )
        add(header) { writer in
            if !customPayload.isEmpty { writer.appendBytesMap(customPayload) }
            request.append(to: &writer, version: version)
        }
    }
}
