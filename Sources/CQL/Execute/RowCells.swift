// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// The time and time to live that a write gives its cells.
struct WriteTime {
    /// Microseconds since 1970.
    let timestamp: Int64
    /// Seconds since 1970, by the server's clock or the request's.
    let now: Int64
    /// Seconds; 0 when cells don't expire.
    let timeToLive: UInt32

    /// The longest time to live, in seconds: 20 years.
    static let timeToLiveMax: Int32 = 630_720_000

    var liveness: Liveness {
        Liveness(
            timestamp: timestamp,
            ttl: timeToLive,
            expiry: timeToLive == 0 ? 0 : now + Int64(timeToLive)
        )
    }

    /// A cell with a value.
    func cell(_ column: UInt32, path: ByteView? = nil, _ value: ByteView) -> Cell {
        var flags = path == nil ? Cell.Flags(rawValue: 0) : .path
        if timeToLive != 0 { flags.add(.expiring) }
        return Cell(
            column: column,
            flags: flags,
            timestamp: timestamp,
            ttl: timeToLive,
            localTime: timeToLive == 0 ? 0 : now + Int64(timeToLive),
            path: path ?? .empty,
            value: value
        )
    }

    /// The deletion of a cell.
    func tombstone(_ column: UInt32, path: ByteView? = nil) -> Cell {
        var flags = Cell.Flags.tombstone
        if path != nil { flags.add(.path) }
        return Cell(
            column: column,
            flags: flags,
            timestamp: timestamp,
            localTime: now,
            path: path ?? .empty
        )
    }

    /// The deletion of all elements that a collection had before this write.
    func collectionDeletion(_ column: UInt32, isReplaced: Bool) -> Cell {
        Cell(
            column: column,
            flags: .collectionDeletion,
            timestamp: isReplaced ? timestamp - 1 : timestamp,
            localTime: now
        )
    }
}

/// Appends the cells of one change to a row fragment.
struct CellAppender {
    let time: WriteTime
    /// Orders the list elements of writes with one timestamp.
    let sequence: UInt32
    /// The timestamp that the fragment's header fixed.
    let base: Int64

    /// Appends the cells of `change`; `row` is what the row holds now, for list elements.
    func append(
        _ change: CellChange,
        _ bindings: borrowing Bindings,
        existing row: RowImage?,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        let column = change.column
        switch change.action {
        case .set(let expression):
            try appendValue(try expression.evaluate(bindings), column, to: &writer)
        case .delete: appendDeletion(column, to: &writer)
        case .add(let expression):
            let value = try expression.evaluate(bindings)
            try value.withView { (view) throws(CQLError) in
                guard let view else { return }
                try appendElements(view, column, isPrepended: false, to: &writer)
            }
        case .prepend(let expression):
            let value = try expression.evaluate(bindings)
            try value.withView { (view) throws(CQLError) in
                guard let view else { return }
                try appendElements(view, column, isPrepended: true, to: &writer)
            }
        case .remove(let expression):
            let value = try expression.evaluate(bindings)
            try value.withView { (view) throws(CQLError) in
                guard let view else { return }
                try appendRemoval(view, column, row, to: &writer)
            }
        case .increment(let expression, let isNegative):
            try appendIncrement(try expression.evaluate(bindings), isNegative, column, to: &writer)
        case .setElement(let key, let value):
            try appendElement(key, value, column, bindings, row, to: &writer)
        case .deleteElement(let key):
            try appendElement(key, nil, column, bindings, row, to: &writer)
        }
    }

    private func put(_ cell: Cell, to writer: inout ByteWriter) {
        RowEncoder.append(cell, base: base, to: &writer)
    }

    /// What is to be added, in a cell without a node's name (`CounterIncrements`).
    private func appendIncrement(
        _ value: Evaluated,
        _ isNegative: Bool,
        _ column: ColumnSchema,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        if value.isUnset { return }
        guard let number = value.withView({ $0.flatMap { Int64(cql: $0) } }) else {
            throw .invalid("Invalid null value for counter increment of column \(column.name)")
        }
        guard !isNegative || number != .min else {
            throw .invalid(
                "The negation of \(number) overflows supported counter precision (signed 8 bytes integer)"
            )
        }
        ValueCoding.int64(isNegative ? -number : number).withView {
            put(time.cell(column.id, path: .empty, $0), to: &writer)
        }
    }

    private func appendDeletion(_ column: ColumnSchema, to writer: inout ByteWriter) {
        if column.type.isMultiCell {
            put(time.collectionDeletion(column.id, isReplaced: false), to: &writer)
        } else {
            put(time.tombstone(column.id), to: &writer)
        }
    }

