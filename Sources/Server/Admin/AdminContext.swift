// SPDX-License-Identifier: Apache-2.0

import AdminProtocol
import Bytes
import CQL
internal import Environment
import Model
internal import Node
import Storage
import Synchronization

/// What the admin commands work on.
final class AdminContext: Sendable {
    let node: Node
    let system: SystemContext
    let concurrentCompactors: Int
    /// Nanoseconds of the monotonic clock.
    let startedAt: UInt64
    /// How many clients are connected.
    let clientCount: @Sendable () -> Int
    private let drained = Mutex(false)

    init(
        node: Node,
        system: SystemContext,
        concurrentCompactors: Int,
        clientCount: @escaping @Sendable () -> Int
    ) {
        self.node = node
        self.system = system
        self.concurrentCompactors = concurrentCompactors
        self.clientCount = clientCount
        startedAt = node.environment.clock.monotonicNanoseconds()
    }

    var isDrained: Bool { drained.withLock { $0 } }

    func noteDrained() { drained.withLock { $0 = true } }

    /// Where other nodes know this one.
    var address: String { system.listenAddress.withView { InetText.text($0) } ?? "" }

    func millisecondsSince(_ start: UInt64) -> Int {
        Int((node.environment.clock.monotonicNanoseconds() - start) / 1_000_000)
    }

    // MARK: Tables

    /// The tables that are stored, of all keyspaces or one, or some of that one, by keyspace and name.
    ///
    /// - Throws: names a keyspace or table that there isn't, and those that there are.
    func tables(
        keyspace: String?,
        names: [String] = []
    ) throws(AdminFailure) -> [TableSchema] {
        let stored = node.schema.tables.filter { !SystemSchema.isVirtual($0) }
        guard let keyspace else {
            guard names.isEmpty else {
                throw AdminFailure(.badRequest, "tables are given without a keyspace")
            }
            return stored
        }
        guard node.schema.keyspaces[keyspace] != nil else {
            let all = node.schema.keyspaceNames
            throw AdminContext.missing("keyspace", keyspace, all)
        }
        let own = stored.filter { $0.keyspace == keyspace }
        guard !names.isEmpty else { return own }
        for name in names where !own.contains(where: { $0.name == name }) {
            throw AdminContext.missing("table", "\(keyspace).\(name)", own.map(\.name))
        }
        return own.filter { names.contains($0.name) }
    }

    private static func missing(_ what: String, _ name: String, _ all: [String]) -> AdminFailure {
        let shown = all.prefix(20).joined(separator: ", ") + (all.count > 20 ? ", …" : "")
        return AdminFailure(
            .badRequest,
            "there is no \(what) \(AdminService.quoted(name)); "
                + (all.isEmpty ? "there are none" : "there are: \(shown)")
        )
    }

    /// What the tables' data comes to, by storage id.
    func measures() async -> [UUID: TableMeasures] {
        await withCheckedContinuation { continuation in
            node.measureTables { continuation.resume(returning: $0) }
        }
    }

    /// The bytes of all SSTables.
    func load() async -> Int { await measures().values.reduce(0) { $0 + $1.size } }
}
