// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model
import Testing

@Suite("CQL messages")
struct MessageTests {
    /// Encodes a request, decodes it, and encodes what was decoded.
    private func roundTrip(
        _ request: Request,
        _ version: ProtocolVersion
    ) throws -> (first: [UInt8], second: [UInt8], message: RequestMessage) {
        var encoder = FrameEncoder(version: version)
        encoder.add(request, stream: 17, isTraced: true, customPayload: ["k": [1]])
        let first = encoder.bytes()
        let message = try RequestMessage(try #require(try frame(first).first))
        encoder.add(
            message.request,
            stream: message.stream,
            isTraced: message.isTraced,
            customPayload: message.customPayload
        )
        return (first, encoder.bytes(), message)
    }

    @Test("Requests come back as they were sent", arguments: ProtocolVersion.allCases)
    func requests(version: ProtocolVersion) throws {
        for request in Samples.requests {
            let trip = try roundTrip(request, version)
            #expect(trip.first == trip.second, "\(request)")
            #expect(trip.message.stream == 17)
            #expect(trip.message.isTraced)
            #expect(trip.message.customPayload == ["k": [1]])
            #expect(trip.message.request.opcode == request.opcode)
        }
    }

    @Test("Responses come back as they were sent", arguments: ProtocolVersion.allCases)
    func responses(version: ProtocolVersion) throws {
        for response in Samples.responses {
            var encoder = FrameEncoder(version: version)
            let message = ResponseMessage(
                stream: -1,
                tracingID: UUID(high: 1, low: 2),
                warnings: ["careful", ""],
                customPayload: ["k": []],
                response: response
            )
            encoder.add(message)
            let first = encoder.bytes()
            let back = try ResponseMessage(try #require(try frame(first, role: .client).first))
            #expect(back.tracingID == message.tracingID)
            #expect(back.warnings == message.warnings)
            #expect(back.customPayload == message.customPayload)
            #expect(back.stream == -1)
            encoder.add(back)
            #expect(first == encoder.bytes(), "\(response)")
        }
    }

    @Test("Every parameter of a statement arrives")
    func parameters() throws {
        let request = Request.execute(
            Samples.id,
            resultMetadataID: Samples.longID,
            Samples.allParameters
        )
        guard
            case .execute(let id, let metadataID, let parameters) =
                try roundTrip(request, .v5).message.request
        else {
            Issue.record("EXECUTE became another request")
            return
        }
        #expect(id == Samples.id)
        #expect(metadataID == Samples.longID)
        #expect(parameters.consistency == .quorum)
        #expect(parameters.serialConsistency == .localSerial)
        #expect(parameters.skipMetadata)
        #expect(parameters.pageSize == 5000)
        #expect(parameters.pagingState == [9, 8, 7])
        #expect(parameters.defaultTimestamp == 1_700_000_000_000_000)
        #expect(parameters.keyspace == "ks")
        #expect(parameters.nowInSeconds == 77)
        let values = parameters.values.arrays
        #expect(values.map(\.value) == [[0, 0, 0, 7], nil, nil, [], Array("añb".utf8)])
        #expect(values.map(\.isUnset) == [false, false, true, false, false])
    }

    @Test("Named values keep their names", arguments: ProtocolVersion.allCases)
    func names(version: ProtocolVersion) throws {
        let request = Request.query("q", QueryParameters(values: Samples.namedValues))
        guard case .query("q", let parameters) = try roundTrip(request, version).message.request
        else {
            Issue.record("QUERY became another request")
            return
        }
        #expect(parameters.values.isNamed)
        #expect(parameters.values.arrays.map(\.name) == ["first", "second"])
    }

    @Test("Errors keep their code and what goes with it")
    func errors() throws {
        for error in Samples.errors {
            var encoder = FrameEncoder(version: .v5)
            encoder.add(.error(error), stream: 3)
            let frames = try frame(encoder.bytes(), role: .client)
            guard case .error(let back) = try ResponseMessage(frames[0]).response else {
                Issue.record("ERROR became another response")
                return
            }
            #expect(back == error)
        }
    }

    @Test("v4 tells a conditional write's unknown outcome as a timeout, and counts failures")
    func olderErrors() throws {
        let answers = CQLError.Answers(.serial, received: 1, required: 2)
        let cases: [(CQLError.Kind, CQLError.Kind)] = [
            (.casWriteUnknown(answers), .writeTimeout(answers, .cas)),
            (
                .writeFailure(answers, .init([.init(address: [1, 2, 3, 4], reason: 0)]), .simple),
                .writeFailure(answers, .init(count: 1), .simple)
            ),
        ]
        for (sent, received) in cases {
            var encoder = FrameEncoder(version: .v4)
            encoder.add(.error(CQLError(sent, "m")), stream: 3)
            let frames = try frame(encoder.bytes(), role: .client)
            guard case .error(let back) = try ResponseMessage(frames[0]).response else {
                Issue.record("ERROR became another response")
                return
            }
            #expect(back.kind == received)
        }
    }

    @Test("Rows keep columns and cells")
    func rows() throws {
        var encoder = FrameEncoder(version: .v5)
        encoder.add(.result(.rows(Samples.rows)), stream: 0)
        let frames = try frame(encoder.bytes(), role: .client)
        guard case .result(.rows(let rows)) = try ResponseMessage(frames[0]).response else {
            Issue.record("rows became another response")
            return
        }
        #expect(rows.arrays == [[[1, 2, 3, 4], nil], [[], [255]]])
        #expect(rows.metadata.columns.columns == Samples.mixedColumns.columns)
        #expect(rows.metadata.pagingState == [4, 5])
        #expect(rows.cells == Samples.rows.cells)
    }

    @Test("Every type has the option that comes back as it")
    func types() throws {
        var encoder = FrameEncoder(version: .v4)
        let prepared = PreparedResult(
            id: Samples.id,
            resultMetadataID: nil,
            bind: BindMetadata(columns: Samples.columns),
            result: ResultMetadata(columns: Samples.columns)
        )
        encoder.add(.result(.prepared(prepared)), stream: 0)
        let frames = try frame(encoder.bytes(), role: .client)
        guard case .result(.prepared(let back)) = try ResponseMessage(frames[0]).response else {
            Issue.record("a prepared statement became another response")
            return
        }
        #expect(back.bind.columns.columns == Samples.columns.columns)
        #expect(back.result.columns.columns.map(\.type) == Samples.types)
        #expect(back.result.columns.identifier == Samples.columns.identifier)
    }

    @Test("A text longer than a [string] is cut between characters")
    func longString() throws {
        var writer = ByteWriter()
        writer.appendString(String(repeating: "é", count: 40_000))
        var reader = BodyReader(writer.view)
        #expect(try reader.string("text").utf8.count == 65_534)
        #expect(reader.remaining == 0)
    }

    @Test("A body cut short anywhere is an error that says what is missing", arguments: [
        ProtocolVersion.v4, .v5,
    ])
    func truncation(version: ProtocolVersion) throws {
        for request in Samples.requests where request.opcode != .options {
            var encoder = FrameEncoder(version: version)
            encoder.add(request, stream: 9)
            let whole = try #require(try frame(encoder.bytes()).first)
            for count in 0..<whole.body.count {
                let part = Frame(header: whole.header, body: Array(whole.body[..<count]))
                let error = protocolError { _ = try RequestMessage(part) }
                #expect(error?.stream == 9, "\(request) cut to \(count)")
                #expect(error?.message.contains("the message ends in") == true)
            }
        }
        for response in Samples.responses where response.opcode != .ready {
            var encoder = FrameEncoder(version: version)
            encoder.add(response, stream: 9)
            let whole = try #require(try frame(encoder.bytes(), role: .client).first)
            for count in 0..<whole.body.count {
                let part = Frame(header: whole.header, body: Array(whole.body[..<count]))
                #expect(protocolError { _ = try ResponseMessage(part) } != nil)
            }
        }
    }

    @Test("What a request may not hold is refused by name", arguments: [
        ([0, 0, 0, 1, 65, 0, 99, 0, 0, 0, 0], "consistency"),
        ([0, 0, 0, 1, 65, 0, 1, 0, 0, 4, 0], "unknown query flags 0x400"),
        ([0, 0, 0, 1, 65, 0, 1, 0, 0, 0, 0x10, 0, 1], "SERIAL or LOCAL_SERIAL"),
        ([0, 0, 0, 1, 0xFF, 0, 1, 0, 0, 0, 0], "UTF-8"),
        ([0xFF, 0xFF, 0xFF, 0xFE], "negative length"),
        ([0, 0, 0, 1, 65, 0, 1, 0, 0, 0, 1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFD], "-3"),
    ] as [([UInt8], String)])
    func refusals(body: [UInt8], sentence: String) {
        let header = FrameHeader(version: .v5, isResponse: false, stream: 4, opcode: .query)
        let error = protocolError { _ = try RequestMessage(Frame(header: header, body: body)) }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "no error")")
        #expect(error?.stream == 4)
    }

    @Test("A type nested without end is refused")
    func deepType() {
        var body: [UInt8] = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for _ in 0..<100_000 { body += [0, 0x20] }
        let header = FrameHeader(version: .v5, isResponse: true, stream: 0, opcode: .result)
        let error = protocolError { _ = try ResponseMessage(Frame(header: header, body: body)) }
        #expect(error?.message.contains("nested") == true)
    }

    @Test("Counts that a body cannot hold take no memory", arguments: [
        [0, 0, 0, 2, 0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1],
        [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 2, 0x7F, 0xFF, 0xFF, 0xFF],
        [0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF],
        [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF],
    ] as [[UInt8]])
    func counts(body: [UInt8]) {
        let header = FrameHeader(version: .v5, isResponse: true, stream: 0, opcode: .result)
        let error = protocolError { _ = try ResponseMessage(Frame(header: header, body: body)) }
        #expect(error != nil)
    }
}
