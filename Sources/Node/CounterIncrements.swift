// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Model
package import Storage

/// Why nothing was counted.
package enum CounterError: Error, Sendable {
    case storage(StorageError)
    case write(WriteError)
    /// Writes wait for memory, and this one must follow its read at once.
    case noRoom
    case malformed(MalformedBytes)
}

/// How counters count.
///
/// A counter is stored as a cell for each node that has counted, whose path is the node's id and whose value is what that
/// node has counted in all; the counter's value is the sum. Only the node itself writes its cell, each time with a later
/// timestamp. So cells of counters merge, are repaired, hinted and moved like all others: the latest of each node wins,
/// and what is written twice counts once.
///
/// An increment on its way is a cell without a path. The replica that takes it (the leader, chosen by the coordinator)
/// reads its own cell, and writes it anew. It tells the others only when that is durable: else it could forget, after a
/// crash, what the others know, and count on from less under a later timestamp.
package enum CounterIncrements {
    /// Counts, and calls `done` with what was written here when it is durable. On the shard's executor.
    ///
    /// - Parameters:
    ///   - increments: a mutation of increments, and deletions beside them, which stay as they are.
    ///   - host: this node.
    ///   - now: microseconds since 1970.
    package static func apply(
        _ increments: [UInt8],
        host: UUID,
        now: Int64,
        on shard: Shard,
        done: @escaping @Sendable (Result<[UInt8], CounterError>) -> Void
    ) {
        shard.store.read { () throws(CounterError) in
            guard shard.store.hasRoom else { throw .noRoom }
            return try counted(increments, host.bytes, now, on: shard)
        } done: { result in
            // The same turn: nothing comes between what was read and what is written.
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let mutation):
                mutation.withView { view in
                    shard.store.write(view, atOnce: true) { error in
                        done(error.map { .failure(.write($0)) } ?? .success(mutation))
                    }
                }
            }
        }
    }

    /// The increments of one row, by column.
    private typealias Sums = [UInt32: Int64]

    /// What is to be added to the counters of a row.
    private struct Row {
        let table: UUID
        let key: [UInt8]
        var sums: Sums
    }

    private static func counted(
        _ increments: [UInt8],
        _ host: [UInt8],
        _ now: Int64,
        on shard: Shard
    ) throws(CounterError) -> [UInt8] {
        var writer = MutationWriter(capacity: increments.count + 64)
        let rows: [Row]
        do throws(MalformedBytes) {
            rows = try takeApart(increments, &writer)
        } catch {
            throw .malformed(error)
        }
        for row in rows {
            guard let store = shard.store.table(storageID: row.table) else {
                throw .write(.unknownTable(row.table))
            }
            let value: [UInt8]
            do throws(StorageError) {
                value = try fragment(row, host, now, store)
            } catch {
                throw .storage(error)
            }
            writer.begin(table: row.table)
            row.key.withView { key in value.withView { writer.add(key: key, value: $0) } }
        }
        return writer.bytes.array
    }

    /// The increments of a mutation by row, each row once; what else is in it goes to `rest`.
    private static func takeApart(
        _ mutation: [UInt8],
        _ rest: inout MutationWriter
    ) throws(MalformedBytes) -> [Row] {
        var rows: [Row] = []
        var indices: [UUID: [[UInt8]: Int]] = [:]
        try mutation.withView { (view) throws(MalformedBytes) in
            var reader = MutationReader(view)
            while let group = try reader.nextGroup() {
                rest.begin(table: group.storageID)
                for _ in 0..<group.count {
                    let (key, value) = try reader.nextEntry()
                    let sums = try increments(value)
                    if sums.isEmpty { rest.add(key: key, value: value) }
                    guard !sums.isEmpty else { continue }
                    if let index = indices[group.storageID]?[key.array] {
                        rows[index].sums.merge(sums, uniquingKeysWith: &+)
                    } else {
                        indices[group.storageID, default: [:]][key.array] = rows.count
                        rows.append(Row(table: group.storageID, key: key.array, sums: sums))
                    }
                }
                rest.dropEmptyGroup()
            }
        }
        return rows
    }

    /// The increments of an entry; none if it is something else.
    private static func increments(_ value: ByteView) throws(MalformedBytes) -> Sums {
        var sums: Sums = [:]
        guard value.count > 0, value[0] & 0xF0 == 0 else { return sums }
        var row = try RowFragment(value)
        while let cell = try row.nextCell() {
            guard cell.flags.contains(.path), cell.path.isEmpty, cell.flags.hasValue else { continue }
            guard let number = Int64(cql: cell.value) else {
                throw MalformedBytes(offset: 0, expected: "an increment of 8 bytes")
            }
            sums[cell.column, default: 0] &+= number
        }
        return sums
    }

    /// This node's cells of a row, with the increments, under later timestamps than they and all deletions have.
    private static func fragment(
        _ row: Row,
        _ host: [UInt8],
        _ now: Int64,
        _ store: TableStore
    ) throws(StorageError) -> [UInt8] {
        return try row.key.withView { (key) throws(StorageError) in
            let existing = try store.get(key, partitionLength: Key.partitionLength(of: key))
            var counts: [UInt32: (value: Int64, timestamp: Int64)] = [:]
            var horizon = now
            do throws(MalformedBytes) {
                if let existing { try read(existing, host, &counts, &horizon) }
            } catch {
                throw .corruption(
                    CorruptionError(
                        path: "the table with the data \(row.table)",
                        offset: error.offset,
                        expected: error.expected,
                        found: "another row"
                    )
                )
            }
            var writer = ByteWriter(capacity: 64)
            RowEncoder.begin(liveness: nil, base: horizon, to: &writer)
            for (column, number) in row.sums.sorted(by: { $0.key < $1.key }) {
                let value = ValueCoding.int64((counts[column]?.value ?? 0) &+ number)
                let timestamp = max(horizon, (counts[column]?.timestamp ?? .min) &+ 1)
                host.withView { host in
                    value.withView { value in
                        let cell = Cell(column: column, flags: .path, timestamp: timestamp, path: host, value: value)
                        RowEncoder.append(cell, base: horizon, to: &writer)
                    }
                }
            }
            return writer.array
        }
    }

    private static func read(
        _ fragment: ByteView,
        _ host: [UInt8],
        _ counts: inout [UInt32: (value: Int64, timestamp: Int64)],
        _ horizon: inout Int64
    ) throws(MalformedBytes) {
        var row = try RowFragment(fragment)
        if let deletion = row.deletion { horizon = max(horizon, deletion.timestamp &+ 1) }
        while let cell = try row.nextCell() {
            if cell.flags.contains(.collectionDeletion) {
                horizon = max(horizon, cell.timestamp &+ 1)
            } else if host.withView({ cell.path.equals($0) }), let value = Int64(cql: cell.value) {
                counts[cell.column] = (value, cell.timestamp)
            }
        }
    }
}
