// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// Asks a replica to write a mutation of one partition and to answer when it is durable.
///
///     body = timeout (varint, microseconds) mutation
///
/// The answer (`writeAnswer`) has no body.
package struct WriteRequest: MessageBody, Hashable {
    /// How long the coordinator will still wait, in microseconds: later, nobody needs the work.
    package var timeout: UInt64
    /// In the commit log's form.
    package var mutation: [UInt8]

    package init(timeout: UInt64, mutation: [UInt8]) {
        self.timeout = timeout
        self.mutation = mutation
    }

    package func append(to writer: inout ByteWriter) {
        writer.appendVarint(timeout)
        writer.append(mutation)
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        timeout = try reader.readVarint()
        mutation = try reader.readView(reader.remaining).array
    }
}

/// Why a replica couldn't do what it was asked (Cassandra's `RequestFailureReason`), with a sentence.
///
///     body = reason (2) text
package struct RequestFailure: MessageBody, Hashable, Error {
    package enum Reason: UInt16, Sendable, CaseIterable {
        case unknown = 0
        case readTooManyTombstones = 1
        case timeout = 2
        case incompatibleSchema = 3
        case nodeDown = 6
        case overloaded = 0x100
        case diskFull = 0x101
        case corruption = 0x102
        /// The coordinator doesn't know yet that rows are elsewhere now.
        case staleEpoch = 0x103
        /// The replica doesn't know yet what the coordinator knows of the cluster.
        case behind = 0x104
    }

    package var reason: Reason
    package var text: String

    package init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text
    }

    package func append(to writer: inout ByteWriter) {
        writer.appendBigEndian(reason.rawValue)
        writer.append(utf8: text)
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let number: UInt16 = try reader.readBigEndian()
        // A newer node may have reasons that this one doesn't know.
        reason = Reason(rawValue: number) ?? .unknown
        text = String(decoding: try reader.readView(reader.remaining).buffer, as: UTF8.self)
    }
}
