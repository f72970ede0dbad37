// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// Entries of an SSTable, in the order of their keys, and files made of them.
struct FormatEntries {
    let entries: [(key: [UInt8], value: [UInt8])]
    /// Bytes of keys and values.
    let count: Int

    /// A write timestamp, in microseconds.
    static let moment: Int64 = 1_750_000_000_000_000

    /// Each value as a row of a partition of its own.
    init(partitions values: [[UInt8]]) {
        var entries: [(key: [UInt8], value: [UInt8])] = []
        entries.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            entries.append((FormatEntries.key("row-\(index)", nil), value))
        }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        self.init(entries)
    }

    /// Each value as a row of one partition.
    init(clustered values: [[UInt8]]) {
        self.init(
            values.enumerated().map { (FormatEntries.key("partition", UInt32($0)), $1) }
        )
    }

    private init(_ entries: [(key: [UInt8], value: [UInt8])]) {
        self.entries = entries
        count = entries.reduce(0) { $0 + $1.key.count + $1.value.count }
    }

    private static func key(_ partition: String, _ clustering: UInt32?) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        Array(partition.utf8).withView { Key.appendPartition($0, to: &writer) }
        writer.append(Key.clustered)
        if let clustering {
            writer.append(Key.component)
            writer.appendBigEndian(clustering)
        }
        writer.append(Key.endRow)
        return writer.array
    }

    /// Writes a file; an old one of the name goes.
    func write(_ path: String, _ options: SSTableWriterOptions) throws -> SSTableReader {
        let fileSystem = POSIXFileSystem()
        if try fileSystem.kind(path) != nil { try fileSystem.remove(path) }
        let writer = try SSTableWriter(fileSystem: fileSystem, path: path, options: options)
        for entry in entries {
            try entry.key.withView { key in
                try entry.value.withView { try writer.add(key: key, value: $0) }
            }
        }
        _ = try writer.finish()
        return try SSTableReader.open(fileSystem: fileSystem, path: path)
    }
}

/// Makes rows of cells.
enum FormatRow {
    /// A cell with its bytes.
    struct CellBytes {
        var column: UInt32
        var flags = Cell.Flags(rawValue: 0)
        var ttl: UInt32 = 0
        var path: [UInt8] = []
        var value: [UInt8] = []
    }

    static func encode(_ cells: [CellBytes], ttl: UInt32 = 0) -> [UInt8] {
        let moment = FormatEntries.moment
        let second = moment / 1_000_000
        let liveness = Liveness(
            timestamp: moment,
            ttl: ttl,
            expiry: ttl == 0 ? 0 : second + Int64(ttl)
        )
        var writer = ByteWriter(capacity: 256)
        RowEncoder.begin(liveness: liveness, to: &writer)
        for cell in cells {
            cell.path.withView { path in
                cell.value.withView { value in
                    let encoded = Cell(
                        column: cell.column,
                        flags: cell.flags,
                        timestamp: moment,
                        ttl: cell.ttl,
                        localTime: cell.flags.hasLocalTime ? second + Int64(cell.ttl) : 0,
                        path: path,
                        value: value
                    )
                    RowEncoder.append(encoded, base: moment, to: &writer)
                }
            }
        }
        return writer.array
    }

    /// Reads all cells of all rows of a file; how many there are.
    static func scan(_ reader: SSTableReader) throws -> Int {
        let cursor = SSTableCursor(reader, source: SequentialBlocks())
        var count = 0
        try cursor.seekToFirst()
        while cursor.isValid {
            var row = try RowFragment(cursor.value)
            while try row.nextCell() != nil { count += 1 }
            try cursor.next()
        }
        return count
    }
}
