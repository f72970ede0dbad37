// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol

/// Where a SELECT goes on: the last key that was given out, and what is left of its limits.
///
///     state = version 01 · last-key (length varint, bytes) · remaining (signed varint)
///             · in-partition (varint) · checksum (8)
///
/// The checksum is seeded with the statement, so that a state that was made up or belongs to another
/// statement is refused.
struct PagingState {
    /// The key of the last row that was given out.
    let lastKey: [UInt8]
    /// How many rows the limit still allows.
    let remaining: Int
    /// How many rows of the last key's partition have been given out.
    let inPartition: Int

    private static let version: UInt8 = 1

    func encode(seed: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: lastKey.count + 32)
        writer.append(Self.version)
        lastKey.withView { writer.appendLengthPrefixed($0) }
        writer.appendSignedVarint(Int64(remaining))
        writer.appendVarint(inPartition)
        writer.appendLittleEndian(Checksum.xxh3(writer.view, seed: seed))
        return writer.array
    }

    init(lastKey: [UInt8], remaining: Int, inPartition: Int) {
        self.lastKey = lastKey
        self.remaining = remaining
        self.inPartition = inPartition
    }

    init(_ bytes: [UInt8], seed: UInt64) throws(CQLError) {
        let invalid = CQLError(
            .protocolViolation,
            "Invalid value for the paging state: it is of another statement or was altered"
        )
        guard bytes.count > 8 else { throw invalid }
        self = try bytes.withView { (view) throws(CQLError) -> PagingState in
            let body = view.prefix(view.count - 8)
            guard
                view.loadLittleEndian(body.count, as: UInt64.self)
                    == Checksum.xxh3(body, seed: seed)
            else { throw invalid }
            var reader = ByteReader(body)
            do throws(MalformedBytes) {
                guard try reader.readByte() == Self.version else { throw invalid.asMalformed }
                return PagingState(
                    lastKey: try reader.readLengthPrefixed().array,
                    remaining: Int(try reader.readSignedVarint()),
                    inPartition: try reader.readCount()
                )
            } catch {
                throw invalid
            }
        }
    }
}

extension CQLError {
    fileprivate var asMalformed: MalformedBytes { MalformedBytes(offset: 0, expected: message) }
}
