// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage

extension Seeds {
    /// Whole files, after the byte that says so.
    static func sstables() -> [[UInt8]] {
        [Codec.none, .lz4, .zstd].compactMap { codec in
            (try? sstable(codec: codec)).map { [0] + $0 }
        }
    }

    private static func sstable(codec: Codec) throws -> [UInt8] {
        let files = MemoryFileSystem()
        var options = SSTableWriterOptions()
        options.codec = codec
        options.blockCount = 256
        let writer = try SSTableWriter(fileSystem: files, path: "seed", options: options)
        var key = ByteWriter()
        var value = ByteWriter()
        Array("partition".utf8).withView { Key.appendPartition($0, to: &key) }
        let partitionCount = key.count
        for row in 0..<24 {
            key.truncate(to: partitionCount)
            key.append(Key.clustered)
            key.append(Key.component)
            key.appendBigEndian(UInt32(row))
            key.append(Key.endRow)
            value.removeAll()
            RowEncoder.begin(liveness: Liveness(timestamp: 1_000), to: &value)
            [UInt8](repeating: 7, count: row).withView { bytes in
                let cell = Cell(column: 3, flags: [], timestamp: 1_000, localTime: 0, value: bytes)
                RowEncoder.append(cell, base: 1_000, to: &value)
            }
            try writer.add(key: key.view, value: value.view)
        }
        _ = try writer.finish()
        return try files.contents("seed")
    }
}
