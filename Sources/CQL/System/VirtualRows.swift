// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model
internal import Storage

/// Collects the rows of a virtual table in a memtable, so that the way of every SELECT leads over
/// them: keys, filters, paging.
struct VirtualRows {
    /// One row: serialized values by column; columns that aren't named are null.
    typealias Row = [String: [UInt8]]

    private let table: TableSchema
    private var entries: [(key: [UInt8], value: [UInt8])] = []

    init(_ table: TableSchema) { self.table = table }

    /// Adds a row, which has a value for every column of the primary key.
    mutating func append(_ row: Row) {
        var writer = ByteWriter()
        appendKey(row, to: &writer)
        let key = writer.array
        writer.removeAll()
        RowEncoder.begin(liveness: Liveness(timestamp: 1), to: &writer)
        let columns = (table.statics + table.regulars).sorted { $0.id < $1.id }
        for column in columns {
            guard let value = row[column.name] else { continue }
            if column.type.isMultiCell {
                appendElements(value, column, to: &writer)
            } else {
                value.withView { view in
                    let cell = Cell(column: column.id, flags: [], timestamp: 1, value: view)
                    RowEncoder.append(cell, base: 1, to: &writer)
                }
            }
        }
        entries.append((key, writer.array))
    }

    /// The rows in a memtable of their own.
    func memtable() -> Memtable {
        let size = entries.reduce(0) { $0 + 3 * $1.key.count + 2 * $1.value.count + 512 }
        let memtable = Memtable(capacity: size + (64 << 10))
        for entry in entries {
            entry.key.withView { key in
                entry.value.withView { value in
                    do {
                        let fits = try memtable.apply(key: key, value: value)
                        invariant(fits, "the rows of a system table were counted too small")
                    } catch {
                        invariantFailure("a row of \(table.keyspace).\(table.name): \(error)")
                    }
                }
            }
        }
        return memtable
    }

    private func appendKey(_ row: Row, to writer: inout ByteWriter) {
        var partitionKey = ByteWriter()
        for column in table.partitionKey {
            (row[column.name] ?? []).withView { value in
                if table.partitionKey.count == 1 {
                    partitionKey.append(value)
                } else {
                    Key.appendCompositePart(value, to: &partitionKey)
                }
            }
        }
        Key.appendPartition(partitionKey.view, to: &writer)
        writer.append(Key.clustered)
        for column in table.clustering {
            let value = row[column.name] ?? []
            if value.isEmpty {
                writer.append(Key.componentEmpty)
                continue
            }
            writer.append(Key.component)
            value.withView {
                OrderedEncoding.append(
                    $0,
                    type: column.type,
                    descending: column.isDescending,
                    to: &writer
                )
            }
        }
        writer.append(Key.endRow)
    }

    /// Appends the elements of a set as cells, each named by its ordered encoding.
    private func appendElements(
        _ value: [UInt8],
        _ column: ColumnSchema,
        to writer: inout ByteWriter
    ) {
        guard case .set(let type, _) = column.type else {
            invariantFailure("\(column.name): of virtual tables' collections only sets are filled")
        }
        value.withView { view in
            var reader = ByteReader(view)
            var path = ByteWriter()
            let count: Int32 = (try? reader.readBigEndian()) ?? 0
            for _ in 0..<count {
                guard let length: Int32 = try? reader.readBigEndian(),
                    let element = try? reader.readView(Int(length))
                else { return }
                path.removeAll()
                OrderedEncoding.append(element, type: type, descending: false, to: &path)
                let cell = Cell(column: column.id, flags: .path, timestamp: 1, path: path.view)
                RowEncoder.append(cell, base: 1, to: &writer)
            }
        }
    }
}
