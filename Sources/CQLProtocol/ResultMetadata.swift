// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Model

/// A column of a result, or a bind marker.
package struct ColumnSpecification: Hashable, Sendable {
    package var keyspace: String
    package var table: String
    package var name: String
    package var type: CQLType

    package init(keyspace: String, table: String, name: String, type: CQLType) {
        self.keyspace = keyspace
        self.table = table
        self.name = name
        self.type = type
    }
}

/// The columns of a result, encoded once for all responses that have them.
package final class ResultColumns: Sendable {
    package let columns: [ColumnSpecification]
    /// Whether all columns are of one table, which is then written once.
    package let hasGlobalTable: Bool
    /// Identifies the columns: v5's result metadata id.
    package let identifier: StatementID
    private let encoded: [UInt8]

    /// No columns.
    package static let none = ResultColumns([])

    package init(_ columns: [ColumnSpecification]) {
        self.columns = columns
        let first = columns.first
        let isGlobal = first != nil
            && columns.allSatisfy { $0.keyspace == first?.keyspace && $0.table == first?.table }
        var writer = ByteWriter()
        if isGlobal, let first {
            writer.appendString(first.keyspace)
            writer.appendString(first.table)
        }
        for column in columns {
            if !isGlobal {
                writer.appendString(column.keyspace)
                writer.appendString(column.table)
            }
            writer.appendString(column.name)
            column.type.appendOption(to: &writer)
        }
        hasGlobalTable = isGlobal
        encoded = writer.array
        identifier = StatementID(Checksum.xxh3Wide(writer.view))
    }

    /// The number of columns.
    package var count: Int { columns.count }

    func append(to writer: inout ByteWriter) { writer.append(encoded) }

    /// Reads `count` column specifications.
    convenience init(
        _ reader: inout BodyReader,
        count: Int,
        hasGlobalTable: Bool
    ) throws(ProtocolError) {
        var keyspace = ""
        var table = ""
        if hasGlobalTable {
            keyspace = try reader.string("a result's keyspace")
            table = try reader.string("a result's table")
        }
        var columns: [ColumnSpecification] = []
        for _ in 0..<count {
            if !hasGlobalTable {
                keyspace = try reader.string("a column's keyspace")
                table = try reader.string("a column's table")
            }
            let name = try reader.string("a column's name")
            let type = try CQLType.readOption(&reader)
            columns.append(
                ColumnSpecification(keyspace: keyspace, table: table, name: name, type: type)
            )
        }
        self.init(columns)
    }
}

/// What a response says of its rows (native_protocol_v5.spec, section 4.2.5.2).
package struct ResultMetadata: Sendable {
    package var columns: ResultColumns
    /// The number of columns; known even when the columns are not.
    package var columnCount: Int
    /// Whether the columns are left out because the client has them.
    package var omitsColumns: Bool
    /// Where this page ended, when there are more.
    package var pagingState: [UInt8]?
    /// The id of columns that differ from those the client has (v5).
    package var newMetadataID: StatementID?

    package init(
        columns: ResultColumns,
        omitsColumns: Bool = false,
        pagingState: [UInt8]? = nil,
        newMetadataID: StatementID? = nil
    ) {
        self.columns = columns
        self.columnCount = columns.count
        self.omitsColumns = omitsColumns
        self.pagingState = pagingState
        self.newMetadataID = newMetadataID
    }

    private struct Flags: OptionSet {
        let rawValue: Int32
        static let globalTable = Flags(rawValue: 0x0001)
        static let morePages = Flags(rawValue: 0x0002)
        static let noMetadata = Flags(rawValue: 0x0004)
        static let metadataChanged = Flags(rawValue: 0x0008)
    }

    func append(to writer: inout ByteWriter, version: ProtocolVersion) {
        let newMetadataID = version == .v5 ? newMetadataID : nil
        let isOmitted = (omitsColumns && newMetadataID == nil) || columnCount == 0
        var flags: Flags = []
        if isOmitted {
            flags.insert(.noMetadata)
        } else if columns.hasGlobalTable {
            flags.insert(.globalTable)
        }
        if pagingState != nil { flags.insert(.morePages) }
        if newMetadataID != nil { flags.insert(.metadataChanged) }
        writer.appendBigEndian(flags.rawValue)
        writer.appendBigEndian(Int32(truncatingIfNeeded: columnCount))
        if let pagingState { writer.appendBytes(pagingState) }
        if let newMetadataID { newMetadataID.append(to: &writer) }
        if !isOmitted { columns.append(to: &writer) }
    }

    init(_ reader: inout BodyReader, version: ProtocolVersion) throws(ProtocolError) {
        let flags = Flags(rawValue: try reader.int("the result's flags"))
        let count = try reader.columnCount()
        var pagingState: [UInt8]?
        if flags.contains(.morePages) {
            pagingState = try reader.bytes("the paging state")?.array ?? []
        }
        var newID: StatementID?
        if version == .v5, flags.contains(.metadataChanged) {
            newID = StatementID(try reader.shortBytes("the new metadata's id"))
        }
        let omits = flags.contains(.noMetadata)
        let columns = omits
            ? ResultColumns.none
            : try ResultColumns(
                &reader,
                count: count,
                hasGlobalTable: flags.contains(.globalTable)
            )
        self.init(
            columns: columns,
            omitsColumns: omits,
            pagingState: pagingState,
            newMetadataID: newID
        )
        columnCount = count
    }
}

/// The bind markers of a prepared statement (native_protocol_v5.spec, section 4.2.5.4).
package struct BindMetadata: Sendable {
    package var columns: ResultColumns
    /// For each column of the partition key the marker that gives it; empty when one has none.
    package var partitionKeyIndices: [UInt16]

    package init(columns: ResultColumns, partitionKeyIndices: [UInt16] = []) {
        self.columns = columns
        self.partitionKeyIndices = partitionKeyIndices
    }

    func append(to writer: inout ByteWriter) {
        writer.appendBigEndian(Int32(columns.hasGlobalTable ? 1 : 0))
        writer.appendBigEndian(Int32(truncatingIfNeeded: columns.count))
        writer.appendBigEndian(Int32(truncatingIfNeeded: partitionKeyIndices.count))
        for index in partitionKeyIndices { writer.appendBigEndian(index) }
        columns.append(to: &writer)
    }

    init(_ reader: inout BodyReader) throws(ProtocolError) {
        let flags = try reader.int("the bind markers' flags")
        let count = try reader.columnCount()
        let keyCount = Int(try reader.int("the number of partition key markers"))
        guard keyCount >= 0, keyCount <= reader.remaining / 2 else {
            throw ProtocolError("a statement has \(keyCount) partition key markers")
        }
        var indices: [UInt16] = []
        for _ in 0..<keyCount { indices.append(try reader.short("a partition key marker")) }
        let columns = try ResultColumns(&reader, count: count, hasGlobalTable: flags & 1 != 0)
        self.init(columns: columns, partitionKeyIndices: indices)
    }
}

extension BodyReader {
    /// Reads a number of columns: at most 65,535, whatever the peer says.
    fileprivate mutating func columnCount() throws(ProtocolError) -> Int {
        let count = Int(try int("the number of columns"))
        guard count >= 0, count <= Int(UInt16.max) else {
            throw ProtocolError("a result has \(count) columns; the limit is 65535")
        }
        return count
    }
}
