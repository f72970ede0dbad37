// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// One entry of an SSTable, decoded by its schema, as lines and as JSON.
struct DumpEntry {
    private let key: KeyText.Decoded
    private let content: Content

    private enum Content {
        case row(Liveness?, Deletion?, [DumpCell])
        case marker(RangeMarker)
        case partitionDeletion(Deletion)
    }

    init(_ key: ByteView, _ value: ByteView, _ keys: KeyText) throws(MalformedBytes) {
        self.key = try keys.decode(key)
        guard value.count > 0 else { throw MalformedBytes(offset: 0, expected: "a value") }
        if value[0] & EntryHeader.marker != 0 {
            content = .marker(try RangeMarker(value))
        } else if value[0] & EntryHeader.partitionDeletion != 0 {
            content = .partitionDeletion(try EntryHeader.readPartitionDeletion(value))
        } else {
            var row = try RowFragment(value)
            var cells: [DumpCell] = []
            while let cell = try row.nextCell() { cells.append(DumpCell(cell, keys.table)) }
            content = .row(row.liveness, row.deletion, cells)
        }
    }

    // MARK: Text

    /// The line above a partition's entries.
    var partitionLine: String {
        "partition " + key.partition.map(\.text).joined(separator: ", ") + "  (token \(key.token))"
    }

    /// The entry's lines.
    var lines: [String] {
        switch content {
        case .partitionDeletion(let deletion):
            return ["partition deleted \(DumpEntry.text(deletion))"]
        case .marker(let marker):
            let side = key.end == Key.endBefore ? "before" : "after"
            let change =
                switch (marker.before, marker.after) {
                case (nil, let after?): "begins, deleted \(DumpEntry.text(after))"
                case (_?, let after?): "goes on, deleted \(DumpEntry.text(after))"
                default: "ends"
                }
            return ["range deletion \(change), \(side) \(clusteringText)"]
        case .row(let liveness, let deletion, let cells):
            var head = key.kind == Key.staticRow ? "static row" : "row"
            if !key.clustering.isEmpty { head += " " + clusteringText }
            if let liveness {
                head += "  written \(Text.time(microseconds: liveness.timestamp))"
                if liveness.ttl > 0 {
                    head += ", TTL \(liveness.ttl) s until \(Text.time(seconds: liveness.expiry))"
                }
            }
            if let deletion { head += "  deleted \(DumpEntry.text(deletion))" }
            return [head] + cells.map { "  " + $0.line(rowTimestamp: liveness?.timestamp) }
        }
    }

    private var clusteringText: String {
        key.clustering.isEmpty ? "()" : key.clustering.map(\.text).joined(separator: ", ")
    }

    private static func text(_ deletion: Deletion) -> String {
        "\(Text.time(microseconds: deletion.timestamp)) (made \(Text.time(seconds: deletion.localTime)))"
    }

    // MARK: JSON

    var json: JSON {
        var members: [(String, JSON)] = [
            ("token", .integer(key.token.value)), ("partition", DumpEntry.json(key.partition)),
        ]
        switch content {
        case .partitionDeletion(let deletion):
            members.append(("kind", .text("partitionDeletion")))
            members.append(("deletion", DumpEntry.json(deletion)))
        case .marker(let marker):
            members.append(("kind", .text("rangeMarker")))
            members.append(("clustering", DumpEntry.json(key.clustering)))
            members.append(("bound", .text(key.end == Key.endBefore ? "before" : "after")))
            members.append(("deletionBefore", marker.before.map(DumpEntry.json) ?? .null))
            members.append(("deletionAfter", marker.after.map(DumpEntry.json) ?? .null))
        case .row(let liveness, let deletion, let cells):
            let isStatic = key.kind == Key.staticRow
            members.append(("kind", .text(isStatic ? "staticRow" : "row")))
            if !isStatic { members.append(("clustering", DumpEntry.json(key.clustering))) }
            if let liveness {
                var parts: [(String, JSON)] = [("timestamp", .integer(liveness.timestamp))]
                if liveness.ttl > 0 {
                    parts.append(("ttl", .count(Int(liveness.ttl))))
                    parts.append(("expiry", .integer(liveness.expiry)))
                }
                members.append(("liveness", .object(parts)))
            }
            if let deletion { members.append(("deletion", DumpEntry.json(deletion))) }
            members.append(("cells", .array(cells.map(\.json))))
        }
        return .object(members)
    }

