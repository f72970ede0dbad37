// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// A change of which SSTables are live. Several that are appended together happen together.
///
///     edits  = edit+
///     add    = 1 file (varint) table (16, big-endian) first (8) last (8)
///     remove = 2 file (varint) first (8) last (8)
///     drop   = 3 table (16, big-endian)
///     next   = 4 file (varint)
///
/// Tokens are little-endian. Specified in docs/formats/manifest.md.
package enum ManifestEdit: Equatable, Sendable {
    /// The file is live for these tokens of a table.
    case add(file: UInt64, table: UUID, range: TokenRange)
    /// The file is not live for these tokens any more. Tokens for which it was not do not matter.
    case remove(file: UInt64, range: TokenRange)
    /// No file of the table is live any more.
    case dropTable(UUID)
    /// Numbers below this one are not given to new files.
    case nextFile(UInt64)

    /// Appends the edit's bytes.
    func append(to writer: inout ByteWriter) {
        switch self {
        case .add(let file, let table, let range):
            writer.append(1)
            writer.appendVarint(file)
            ManifestEdit.append(table, to: &writer)
            ManifestEdit.append(range, to: &writer)
        case .remove(let file, let range):
            writer.append(2)
            writer.appendVarint(file)
            ManifestEdit.append(range, to: &writer)
        case .dropTable(let table):
            writer.append(3)
            ManifestEdit.append(table, to: &writer)
        case .nextFile(let file):
            writer.append(4)
            writer.appendVarint(file)
        }
    }

    /// Reads one edit.
    init(from reader: inout ByteReader) throws(MalformedBytes) {
        switch try reader.readByte() {
        case 1:
            let file = try reader.readVarint()
            let table = try ManifestEdit.readTable(&reader)
            self = .add(file: file, table: table, range: try ManifestEdit.readRange(&reader))
        case 2:
            let file = try reader.readVarint()
            self = .remove(file: file, range: try ManifestEdit.readRange(&reader))
        case 3: self = .dropTable(try ManifestEdit.readTable(&reader))
        case 4: self = .nextFile(try reader.readVarint())
        default:
            throw MalformedBytes(offset: reader.offset - 1, expected: "a kind of edit, 1 to 4")
        }
    }

    /// Reads all edits of a record.
    static func readAll(_ payload: ByteView) throws(MalformedBytes) -> [ManifestEdit] {
        var reader = ByteReader(payload)
        var edits: [ManifestEdit] = []
        while !reader.isAtEnd { edits.append(try ManifestEdit(from: &reader)) }
        return edits
    }

    private static func append(_ table: UUID, to writer: inout ByteWriter) {
        writer.appendBigEndian(table.high)
        writer.appendBigEndian(table.low)
    }

    private static func append(_ range: TokenRange, to writer: inout ByteWriter) {
        writer.appendLittleEndian(range.first.value)
        writer.appendLittleEndian(range.last.value)
    }

    private static func readTable(_ reader: inout ByteReader) throws(MalformedBytes) -> UUID {
        let high: UInt64 = try reader.readBigEndian()
        return UUID(high: high, low: try reader.readBigEndian())
    }

    private static func readRange(
        _ reader: inout ByteReader
    ) throws(MalformedBytes) -> TokenRange {
        let first: Int64 = try reader.readLittleEndian()
        let last: Int64 = try reader.readLittleEndian()
        guard first <= last else {
            throw MalformedBytes(offset: reader.offset, expected: "a range whose ends are in order")
        }
        return TokenRange(Token(first), Token(last))
    }
}