    private func appendValue(
        _ value: Evaluated,
        _ column: ColumnSchema,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        if value.isUnset { return }
        try value.withView { (view) throws(CQLError) in
            guard let view else { return appendDeletion(column, to: &writer) }
            guard column.type.isMultiCell else {
                return put(time.cell(column.id, view), to: &writer)
            }
            put(time.collectionDeletion(column.id, isReplaced: true), to: &writer)
            try appendElements(view, column, isPrepended: false, to: &writer)
        }
    }

    // MARK: Collections

    private func appendElements(
        _ collection: ByteView,
        _ column: ColumnSchema,
        isPrepended: Bool,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        var path = ByteWriter(capacity: 32)
        switch column.type {
        case .map(let key, let value, _):
            for entry in try CollectionCells.sorted(CQLType.entries(of: collection), key) {
                if let reason = value.validate(entry.value) { throw .invalid(reason) }
                path.removeAll()
                OrderedEncoding.append(entry.key, type: key, descending: false, to: &path)
                put(time.cell(column.id, path: path.view, entry.value), to: &writer)
            }
        case .set(let element, _):
            let values = try CQLType.elements(of: collection)
            for entry in CollectionCells.sorted(values.map { ($0, $0) }, element) {
                path.removeAll()
                OrderedEncoding.append(entry.key, type: element, descending: false, to: &path)
                put(time.cell(column.id, path: path.view, .empty), to: &writer)
            }
        case .list:
            let values = try CQLType.elements(of: collection)
            let list = isPrepended
                ? ListPath(prependedAt: time.timestamp, sequence: sequence)
                : ListPath(appendedAt: time.timestamp, sequence: sequence)
            for (index, value) in values.enumerated() {
                path.removeAll()
                list.append(index, to: &path)
                put(time.cell(column.id, path: path.view, value), to: &writer)
            }
        default: break
        }
    }

    private func appendRemoval(
        _ collection: ByteView,
        _ column: ColumnSchema,
        _ row: RowImage?,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        var path = ByteWriter(capacity: 32)
        switch column.type {
        case .map(let type, _, _), .set(let type, _):
            let values = try CQLType.elements(of: collection)
            for entry in CollectionCells.sorted(values.map { ($0, $0) }, type) {
                path.removeAll()
                OrderedEncoding.append(entry.key, type: type, descending: false, to: &path)
                put(time.tombstone(column.id, path: path.view), to: &writer)
            }
        case .list:
            let removed = try CQLType.elements(of: collection).map(\.array)
            for element in row?.elements(of: column) ?? [] where removed.contains(element.value) {
                element.path.withView { put(time.tombstone(column.id, path: $0), to: &writer) }
            }
        default: break
        }
    }

    private func appendElement(
        _ key: Expression,
        _ value: Expression?,
        _ column: ColumnSchema,
        _ bindings: borrowing Bindings,
        _ row: RowImage?,
        to writer: inout ByteWriter
    ) throws(CQLError) {
        let keyBytes = try key.required(column.name, bindings)
        var path = ByteWriter(capacity: 32)
        switch column.type {
        case .map(let type, _, _), .set(let type, _):
            keyBytes.withView {
                OrderedEncoding.append($0, type: type, descending: false, to: &path)
            }
        default:
            guard let index = keyBytes.withView({ Int32(cql: $0) }) else { return }
            let elements = row?.elements(of: column) ?? []
            guard !elements.isEmpty || value == nil else {
                throw .invalid("Attempted to set an element on a list which is null")
            }
            if elements.isEmpty { return }
            guard index >= 0, Int(index) < elements.count else {
                throw .invalid(
                    "List index \(index) out of bound, list \(column.name) has size \(elements.count)"
                )
            }
            path.append(elements[Int(index)].path)
        }
        guard let value else { return put(time.tombstone(column.id, path: path.view), to: &writer) }
        let evaluated = try value.evaluate(bindings)
        if evaluated.isUnset { return }
        evaluated.withView { view in
            guard let view else {
                return put(time.tombstone(column.id, path: path.view), to: &writer)
            }
            put(time.cell(column.id, path: path.view, view), to: &writer)
        }
    }
}

/// Helps with the order of collections' cells.
enum CollectionCells {
    /// Entries in their keys' order; of equal keys the last counts.
    static func sorted(
        _ entries: [(key: ByteView, value: ByteView)],
        _ type: CQLType
    ) -> [(key: ByteView, value: ByteView)] {
        var isSorted = true
        for index in entries.indices.dropFirst()
        where type.compare(entries[index - 1].key, entries[index].key) >= 0 {
            isSorted = false
        }
        if isSorted { return entries }
        let ordered = entries.enumerated().sorted {
            let order = type.compare($0.element.key, $1.element.key)
            return order != 0 ? order < 0 : $0.offset < $1.offset
        }
        var unique: [(key: ByteView, value: ByteView)] = []
        for (_, entry) in ordered {
            if let last = unique.last, type.compare(last.key, entry.key) == 0 {
                unique.removeLast()
            }
            unique.append(entry)
        }
        return unique
    }
}
