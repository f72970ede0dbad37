// SPDX-License-Identifier: Apache-2.0

import Bytes
import Import
import Model
import Synchronization

/// A database in memory: rows by their primary key, upserted.
final class MemoryTarget: ImportTarget {
    struct Failure: Error, CustomStringConvertible {
        var description: String { "the target failed as the test asked" }
    }

    struct State {
        var keyspaces: Set<String> = []
        var tables: [TableName: ImportTable] = [:]
        var statements: [String] = []
        var columns: [ImportColumn] = []
        var rows: [[[UInt8]?]: [String: [UInt8]?]] = [:]
        var batches = 0
        var rowWrites = 0
        var syncs = 0
        /// Fails at this batch, counted from 1.
        var failAt: Int?
        /// Asks for a stop after this batch.
        var interruptAt: Int?
    }

    let state = Mutex(State())
    let interruption: Interruption?

    init(_ table: ImportTable? = nil, interruption: Interruption? = nil) {
        self.interruption = interruption
        guard let table else { return }
        state.withLock {
            $0.keyspaces.insert(table.name.keyspace)
            $0.tables[table.name] = table
        }
    }

    var name: String { "memory" }
    var rowCount: Int { state.withLock { $0.rows.count } }

    func hasKeyspace(_ name: String) async throws -> Bool {
        state.withLock { $0.keyspaces.contains(name) }
    }

    func table(_ name: TableName) async throws -> ImportTable? {
        state.withLock { $0.tables[name] }
    }

    func createKeyspace(_ name: String) async throws {
        state.withLock { state in
            state.statements.append(ImportTable.createKeyspace(name))
            state.keyspaces.insert(name)
        }
    }

    func createTable(_ table: ImportTable) async throws {
        state.withLock { state in
            state.statements.append(table.createStatement)
            state.tables[table.name] = table
        }
    }

    func begin(_ table: ImportTable, columns: [ImportColumn]) async throws {
        state.withLock { $0.columns = columns }
    }

    func write(_ batch: RowBatch) async throws {
        try state.withLock { state throws(Failure) in
            state.batches += 1
            if state.batches == state.failAt { throw Failure() }
            for row in 0..<batch.rowCount {
                var cells: [String: [UInt8]?] = [:]
                for (index, column) in state.columns.enumerated() {
                    switch batch.cell(row: row, column: index) {
                    case .unset: break
                    case .null: cells[column.name] = .some(nil)
                    case .value(let view): cells[column.name] = view.array
                    }
                }
                let key = state.columns.filter(\.role.isKey).map { cells[$0.name] ?? nil }
                state.rows[key] = cells
                state.rowWrites += 1
            }
            if state.batches == state.interruptAt { interruption?.request() }
        }
    }

    func sync() async throws { state.withLock { $0.syncs += 1 } }
    func close() async {}
}
