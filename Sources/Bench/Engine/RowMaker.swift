// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Environment
internal import Model
internal import Storage

/// Makes keys and rows as a statement of CQL would: token, key, fragment with liveness and one cell,
/// mutation. Used by one thread.
final class RowMaker: @unchecked Sendable {  // Owner: the load that has it, on the shard's executor.
    /// Bytes of a key and of a value, as db_bench has them.
    static let keyCount = 16
    static let valueCount = 100
    private static let poolCount = 1 << 20

    private let table: TableSchema
    private let hasClustering: Bool
    private var random: SplitMix64
    /// Text of pieces of 100 bytes, each 50 random ones twice: it compresses to half.
    private let pool: [UInt8]
    private var poolOffset = 0
    private var digits = [UInt8](repeating: 0, count: RowMaker.keyCount)
    private var keyBytes = ByteWriter(capacity: 64)
    private var fragment = ByteWriter(capacity: 256)
    private var writer = MutationWriter(capacity: 512)
    /// The id of the column that holds the value.
    let column: UInt32

    init(_ table: TableSchema, seed: UInt64) {
        self.table = table
        hasClustering = !table.clustering.isEmpty
        column = table.regulars[0].id
        var random = SplitMix64(seed: seed)
        var pool: [UInt8] = []
        pool.reserveCapacity(RowMaker.poolCount + 2 * RowMaker.valueCount)
        while pool.count < RowMaker.poolCount + RowMaker.valueCount {
            let piece = (0..<50).map { _ in UInt8(truncatingIfNeeded: 32 + random.next() % 95) }
            pool += piece
            pool += piece
        }
        self.pool = pool
        self.random = random
    }

    /// A random number below `bound`.
    func number(below bound: Int) -> Int {
        Int(random.next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// The key of a number, valid until the next call, and the length of its partition part.
    func key(of number: Int) -> (view: ByteView, partitionLength: Int) {
        var rest = number
        for index in stride(from: RowMaker.keyCount - 1, through: 0, by: -1) {
            digits[index] = UInt8(truncatingIfNeeded: 48 + rest % 10)
            rest /= 10
        }
        keyBytes.removeAll()
        var partitionLength = 0
        digits.withView { view in
            if hasClustering {
                Key.appendPartition(view.prefix(1), to: &keyBytes)
            } else {
                Key.appendPartition(view, to: &keyBytes)
            }
            partitionLength = keyBytes.count
            keyBytes.append(Key.clustered)
            if hasClustering {
                Key.appendComponent(view, type: .blob, descending: false, to: &keyBytes)
            }
            keyBytes.append(Key.endRow)
        }
        return (keyBytes.view, partitionLength)
    }

    /// The mutation that writes the row of a number; valid until the next call.
    func mutation(of number: Int, timestamp: Int64) -> ByteView {
        _ = key(of: number)
        fragment.removeAll()
        RowEncoder.begin(liveness: Liveness(timestamp: timestamp), base: timestamp, to: &fragment)
        poolOffset += RowMaker.valueCount
        if poolOffset > RowMaker.poolCount { poolOffset = 0 }
        pool.withView { pool in
            let value = pool[poolOffset..<poolOffset + RowMaker.valueCount]
            let cell = Cell(
                column: column,
                flags: Cell.Flags(rawValue: 0),
                timestamp: timestamp,
                value: value
            )
            RowEncoder.append(cell, base: timestamp, to: &fragment)
        }
        writer.removeAll()
        writer.begin(table: table.storageID)
        writer.add(key: keyBytes.view, value: fragment.view)
        return writer.bytes.view
    }

    /// The bytes of the value in a fragment; 0 when there is none.
    func valueCount(of fragment: ByteView) throws -> Int {
        var row = try RowFragment(fragment)
        while let cell = try row.nextCell() {
            if cell.column == column { return cell.value.count }
        }
        return 0
    }

    /// The table's data on a shard.
    var storageID: UUID { table.storageID }
}
