// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// The time to open a folder with many SSTables.
///
/// Their rows have made-up tokens, so that files are written as fast as the disk takes them: the folder
/// opens like any other, but its rows aren't found by their keys.
struct StartLines {
    let folder: String
    let fileCount: Int
    let fileSize: Int

    private static let rowBytes = 1024

    func run() async throws {
        var node = try BenchNode(folder: folder)
        var options = TableOptions()
        options.compression = ["enabled": "false"]
        options.compaction["enabled"] = "false"
        let table = try await node.makeTable(
            "start",
            columns: [
                ColumnSchema(id: 1, name: "k", type: .bigint, kind: .partitionKey),
                ColumnSchema(id: 2, name: "v", type: .blob, kind: .regular),
            ],
            options: options
        )
        try await node.close()
        try fill(table, node.environment)
        let watch = Stopwatch(clock: node.clock)
        node = try BenchNode(folder: folder)
        let seconds = watch.seconds
        let bytes = Double(fileCount * fileSize) / 1e9
        BenchOutput.line(
            "start: \(fileCount) files, \(BenchOutput.text(bytes, digits: 1)) GB open in "
                + "\(BenchOutput.text(seconds, digits: 3)) s (\(BenchOutput.text(watch.cpuSeconds, digits: 3))"
                + " s of processor time)"
        )
        try await node.close()
    }

    private func fill(_ table: TableSchema, _ environment: Environment) throws {
        let manifest = try Manifest(directory: "\(folder)/manifest", environment: environment)
        let files = TableFiles(environment: environment, root: folder, manifest: manifest)
        try environment.fileSystem.createDirectoryDurably(files.folder(table))
        var schema = ByteWriter()
        table.encode(to: &schema)
        var edits: [ManifestEdit] = []
        for _ in 0..<fileCount {
            let number = manifest.takeFileNumber()
            try write(files.path(number, table), schema.array, environment)
            edits.append(.add(file: number, table: table.storageID, range: .all))
        }
        try manifest.append(edits)
        manifest.close()
    }

    private func write(_ path: String, _ schema: [UInt8], _ environment: Environment) throws {
        var options = SSTableWriterOptions()
        options.codec = .none
        options.schema = schema
        options.identity = environment.random.next()
        let writer = try SSTableWriter(
            fileSystem: environment.fileSystem,
            path: path,
            options: options
        )
        let rows = fileSize / (StartLines.rowBytes + 60)
        let value = FormatRow.encode([
            FormatRow.CellBytes(column: 2, value: [UInt8](repeating: 7, count: StartLines.rowBytes))
        ])
        var key = ByteWriter(capacity: 64)
        let step = UInt64.max / UInt64(rows)
        for row in 0..<rows {
            key.removeAll()
            key.appendBigEndian(UInt64(row) * step + 1)
            key.append(utf8: "row")
            key.append([0, Key.clustered, Key.endRow])
            try value.withView { try writer.add(key: key.view, value: $0) }
        }
        _ = try writer.finish()
    }
}
