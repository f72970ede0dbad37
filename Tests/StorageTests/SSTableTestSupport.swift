// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model
import Storage

/// A random source whose numbers follow from its seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// One entry of a table: what a test writes and expects to read.
struct TestEntry: Equatable {
    var key: [UInt8]
    var value: [UInt8]
    /// The range deletion that is open before the entry.
    var open: Deletion?
}

/// Keys and values for tests.
enum TestEntries {
    static func partition(_ name: String) -> [UInt8] {
        var writer = ByteWriter()
        Array(name.utf8).withView { Key.appendPartition($0, to: &writer) }
        return writer.array
    }

    static func row(_ partition: [UInt8], _ clustering: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(partition)
        writer.append(Key.clustered)
        writer.append(Key.component)
        writer.appendBigEndian(clustering)
        writer.append(Key.endRow)
        return writer.array
    }

    static func marker(_ partition: [UInt8], _ clustering: UInt32, end: UInt8) -> [UInt8] {
        var key = row(partition, clustering)
        key[key.count - 1] = end
        return key
    }

    static func value(
        _ bytes: [UInt8],
        timestamp: Int64 = 1_000,
        column: UInt32 = 3,
        isTombstone: Bool = false
    ) -> [UInt8] {
        var writer = ByteWriter()
        RowEncoder.begin(liveness: Liveness(timestamp: timestamp), to: &writer)
        bytes.withView { view in
            let cell = Cell(
                column: column,
                flags: isTombstone ? .tombstone : [],
                timestamp: timestamp,
                localTime: isTombstone ? 7 : 0,
                value: view
            )
            RowEncoder.append(cell, base: timestamp, to: &writer)
        }
        return writer.array
    }

    static func markerValue(_ before: Deletion?, _ after: Deletion?) -> [UInt8] {
        var writer = ByteWriter()
        RangeMarker(before: before, after: after).append(to: &writer)
        return writer.array
    }

    /// Entries of `partitionCount` partitions with up to `rowsMax` rows each, with static rows,
    /// partition deletions and range deletions among them, in key order.
    static func mixture(
        seed: UInt64,
        partitionCount: Int,
        rowsMax: Int,
        valueMax: Int = 60,
        rangeDeletionChance: Double = 0.1
    ) -> [TestEntry] {
        var numbers = SeededNumbers(seed: seed)
        let names = (0..<partitionCount).map { "partition-\($0)" }
        let partitions = names.map(partition).sorted { $0.lexicographicallyPrecedes($1) }
        var entries: [TestEntry] = []
        for partition in partitions {
            if Int.random(in: 0..<8, using: &numbers) == 0 {
                var writer = ByteWriter()
                let deletion = Deletion(timestamp: 5, localTime: 6)
                EntryHeader.appendPartitionDeletion(deletion, to: &writer)
                entries.append(
                    TestEntry(key: partition + [Key.partitionDeletion], value: writer.array)
                )
            }
            if Int.random(in: 0..<4, using: &numbers) == 0 {
                entries.append(TestEntry(key: partition + [Key.staticRow], value: value([1, 2])))
            }
            let rows = Int.random(in: 0...rowsMax, using: &numbers)
            var open: Deletion?
            var clustering: UInt32 = 0
            for _ in 0..<rows {
                clustering += UInt32.random(in: 1...1_000, using: &numbers)
                if Double.random(in: 0..<1, using: &numbers) < rangeDeletionChance {
                    let after: Deletion? =
                        Bool.random(using: &numbers)
                        ? Deletion(timestamp: Int64(clustering), localTime: 9) : nil
                    if open != nil || after != nil {
                        entries.append(
                            TestEntry(
                                key: marker(partition, clustering, end: Key.endBefore),
                                value: markerValue(open, after),
                                open: open
                            )
                        )
                        open = after
                    }
                }
                let count = Int.random(in: 0...valueMax, using: &numbers)
                let letters = (0..<count).map { _ in UInt8.random(in: 97...105, using: &numbers) }
                entries.append(
                    TestEntry(key: row(partition, clustering), value: value(letters), open: open)
                )
            }
            if let last = open {
                entries.append(
                    TestEntry(
                        key: marker(partition, clustering, end: Key.endAfter),
                        value: markerValue(last, nil),
                        open: last
                    )
                )
            }
        }
        return entries
    }
}

/// Writes `entries` as the SSTable `path`.
@discardableResult
func writeSSTable(
    _ fileSystem: any FileSystem,
    _ path: String,
    _ entries: [TestEntry],
    options: SSTableWriterOptions = SSTableWriterOptions()
) throws -> SSTableSummary {
    let writer = try SSTableWriter(fileSystem: fileSystem, path: path, options: options)
    do {
        for entry in entries {
            try entry.key.withView { key in
                try entry.value.withView { try writer.add(key: key, value: $0) }
            }
        }
    } catch {
        writer.abandon()
        throw error
    }
    return try writer.finish()
}

/// What a cursor shows now; nil when it is invalid.
func current(_ cursor: SSTableCursor) -> TestEntry? {
    guard cursor.isValid else { return nil }
    return TestEntry(
        key: cursor.key.array,
        value: cursor.value.array,
        open: cursor.openDeletion
    )
}
