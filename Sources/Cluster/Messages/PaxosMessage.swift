// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// A step of Paxos for one partition, on its way to a replica. The answer is a `PaxosAnswer`.
///
///     body = timeout (varint, microseconds) storage-id (16) partition (length-prefixed)
///            count (varint) read* request          read = `ReadRequest`, length-prefixed
package struct PaxosMessage: MessageBody {
    /// The most runs of keys that a conditional write reads.
    package static let readsMax = 4096

    /// How long the coordinator will still wait.
    package var timeout: UInt64
    /// The table's data, which the partition is of.
    package var storageID: UUID
    /// The partition part of its keys.
    package var partition: [UInt8]
    /// What is to be read with a promise.
    package var reads: [ReadRequest]
    package var request: PaxosRequest

    package init(
        timeout: UInt64,
        storageID: UUID,
        partition: [UInt8],
        reads: [ReadRequest],
        request: PaxosRequest
    ) {
        self.timeout = timeout
        self.storageID = storageID
        self.partition = partition
        self.reads = reads
        self.request = request
    }

    package func append(to writer: inout ByteWriter) {
        writer.appendVarint(timeout)
        writer.appendBigEndian(storageID.high)
        writer.appendBigEndian(storageID.low)
        partition.withView { writer.appendLengthPrefixed($0) }
        writer.appendVarint(reads.count)
        for read in reads { read.bytes.withView { writer.appendLengthPrefixed($0) } }
        request.encode(to: &writer)
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        timeout = try reader.readVarint()
        let high: UInt64 = try reader.readBigEndian()
        storageID = UUID(high: high, low: try reader.readBigEndian())
        partition = try reader.readLengthPrefixed().array
        guard partition.count >= 9 else {
            throw MalformedBytes(offset: reader.offset, expected: "the partition part of a key")
        }
        reads = []
        for _ in 0..<(try reader.readCount(max: PaxosMessage.readsMax)) {
            reads.append(try ReadRequest(decoding: try reader.readLengthPrefixed().array))
        }
        request = try PaxosRequest(from: &reader)
    }
}

extension PaxosAnswer: MessageBody {
    package func append(to writer: inout ByteWriter) { encode(to: &writer) }
}

extension PaxosPromise {
    /// Puts in what was read: the answers to `PaxosMessage.reads`, in their order.
    package mutating func put(_ answers: [ReadAnswer]) {
        var writer = ByteWriter(capacity: 256)
        for answer in answers { answer.bytes.withView { writer.appendLengthPrefixed($0) } }
        read = writer.array
    }
}

extension PaxosRead {
    /// The answers that the replica's promise came with.
    package func answers() throws(MalformedBytes) -> [ReadAnswer] {
        try bytes.withView { (view) throws(MalformedBytes) in
            var reader = ByteReader(view)
            var answers: [ReadAnswer] = []
            while !reader.isAtEnd {
                answers.append(try ReadAnswer(decoding: try reader.readLengthPrefixed().array))
            }
            return answers
        }
    }
}
