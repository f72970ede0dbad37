// SPDX-License-Identifier: Apache-2.0

internal import Cluster
internal import Environment
internal import Model
import Synchronization

/// What one shard has seen of reads from replicas: whom it asks first, and when it asks another. Used on its executor
/// only.
final class ReadStatistics: @unchecked Sendable {  // Owner: the shard's executor.
    private final class Table {
        let text: String
        let rule: SpeculationRule
        var latencies = ReadLatencies()
        /// What the rule comes to, looked at anew after some reads.
        var delay: UInt64?
        var readsLeft = 0

        init(_ text: String) {
            self.text = text
            rule = SpeculationRule(text)
        }
    }

    /// Reads between two looks at a percentile.
    private static let pace = 64
    private static let tablesMax = 1000
    /// So many speculations may come at once after a calm time.
    private static let tokensMax = 20.0

    private let clock: any Clock
    private let options: CoordinatorOptions
    private var tables: [UUID: Table] = [:]
    private var random: SplitMix64
    private var tokens = ReadStatistics.tokensMax
    private let speculations = Atomic<UInt64>(0)
    var scores = ReplicaScores()

    init(clock: any Clock, options: CoordinatorOptions, seed: UInt64) {
        self.clock = clock
        self.options = options
        random = SplitMix64(seed: seed)
    }

    var now: UInt64 { clock.monotonicNanoseconds() }

    /// How many reads have asked another replica. On any thread.
    var speculationCount: UInt64 { speculations.load(ordering: .relaxed) }

    /// A read begins: after how many nanoseconds another replica is to be asked; nil for never.
    func begin(_ schema: TableSchema) -> UInt64? {
        tokens = min(tokens + Double(options.speculationBudget) / 100, ReadStatistics.tokensMax)
        let table = table(schema)
        if table.readsLeft == 0 {
            table.delay = table.rule.delay(table.latencies, unknown: options.speculationDelay)
            table.readsLeft = ReadStatistics.pace
        } else {
            table.readsLeft -= 1
        }
        return table.delay
    }

    private func table(_ schema: TableSchema) -> Table {
        let text = schema.options.speculativeRetry
        if let table = tables[schema.storageID], table.text == text { return table }
        if tables.count > ReadStatistics.tablesMax { tables = [:] }
        let table = Table(text)
        tables[schema.storageID] = table
        return table
    }

    /// A read of a table has ended well after so many nanoseconds.
    func end(_ schema: TableSchema, after nanoseconds: UInt64) {
        tables[schema.storageID]?.latencies.note(nanoseconds)
    }

    /// Whether another replica may be asked: of each hundred reads some at most, so that a cluster that is slow as a whole
    /// doesn't get the more to do.
    func maySpeculate() -> Bool {
        guard tokens >= 1 else { return false }
        tokens -= 1
        speculations.add(1, ordering: .relaxed)
        return true
    }

    func order(_ replicas: inout [Replica], in range: Range<Int>) {
        guard range.count > 1 else { return }
        scores.order(&replicas, in: range, at: now, using: &random)
    }
}
