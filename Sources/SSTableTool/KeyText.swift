// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model
internal import Storage

/// Decodes the keys of an SSTable by the schema that it holds.
struct KeyText {
    /// The table; nil when the file's schema can't be read.
    let table: TableSchema?

    init(_ reader: SSTableReader) { self.init(schema: reader.schema) }

    /// Of the schema as a file has it; bytes that are none leave keys as they are.
    init(schema: [UInt8]) {
        table = schema.withView { view in
            var reader = ByteReader(view)
            return try? TableSchema.decode(from: &reader)
        }
    }

    /// A value with the column whose it is.
    struct Part {
        let name: String
        let type: CQLType
        let value: [UInt8]

        /// As people read it: `id=1`.
        var text: String { name + "=" + value.withView { type.literal($0) } }
    }

    /// A decoded key.
    struct Decoded {
        let token: Token
        let partition: [Part]
        /// The kind byte.
        let kind: UInt8
        let clustering: [Part]
        /// The end byte of a clustered key.
        let end: UInt8
    }

    /// The parts of a key.
    func decode(_ key: ByteView) throws(MalformedBytes) -> Decoded {
        guard let table else { throw MalformedBytes(offset: 0, expected: "a schema") }
        var reader = ByteReader(key)
        var writer = ByteWriter()
        let token = try Key.readPartitionKey(from: &reader, into: &writer)
        let values = try Key.splitPartitionKey(writer.view, count: table.partitionKey.count)
        let partition = zip(table.partitionKey, values).map { column, value in
            Part(name: column.name, type: column.type, value: value.array)
        }
        let kind = try reader.readByte()
        var clustering: [Part] = []
        var end: UInt8 = 0
        if kind == Key.clustered {
            for column in table.clustering {
                end = try reader.readByte()
                guard end == Key.component || end == Key.componentEmpty else { break }
                writer.removeAll()
                if end == Key.component {
                    try OrderedEncoding.decode(
                        column.type,
                        descending: column.isDescending,
                        from: &reader,
                        into: &writer
                    )
                }
                end = 0
                clustering.append(
                    Part(name: column.name, type: column.type, value: writer.array)
                )
            }
            if end == 0 { end = try reader.readByte() }
        }
        return Decoded(
            token: token,
            partition: partition,
            kind: kind,
            clustering: clustering,
            end: end
        )
    }

    /// A key as people read it; as far as it can be decoded, else its bytes.
    func describe(_ key: [UInt8]) -> String {
        key.withView { view in
            if let key = try? decode(view) {
                var parts = key.partition.map(\.text)
                switch key.kind {
                case Key.staticRow: parts.append("(static)")
                case Key.partitionDeletion: parts.append("(partition deletion)")
                default: parts += key.clustering.map(\.text)
                }
                if key.end == Key.endBefore { parts.append("(bound before)") }
                if key.end == Key.endAfter { parts.append("(bound after)") }
                return parts.joined(separator: ", ")
            }
            if let partition = partition(view) { return partition }
            guard view.count < 8 else {
                return "token \(Key.token(of: view)), bytes \(CQLType.hex(view.dropFirst(8)))"
            }
            // An index key may be shorter than a token: what follows it begins with zeros at least.
            let padded = view.array + [UInt8](repeating: 0, count: 8 - view.count)
            return "token \(padded.withView { Key.token(of: $0) })"
        }
    }

    /// The partition part of a key alone, or of its beginning (an index key).
    private func partition(_ view: ByteView) -> String? {
        guard let table else { return nil }
        var reader = ByteReader(view)
        var writer = ByteWriter()
        guard (try? Key.readPartitionKey(from: &reader, into: &writer)) != nil,
            let values = try? Key.splitPartitionKey(writer.view, count: table.partitionKey.count)
        else { return nil }
        var parts = zip(table.partitionKey, values).map { column, value in
            column.name + "=" + column.type.literal(value)
        }
        if !reader.isAtEnd { parts.append("…") }
        return parts.joined(separator: ", ")
    }

    /// The partition part of the keys that have these values in their partition key.
    func partitionPrefix(_ values: [String]) throws -> [UInt8] {
        guard let table else { throw SSTableLocator.Failure(description: "the schema is damaged") }
        let columns = table.partitionKey
        guard values.count == columns.count else {
            let names = columns.map(\.name).joined(separator: ", ")
            throw SSTableLocator.Failure(
                description: "the partition key of \(table.keyspace).\(table.name) is (\(names)): "
                    + "give --key \(columns.count) times, not \(values.count)"
            )
        }
        var partitionKey = ByteWriter()
        for (column, text) in zip(columns, values) {
            let value = try column.type.parse(text: text)
            value.withView { view in
                if columns.count == 1 {
                    partitionKey.append(view)
                } else {
                    Key.appendCompositePart(view, to: &partitionKey)
                }
            }
        }
        var key = ByteWriter()
        Key.appendPartition(partitionKey.view, to: &key)
        return key.array
    }
}
