// SPDX-License-Identifier: Apache-2.0

internal import Bytes

// Statistics on disk: fields in any order, each
//
//     field = id (varint) size (varint) content
//
// A reader passes over fields that it doesn't know, and a field that is missing has its default.

/// The ids of the fields.
///
/// An id is never used again for something else.
private enum Field: UInt64 {
    case counts = 1
    case columnCellCounts = 2
    case times = 3
    case ttl = 4
    case firstKey = 5
    case lastKey = 6
    case minClustering = 7
    case maxClustering = 8
    case partitionRowHistogram = 9
    case partitionBytesHistogram = 10
    case largestPartitions = 11
    case sizes = 12
    case settings = 13
    case origin = 14
    case createdBy = 15
    case dictionary = 16
    case columnRanges = 17
    case deadEntries = 20
}

extension SSTableStatistics {
    /// Appends all fields.
    func encode(to writer: inout ByteWriter) {
        var field = ByteWriter(capacity: 256)
        func put(_ id: Field, _ writer: inout ByteWriter, _ field: inout ByteWriter) {
            writer.appendVarint(id.rawValue)
            writer.appendLengthPrefixed(field.view)
            field.removeAll()
        }
        for path in SSTableStatistics.countPaths { field.appendVarint(self[keyPath: path]) }
        put(.counts, &writer, &field)
        for (column, count) in columnCellCounts.sorted(by: { $0.key < $1.key }) {
            field.appendVarint(UInt64(column))
            field.appendVarint(count)
        }
        put(.columnCellCounts, &writer, &field)
        for time in [minTimestamp, maxTimestamp, minLocalTime, maxLocalTime] {
            field.appendSignedVarint(time)
        }
        put(.times, &writer, &field)
        field.appendVarint(UInt64(minTTL))
        field.appendVarint(UInt64(maxTTL))
        put(.ttl, &writer, &field)
        for (id, bytes) in [
            (Field.firstKey, firstKey), (.lastKey, lastKey), (.minClustering, minClustering),
            (.maxClustering, maxClustering),
        ] {
            field.append(bytes)
            put(id, &writer, &field)
        }
        for bucket in partitionRowHistogram.buckets { field.appendVarint(bucket) }
        put(.partitionRowHistogram, &writer, &field)
        for bucket in partitionBytesHistogram.buckets { field.appendVarint(bucket) }
        put(.partitionBytesHistogram, &writer, &field)
        for size in largestPartitions {
            field.appendVarint(size.partition.count)
            field.append(size.partition)
            field.appendVarint(size.byteCount)
            field.appendVarint(size.rowCount)
        }
        put(.largestPartitions, &writer, &field)
        for path in SSTableStatistics.sizePaths { field.appendVarint(self[keyPath: path]) }
        put(.sizes, &writer, &field)
        field.append(codec.rawValue)
        field.appendVarint(blockCount)
        field.appendLittleEndian(filterFalsePositiveChance.bitPattern)
        field.appendVarint(filterProbeCount)
        put(.settings, &writer, &field)
        field.append(origin.rawValue)
        field.appendVarint(level)
        field.appendSignedVarint(createdAt)
        field.appendVarint(identity)
        put(.origin, &writer, &field)
        field.append(utf8: createdBy)
        put(.createdBy, &writer, &field)
        if dictionarySampleCount > 0 {
            field.appendVarint(dictionarySampleCount)
            put(.dictionary, &writer, &field)
        }
        if let columnRanges {
            columnRanges.append(to: &field)
            put(.columnRanges, &writer, &field)
        }
        if let deadEntries {
            field.appendVarint(deadEntries.blockCount)
            field.appendVarint(deadEntries.runMax)
            put(.deadEntries, &writer, &field)
        }
    }

    /// Reads what `encode` wrote.
    init(_ view: ByteView) throws(MalformedBytes) {
        self.init()
        var reader = ByteReader(view)
        while !reader.isAtEnd {
            let id = try reader.readVarint()
            let content = try reader.readLengthPrefixed()
            guard let field = Field(rawValue: id) else { continue }
            try read(field, content)
        }
    }

