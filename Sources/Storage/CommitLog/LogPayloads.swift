// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// Payloads of commit-log records in memory, in their order.
struct LogPayloads: ~Copyable {
    /// Each payload after its length in four bytes.
    private var bytes = ByteWriter(capacity: 64)

    /// What an empty one holds on to, in bytes.
    private static let idleCapacity = 64 << 10

    var isEmpty: Bool { bytes.count == 0 }
    /// The memory that they take, in bytes.
    var count: Int { bytes.count }

    /// Adds the payloads of a batch's records.
    mutating func append(_ batch: CommitLogBatch) {
        let records = batch.bytes.view
        var start = 0
        while start < records.count {
            let count = Int(records.loadLittleEndian(start + 8, as: UInt32.self))
            let end = start + RecordLogFormat.recordOverhead + count
            // A seal has no payload.
            if count > 0 { append(records[start + RecordLogFormat.recordOverhead..<end]) }
            start = end
        }
    }

    mutating func append(_ payload: ByteView) {
        bytes.appendLittleEndian(UInt32(payload.count))
        bytes.append(payload)
    }

    /// Adds those of another.
    mutating func append(_ other: borrowing LogPayloads) { bytes.append(other.bytes.view) }

    mutating func removeAll() {
        if bytes.capacity > LogPayloads.idleCapacity {
            bytes = ByteWriter(capacity: 64)
        } else {
            bytes.removeAll()
        }
    }

    /// Calls `visit` with each payload, which is valid during the call.
    borrowing func forEach<E: Error>(_ visit: (ByteView) throws(E) -> Void) throws(E) {
        let view = bytes.view
        var start = 0
        while start < view.count {
            let count = Int(view.loadLittleEndian(start, as: UInt32.self))
            try visit(view[start + 4..<start + 4 + count])
            start += 4 + count
        }
    }
}
