// SPDX-License-Identifier: Apache-2.0

package import Bytes

// The binary form of schema objects, in the metadata log and in SSTables. Texts are length-prefixed
// UTF-8, numbers varints. A type is its CQL text. `formatVersion` leads, so that later forms can be
// told apart: 2 is 1 and indexes, and is written for tables that have or had some.

private let formatVersion: UInt8 = 1
private let indexedVersion: UInt8 = 2

extension ByteWriter {
    fileprivate mutating func append(text: String) {
        append(lengthPrefixed: Array(text.utf8))
    }

    fileprivate mutating func append(lengthPrefixed bytes: [UInt8]) {
        appendVarint(bytes.count)
        append(bytes)
    }

    fileprivate mutating func append(map: [String: String]) {
        appendVarint(map.count)
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            append(text: key)
            append(text: value)
        }
    }
}

extension ByteReader {
    fileprivate mutating func readText() throws(MalformedBytes) -> String {
        String(decoding: try readLengthPrefixed().buffer, as: UTF8.self)
    }

    fileprivate mutating func readMap() throws(MalformedBytes) -> [String: String] {
        var map: [String: String] = [:]
        for _ in 0..<(try readCount(max: remaining)) {
            let key = try readText()
            map[key] = try readText()
        }
        return map
    }

    fileprivate mutating func readVersion() throws(MalformedBytes) -> UInt8 {
        let version = try readByte()
        guard version == formatVersion || version == indexedVersion else {
            throw MalformedBytes(
                offset: offset - 1,
                expected: "schema format \(indexedVersion), not \(version) of a newer Tholos"
            )
        }
        return version
    }

    fileprivate mutating func readType() throws(MalformedBytes) -> CQLType {
        let text = try readText()
        guard let type = CQLType(parsing: text) else {
            throw MalformedBytes(offset: offset, expected: "a CQL type, not '\(text)'")
        }
        return type
    }

    fileprivate mutating func readKind() throws(MalformedBytes) -> ColumnKind {
        guard let kind = ColumnKind(rawValue: try readByte()) else {
            throw MalformedBytes(offset: offset - 1, expected: "a kind of column")
        }
        return kind
    }
}

extension TableSchema {
    /// The table in binary form: equal for equal tables.
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        encode(to: &writer)
        return writer.array
    }

    /// The table in binary form.
    package func encode(to writer: inout ByteWriter) {
        let hasIndexes = nextIndexID > 1
        writer.append(hasIndexes ? indexedVersion : formatVersion)
        writer.append(id.bytes)
        writer.append(storageID.bytes)
        writer.append(text: keyspace)
        writer.append(text: name)
        writer.appendVarint(UInt64(nextColumnID))
        writer.appendVarint(columns.count)
        for column in columns {
            writer.appendVarint(UInt64(column.id))
            writer.append(text: column.name)
            writer.append(text: column.type.description)
            writer.append(column.kind.rawValue)
            writer.appendVarint(column.position)
            writer.append(column.isDescending ? 1 : 0)
        }
        writer.appendVarint(droppedColumns.count)
        for column in droppedColumns {
            writer.append(text: column.name)
            writer.append(text: column.type.description)
            writer.append(column.kind.rawValue)
            writer.appendSignedVarint(column.droppedTime)
        }
        options.encode(to: &writer)
        guard hasIndexes else { return }
        writer.appendVarint(UInt64(nextIndexID))
        writer.appendVarint(indexes.count)
        for index in indexes { index.encode(to: &writer) }
    }

    /// The table that `encode` wrote.
    package static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> TableSchema {
        let version = try reader.readVersion()
        guard let id = UUID(try reader.readView(16)),
            let storageID = UUID(try reader.readView(16))
        else {
            throw MalformedBytes(offset: reader.offset, expected: "a table id")
        }
        let keyspace = try reader.readText()
        let name = try reader.readText()
        let nextColumnID = UInt32(try reader.readCount(max: Int(UInt32.max)))
        var columns: [ColumnSchema] = []
        for _ in 0..<(try reader.readCount(max: reader.remaining)) {
            columns.append(
                ColumnSchema(
                    id: UInt32(try reader.readCount(max: Int(UInt32.max))),
                    name: try reader.readText(),
                    type: try reader.readType(),
                    kind: try reader.readKind(),
                    position: try reader.readCount(max: 65_535),
                    isDescending: try reader.readByte() != 0
                )
            )
        }
        var dropped: [DroppedColumn] = []
        for _ in 0..<(try reader.readCount(max: reader.remaining)) {
            dropped.append(
                DroppedColumn(
                    name: try reader.readText(),
                    type: try reader.readType(),
                    kind: try reader.readKind(),
                    droppedTime: try reader.readSignedVarint()
                )
            )
        }
        let options = try TableOptions(from: &reader)
        var nextIndexID: UInt32 = 1
        var indexes: [IndexSchema] = []
        if version == indexedVersion {
            nextIndexID = UInt32(try reader.readCount(max: Int(UInt32.max)))
            for _ in 0..<(try reader.readCount(max: reader.remaining)) {
                indexes.append(try IndexSchema(from: &reader))
            }
        }
        return TableSchema(
            id: id,
            storageID: storageID,
            keyspace: keyspace,
            name: name,
            columns: columns,
            nextColumnID: nextColumnID,
            options: options,
            droppedColumns: dropped,
            indexes: indexes,
            nextIndexID: nextIndexID
        )
    }
}

