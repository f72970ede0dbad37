// SPDX-License-Identifier: Apache-2.0

import Bytes
import CQLProtocol
import Model

/// Well-formed inputs, made by the encoders.
enum Seeds {
    /// What stands before the bytes of a connection; `CQLProtocolFuzz.run` says what its bits mean.
    private enum Choice {
        static let server: UInt8 = 0
        static let version5: UInt8 = 2
        static let lz4: UInt8 = 1 << 2
        static let snappy: UInt8 = 2 << 2
        static let negotiated: UInt8 = 0x10
        static let segments: UInt8 = 0x20
        static let smallPieces: UInt8 = 0x40
    }

    private static var requests: [Request] {
        let id = StatementID([UInt8](0..<16))
        var builder = BoundValuesBuilder()
        builder.append(integer: Int32(7))
        builder.appendNull()
        builder.appendUnset()
        builder.append(utf8: "text that repeats, text that repeats, text that repeats")
        let parameters = QueryParameters(
            consistency: .quorum,
            serialConsistency: .localSerial,
            values: builder.finish(),
            pageSize: 5000,
            pagingState: [9, 8, 7],
            defaultTimestamp: 1_700_000_000_000_000
        )
        let entries = [
            BatchRequest.Entry(.text("INSERT INTO t (a) VALUES (1)")),
            BatchRequest.Entry(.prepared(id), values: parameters.values),
        ]
        return [
            .options, .startup(["CQL_VERSION": "3.4.7", "COMPRESSION": "lz4"]),
            .query("SELECT * FROM t WHERE a = ?", parameters),
            .prepare("INSERT INTO t (a) VALUES (?)", keyspace: nil),
            .execute(id, resultMetadataID: id, parameters), .batch(BatchRequest(entries: entries)),
            .register(EventType.allCases), .authResponse([0, 117, 0, 112]),
        ]
    }

    /// Whole connections, each with every request.
    static func connections() -> [[UInt8]] {
        let plain = [Choice.server, Choice.version5, Choice.smallPieces]
        let compressed = [
            Choice.negotiated | Choice.lz4, Choice.negotiated | Choice.snappy,
            Choice.segments, Choice.segments | Choice.lz4,
        ]
        return (plain + compressed).map { choice in
            let isSegmented = choice & Choice.segments != 0
            let isVersion5 = isSegmented || choice & Choice.version5 != 0
            let codec: Codec =
                choice & Choice.lz4 != 0 ? .lz4 : choice & Choice.snappy != 0 ? .snappy : .none
            var encoder = FrameEncoder(version: isVersion5 ? .v5 : .v4)
            encoder.negotiate(version: isVersion5 ? .v5 : .v4, codec: codec)
            if isSegmented { encoder.beginSegments() }
            for request in requests { encoder.add(request, stream: 1) }
            return [choice] + encoder.withOutput { $0.array }
        }
    }

    /// Single messages: version, opcode, flags, body.
    static func messages() -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        for version in [ProtocolVersion.v4, .v5] {
            for request in requests {
                var encoder = FrameEncoder(version: version)
                encoder.add(request, stream: 1)
                let frame = encoder.withOutput { $0.array }
                let start: [UInt8] = [version == .v4 ? 0 : 1, request.opcode.rawValue, 0]
                seeds.append(start + frame.dropFirst(9))
            }
        }
        return seeds
    }

    /// Statements of every kind.
    static func statements() -> [[UInt8]] {
        [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE IF NOT EXISTS k.t (a text, b int, c map<text, frozen<list<int>>> STATIC, "
                + "\"D d\" decimal, PRIMARY KEY ((a, b), \"D d\")) WITH CLUSTERING ORDER BY "
                + "(\"D d\" DESC) AND comment = 'it''s' AND gc_grace_seconds = 10;",
            "ALTER TABLE t ADD (x int, y set<uuid>); DROP TABLE k.t; TRUNCATE t; USE k",
            "INSERT INTO t (a, b) VALUES ('x', -1.5e10) IF NOT EXISTS USING TTL ? AND TIMESTAMP :t",
            "UPDATE t SET a = a + [1, 2], m['k'] = 0xff WHERE a = $$x$$ AND b IN (1, ?) IF v > 1",
            "DELETE a, m[3] FROM t WHERE (a, b) >= (1, 2) AND token(a) < -9 IF EXISTS",
            "SELECT DISTINCT a, count(*), writetime(b) AS w, CAST(x AS text), f(g(1), NaN) FROM k.t "
                + "WHERE a CONTAINS KEY 1 AND b LIKE 'x%' GROUP BY a ORDER BY b DESC "
                + "PER PARTITION LIMIT 2 LIMIT 10 ALLOW FILTERING USING TIMEOUT 2000ms",
            "BEGIN UNLOGGED BATCH USING TIMESTAMP 1 INSERT INTO t (a) VALUES (1); "
                + "UPDATE t SET a = 2 WHERE b = 3; DELETE FROM t WHERE b = 1; APPLY BATCH",
            "SELECT 1y2mo3d, 550e8400-e29b-41d4-a716-446655440000, {1: [2, {3}]}, (1, 2) -- end",
            "/* c */ DESCRIBE FULL SCHEMA WITH INTERNALS; GRANT SELECT ON t TO r; LIST ROLES",
            "CREATE TYPE k.y (a int, b frozen<tuple<int, text>>); CREATE INDEX ON t (keys(m))",
        ].map { Array($0.utf8) }
    }
}
