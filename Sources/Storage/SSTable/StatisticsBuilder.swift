// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Model

/// Gathers `SSTableStatistics` while entries pass in key order.
///
/// Used by writer and verifier alike.
struct StatisticsBuilder {
    /// What was gathered up to the last `endPartition`.
    private(set) var statistics = SSTableStatistics()

    /// The partition that is being read.
    private var partitionLength = 0
    private var partitionRows = 0
    private var partitionBytes = 0
    private var partitionHasClustering = false
    /// How many entries up to here are nothing but deletions, without another one between.
    private var deadRun = 0
    private var deadEntries = DeadEntries()
    /// By column id; at least as many as `addPlainCells` counts without looking.
    private var columnCounts = [Int](repeating: 0, count: 128)
    private var ranges = ColumnRangeBuilder()

    private static let largestPartitionsMax = 10
    /// Column ids from here on are not counted one by one.
    private static let columnCountMax = 4096

    init() {}

    /// Also gathers the ranges of the columns of a table, as `TableSchema.encode` writes it.
    init(schema: [UInt8]) { ranges = ColumnRangeBuilder(schema: schema) }

    /// The length of the partition part of the current partition's keys; 0 before the first.
    var currentPartitionLength: Int { partitionLength }

    /// Begins a partition whose first key is `key`.
    mutating func beginPartition(_ key: ByteView) {
        partitionLength = Key.partitionLength(of: key)
        partitionRows = 0
        partitionBytes = 0
        partitionHasClustering = false
        statistics.partitionCount += 1
    }

    /// Ends the partition whose last key is `lastKey`.
    mutating func endPartition(lastKey: ByteView) {
        // The key is another partition's when the last entry of this one was malformed.
        guard partitionLength > 0, lastKey.count > partitionLength else { return }
        if partitionHasClustering {
            let clustering = lastKey.dropFirst(partitionLength + 1)
            let isGreater = statistics.maxClustering.withView { clustering.compare($0) > 0 }
            if isGreater { statistics.maxClustering = clustering.array }
        }
        statistics.partitionRowHistogram.add(partitionRows)
        statistics.partitionBytesHistogram.add(partitionBytes)
        noteSize(lastKey.prefix(partitionLength))
        partitionLength = 0
    }

    private mutating func noteSize(_ partition: ByteView) {
        let count = statistics.largestPartitions.count
        if count == StatisticsBuilder.largestPartitionsMax {
            guard partitionBytes > statistics.largestPartitions[count - 1].byteCount else { return }
            statistics.largestPartitions.removeLast()
        }
        let size = PartitionSize(
            partition: partition.array,
            byteCount: partitionBytes,
            rowCount: partitionRows
        )
        let place = statistics.largestPartitions.firstIndex { $0.byteCount < partitionBytes }
        statistics.largestPartitions.insert(
            size,
            at: place ?? statistics.largestPartitions.count
        )
    }

    /// Counts an entry of the current partition and tells what it is.
    mutating func add(key: ByteView, value: ByteView) throws(MalformedBytes) -> EntryFacts {
        let facts = try count(key: key, value: value)
        deadRun = facts.isDead ? deadRun + 1 : 0
        if deadRun > deadEntries.runMax { deadEntries.runMax = deadRun }
        return facts
    }

    /// Ends a data block with what its index entry says.
    mutating func endBlock(_ entry: IndexEntry) {
        if entry.deadEntryCount > 0, entry.deadEntryCount >= entry.entryCount - entry.deadEntryCount
        {
            deadEntries.blockCount += 1
        }
    }

    /// Whether ranges of columns are gathered.
    var gathersRanges: Bool { !ranges.isEmpty }

    /// Ends an index block with the ranges of the columns in it.
    mutating func endIndexBlock() -> ColumnRanges { ranges.endPart() }

    private mutating func count(
        key: ByteView,
        value: ByteView
    ) throws(MalformedBytes) -> EntryFacts {
        guard key.count > partitionLength, value.count > 0 else {
            throw MalformedBytes(offset: 0, expected: "a key with a kind and a value with a header")
        }
        statistics.entryCount += 1
        statistics.rawCount += key.count + value.count
        partitionBytes += key.count + value.count
        let kind = key[partitionLength]
        if kind == Key.clustered, !partitionHasClustering {
            noteFirstClustering(key.dropFirst(partitionLength + 1))
        }
        let header = value[0]
        if header & EntryHeader.marker != 0 { return try addMarker(value) }
        if header & EntryHeader.partitionDeletion != 0 {
            let deletion = try EntryHeader.readPartitionDeletion(value)
            statistics.partitionDeletionCount += 1
            note(deletion)
            return EntryFacts(
                kind: .partitionDeletion,
                tombstoneCount: 1,
                maxTimestamp: deletion.timestamp
            )
        }
        return try addRow(value, isStatic: kind == Key.staticRow)
    }

    private mutating func noteFirstClustering(_ clustering: ByteView) {
        partitionHasClustering = true
        let isLess =
            statistics.minClustering.isEmpty
            || statistics.minClustering.withView { clustering.compare($0) < 0 }
        if isLess { statistics.minClustering = clustering.array }
    }

