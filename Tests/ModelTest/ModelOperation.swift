// SPDX-License-Identifier: Apache-2.0

import Environment
import Model

/// One step of a run of the model test. It says all that it does, so that a history in which others
/// are left out can be run as well.
enum ModelOperation {
    /// Writes that a client sends together: one mutation on each shard that they concern.
    case write([ModelWrite])
    /// Lets background work and shards run for some steps, in an order that `salt` decides.
    case step(count: Int, salt: UInt64)
    /// Lets everything run that can.
    case drain(salt: UInt64)
    case get(table: Int, row: ModelRow)
    /// Rows of one partition, in pages of `limit`.
    case slice(table: Int, partition: Int, ModelBound, ModelBound, isReversed: Bool, limit: Int)
    /// Rows of the shards, in pages of `limit`.
    case scan(table: Int, limit: Int)
    case startFlush
    case flush
    case startCompaction
    case compact(table: Int)
    case advance(seconds: UInt64)
    case truncate(table: Int)
    /// Drops a table and makes it again.
    case recreate(table: Int)
    /// Drops a column and adds it again.
    case renewColumn(table: Int, ModelColumn)
    case changeGrace(table: Int, seconds: Int32)
    case restart(shardCount: Int)
    /// A power loss, with flushes and compactions under way at the n-th sync from now, or when all is
    /// done if there are fewer.
    case crash(shardCount: Int, unsynced: MemoryFileSystem.Unsynced, atSync: Int)
}

/// A row's place.
struct ModelRow: Hashable {
    var partition: Int
    /// Nil for the static row.
    var clustering: ModelClustering?

    func key(_ partition: [UInt8]) -> [UInt8] {
        guard let clustering else { return partition + [Key.staticRow] }
        return ModelBound(first: clustering.first, second: clustering.second, end: Key.endRow).key(partition)
    }
}

/// The clustering columns of a row.
struct ModelClustering: Hashable {
    var first: Int
    var second: Int
}

/// A place between rows: before or after all that have some clustering columns in common.
struct ModelBound {
    var first: Int?
    var second: Int?
    var end: UInt8

    func key(_ partition: [UInt8]) -> [UInt8] {
        var key = partition + [Key.clustered]
        if let first { ModelBound.append(UInt32(first) ^ 0x8000_0000, to: &key) }
        // The second clustering column is in descending order.
        if let second { ModelBound.append(~(UInt32(second) ^ 0x8000_0000), to: &key) }
        return key + [end]
    }

    private static func append(_ word: UInt32, to key: inout [UInt8]) {
        key.append(Key.component)
        for shift in [24, 16, 8, 0] as [UInt32] { key.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

/// The columns that hold cells.
enum ModelColumn: String, CaseIterable {
    case s, a, b, map, list, set

    var isCollection: Bool { self == .map || self == .list || self == .set }
}

/// A change of one row or partition of one table.
struct ModelWrite {
    enum Change {
        case deletePartition(at: Int64)
        case deleteRange(ModelBound, ModelBound, at: Int64)
        case row(ModelClustering?, ModelFragment)
    }

    var table: Int
    var partition: Int
    var change: Change
}

/// What is written to a row at once.
struct ModelFragment {
    struct Cell {
        enum Kind { case value, tombstone, collectionDeletion }

        var column: ModelColumn
        var path: [UInt8] = []
        var kind = Kind.value
        var timestamp: Int64
        var ttl: UInt32 = 0
        var value: [UInt8] = []
    }

    var liveness: (timestamp: Int64, ttl: UInt32)?
    var deletedAt: Int64?
    var cells: [Cell] = []
    /// Whether cells are encoded relative to the timestamp of the first.
    var usesBase = false
}

/// What a run found that is not as the model says.
struct ModelMismatch: Error, CustomStringConvertible {
    let description: String
}
