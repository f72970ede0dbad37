// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Environment
internal import Model
internal import Storage

/// `tholos sstable info`: what files say of themselves.
package struct InfoReport {
    let fileSystem: any FileSystem
    let output: ReportOutput
    let isJSON: Bool

    package init(fileSystem: any FileSystem, output: ReportOutput, isJSON: Bool) {
        self.fileSystem = fileSystem
        self.output = output
        self.isJSON = isJSON
    }

    /// Reports on `files`; false when one can't be read.
    package func run(_ files: [String]) -> Bool {
        let opening = SSTableOpening(fileSystem: fileSystem, output: output, isJSON: isJSON)
        var isSound = true
        var isFirst = true
        for path in files {
            guard let reader = opening.open(path, isSound: &isSound) else { continue }
            if isJSON {
                output.line(json(path, reader).line)
                continue
            }
            if !isFirst { output.line("") }
            isFirst = false
            output.line(path)
            let lines = lines(reader).map { ["  " + $0.0, $0.1] }
            for line in Text.table(lines, right: []) { output.line(line) }
        }
        return isSound
    }

    // MARK: Text

    private func lines(_ reader: SSTableReader) -> [(String, String)] {
        let statistics = reader.statistics
        let keys = KeyText(reader)
        var lines: [(String, String)] = []
        if let table = keys.table {
            lines.append(("table", "\(table.keyspace).\(table.name), id \(table.id)"))
        } else {
            lines.append(("table", "unknown: the schema in the file can't be read"))
        }
        lines.append(
            (
                "written",
                "\(Text.time(microseconds: statistics.createdAt)) by \(statistics.createdBy), "
                    + "format \(reader.version.major).\(reader.version.minor), "
                    + "from \(statistics.origin.name), level \(statistics.level)"
            )
        )
        lines += sizes(reader)
        lines += contents(statistics, keys)
        lines += times(statistics)
        lines += columns(statistics, keys)
        for (number, index) in IndexFacts.of(reader, keys.table).enumerated() {
            lines.append((number == 0 ? "indexes" : "", index.text))
        }
        for (index, partition) in statistics.largestPartitions.enumerated() {
            let text =
                "\(Text.size(partition.byteCount)), \(Text.number(partition.rowCount)) "
                + (partition.rowCount == 1 ? "row: " : "rows: ")
                + keys.describe(partition.partition)
            lines.append((index == 0 ? "largest partitions" : "", text))
        }
        return lines
    }

    private func sizes(_ reader: SSTableReader) -> [(String, String)] {
        let statistics = reader.statistics
        var lines = [
            ("size", "\(Text.size(reader.count)) (\(Text.number(reader.count)) bytes)"),
            (
                "blocks",
                "\(Text.number(statistics.dataBlockCount)) of \(Text.size(statistics.blockCount)), "
                    + "\(statistics.codec.name): \(Text.size(statistics.uncompressedCount)) stored in "
                    + "\(Text.size(statistics.storedCount)), ratio "
                    + Text.decimal(statistics.compressionRatio, digits: 3)
            ),
        ]
        if let dictionary = reader.dictionary {
            lines.append(
                (
                    "dictionary",
                    "id \(dictionary.id), \(Text.size(dictionary.bytes.count)), trained from "
                        + "\(Text.size(statistics.dictionarySampleCount)) of blocks"
                )
            )
        }
        lines.append(memory(reader))
        if let shape = reader.filterShape {
            let bits = Double(shape.count * 8) / Double(max(statistics.partitionCount, 1))
            lines.append(
                (
                    "filter",
                    "\(Text.size(shape.count)), \(Text.decimal(bits, digits: 1)) bits a partition, "
                        + "\(shape.probeCount) probes, false positives at most "
                        + "\(statistics.filterFalsePositiveChance)"
                )
            )
        } else {
            lines.append(("filter", "none"))
        }
        return lines
    }

    /// What the open file holds in memory, also for each GiB of content, which is what plans need.
    private func memory(_ reader: SSTableReader) -> (String, String) {
        let memory = reader.memory
        let parts = memory.parts.map { "\($0.name) \(Text.size($0.count))" }
        let content = max(reader.statistics.uncompressedCount, 1)
        let each = Double(memory.count) / Double(content) * Double(1 << 30)
        return (
            "memory",
            "\(Text.size(memory.count)) when open: " + parts.joined(separator: ", ") + "; "
                + "\(Text.size(Int(each))) for each GiB of blocks uncompressed"
        )
    }

    private func contents(
        _ statistics: SSTableStatistics,
        _ keys: KeyText
    ) -> [(String, String)] {
        var lines: [(String, String)] = []
        if let tokens = statistics.tokens {
            lines.append(("tokens", "\(tokens.first) to \(tokens.last)"))
            lines.append(("first key", keys.describe(statistics.firstKey)))
            lines.append(("last key", keys.describe(statistics.lastKey)))
        }
        let rows = statistics.partitionRowHistogram
        let bytes = statistics.partitionBytesHistogram
        lines.append(
            (
                "partitions",
                "\(Text.number(statistics.partitionCount)); rows in half of them at most "
                    + "\(Text.number(rows.percentile(0.5))), in 99 % \(Text.number(rows.percentile(0.99)))"
                    + "; bytes \(Text.size(bytes.percentile(0.5))), "
                    + Text.size(bytes.percentile(0.99))
            )
        )
        lines.append(
            (
                "rows",
                "\(Text.number(statistics.rowCount)), static rows "
                    + Text.number(statistics.staticRowCount)
            )
        )
        lines.append(("cells", Text.number(statistics.cellCount)))
        lines.append(
            (
                "tombstones",
                "\(Text.number(statistics.tombstoneCount)): cells "
                    + "\(Text.number(statistics.cellTombstoneCount)), collections "
                    + "\(Text.number(statistics.collectionDeletionCount)), rows "
                    + "\(Text.number(statistics.rowDeletionCount)), range bounds "
                    + "\(Text.number(statistics.rangeMarkerCount)), partitions "
                    + Text.number(statistics.partitionDeletionCount)
            )
        )
        let expiring = statistics.expiringCellCount + statistics.expiringRowCount
        if expiring > 0 {
            lines.append(
                (
                    "expiring",
                    "\(Text.number(statistics.expiringCellCount)) cells, "
                        + "\(Text.number(statistics.expiringRowCount)) rows, TTL "
                        + "\(statistics.minTTL) to \(statistics.maxTTL) s"
                )
            )
        }
        return lines
    }

    private func times(_ statistics: SSTableStatistics) -> [(String, String)] {
        var lines: [(String, String)] = []
        if statistics.minTimestamp <= statistics.maxTimestamp {
            lines.append(
                (
                    "timestamps",
                    "\(Text.time(microseconds: statistics.minTimestamp)) to "
                        + Text.time(microseconds: statistics.maxTimestamp)
                )
            )
        }
        if statistics.minLocalTime <= statistics.maxLocalTime {
            lines.append(
                (
                    "deleted, expiring",
                    "\(Text.time(seconds: statistics.minLocalTime)) to "
                        + Text.time(seconds: statistics.maxLocalTime)
                )
            )
        }
        return lines
    }

    private func columns(_ statistics: SSTableStatistics, _ keys: KeyText) -> [(String, String)] {
        let counts = statistics.columnCellCounts.sorted { $0.key < $1.key }
        guard !counts.isEmpty else { return [] }
        let text = counts.map { "\(name($0.key, keys)) \(Text.number($0.value))" }
        return [("cells by column", text.joined(separator: ", "))]
    }

    private func name(_ column: UInt32, _ keys: KeyText) -> String {
        keys.table?.columns.first { $0.id == column }?.name ?? "#\(column)"
    }

    // MARK: JSON

    /// A time that may be absent, which is stored as an extreme.
    static func json(_ time: Int64) -> JSON {
        time == Int64.min || time == Int64.max ? .null : .integer(time)
    }

    private func json(_ path: String, _ reader: SSTableReader) -> JSON {
        let statistics = reader.statistics
        let keys = KeyText(reader)
        var members: [(String, JSON)] = [
            ("file", .text(path)),
            ("keyspace", keys.table.map { .text($0.keyspace) } ?? .null),
            ("table", keys.table.map { .text($0.name) } ?? .null),
            ("tableID", keys.table.map { .text($0.id.description) } ?? .null),
            ("format", .text("\(reader.version.major).\(reader.version.minor)")),
            ("createdBy", .text(statistics.createdBy)),
            ("createdAt", .integer(statistics.createdAt)),
            ("origin", .text(statistics.origin.name)), ("level", .count(statistics.level)),
            ("size", .count(reader.count)), ("memory", .count(reader.memoryCount)),
            (
                "memoryParts",
                .object(reader.memory.parts.map { ($0.name, .count($0.count)) })
            ),
            ("codec", .text(statistics.codec.name)), ("blockSize", .count(statistics.blockCount)),
            ("dictionary", dictionary(reader)),
            ("dataBlocks", .count(statistics.dataBlockCount)),
            ("indexBlocks", .count(statistics.indexBlockCount)),
            ("uncompressed", .count(statistics.uncompressedCount)),
            ("stored", .count(statistics.storedCount)),
            ("ratio", .number(Text.decimal(statistics.compressionRatio, digits: 4))),
            ("filterChance", .number("\(statistics.filterFalsePositiveChance)")),
            ("filterSize", .count(reader.filterShape?.count ?? 0)),
            ("filterProbes", .count(reader.filterShape?.probeCount ?? 0)),
            ("firstToken", statistics.tokens.map { .integer($0.first.value) } ?? .null),
            ("lastToken", statistics.tokens.map { .integer($0.last.value) } ?? .null),
            ("firstKey", .text(keys.describe(statistics.firstKey))),
            ("lastKey", .text(keys.describe(statistics.lastKey))),
        ]
        members += counts(statistics)
        members.append(("indexes", .array(IndexFacts.of(reader, keys.table).map(\.json))))
        members.append(
            (
                "columns",
                .object(
                    statistics.columnCellCounts.sorted { $0.key < $1.key }
                        .map { (name($0.key, keys), .count($0.value)) }
                )
            )
        )
        members.append(
            (
                "largestPartitions",
                .array(
                    statistics.largestPartitions.map { partition in
                        .object([
                            ("key", .text(keys.describe(partition.partition))),
                            ("bytes", .count(partition.byteCount)),
                            ("rows", .count(partition.rowCount)),
                        ])
                    }
                )
            )
        )
        return .object(members)
    }

    private func dictionary(_ reader: SSTableReader) -> JSON {
        guard let dictionary = reader.dictionary else { return .null }
        return .object([
            ("id", .count(Int(dictionary.id))), ("size", .count(dictionary.bytes.count)),
            ("trainedFrom", .count(reader.statistics.dictionarySampleCount)),
        ])
    }

    private func counts(_ statistics: SSTableStatistics) -> [(String, JSON)] {
        [
            ("partitions", .count(statistics.partitionCount)),
            ("entries", .count(statistics.entryCount)), ("rows", .count(statistics.rowCount)),
            ("staticRows", .count(statistics.staticRowCount)),
            ("cells", .count(statistics.cellCount)),
            ("tombstones", .count(statistics.tombstoneCount)),
            ("cellTombstones", .count(statistics.cellTombstoneCount)),
            ("collectionDeletions", .count(statistics.collectionDeletionCount)),
            ("rowDeletions", .count(statistics.rowDeletionCount)),
            ("rangeMarkers", .count(statistics.rangeMarkerCount)),
            ("partitionDeletions", .count(statistics.partitionDeletionCount)),
            ("expiringCells", .count(statistics.expiringCellCount)),
            ("expiringRows", .count(statistics.expiringRowCount)),
            ("minTTL", .count(Int(statistics.minTTL))), ("maxTTL", .count(Int(statistics.maxTTL))),
            ("minTimestamp", InfoReport.json(statistics.minTimestamp)),
            ("maxTimestamp", InfoReport.json(statistics.maxTimestamp)),
            ("minLocalTime", InfoReport.json(statistics.minLocalTime)),
            ("maxLocalTime", InfoReport.json(statistics.maxLocalTime)),
        ]
    }
}
