// SPDX-License-Identifier: Apache-2.0

/// How long a coordinator waits, in nanoseconds.
package struct CoordinatorOptions: Sendable {
    package var readTimeout: UInt64 = 5_000_000_000
    package var rangeTimeout: UInt64 = 10_000_000_000
    package var writeTimeout: UInt64 = 2_000_000_000
    package var casTimeout: UInt64 = 2_000_000_000
    /// After this time without an answer another replica is asked, unless the latencies that were seen say
    /// otherwise.
    package var speculationDelay: UInt64 = 50_000_000
    /// Of how many reads at most another replica is asked, in percent.
    package var speculationBudget = 10

    package init() {}
}
