// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Environment

/// Reads a file of a record log and tells a power loss from damage. See `RecordLogFormat`.
///
/// After a power loss, what was written and not yet synced may be missing, whole or in parts. So a
/// record that does not validate ends the log quietly if nothing proves that it was durable: that
/// is a torn tail. A later record whose `durable` lies beyond it proves that, as does another file
/// of the same run behind this one; then it is damage, and the log is refused.
package struct RecordLogReader {
    /// The file's path, for messages.
    package let path: String
    package let kind: RecordLogFormat.Kind
    /// The number that the file must have.
    package let segment: UInt64
    /// Whether the file may end in a torn tail: it is the last of its run.
    package let mayBeTorn: Bool
    /// An offset before which everything is known to be durable from elsewhere.
    package let durable: Int

    package init(
        path: String,
        kind: RecordLogFormat.Kind,
        segment: UInt64,
        mayBeTorn: Bool,
        durable: Int = 0
    ) {
        self.path = path
        self.kind = kind
        self.segment = segment
        self.mayBeTorn = mayBeTorn
        self.durable = durable
    }

    /// What was read.
    package struct Summary: Sendable, Equatable {
        /// The header; nil when the file ends before or in it, which counts as a torn tail.
        package fileprivate(set) var header: RecordLogFormat.Header?
        /// The records, seals not counted.
        package fileprivate(set) var records = 0
        /// Before which offset everything was durable, as the last valid record states.
        package fileprivate(set) var durable = 0
        /// Where the last valid record ends, in bytes from the file's start.
        package fileprivate(set) var end = 0
        /// Where a torn tail begins; nil after a clean end.
        package fileprivate(set) var tornTail: Int?
        /// Whether the last record is a seal: the file was closed in order.
        package fileprivate(set) var isSealed = false
    }

    /// Calls `visit` with the offset and the payload of each record, in their order; a payload is
    /// valid during the call. What `visit` throws passes through.
    ///
    /// - Throws: `.corruption` for damage, after the records in front of it were visited, and
    ///   `.unsupported` for a file of another version.
    package func read(
        _ file: ByteView,
        _ visit: (Int, ByteView) throws(StorageError) -> Void
    ) throws(StorageError) -> Summary {
        var summary = Summary()
        guard let header = try readHeader(file) else {
            summary.tornTail = 0
            return summary
        }
        summary.header = header
        summary.end = RecordLogFormat.headerSize
        while let record = record(in: file, at: summary.end, salt: header.salt) {
            if !record.payload.isEmpty {
                summary.records += 1
                try visit(summary.end, record.payload)
            }
            summary.isSealed = record.payload.isEmpty
            summary.durable = record.durable
            summary.end = record.end
        }
        let rest = file.dropFirst(summary.end)
        // Zeros are space that was set aside or never reached the disk; only the second is a loss.
        if isZero(rest), mayBeTorn, summary.end >= durable { return summary }
        if rest.isEmpty, summary.end >= durable { return summary }
        if let proof = proofOfDamage(file, at: summary.end, salt: header.salt) {
            throw .corruption(damage(at: summary.end, in: file, proof))
        }
        summary.tornTail = summary.end
        return summary
    }

    /// Reads the header alone; nil when the file ends before or in it and may be torn.
    package func readHeader(_ file: ByteView) throws(StorageError) -> RecordLogFormat.Header? {
        let size = RecordLogFormat.headerSize
        // The header is durable before the first record is written.
        let isCut = file.count < size || isZero(file) || !hasValidHeader(file) && file.count == size
        if isCut {
            guard mayBeTorn, durable == 0 else { throw headerDamage("a header", "none") }
            return nil
        }
        guard hasValidHeader(file) else {
            throw headerDamage("a header that matches its checksum", "another checksum")
        }
        guard file.prefix(8).array == kind.magic else {
            throw headerDamage("the first bytes of a \(kind.name)", "those of another kind of file")
        }
        let version = file.loadLittleEndian(8, as: UInt32.self)
        let flags = file.loadLittleEndian(12, as: UInt32.self)
        guard version == RecordLogFormat.version, flags & ~RecordLogFormat.startsRunFlag == 0 else {
            throw .unsupported(
                UnsupportedFormatError(
                    path: path,
                    feature: "version \(version) of the \(kind.name), flags \(flags)",
                    supported: "version \(RecordLogFormat.version)"
                )
            )
        }
        let found = file.loadLittleEndian(16, as: UInt64.self)
        guard found == segment else {
            throw headerDamage("number \(segment), as in its name", "number \(found)")
        }
        return RecordLogFormat.Header(
            kind: kind,
            segment: found,
            salt: file.loadLittleEndian(24, as: UInt64.self),
            startsRun: flags & RecordLogFormat.startsRunFlag != 0
        )
    }

    private func hasValidHeader(_ file: ByteView) -> Bool {
        guard file.count >= RecordLogFormat.headerSize else { return false }
        let checksum = file.loadLittleEndian(32, as: UInt64.self)
        return Checksum.xxh3(file.prefix(32)) == checksum
    }

    private struct Record {
        let payload: ByteView
        let durable: Int
        let end: Int
    }

    /// The record at `offset`; nil when none validates there.
    private func record(in file: ByteView, at offset: Int, salt: UInt64) -> Record? {
        let overhead = RecordLogFormat.recordOverhead
        guard file.count - offset >= overhead else { return nil }
        let length = Int(file.loadLittleEndian(offset + 8, as: UInt32.self))
        let durable = Int(file.loadLittleEndian(offset + 12, as: UInt32.self))
        guard length <= file.count - offset - overhead, durable <= offset else { return nil }
        let end = offset + overhead + length
        let checksum = file.loadLittleEndian(offset, as: UInt64.self)
        let seed = RecordLogFormat.seed(salt: salt, offset: offset)
        guard Checksum.xxh3(file[offset + 8..<end], seed: seed) == checksum else { return nil }
        return Record(payload: file[offset + overhead..<end], durable: durable, end: end)
    }

    /// Why what stands at `offset` must have been durable; nil if nothing says so.
    private func proofOfDamage(_ file: ByteView, at offset: Int, salt: UInt64) -> String? {
        if !mayBeTorn { return "a later file of the log exists" }
        if offset < durable { return "the log was durable up to offset \(durable)" }
        // A file made to look like many records must not take hours: beyond the budget, it is damage.
        var budget = max(file.count, 1 << 20).multipliedReportingOverflow(by: 64).partialValue
        var candidate = offset + 1
        let last = file.count - RecordLogFormat.recordOverhead
        while candidate <= last {
            let mark = Int(file.loadLittleEndian(candidate + 12, as: UInt32.self))
            if mark > offset, mark <= candidate {
                let length = Int(file.loadLittleEndian(candidate + 8, as: UInt32.self))
                budget -= length <= file.count - candidate ? length : 0
                if record(in: file, at: candidate, salt: salt) != nil {
                    return "the record at offset \(candidate) was written after it was durable"
                }
                if budget < 0 { return "too much behind it looks like records" }
            }
            candidate += 1
        }
        return nil
    }

    private func damage(at offset: Int, in file: ByteView, _ proof: String) -> CorruptionError {
        CorruptionError(
            path: path,
            offset: offset,
            expected: "a record of the \(kind.name)",
            found: offset == file.count ? "the end of the file, yet \(proof)"
                : "bytes that don't match their checksum, and \(proof)",
            advice: advice
        )
    }

    /// The error for a file that ends in order but without the seal that must be there.
    func missingEnd(at offset: Int) -> CorruptionError {
        CorruptionError(
            path: path,
            offset: offset,
            expected: "more records or the seal of a finished file",
            found: "the end of the file",
            advice: advice
        )
    }

    private func headerDamage(_ expected: String, _ found: String) -> StorageError {
        .corruption(
            CorruptionError(path: path, offset: 0, expected: expected, found: found, advice: advice)
        )
    }

    private var advice: String {
        switch kind {
        case .commitLog:
            "restore this file from a backup, or move it away to start without its writes "
                + "and repair them from other replicas"
        case .hints: "repair the node for which they are; the hints before the damage are delivered"
        case .manifest, .metadata, .cluster:
            "restore the data folder from a backup or snapshot"
        }
    }

    private func isZero(_ view: ByteView) -> Bool {
        var offset = 0
        while offset + 8 <= view.count {
            if view.loadLittleEndian(offset, as: UInt64.self) != 0 { return false }
            offset += 8
        }
        while offset < view.count {
            if view[offset] != 0 { return false }
            offset += 1
        }
        return true
    }
}