    private mutating func addMarker(_ value: ByteView) throws(MalformedBytes) -> EntryFacts {
        let marker = try RangeMarker(value)
        var facts = EntryFacts(kind: .marker, tombstoneCount: 1)
        for deletion in [marker.before, marker.after] {
            guard let deletion else { continue }
            note(deletion)
            facts.maxTimestamp = max(facts.maxTimestamp, deletion.timestamp)
        }
        statistics.rangeMarkerCount += 1
        return facts
    }

    private mutating func addRow(
        _ value: ByteView,
        isStatic: Bool
    ) throws(MalformedBytes) -> EntryFacts {
        var facts = EntryFacts(kind: isStatic ? .staticRow : .row)
        var row = try RowFragment(value)
        if isStatic {
            statistics.staticRowCount += 1
        } else {
            statistics.rowCount += 1
            partitionRows += 1
        }
        if let liveness = row.liveness {
            facts.isDead = false
            facts.maxTimestamp = liveness.timestamp
            note(timestamp: liveness.timestamp)
            if liveness.ttl == 0 {
                statistics.permanentCount += 1
            } else {
                statistics.expiringRowCount += 1
                note(localTime: liveness.expiry)
                note(ttl: liveness.ttl)
            }
        }
        if let deletion = row.deletion {
            facts.tombstoneCount += 1
            facts.maxTimestamp = max(facts.maxTimestamp, deletion.timestamp)
            statistics.rowDeletionCount += 1
            note(deletion)
        }
        while true {
            addPlainCells(&row, &facts)
            guard let cell = try row.nextCell() else { return facts }
            add(cell, &facts)
        }
    }

    /// Counts the next cells as long as they are of the common kind, which is told from three bytes: a
    /// value of less than 128 bytes, with the row's timestamp and without TTL, of one of the first
    /// columns.
    private mutating func addPlainCells(_ row: inout RowFragment, _ facts: inout EntryFacts) {
        let cells = row.cells
        var offset = 0
        var count = 0
        while offset + 3 <= cells.count {
            let column = cells.base.load(fromByteOffset: offset, as: UInt8.self)
            let flags = cells.base.load(fromByteOffset: offset + 1, as: UInt8.self)
            let length = cells.base.load(fromByteOffset: offset + 2, as: UInt8.self)
            let end = offset + 3 + Int(length)
            guard flags == Cell.Flags.baseTimestamp.rawValue, (column | length) < 0x80,
                end <= cells.count
            else { break }
            columnCounts[Int(column)] += 1
            ranges.add(
                Int(column),
                ByteView(cells.base + (offset + 3), count: Int(length))
            )
            count += 1
            offset = end
        }
        guard count > 0 else { return }
        row.skip(offset)
        statistics.cellCount += count
        statistics.permanentCount += count
        facts.isDead = false
        facts.maxTimestamp = max(facts.maxTimestamp, row.base)
        note(timestamp: row.base)
    }

    @inline(__always)
    private mutating func add(_ cell: Cell, _ facts: inout EntryFacts) {
        statistics.cellCount += 1
        let column = Int(cell.column)
        if column < columnCounts.count {
            columnCounts[column] += 1
        } else {
            countNewColumn(column)
        }
        facts.maxTimestamp = max(facts.maxTimestamp, cell.timestamp)
        note(timestamp: cell.timestamp)
        if !cell.flags.hasLocalTime {
            facts.isDead = false
            statistics.permanentCount += 1
            ranges.add(column, cell.value)
            return
        }
        note(localTime: cell.localTime)
        if cell.flags.contains(.collectionDeletion) {
            statistics.collectionDeletionCount += 1
            facts.tombstoneCount += 1
        } else if cell.flags.contains(.tombstone) {
            statistics.cellTombstoneCount += 1
            facts.tombstoneCount += 1
        } else {
            statistics.expiringCellCount += 1
            ranges.add(column, cell.value)
            facts.isDead = false
            note(ttl: cell.ttl)
        }
    }

    private mutating func countNewColumn(_ column: Int) {
        guard column < StatisticsBuilder.columnCountMax else { return }
        while columnCounts.count <= column { columnCounts.append(0) }
        columnCounts[column] += 1
    }

    private mutating func note(_ deletion: Deletion) {
        note(timestamp: deletion.timestamp)
        note(localTime: deletion.localTime)
    }

    @inline(__always)
    private mutating func note(timestamp: Int64) {
        if timestamp < statistics.minTimestamp { statistics.minTimestamp = timestamp }
        if timestamp > statistics.maxTimestamp { statistics.maxTimestamp = timestamp }
    }

    private mutating func note(localTime: Int64) {
        if localTime < statistics.minLocalTime { statistics.minLocalTime = localTime }
        if localTime > statistics.maxLocalTime { statistics.maxLocalTime = localTime }
    }

    private mutating func note(ttl: UInt32) {
        if statistics.minTTL == 0 || ttl < statistics.minTTL { statistics.minTTL = ttl }
        if ttl > statistics.maxTTL { statistics.maxTTL = ttl }
    }

    /// The statistics of everything; the last partition has ended.
    func finished(firstKey: [UInt8], lastKey: [UInt8]) -> SSTableStatistics {
        var result = statistics
        result.firstKey = firstKey
        result.lastKey = lastKey
        result.columnRanges = ranges.isEmpty ? nil : ranges.total
        if deadEntries.runMax > 0 { result.deadEntries = deadEntries }
        for (column, count) in columnCounts.enumerated() where count > 0 {
            result.columnCellCounts[UInt32(column)] = count
        }
        return result
    }
}
