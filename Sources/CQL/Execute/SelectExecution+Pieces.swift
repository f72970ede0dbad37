// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import CQLProtocol
internal import Model
internal import Storage

extension SelectExecution {
    /// A run of keys of one shard.
    struct Piece {
        let shard: Int
        let bounds: KeyBounds
        /// The partition part if all of the piece is of one partition that was named.
        let partition: [UInt8]?
    }
}

extension SelectExecution {
    func storage<R>(_ body: () throws(StorageError) -> R) throws(CQLError) -> R {
        do throws(StorageError) {
            return try body()
        } catch {
            throw CQLError(storage: error)
        }
    }

    func malformed<R>(_ body: () throws(MalformedBytes) -> R) throws(CQLError) -> R {
        do throws(MalformedBytes) {
            return try body()
        } catch {
            let name = "\(plan.table.keyspace).\(plan.table.name)"
            throw CQLError(.server, "a row of table \(name) can't be decoded: \(error)")
        }
    }
}

extension ReadCost {
    /// What the client is to be told of a page's cost.
    func warnings(_ rowCount: Int, _ table: TableSchema, _ limits: QueryLimits) -> [String] {
        guard tombstones > limits.tombstoneWarnThreshold else { return [] }
        return [
            "Read \(rowCount) live rows and \(tombstones) tombstones of \(table.keyspace).\(table.name)"
                + " for one page (see tombstone_warn_threshold)"
        ]
    }
}

extension SelectExecution.Piece {
    /// Whether a key is in the piece.
    func holds(_ key: [UInt8]) -> Bool {
        key.withView { key in
            bounds.lower.withView { key.compare($0) >= 0 }
                && (bounds.upper.isEmpty || bounds.upper.withView { key.compare($0) < 0 })
        }
    }
}

extension Selector {
    /// Whether it is computed from aggregates.
    var isOverAggregates: Bool {
        switch self {
        case .aggregate: true
        case .call(_, let arguments): arguments.contains(where: \.isOverAggregates)
        case .cast(let inner, _, _): inner.isOverAggregates
        default: false
        }
    }
}

extension CQLError {
    /// What a client is told of a failure of the storage.
    init(storage error: StorageError) {
        self.init(.server, error.description)
    }
}