    private static func json(_ deletion: Deletion) -> JSON {
        .object([
            ("timestamp", .integer(deletion.timestamp)),
            ("localTime", .integer(deletion.localTime)),
        ])
    }

    private static func json(_ parts: [KeyText.Part]) -> JSON {
        .object(
            parts.map { part in
                (part.name, part.value.withView { DumpEntry.json($0, part.type) })
            }
        )
    }

    /// A value as JSON: numbers and booleans as such, all else as text.
    static func json(_ value: ByteView, _ type: CQLType) -> JSON {
        let text = type.display(value)
        switch type {
        case .int, .bigint, .smallint, .tinyint, .counter, .varint:
            return value.isEmpty || text.hasPrefix("0x") ? .text(text) : .number(text)
        case .double, .float:
            let isFinite = text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || "+-.eE".utf8.contains(byte)
            }
            return isFinite && !text.isEmpty ? .number(text) : .text(text)
        case .boolean: return text == "true" || text == "false" ? .number(text) : .text(text)
        default: return .text(text)
        }
    }
}

/// One cell, with its column's name and type.
struct DumpCell {
    private let name: String
    private let flags: Cell.Flags
    private let timestamp: Int64
    private let ttl: UInt32
    private let localTime: Int64
    private let path: (value: [UInt8], type: CQLType)?
    private let value: (value: [UInt8], type: CQLType)?

    init(_ cell: Cell, _ table: TableSchema?) {
        let column = table?.columns.first { $0.id == cell.column }
        name = column?.name ?? "#\(cell.column)"
        flags = cell.flags
        timestamp = cell.timestamp
        ttl = cell.ttl
        localTime = cell.localTime
        var pathType = CQLType.blob
        var valueType = column?.type ?? .blob
        if cell.flags.contains(.path) {
            switch valueType {
            case .list(let element, _): (pathType, valueType) = (.timeuuid, element)
            case .set(let element, _): (pathType, valueType) = (element, .blob)
            case .map(let key, let element, _): (pathType, valueType) = (key, element)
            default: break
            }
            path = (cell.path.array, pathType)
        } else {
            path = nil
        }
        let isSetElement = path != nil && cell.value.isEmpty && valueType == .blob
        value = cell.flags.hasValue && !isSetElement ? (cell.value.array, valueType) : nil
    }

    /// The cell as a line; the timestamp only where it isn't the row's.
    func line(rowTimestamp: Int64?) -> String {
        var line = name
        if let path { line += "[" + path.value.withView { path.type.literal($0) } + "]" }
        if flags.contains(.collectionDeletion) { line += " all elements" }
        if let value { line += " = " + value.value.withView { value.type.literal($0) } }
        if flags.contains(.tombstone) || flags.contains(.collectionDeletion) {
            line += "  deleted"
        }
        if timestamp != rowTimestamp || !flags.hasValue {
            line += "  \(Text.time(microseconds: timestamp))"
        }
        if !flags.hasValue {
            line += " (made \(Text.time(seconds: localTime)))"
        } else if flags.contains(.expiring) {
            line += "  TTL \(ttl) s until \(Text.time(seconds: localTime))"
        }
        return line
    }

    var json: JSON {
        var members: [(String, JSON)] = [("column", .text(name))]
        if let path {
            members.append(("path", path.value.withView { DumpEntry.json($0, path.type) }))
        }
        if let value {
            members.append(("value", value.value.withView { DumpEntry.json($0, value.type) }))
        }
        members.append(("timestamp", .integer(timestamp)))
        if flags.contains(.collectionDeletion) {
            members.append(("collectionDeleted", .boolean(true)))
        }
        if flags.contains(.tombstone) { members.append(("deleted", .boolean(true))) }
        if !flags.hasValue { members.append(("localTime", .integer(localTime))) }
        if flags.hasValue, flags.contains(.expiring) {
            members.append(("ttl", .count(Int(ttl))))
            members.append(("expiry", .integer(localTime)))
        }
        return .object(members)
    }
}