extension IndexSchema {
    fileprivate func encode(to writer: inout ByteWriter) {
        writer.appendVarint(UInt64(id))
        writer.append(text: name)
        writer.appendVarint(UInt64(column))
        writer.append(part.rawValue)
        writer.append(implementation == nil ? 0 : 1)
        if let implementation { writer.append(text: implementation) }
        writer.append(map: options)
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        let id = UInt32(try reader.readCount(max: Int(UInt32.max)))
        let name = try reader.readText()
        let column = UInt32(try reader.readCount(max: Int(UInt32.max)))
        guard let part = IndexPart(rawValue: try reader.readByte()) else {
            throw MalformedBytes(offset: reader.offset - 1, expected: "a part of a column")
        }
        let implementation = try reader.readByte() == 0 ? nil : try reader.readText()
        self.init(
            id: id,
            name: name,
            column: column,
            part: part,
            implementation: implementation,
            options: try reader.readMap()
        )
    }
}

extension TableOptions {
    /// Appends name, kind and value of each option.
    func encode(to writer: inout ByteWriter) {
        let all = all
        writer.appendVarint(all.count)
        for (name, value) in all {
            writer.append(text: name)
            switch value {
            case .text(let text):
                writer.append(0)
                writer.append(text: text)
            case .map(let map):
                writer.append(1)
                writer.append(map: map)
            case .int(let number):
                writer.append(2)
                writer.appendSignedVarint(Int64(number))
            case .double(let number):
                writer.append(3)
                writer.appendLittleEndian(number.bitPattern)
            case .boolean(let flag):
                writer.append(4)
                writer.append(flag ? 1 : 0)
            }
        }
    }

    /// Reads what `encode` wrote; options that this version doesn't know are passed over.
    init(from reader: inout ByteReader) throws(MalformedBytes) {
        self.init()
        for _ in 0..<(try reader.readCount(max: reader.remaining)) {
            let name = try reader.readText()
            let value: Value
            switch try reader.readByte() {
            case 0: value = .text(try reader.readText())
            case 1: value = .map(try reader.readMap())
            case 2: value = .int(Int32(truncatingIfNeeded: try reader.readSignedVarint()))
            case 3: value = .double(Double(bitPattern: try reader.readLittleEndian()))
            case 4: value = .boolean(try reader.readByte() != 0)
            default: throw MalformedBytes(offset: reader.offset - 1, expected: "an option's kind")
            }
            _ = set(name, value)
        }
    }
}

extension SchemaEdit {
    /// Appends the change: its kind, then its parts.
    package func encode(to writer: inout ByteWriter) {
        switch self {
        case .putKeyspace(let name, let replication, let durableWrites):
            writer.append(1)
            writer.append(text: name)
            writer.append(map: replication)
            writer.append(durableWrites ? 1 : 0)
        case .dropKeyspace(let name):
            writer.append(2)
            writer.append(text: name)
        case .putTable(let table):
            writer.append(3)
            table.encode(to: &writer)
        case .dropTable(let keyspace, let name):
            writer.append(4)
            writer.append(text: keyspace)
            writer.append(text: name)
        }
    }

    /// Reads what `encode` wrote.
    package init(from reader: inout ByteReader) throws(MalformedBytes) {
        switch try reader.readByte() {
        case 1:
            self = .putKeyspace(
                name: try reader.readText(),
                replication: try reader.readMap(),
                durableWrites: try reader.readByte() != 0
            )
        case 2: self = .dropKeyspace(name: try reader.readText())
        case 3: self = .putTable(try TableSchema.decode(from: &reader))
        case 4: self = .dropTable(keyspace: try reader.readText(), name: try reader.readText())
        default: throw MalformedBytes(offset: reader.offset - 1, expected: "a schema change")
        }
    }
}
