// SPDX-License-Identifier: Apache-2.0

import Bytes
import Environment
import Model

/// Makes random mutations and tells a model of each.
struct RandomWrites {
    /// How write timestamps are chosen.
    enum Timestamps {
        /// From 1 to 60 microseconds, far in the past, with many ties; deletions must never be purged.
        case wild
        /// Within 20 seconds of the clock: deletions may be purged after a minute.
        case tame
    }

    let timestamps: Timestamps
    let partitions: [[UInt8]]
    static let clusterings = 0..<10
    private var numbers: SplitMix64

    init(seed: UInt64, timestamps: Timestamps) {
        self.timestamps = timestamps
        numbers = SplitMix64(seed: seed)
        partitions = (0..<6).map { TestTables.partition("partition \($0)") }
    }

    /// Every row key that may be written.
    var keys: [[UInt8]] {
        partitions.flatMap { partition in
            RandomWrites.clusterings.map { TestTables.row(partition, $0) }
                + [TestTables.staticRow(partition)]
        }
    }

    /// A mutation of one partition in some of the tables, with up to four entries in each.
    mutating func mutation(
        _ tables: [(schema: TableSchema, model: Int)],
        _ models: inout [ModelTable],
        now: Int64
    ) -> TestMutation {
        let partition = partitions[pick(partitions.count)]
        var mutation = TestMutation(partition)
        let chosen = pick(3) == 0 ? tables : [tables[pick(tables.count)]]
        for (schema, model) in chosen {
            mutation.begin(schema)
            for _ in 0...pick(4) { add(to: &mutation, partition, &models[model], now) }
        }
        return mutation
    }

    mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &numbers) }

    private mutating func timestamp(_ now: Int64) -> Int64 {
        switch timestamps {
        case .wild: Int64(pick(60) + 1)
        case .tame: (now + Int64(pick(41)) - 20) * 1_000_000
        }
    }

    private mutating func ttl() -> UInt32 { pick(4) == 0 ? UInt32([1, 30, 100, 5_000][pick(4)]) : 0 }

    private mutating func bytes() -> [UInt8] {
        (0..<pick(pick(12) == 0 ? 400 : 4)).map { _ in UInt8(97 + pick(4)) }
    }

    private mutating func add(
        to mutation: inout TestMutation,
        _ partition: [UInt8],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        let row = TestTables.row(partition, pick(10))
        switch pick(20) {
        case 0: deletePartition(&mutation, partition, &model, now)
        case 1, 2: deleteRange(&mutation, partition, &model, now)
        case 3, 4: deleteRow(&mutation, partition, row, &model, now)
        case 5: writeRow(&mutation, partition, TestTables.staticRow(partition), [2], &model, now)
        case 6, 7, 8: writeCollection(&mutation, partition, row, &model, now)
        default: writeRow(&mutation, partition, row, [3, 4], &model, now)
        }
    }

    private mutating func deletePartition(
        _ mutation: inout TestMutation,
        _ partition: [UInt8],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        let until = timestamp(now) - (timestamps == .wild ? 30 : 0)
        let deletion = Deletion(timestamp: until, localTime: now)
        mutation.add(partition + [Key.partitionDeletion], TestValue.partitionDeletion(deletion))
        model.delete(partition: partition, until: until)
    }

    private mutating func deleteRange(
        _ mutation: inout TestMutation,
        _ partition: [UInt8],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        let first = pick(10)
        let last = first + pick(10 - first)
        var start = TestTables.row(partition, first, end: [Key.endBefore, Key.endAfter][pick(2)])
        if pick(8) == 0 { start = partition + [Key.clustered, Key.endBefore] }
        var end = TestTables.row(partition, last, end: [Key.endBefore, Key.endAfter][pick(2)])
        if pick(8) == 0 { end = partition + [Key.clustered, Key.endAfter] }
        guard start.lexicographicallyPrecedes(end) else { return }
        let until = timestamp(now)
        let deletion = Deletion(timestamp: until, localTime: now)
        mutation.add(start, TestValue.rangeDeletion(to: end, deletion))
        model.delete(partition: partition, from: start, to: end, until: until)
    }

    private mutating func deleteRow(
        _ mutation: inout TestMutation,
        _ partition: [UInt8],
        _ row: [UInt8],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        let until = timestamp(now)
        let deletion = Deletion(timestamp: until, localTime: now)
        mutation.add(row, TestValue.row(deletion: deletion))
        model.change(partition: partition, row: row) {
            $0.deletedUntil = max($0.deletedUntil, until)
        }
    }

    private mutating func cell(_ now: Int64) -> ModelTable.Cell {
        let timestamp = timestamp(now)
        if pick(5) == 0 {
            return ModelTable.Cell(timestamp: timestamp, isTombstone: true, localTime: now)
        }
        let ttl = ttl()
        return ModelTable.Cell(
            timestamp: timestamp,
            ttl: ttl,
            localTime: ttl == 0 ? 0 : now + Int64(ttl),
            value: bytes()
        )
    }

    private func encoded(_ cell: ModelTable.Cell, _ column: UInt32) -> TestValue.Cell {
        TestValue.Cell(
            column: column,
            flags: cell.isTombstone ? .tombstone : cell.ttl == 0 ? [] : .expiring,
            timestamp: cell.timestamp,
            ttl: cell.ttl,
            localTime: cell.localTime,
            value: cell.value
        )
    }

    private mutating func writeRow(
        _ mutation: inout TestMutation,
        _ partition: [UInt8],
        _ row: [UInt8],
        _ columns: [UInt32],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        var liveness: Liveness?
        if pick(2) == 0, columns != [2] {
            let ttl = ttl()
            let expiry = ttl == 0 ? 0 : now + Int64(ttl)
            liveness = Liveness(timestamp: timestamp(now), ttl: ttl, expiry: expiry)
        }
        var cells: [TestValue.Cell] = []
        var written: [(VisibleRow.CellName, ModelTable.Cell)] = []
        for column in columns where pick(3) > 0 || liveness == nil {
            let cell = cell(now)
            cells.append(encoded(cell, column))
            written.append((VisibleRow.CellName(column: column, path: []), cell))
        }
        mutation.add(row, TestValue.row(liveness: liveness, base: base(cells), cells: cells))
        model.change(partition: partition, row: row) { row in
            if let liveness { row.write(liveness: liveness) }
            for (name, cell) in written { row.write(name, cell) }
        }
    }

    /// A base timestamp for a fragment, or none.
    private mutating func base(_ cells: [TestValue.Cell]) -> Int64? {
        pick(2) == 0 ? cells.first?.timestamp : nil
    }

    private mutating func writeCollection(
        _ mutation: inout TestMutation,
        _ partition: [UInt8],
        _ row: [UInt8],
        _ model: inout ModelTable,
        _ now: Int64
    ) {
        var cells: [TestValue.Cell] = []
        var written: [(VisibleRow.CellName, ModelTable.Cell)] = []
        var until: Int64?
        if pick(3) == 0 {
            let deletedUntil = timestamp(now)
            until = deletedUntil
            cells.append(
                TestValue.Cell(
                    column: 5,
                    flags: .collectionDeletion,
                    timestamp: deletedUntil,
                    localTime: now
                )
            )
        }
        for path in 0..<3 where pick(2) == 0 {
            let cell = cell(now)
            // A fragment doesn't hold what it deletes itself.
            if let until, cell.timestamp <= until { continue }
            var element = encoded(cell, 5)
            element.path = [UInt8(path)]
            element.flags.insert(.path)
            cells.append(element)
            written.append((VisibleRow.CellName(column: 5, path: [UInt8(path)]), cell))
        }
        guard !cells.isEmpty else { return }
        mutation.add(row, TestValue.row(base: base(cells), cells: cells))
        model.change(partition: partition, row: row) { row in
            if let until { row.deleteCollection(5, until: until) }
            for (name, cell) in written { row.write(name, cell) }
        }
    }
}
