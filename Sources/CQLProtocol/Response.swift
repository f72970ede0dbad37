// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// A statement that was prepared (native_protocol_v5.spec, section 4.2.5.4).
package struct PreparedResult: Sendable {
    package var id: StatementID
    /// The id of the result's columns (v5).
    package var resultMetadataID: StatementID?
    package var bind: BindMetadata
    package var result: ResultMetadata

    package init(
        id: StatementID,
        resultMetadataID: StatementID?,
        bind: BindMetadata,
        result: ResultMetadata
    ) {
        self.id = id
        self.resultMetadataID = resultMetadataID
        self.bind = bind
        self.result = result
    }
}

/// What a statement gave.
package enum StatementResult: Sendable {
    case void
    case rows(RowsResult)
    case setKeyspace(String)
    case prepared(PreparedResult)
    case schemaChange(SchemaNotice)
}

/// What a server answers (native_protocol_v5.spec, section 4.2).
package enum Response: Sendable {
    case error(CQLError)
    case ready
    /// The name of the authenticator's class.
    case authenticate(String)
    case supported([String: [String]])
    case result(StatementResult)
    case event(Event)
    case authChallenge([UInt8]?)
    case authSuccess([UInt8]?)

    /// The frame's opcode.
    package var opcode: Opcode {
        switch self {
        case .error: .error
        case .ready: .ready
        case .authenticate: .authenticate
        case .supported: .supported
        case .result: .result
        case .event: .event
        case .authChallenge: .authChallenge
        case .authSuccess: .authSuccess
        }
    }

    /// About how many bytes the response takes on the wire, for accounting.
    package var estimatedByteCount: Int {
        switch self {
        case .result(.rows(let rows)): rows.byteCount + 256
        default: 256
        }
    }
}

/// A response with what goes before it in its frame.
package struct ResponseMessage: Sendable {
    /// The stream of events.
    package static let eventStream: Int16 = -1

    package var stream: Int16
    package var tracingID: UUID?
    package var warnings: [String]
    /// Empty when there is none.
    package var customPayload: [String: [UInt8]]
    package var response: Response

    package init(
        stream: Int16,
        tracingID: UUID? = nil,
        warnings: [String] = [],
        customPayload: [String: [UInt8]] = [:],
        response: Response
    ) {
        self.stream = stream
        self.tracingID = tracingID
        self.warnings = warnings
        self.customPayload = customPayload
        self.response = response
    }

    /// Reads a frame.
    ///
    /// - Throws: what is wrong with it, with the frame's stream.
    package init(_ frame: Frame) throws(ProtocolError) {
        let header = frame.header
        do throws(ProtocolError) {
            self = try frame.body.withView { (view) throws(ProtocolError) -> ResponseMessage in
                var reader = BodyReader(view)
                var tracingID: UUID?
                if header.flags.contains(.tracing) { tracingID = try reader.uuid("the trace's id") }
                var warnings: [String] = []
                if header.flags.contains(.warning) {
                    warnings = try reader.stringList("the warnings")
                }
                var payload: [String: [UInt8]] = [:]
                if header.flags.contains(.customPayload) {
                    payload = try reader.bytesMap("the custom payload")
                }
                return ResponseMessage(
                    stream: header.stream,
                    tracingID: tracingID,
                    warnings: warnings,
                    customPayload: payload,
                    response: try Response(
                        header.opcode,
                        &reader,
                        storage: frame.body,
                        version: header.version
                    )
                )
            }
        } catch {
            throw error.on(stream: header.stream)
        }
    }
}

extension Response {
    /// Reads the body of a response; rows stay in `storage`, the body being read.
    init(
        _ opcode: Opcode,
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        switch opcode {
        case .error:
            self = .error(try CQLError(&reader, version: version))
        case .ready:
            self = .ready
        case .authenticate:
            self = .authenticate(try reader.string("the authenticator's name"))
        case .supported:
            self = .supported(try reader.stringMultimap("the supported options"))
        case .result:
            self = .result(try StatementResult(&reader, storage: storage, version: version))
        case .event:
            self = .event(try Event(&reader))
        case .authChallenge:
            self = .authChallenge(try reader.bytes("the authentication token")?.array)
        case .authSuccess:
            self = .authSuccess(try reader.bytes("the authentication token")?.array)
        case .startup, .options, .query, .prepare, .execute, .register, .batch, .authResponse:
            throw ProtocolError("\(opcode.name) is a request; a server cannot send it")
        }
    }

