// SPDX-License-Identifier: Apache-2.0

internal import CQLProtocol
internal import Environment
internal import Node
import Synchronization

/// The statements that clients prepared.
///
/// What is shared is the text. Each shard plans it for itself when it first executes it: two shards that
/// count references to the same plan for each request would wait for each other's cache lines.
final class StatementCache: Sendable {
    private let shared = Mutex<[StatementID: PreparedStatement]>([:])
    private let locals: [Local]
    private let countMax: Int

    /// A cache of at most `countMax` statements, for each of `shardCount` shards.
    init(shardCount: Int, countMax: Int) {
        self.countMax = countMax
        locals = (0..<shardCount).map { _ in Local() }
    }

    /// The statements as one shard planned them.
    private final class Local: @unchecked Sendable {  // Owner: the shard's executor.
        var statements: [StatementID: PreparedStatement] = [:]
        /// The one that was executed last; clients often stay with one.
        var last: PreparedStatement?
    }

    /// The statement of an id as it was planned for `shard`, on whose executor the call is made; with
    /// nil, as somebody planned it.
    ///
    /// - Parameter plan: plans a statement anew.
    func find(
        _ id: StatementID,
        shard: Shard?,
        plan: (PreparedStatement) throws(CQLError) -> PreparedStatement
    ) throws(CQLError) -> PreparedStatement? {
        guard let shard, shard.executor.isCurrent else { return shared.withLock { $0[id] } }
        let local = locals[shard.index]
        if let last = local.last, last.id == id { return last }
        if let known = local.statements[id] {
            local.last = known
            return known
        }
        guard let known = shared.withLock({ $0[id] }) else { return nil }
        let own = try plan(known)
        guard own.id == id else { return known }
        keep(own, in: local)
        return own
    }

    /// Adds a statement or puts a newer plan in its place.
    func remember(_ statement: PreparedStatement, shard: Shard?) {
        shared.withLock { StatementCache.put(statement, in: &$0, countMax: countMax) }
        // Only what was planned for the shard itself goes into its own part.
        guard let shard, shard.executor.isCurrent else { return }
        let local = locals[shard.index]
        guard local.statements[statement.id] != nil else { return }
        keep(statement, in: local)
    }

    private func keep(_ statement: PreparedStatement, in local: Local) {
        StatementCache.put(statement, in: &local.statements, countMax: countMax)
        local.last = statement
    }

    /// Forgets a statement that can't be planned any more.
    func forget(_ id: StatementID, shard: Shard?) {
        shared.withLock { $0[id] = nil }
        guard let shard, shard.executor.isCurrent else { return }
        let local = locals[shard.index]
        local.statements[id] = nil
        if local.last?.id == id { local.last = nil }
    }

    private static func put(
        _ statement: PreparedStatement,
        in statements: inout [StatementID: PreparedStatement],
        countMax: Int
    ) {
        if statements.count >= countMax, statements[statement.id] == nil,
            let victim = statements.first?.key
        {
            // Clients prepare again what they are told is unknown.
            statements[victim] = nil
        }
        statements[statement.id] = statement
    }
}
