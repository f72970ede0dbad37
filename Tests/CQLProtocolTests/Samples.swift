// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model

/// One of every message.
enum Samples {
    static let id = StatementID([UInt8](0..<16))
    static let longID = StatementID([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17])
    static let emptyValues: [UInt8] = []

    static var values: BoundValues {
        var builder = BoundValuesBuilder()
        builder.append(integer: Int32(7))
        builder.appendNull()
        builder.appendUnset()
        builder.append(emptyValues)
        builder.append(utf8: "añb")
        return builder.finish()
    }

    static var namedValues: BoundValues {
        var builder = BoundValuesBuilder()
        builder.name("first")
        builder.append(integer: Int64(-1))
        builder.name("second")
        builder.append { $0.append([1, 2, 3]) }
        return builder.finish()
    }

    static var allParameters: QueryParameters {
        QueryParameters(
            consistency: .quorum,
            serialConsistency: .localSerial,
            values: values,
            skipMetadata: true,
            pageSize: 5000,
            pagingState: [9, 8, 7],
            defaultTimestamp: 1_700_000_000_000_000,
            keyspace: "ks",
            nowInSeconds: 77
        )
    }

    static var requests: [Request] {
        [
            .options,
            .startup(["CQL_VERSION": "3.0.0", "COMPRESSION": "lz4"]),
            .query("SELECT * FROM t", QueryParameters()),
            .query("SELECT * FROM t WHERE a = ?", allParameters),
            .query("SELECT :first", QueryParameters(values: namedValues)),
            .prepare("INSERT INTO t (a) VALUES (?)", keyspace: nil),
            .prepare("INSERT INTO t (a) VALUES (?)", keyspace: "ks"),
            .execute(id, resultMetadataID: longID, allParameters),
            .execute(longID, resultMetadataID: id, QueryParameters(consistency: .one)),
            .batch(
                BatchRequest(
                    kind: .unlogged,
                    entries: [
                        .init(.text("INSERT"), values: values),
                        .init(.prepared(id)),
                    ],
                    consistency: .all,
                    serialConsistency: .serial,
                    defaultTimestamp: -5,
                    keyspace: "ks",
                    nowInSeconds: 1
                )
            ),
            .batch(BatchRequest(entries: [])),
            .register(EventType.allCases),
            .authResponse([0, 117, 0, 112]),
            .authResponse(nil),
        ]
    }

    static let types: [CQLType] = CQLType.scalars.values.sorted { $0.protocolID < $1.protocolID } + [
        .list(.int, frozen: false), .set(.text, frozen: false),
        .map(.uuid, .list(.tuple([.int, .set(.date, frozen: true)]), frozen: true), frozen: false),
        .tuple([]),
    ]

    static var columns: ResultColumns {
        ResultColumns(
            types.enumerated().map { index, type in
                ColumnSpecification(keyspace: "ks", table: "t", name: "c\(index)", type: type)
            }
        )
    }

    static var mixedColumns: ResultColumns {
        ResultColumns([
            ColumnSpecification(keyspace: "ks", table: "t", name: "a", type: .int),
            ColumnSpecification(keyspace: "ks", table: "u", name: "b", type: .text),
        ])
    }

    static var rows: RowsResult {
        var writer = ByteWriter()
        for cell in [[1, 2, 3, 4], nil, [], [255]] as [[UInt8]?] { writer.appendBytes(cell) }
        return RowsResult(
            metadata: ResultMetadata(columns: mixedColumns, pagingState: [4, 5]),
            rowCount: 2,
            cells: writer.array
        )
    }

    static var errors: [CQLError] {
        let answers = CQLError.Answers(.localQuorum, received: 1, required: 2)
        let failures = CQLError.Failures([
            .init(address: [127, 0, 0, 1], reason: 1),
            .init(address: [UInt8](repeating: 1, count: 16), reason: 2),
        ])
        let kinds: [CQLError.Kind] = [
            .server, .protocolViolation, .badCredentials, .unavailable(.all, required: 3, alive: 1),
            .overloaded, .bootstrapping, .truncate, .writeTimeout(answers, .simple),
            .writeTimeout(answers, .cas, contentions: 3),
            .readTimeout(answers, dataPresent: true),
            .readFailure(answers, failures, dataPresent: false),
            .functionFailure(keyspace: "k", function: "f", arguments: ["int", "text"]),
            .writeFailure(answers, failures, .batchLog), .cdcWriteFailure,
            .casWriteUnknown(answers), .syntax, .unauthorized, .invalid, .config,
            .alreadyExists(keyspace: "k", table: ""), .unprepared(id), .other(0x7777),
        ]
        return kinds.map { CQLError($0, "what was wrong: é") }
    }

    static var changes: [SchemaNotice] {
        [
            SchemaNotice(.created, keyspace: "k", target: .keyspace),
            SchemaNotice(.updated, keyspace: "k", target: .table("t")),
            SchemaNotice(.dropped, keyspace: "k", target: .type("t")),
            SchemaNotice(.created, keyspace: "k", target: .function("f", ["int"])),
            SchemaNotice(.created, keyspace: "k", target: .aggregate("f", [])),
        ]
    }

    static var responses: [Response] {
        let prepared = PreparedResult(
            id: id,
            resultMetadataID: longID,
            bind: BindMetadata(columns: columns, partitionKeyIndices: [2, 0]),
            result: ResultMetadata(columns: .none)
        )
        var selecting = prepared
        selecting.result = ResultMetadata(columns: mixedColumns)
        var omitting = rows
        omitting.metadata.omitsColumns = true
        omitting.metadata.pagingState = nil
        var changed = rows
        changed.metadata.newMetadataID = id
        let node = Endpoint(address: [10, 0, 0, 1], port: 9042)
        let events: [Event] = [
            .topologyChange(.added, node), .statusChange(.down, node), .schemaChange(changes[1]),
        ]
        let results: [StatementResult] = [
            .void, .rows(rows), .rows(omitting), .rows(changed), .setKeyspace("ks"),
            .prepared(prepared), .prepared(selecting),
        ]
        var all: [Response] = [
            .ready, .authenticate("org.apache.cassandra.auth.PasswordAuthenticator"),
            .supported(["CQL_VERSION": ["3.4.7"], "COMPRESSION": ["lz4", "snappy"], "X": []]),
            .authChallenge([1]), .authSuccess(nil),
        ]
        all += errors.map { Response.error($0) }
        all += results.map { Response.result($0) }
        all += changes.map { Response.result(.schemaChange($0)) }
        all += events.map { Response.event($0) }
        return all
    }
}

extension FrameEncoder {
    /// Everything that was added, as an array.
    mutating func bytes() -> [UInt8] { withOutput { $0.array } }
}

extension FrameDecoder {
    /// All frames that are there.
    mutating func frames() throws -> [Frame] {
        var frames: [Frame] = []
        while let frame = try next() { frames.append(frame) }
        return frames
    }

    /// Takes an array.
    mutating func append(_ bytes: [UInt8]) { bytes.withView { append($0) } }
}

/// A request's frame alone, decoded.
func frame(_ bytes: [UInt8], role: FrameDecoder.Role = .server) throws -> [Frame] {
    var decoder = FrameDecoder(role: role)
    decoder.append(bytes)
    return try decoder.frames()
}

/// The error that `body` throws; nil if none.
func protocolError(_ body: () throws -> Void) -> ProtocolError? {
    do { try body() } catch { return error as? ProtocolError }
    return nil
}
