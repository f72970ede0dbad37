// SPDX-License-Identifier: Apache-2.0

/// How long a coordinator waits, in nanoseconds.
package struct CoordinatorOptions: Sendable {
    package var readTimeout: UInt64 = 5_000_000_000
    package var rangeTimeout: UInt64 = 10_000_000_000
    package var writeTimeout: UInt64 = 2_000_000_000
    package var casTimeout: UInt64 = 2_000_000_000
    /// Stands for a percentile of a table's latencies as long as too few were seen.
    package var speculationDelay: UInt64 = 50_000_000
    /// Of how many reads at most another replica is asked, in percent.
    package var speculationBudget = 10
    /// How many requests of one shard may wait for other nodes: more are refused before anything is done.
    package var inFlightMax = 16_384

    package init() {}
}
