// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model

/// Asks a replica for what it has of a run of keys of one table: all of its entries, deletions included,
/// so that the coordinator can merge the answers of several replicas.
///
///     body = flags (1) timeout (varint) now (zigzag varint) storage-id (16) rows bytes work (varints)
///            lower upper (length-prefixed)
package struct ReadRequest: MessageBody, Hashable {
    /// Whether a digest of the answer is enough.
    package var wantsDigest: Bool
    /// Whether the run is read from its end; it is of one partition then.
    package var isReversed: Bool
    /// Whether the static row is wanted that belongs to the partition in which the run begins.
    package var wantsStatic: Bool
    /// How long the coordinator will still wait, in microseconds.
    package var timeout: UInt64
    /// The time of the read, in seconds since 1970: what has expired by then doesn't count.
    package var now: Int64
    package var storageID: UUID
    /// How many live rows are enough.
    package var rowsMax: Int
    /// How many bytes are enough.
    package var bytesMax: Int
    /// How much may be looked at: row fragments and deletions.
    package var workMax: Int
    package var bounds: KeyBounds

    package init(
        storageID: UUID,
        bounds: KeyBounds,
        isReversed: Bool = false,
        wantsStatic: Bool = false,
        rowsMax: Int,
        bytesMax: Int = 1 << 20,
        workMax: Int = 16_384,
        now: Int64,
        timeout: UInt64,
        wantsDigest: Bool = false
    ) {
        self.wantsDigest = wantsDigest
        self.isReversed = isReversed
        self.wantsStatic = wantsStatic
        self.timeout = timeout
        self.now = now
        self.storageID = storageID
        self.rowsMax = rowsMax
        self.bytesMax = bytesMax
        self.workMax = workMax
        self.bounds = bounds
    }

    package func append(to writer: inout ByteWriter) {
        let flags = (wantsDigest ? 1 : 0) | (isReversed ? 2 : 0) | (wantsStatic ? 4 : 0)
        writer.append(UInt8(flags))
        writer.appendVarint(timeout)
        writer.appendSignedVarint(now)
        writer.appendBigEndian(storageID.high)
        writer.appendBigEndian(storageID.low)
        for limit in [rowsMax, bytesMax, workMax] { writer.appendVarint(UInt64(limit)) }
        bounds.lower.withView { writer.appendLengthPrefixed($0) }
        bounds.upper.withView { writer.appendLengthPrefixed($0) }
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let flags = try reader.readByte()
        guard flags < 8 else { throw MalformedBytes(offset: 0, expected: "known flags of a read") }
        wantsDigest = flags & 1 != 0
        isReversed = flags & 2 != 0
        wantsStatic = flags & 4 != 0
        timeout = try reader.readVarint()
        now = try reader.readSignedVarint()
        let high: UInt64 = try reader.readBigEndian()
        let low: UInt64 = try reader.readBigEndian()
        storageID = UUID(high: high, low: low)
        rowsMax = try reader.readCount()
        bytesMax = try reader.readCount()
        workMax = try reader.readCount()
        let lower = try reader.readLengthPrefixed().array
        bounds = KeyBounds(lower: lower, upper: try reader.readLengthPrefixed().array)
    }
}

/// What a replica has of a run of keys.
///
///     body = flags (1) digest (16) [ horizon (length-prefixed) rows (varint) mutation ]
///
/// The bracketed part is left out when only a digest was asked for.
package struct ReadAnswer: MessageBody, Hashable {
    /// The hash of everything in the answer that the others must have, too.
    package struct Digest: Hashable, Sendable {
        package let high: UInt64
        package let low: UInt64

        package init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }

    /// The entries themselves.
    package struct Data: Hashable, Sendable {
        /// How far the answer goes: it has all entries up to and including this key (backward: down to it);
        /// nil when it has all of the run.
        package var horizon: [UInt8]?
        /// The live rows in it.
        package var rowCount: Int
        /// The entries as a mutation; empty when there are none.
        package var mutation: [UInt8]

        package init(horizon: [UInt8]?, rowCount: Int, mutation: [UInt8]) {
            self.horizon = horizon
            self.rowCount = rowCount
            self.mutation = mutation
        }
    }

    package var digest: Digest
    /// Nil when only a digest was asked for.
    package var data: Data?

    package init(digest: Digest, data: Data?) {
        self.digest = digest
        self.data = data
    }

    package func append(to writer: inout ByteWriter) {
        writer.append((data == nil ? 0 : 1) | (data?.horizon == nil ? 0 : 2))
        writer.appendBigEndian(digest.high)
        writer.appendBigEndian(digest.low)
        guard let data else { return }
        (data.horizon ?? []).withView { writer.appendLengthPrefixed($0) }
        writer.appendVarint(UInt64(data.rowCount))
        writer.append(data.mutation)
    }

    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        let flags = try reader.readByte()
        guard flags < 4, flags != 2 else {
            throw MalformedBytes(offset: 0, expected: "known flags of a read's answer")
        }
        let high: UInt64 = try reader.readBigEndian()
        let low: UInt64 = try reader.readBigEndian()
        digest = Digest(high: high, low: low)
        guard flags & 1 != 0 else { return }
        let horizon = try reader.readLengthPrefixed().array
        let rowCount = try reader.readCount()
        data = Data(
            horizon: flags & 2 == 0 ? nil : horizon,
            rowCount: rowCount,
            mutation: try reader.readView(reader.remaining).array
        )
    }
}
