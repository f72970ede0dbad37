// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Asks a replica to count: to add increments to counters of one partition, to tell the other replicas, and to answer
/// as the level wants it. It may be done only once, so a replica passes over a request that comes again.
///
///     body = timeout (varint, microseconds) level (2) mutation
///
/// The answer (`counterAnswer`) is a `ReplicaOutcome`.
package struct IncrementRequest: MessageBody, Hashable {
    /// How long the coordinator will still wait, in microseconds.
    package var timeout: UInt64
    package var level: Consistency
    /// In the commit log's form, with increments that name no node.
    package var mutation: [UInt8]

    package init(timeout: UInt64, level: Consistency, mutation: [UInt8]) {
        self.timeout = timeout
        self.level = level
        self.mutation = mutation
    }

    package func append(to writer: inout ByteWriter) {
        writer.appendVarint(timeout)
        writer.appendBigEndian(level.rawValue)
        writer.append(mutation)
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        timeout = try reader.readVarint()
        guard let level = Consistency(rawValue: try reader.readBigEndian()) else {
            throw MalformedBytes(offset: reader.offset, expected: "a consistency level")
        }
        self.level = level
        mutation = try reader.readView(reader.remaining).array
    }
}

/// What came of a request at its replicas.
///
///     body     = kind (1) received-or-alive-or-limit (varint) required (varint) has-data (1) failure*
///     failure  = node (16) length (varint) RequestFailure
extension ReplicaOutcome: MessageBody {
    package func append(to writer: inout ByteWriter) {
        let head: (kind: UInt8, first: Int, required: Int, hasData: Bool)
        var failures: [ReplicaFailure] = []
        switch self {
        case .success: head = (0, 0, 0, false)
        case .overloaded(let limit): head = (1, limit, 0, false)
        case .unavailable(let required, let alive): head = (2, alive, required, false)
        case .timeout(let received, let required, let hasData): head = (3, received, required, hasData)
        case .failure(let received, let required, let all, let hasData):
            head = (4, received, required, hasData)
            failures = all
        }
        writer.append(head.kind)
        writer.appendVarint(UInt64(head.first))
        writer.appendVarint(UInt64(head.required))
        writer.append(head.hasData ? 1 : 0)
        for failure in failures {
            writer.append(failure.id.uuid.bytes)
            failure.failure.bytes.withView { writer.appendLengthPrefixed($0) }
        }
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.readByte()
        let first = try reader.readCount(max: Int(Int32.max))
        let required = try reader.readCount(max: Int(Int32.max))
        let hasData = try reader.readByte() != 0
        switch kind {
        case 0: self = .success
        case 1: self = .overloaded(limit: first)
        case 2: self = .unavailable(required: required, alive: first)
        case 3: self = .timeout(received: first, required: required, hasData: hasData)
        case 4:
            var failures: [ReplicaFailure] = []
            while !reader.isAtEnd {
                guard let id = UUID(try reader.readView(16)) else { break }
                let failure = try RequestFailure(decoding: try reader.readLengthPrefixed().array)
                failures.append(ReplicaFailure(NodeID(id), failure))
            }
            self = .failure(received: first, required: required, failures: failures, hasData: hasData)
        default: throw MalformedBytes(offset: 0, expected: "a known outcome of a request")
        }
    }
}
