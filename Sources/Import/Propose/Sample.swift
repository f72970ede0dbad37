// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// What the first records of a file say about its fields.
struct Sample {
    /// One field.
    struct Column {
        let name: String
        var inference = TypeInference()
        /// A hash of each record's value; 0 is null.
        var hashes: [UInt64] = []

        init(name: String) { self.name = name }

        /// The type that the values have.
        var type: CQLType { inference.type }
    }

    private(set) var columns: [Column] = []
    /// How many records were looked at.
    private(set) var recordCount = 0
    /// Whether the file goes on behind the sample.
    private(set) var isPartial = false

    /// A sample holds at most this many bytes of records.
    private static let sizeMax = 64 << 20

    /// Reads up to `count` records; `header` is the names of CSV's fields, nil for JSON.
    init(
        _ reader: RecordReader,
        header: [String]?,
        nulls: NullTexts,
        count: Int
    ) throws(ImportError) {
        columns = header?.map { Column(name: $0) } ?? []
        let start = reader.offset
        while true {
            if recordCount == count || reader.offset - start > Sample.sizeMax {
                isPartial = true
                break
            }
            let outcome = try reader.next()
            if outcome == .end { break }
            guard outcome == .record else { continue }
            if header == nil {
                while columns.count < reader.names.count { addColumn(reader.names[columns.count]) }
            } else if reader.fields.pointee.count != columns.count {
                continue
            }
            observe(reader.fields, nulls)
        }
        for index in columns.indices { pad(index) }
    }

    private mutating func addColumn(_ name: String) {
        columns.append(Column(name: name))
        pad(columns.count - 1)
    }

    /// Fills in nulls for the records that came before the field's first.
    private mutating func pad(_ index: Int) {
        while columns[index].hashes.count < recordCount { columns[index].hashes.append(0) }
    }

    private mutating func observe(_ fields: UnsafeMutablePointer<FieldList>, _ nulls: NullTexts) {
        for index in columns.indices {
            let kind = fields.pointee.kind(index)
            guard kind != .absent, kind != .null else {
                columns[index].hashes.append(0)
                continue
            }
            let view = fields.pointee.view(index)
            guard kind == .composite || !nulls.contains(view) else {
                columns[index].hashes.append(0)
                continue
            }
            columns[index].inference.observe(view, kind: kind)
            columns[index].hashes.append(Checksum.xxh3(view) | 1)
        }
        recordCount += 1
    }

    /// How many records have no value for a column.
    func nullCount(_ column: Int) -> Int {
        recordCount - columns[column].inference.valueCount
    }

    /// How many records share their values of `columns` with an earlier one.
    func duplicateCount(_ indices: [Int]) -> Int {
        var seen: Set<UInt64> = []
        seen.reserveCapacity(recordCount)
        return (0..<recordCount).count { !seen.insert(combinedHash($0, indices)).inserted }
    }

    /// A hash over some columns of a record.
    func combinedHash(_ record: Int, _ indices: [Int]) -> UInt64 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        for index in indices {
            hash = (hash ^ columns[index].hashes[record]) &* 0xFF51_AFD7_ED55_8CCD
            hash ^= hash >> 32
        }
        return hash
    }
}
