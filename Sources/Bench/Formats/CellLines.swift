// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// Kinds of cells beside plain ones.
struct CellLines {
    let folder: String
    let rowCount: Int

    func run() throws {
        BenchOutput.line(
            "row           cells  bytes a row  a cell  lz4 a cell  memtable ns  write ns  scan ns"
                + "  (of a cell)"
        )
        for (name, cells, ttl) in CellLines.kinds() {
            try measure(name, cells, ttl, rows: max(1, min(rowCount, 4_000_000 / cells.count)))
        }
    }

    private static func kinds() -> [(String, [FormatRow.CellBytes], UInt32)] {
        func plain(_ count: Int) -> [FormatRow.CellBytes] {
            (1...count).map {
                FormatRow.CellBytes(column: UInt32($0), value: ValueCoding.int64(Int64($0) * 977))
            }
        }
        let nulls = plain(10).map { cell in
            FormatRow.CellBytes(column: cell.column, flags: .tombstone)
        }
        let expiring = plain(10).map { cell in
            var cell = cell
            cell.flags = .expiring
            cell.ttl = 86_400
            return cell
        }
        let elements = plain(10).map { cell in
            FormatRow.CellBytes(
                column: 1,
                flags: .path,
                path: ValueCoding.int32(Int32(cell.column)),
                value: cell.value
            )
        }
        return [
            ("plain", plain(10), 0), ("null", [plain(1)[0]] + nulls.dropFirst(), 0),
            ("TTL", expiring, 86_400), ("elements", elements, 0), ("wide", plain(1_000), 0),
        ]
    }

    private func measure(
        _ name: String,
        _ cells: [FormatRow.CellBytes],
        _ ttl: UInt32,
        rows: Int
    ) throws {
        let value = FormatRow.encode(cells, ttl: ttl)
        let entries = FormatEntries(clustered: Array(repeating: value, count: rows))
        let clock = SystemClock()
        let cellCount = Double(rows * cells.count)
        let memtable = Memtable(capacity: 2 << 30)
        let applying = Stopwatch(clock: clock)
        for entry in entries.entries {
            _ = try entry.key.withView { (key) throws(MalformedBytes) in
                try entry.value.withView { (value) throws(MalformedBytes) in
                    try memtable.apply(key: key, value: value)
                }
            }
        }
        let applySeconds = applying.cpuSeconds
        let writing = Stopwatch(clock: clock)
        let reader = try entries.write(FilePath.join(folder, "cells.sst"), SSTableWriterOptions())
        let writeSeconds = writing.cpuSeconds
        let scanning = Stopwatch(clock: clock)
        _ = try FormatRow.scan(reader)
        let scanSeconds = scanning.cpuSeconds
        let number = { (value: Double, width: Int) in
            BenchOutput.padded(BenchOutput.text(value, digits: 1), width)
        }
        BenchOutput.line(
            name.padding(12) + BenchOutput.padded("\(cells.count)", 7)
                + number(Double(value.count), 13)
                + number(Double(value.count) / Double(cells.count), 8)
                + number(Double(reader.statistics.storedCount) / cellCount, 12)
                + number(applySeconds / cellCount * 1e9, 13)
                + number(writeSeconds / cellCount * 1e9, 10)
                + number(scanSeconds / cellCount * 1e9, 9)
        )
    }
}

/// The memory of open files.
struct MemoryLines {
    let folder: String
    let rowCount: Int

    func run() throws {
        BenchOutput.line("row bytes  file MiB  index KiB  filter KiB  paged KiB  MiB for each GiB")
        for size in [100, 1024] {
            var generator = SplitMix64(seed: 1)
            let values = (0..<rowCount).map { _ in
                let bytes = (0..<size - 40).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                return FormatRow.encode([FormatRow.CellBytes(column: 1, value: bytes)])
            }
            let entries = FormatEntries(partitions: values)
            let path = FilePath.join(folder, "memory.sst")
            let reader = try entries.write(path, SSTableWriterOptions())
            let memory = reader.memory
            let part = { (name: String) in
                memory.parts.reduce(0) { $0 + ($1.name == name ? $1.count : 0) }
            }
            let filter = reader.filterShape?.count ?? 0
            let each = Double(memory.count) / Double(reader.count) * 1024
            let number = { (value: Double, width: Int) in
                BenchOutput.padded(BenchOutput.text(value, digits: 1), width)
            }
            BenchOutput.line(
                BenchOutput.padded("\(entries.count / rowCount)", 9)
                    + number(Double(reader.count) / 1_048_576, 10)
                    + number(Double(part("index")) / 1024, 11)
                    + number(Double(part("filter")) / 1024, 12)
                    + number(Double(part("filter") == 0 ? filter : 0) / 1024, 11) + number(each, 18)
            )
        }
    }
}
