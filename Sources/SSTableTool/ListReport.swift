// SPDX-License-Identifier: Apache-2.0

package import Environment
internal import Model
internal import Storage

/// `tholos sstable ls`: a line a file, and totals.
package struct ListReport {
    let fileSystem: any FileSystem
    let output: ReportOutput
    let isJSON: Bool

    package init(fileSystem: any FileSystem, output: ReportOutput, isJSON: Bool) {
        self.fileSystem = fileSystem
        self.output = output
        self.isJSON = isJSON
    }

    private static let head = [
        "FILE", "TABLE", "SIZE", "RATIO", "PARTITIONS", "ROWS", "TOMBSTONES", "ORIGIN",
        "NEWEST WRITE",
    ]

    /// Lists `files`; false when one can't be read.
    package func run(_ files: [String]) -> Bool {
        let opening = SSTableOpening(fileSystem: fileSystem, output: output, isJSON: isJSON)
        var isSound = true
        var rows = [ListReport.head]
        var total = SSTableStatistics()
        var totalCount = 0
        for path in files {
            guard let reader = opening.open(path, isSound: &isSound) else { continue }
            let statistics = reader.statistics
            let table = KeyText(reader).table.map { "\($0.keyspace).\($0.name)" } ?? "?"
            if isJSON {
                output.line(json(path, table, reader).line)
                continue
            }
            totalCount += reader.count
            total.partitionCount += statistics.partitionCount
            total.rowCount += statistics.rowCount
            total.cellTombstoneCount += statistics.tombstoneCount
            total.storedCount += statistics.storedCount
            total.uncompressedCount += statistics.uncompressedCount
            total.maxTimestamp = max(total.maxTimestamp, statistics.maxTimestamp)
            rows.append(row(path, table, reader.count, statistics, statistics.origin.name))
        }
        guard !isJSON else { return isSound }
        if rows.count > 2 {
            let name = "\(rows.count - 1) files"
            rows.append(row(name, "", totalCount, total, ""))
        }
        for line in Text.table(rows, right: [2, 3, 4, 5, 6]) { output.line(line) }
        return isSound
    }

    private func row(
        _ name: String,
        _ table: String,
        _ count: Int,
        _ statistics: SSTableStatistics,
        _ origin: String
    ) -> [String] {
        let newest = statistics.maxTimestamp
        return [
            name, table, Text.size(count), Text.decimal(statistics.compressionRatio, digits: 2),
            Text.number(statistics.partitionCount), Text.number(statistics.rowCount),
            Text.number(statistics.tombstoneCount), origin,
            newest == Int64.min ? "-" : Text.time(microseconds: newest),
        ]
    }

    private func json(_ path: String, _ table: String, _ reader: SSTableReader) -> JSON {
        let statistics = reader.statistics
        return .object([
            ("file", .text(path)), ("table", .text(table)), ("size", .count(reader.count)),
            ("partitions", .count(statistics.partitionCount)),
            ("rows", .count(statistics.rowCount)),
            ("cells", .count(statistics.cellCount)),
            ("tombstones", .count(statistics.tombstoneCount)),
            ("origin", .text(statistics.origin.name)), ("level", .count(statistics.level)),
            ("minTimestamp", InfoReport.json(statistics.minTimestamp)),
            ("maxTimestamp", InfoReport.json(statistics.maxTimestamp)),
        ])
    }
}
