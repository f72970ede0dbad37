// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// What a message between nodes is about.
package enum MessageKind: UInt8, Sendable, CaseIterable {
    case gossip = 1
    case metadata = 2
    case write = 3
    case writeAnswer = 4
    case read = 5
    case readAnswer = 6
    /// The answer to any request that failed at the replica.
    case failure = 7
    case paxos = 8
    case paxosAnswer = 9
    case counter = 10
    case counterAnswer = 11
    /// The sender's shards have the schema of the message's epoch: told to who has proposed the change.
    ///
    ///     body = node (16) schema-version (16)
    case adopted = 14
}

/// A message from one node to another.
///
///     message = version (1) kind (1) request (8) epoch (8) body        numbers big-endian
///
/// `request` is the sender's number for the request that the message is, or the receiver's for the one that
/// it answers; 0 where there are no answers. `epoch` is the last entry of the metadata log that the sender
/// has applied: a receiver that is behind fetches what it lacks.
package struct InternodeMessage: Hashable, Sendable {
    /// The version of the messages that this build speaks.
    package static let version: UInt8 = 1
    /// The bytes before the body.
    package static let headerSize = 18

    package var kind: MessageKind
    package var request: UInt64
    package var epoch: UInt64
    package var body: [UInt8]

    package init(_ kind: MessageKind, request: UInt64 = 0, epoch: UInt64, body: [UInt8]) {
        self.kind = kind
        self.request = request
        self.epoch = epoch
        self.body = body
    }

    /// The message as bytes.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: InternodeMessage.headerSize + body.count)
        writer.append(InternodeMessage.version)
        writer.append(kind.rawValue)
        writer.appendBigEndian(request)
        writer.appendBigEndian(epoch)
        writer.append(body)
        return writer.array
    }

    /// Reads a message; what it carries is checked by whom it concerns.
    package init(decoding view: ByteView) throws(MalformedBytes) {
        var reader = ByteReader(view)
        guard try reader.readByte() == InternodeMessage.version else {
            throw MalformedBytes(offset: 0, expected: "version 1 of the internode messages")
        }
        guard let kind = MessageKind(rawValue: try reader.readByte()) else {
            throw MalformedBytes(offset: 1, expected: "a known kind of message")
        }
        self.kind = kind
        request = try reader.readBigEndian()
        epoch = try reader.readBigEndian()
        body = try reader.readView(reader.remaining).array
    }
}

/// What a body of a message is made of.
package protocol MessageBody: Sendable {
    func append(to writer: inout ByteWriter)
    init(from reader: inout ByteReader) throws(MalformedBytes)
}

extension MessageBody {
    /// The body as bytes.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        append(to: &writer)
        return writer.array
    }

    /// Reads a whole body.
    package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        self = try bytes.withView { (view) throws(MalformedBytes) in
            var reader = ByteReader(view)
            let body = try Self(from: &reader)
            guard reader.isAtEnd else {
                throw MalformedBytes(offset: reader.offset, expected: "the end of the message")
            }
            return body
        }
    }
}
