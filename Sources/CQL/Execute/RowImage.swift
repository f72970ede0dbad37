// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model

/// What a row's cells hold at one moment: the values of columns by id, collections put together.
///
/// An owned copy, for conditions, filters over few rows and read-before-write. The result path of
/// SELECT uses `RowDecoder`, which copies nothing.
struct RowImage {
    struct Element {
        let path: [UInt8]
        let value: [UInt8]
    }

    /// Whether the row is there: it was inserted or has a live cell.
    private(set) var exists = false
    private var cells: [UInt32: [UInt8]] = [:]
    private var collections: [UInt32: [Element]] = [:]

    /// The image of a fragment at `now` (seconds since 1970); nil as fragment is a row that isn't.
    init(_ fragment: ByteView?, now: Int64) throws(MalformedBytes) {
        guard let fragment else { return }
        var reader = try RowFragment(fragment)
        exists = reader.liveness?.isLive(at: now) ?? false
        while let cell = try reader.nextCell() {
            guard cell.isLive(at: now) else { continue }
            exists = true
            if cell.flags.contains(.path) {
                let element = Element(path: cell.path.array, value: cell.value.array)
                collections[cell.column, default: []].append(element)
            } else {
                cells[cell.column] = cell.value.array
            }
        }
    }

    /// The elements of a collection in their order.
    func elements(of column: ColumnSchema) -> [Element] { collections[column.id] ?? [] }

    /// The serialized value of a column; nil for null.
    func value(of column: ColumnSchema) -> [UInt8]? {
        guard column.type.isMultiCell else { return cells[column.id] }
        guard let elements = collections[column.id], !elements.isEmpty else { return nil }
        var writer = ByteWriter(capacity: 64)
        var assembler = CollectionAssembler(column.type, at: &writer)
        for element in elements {
            element.path.withView { path in
                element.value.withView { assembler.add(path: path, value: $0, to: &writer) }
            }
        }
        assembler.finish(&writer)
        return writer.array
    }
}

/// Puts a collection or a counter together from its cells, in the native protocol's form.
struct CollectionAssembler {
    private let type: CQLType
    private let start: Int
    private var count: Int32 = 0
    private var sum: Int64 = 0

    /// Begins at the writer's end.
    init(_ type: CQLType, at writer: inout ByteWriter) {
        self.type = type
        start = writer.count
        if type != .counter { writer.appendBigEndian(Int32(0)) }
    }

    /// Adds the next element, in the order of paths.
    mutating func add(path: ByteView, value: ByteView, to writer: inout ByteWriter) {
        count += 1
        switch type {
        case .map(let key, _, _):
            appendPath(path, key, to: &writer)
            appendBytes(value, to: &writer)
        case .set(let element, _): appendPath(path, element, to: &writer)
        case .counter: sum &+= Int64(cql: value) ?? 0
        default: appendBytes(value, to: &writer)
        }
    }

    /// Completes a collection by its count; a counter is the sum of what each node has counted.
    func finish(_ writer: inout ByteWriter) {
        guard type != .counter else { return writer.appendBigEndian(sum) }
        writer.putBigEndian(count, at: start)
    }

    private func appendBytes(_ bytes: ByteView, to writer: inout ByteWriter) {
        writer.appendBigEndian(Int32(truncatingIfNeeded: bytes.count))
        writer.append(bytes)
    }

    private func appendPath(_ path: ByteView, _ type: CQLType, to writer: inout ByteWriter) {
        let lengthOffset = writer.count
        writer.appendBigEndian(Int32(0))
        var reader = ByteReader(path)
        // The path was encoded by this node and its block's checksum has been checked.
        try? OrderedEncoding.decode(type, descending: false, from: &reader, into: &writer)
        let length = writer.count - lengthOffset - 4
        writer.putBigEndian(Int32(truncatingIfNeeded: length), at: lengthOffset)
    }
}