    /// Appends the body.
    package func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        switch self {
        case .error(let error): error.append(to: &writer, version: version)
        case .ready: break
        case .authenticate(let name): writer.appendString(name)
        case .supported(let options): writer.appendStringMultimap(options)
        case .result(let result): result.append(to: &writer, version: version)
        case .event(let event): event.append(to: &writer)
        case .authChallenge(let token), .authSuccess(let token): writer.appendBytes(token)
        }
    }
}

extension StatementResult {
    init(
        _ reader: inout BodyReader,
        storage: [UInt8],
        version: ProtocolVersion
    ) throws(ProtocolError) {
        let kind = try reader.int("the result's kind")
        switch kind {
        case 1:
            self = .void
        case 2:
            self = .rows(try RowsResult(&reader, storage: storage, version: version))
        case 3:
            self = .setKeyspace(try reader.string("the keyspace"))
        case 4:
            let id = StatementID(try reader.shortBytes("the statement's id"))
            var metadataID: StatementID?
            if version == .v5 {
                metadataID = StatementID(try reader.shortBytes("the result metadata's id"))
            }
            let bind = try BindMetadata(&reader)
            self = .prepared(
                PreparedResult(
                    id: id,
                    resultMetadataID: metadataID,
                    bind: bind,
                    result: try ResultMetadata(&reader, version: version)
                )
            )
        case 5:
            self = .schemaChange(try SchemaNotice(&reader))
        default:
            throw ProtocolError("Unknown result kind \(kind)")
        }
    }

    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        switch self {
        case .void:
            writer.appendBigEndian(Int32(1))
        case .rows(let rows):
            writer.appendBigEndian(Int32(2))
            rows.append(to: &writer, version: version)
        case .setKeyspace(let name):
            writer.appendBigEndian(Int32(3))
            writer.appendString(name)
        case .prepared(let prepared):
            writer.appendBigEndian(Int32(4))
            prepared.id.append(to: &writer)
            if version == .v5 {
                let id = prepared.resultMetadataID ?? prepared.result.columns.identifier
                id.append(to: &writer)
            }
            prepared.bind.append(to: &writer)
            prepared.result.append(to: &writer, version: version)
        case .schemaChange(let change):
            writer.appendBigEndian(Int32(5))
            change.append(to: &writer)
        }
    }
}

extension FrameEncoder {
    /// Adds a response.
    package mutating func add(_ message: ResponseMessage) {
        if message.tracingID == nil, message.warnings.isEmpty, message.customPayload.isEmpty {
            return add(message.response, stream: message.stream)
        }
        var flags: FrameFlags = []
        if message.tracingID != nil { flags.insert(.tracing) }
        if !message.warnings.isEmpty { flags.insert(.warning) }
        if !message.customPayload.isEmpty { flags.insert(.customPayload) }
        let version = version
        add(header(message.response, message.stream, flags)) { writer in
            if let id = message.tracingID { writer.appendUUID(id) }
            if !message.warnings.isEmpty { writer.appendStringList(message.warnings) }
            if !message.customPayload.isEmpty { writer.appendBytesMap(message.customPayload) }
            message.response.append(to: &writer, version: version)
        }
    }

    /// Adds a response without trace, warnings or payload.
    package mutating func add(_ response: Response, stream: Int16) {
        let version = version
        add(header(response, stream, [])) { response.append(to: &$0, version: version) }
    }

    private func header(
        _ response: Response,
        _ stream: Int16,
        _ flags: FrameFlags
    ) -> FrameHeader {
        FrameHeader(
            version: version,
            isResponse: true,
            flags: flags,
            stream: stream,
            opcode: response.opcode
        )
    }
}