    private mutating func read(_ id: Field, _ content: ByteView) throws(MalformedBytes) {
        var field = ByteReader(content)
        switch id {
        case .counts:
            for path in SSTableStatistics.countPaths { self[keyPath: path] = try field.readSize() }
        case .columnCellCounts:
            while !field.isAtEnd {
                let column = UInt32(try field.readCount(max: Int(UInt32.max)))
                columnCellCounts[column] = try field.readSize()
            }
        case .times:
            minTimestamp = try field.readSignedVarint()
            maxTimestamp = try field.readSignedVarint()
            minLocalTime = try field.readSignedVarint()
            maxLocalTime = try field.readSignedVarint()
        case .ttl:
            minTTL = UInt32(try field.readCount(max: Int(UInt32.max)))
            maxTTL = UInt32(try field.readCount(max: Int(UInt32.max)))
        case .firstKey: firstKey = content.array
        case .lastKey: lastKey = content.array
        case .minClustering: minClustering = content.array
        case .maxClustering: maxClustering = content.array
        case .partitionRowHistogram: partitionRowHistogram = try field.readHistogram()
        case .partitionBytesHistogram: partitionBytesHistogram = try field.readHistogram()
        case .largestPartitions: largestPartitions = try field.readPartitionSizes()
        case .sizes:
            for path in SSTableStatistics.sizePaths { self[keyPath: path] = try field.readSize() }
        case .settings: try readSettings(&field)
        case .origin:
            let raw = try field.readByte()
            guard let origin = SSTableOrigin(rawValue: raw) else {
                throw MalformedBytes(offset: 0, expected: "an origin, not \(raw)")
            }
            self.origin = origin
            level = try field.readCount(max: 255)
            createdAt = try field.readSignedVarint()
            identity = try field.readVarint()
        case .createdBy: createdBy = String(decoding: content.buffer, as: UTF8.self)
        case .dictionary: dictionarySampleCount = try field.readSize()
        case .columnRanges: columnRanges = try ColumnRanges(content)
        case .deadEntries:
            var found = DeadEntries()
            found.blockCount = try field.readSize()
            found.runMax = try field.readSize()
            deadEntries = found
        }
    }

    private mutating func readSettings(_ field: inout ByteReader) throws(MalformedBytes) {
        let raw = try field.readByte()
        guard let codec = Codec(rawValue: raw) else {
            throw MalformedBytes(offset: 0, expected: "a codec, not \(raw)")
        }
        self.codec = codec
        blockCount = try field.readSize()
        filterFalsePositiveChance = Double(bitPattern: try field.readLittleEndian())
        filterProbeCount = try field.readCount(max: FilterShape.probeCountMax)
    }

    /// The numbers of the field `counts`, in order.
    private static var countPaths: [WritableKeyPath<SSTableStatistics, Int>] {
        [
            \.partitionCount, \.entryCount, \.rowCount, \.staticRowCount, \.cellCount,
            \.expiringCellCount, \.expiringRowCount, \.cellTombstoneCount,
            \.collectionDeletionCount, \.rowDeletionCount, \.rangeMarkerCount,
            \.partitionDeletionCount, \.permanentCount,
        ]
    }

    /// The numbers of the field `sizes`, in order.
    private static var sizePaths: [WritableKeyPath<SSTableStatistics, Int>] {
        [
            \.rawCount, \.regionCount, \.dataBlockCount, \.indexBlockCount, \.uncompressedCount,
            \.storedCount,
        ]
    }
}

extension ByteReader {
    /// Reads a size or count below 2^62, so that sums don't overflow.
    fileprivate mutating func readSize() throws(MalformedBytes) -> Int {
        try readCount(max: (1 << 62) - 1)
    }

    fileprivate mutating func readHistogram() throws(MalformedBytes) -> SizeHistogram {
        var buckets: [Int] = []
        while !isAtEnd, buckets.count < 64 { buckets.append(try readSize()) }
        return SizeHistogram(buckets: buckets)
    }

    fileprivate mutating func readPartitionSizes() throws(MalformedBytes) -> [PartitionSize] {
        var sizes: [PartitionSize] = []
        while !isAtEnd {
            let partition = try readLengthPrefixed().array
            let byteCount = try readSize()
            let rowCount = try readSize()
            sizes.append(
                PartitionSize(partition: partition, byteCount: byteCount, rowCount: rowCount)
            )
        }
        return sizes
    }
}
